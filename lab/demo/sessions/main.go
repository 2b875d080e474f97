// Sessions is a small session store over HTTP, of the kind that runs everywhere: a map behind a
// mutex, a watcher goroutine a session, a sweep of expired ones.
//
//	POST /sessions?id=ID&ttl=DURATION   store the JSON body; without ttl it stays
//	GET  /sessions?id=ID                the session, rendered
//	GET  /stats                         sessions and collections, as JSON
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"time"
)

type session struct {
	ID      string
	Values  map[string]string
	History []string
	expires time.Time
	closed  chan struct{}
}

type store struct {
	mutex    sync.Mutex
	sessions map[string]*session
}

func (s *store) put(id string, values map[string]string, ttl time.Duration) {
	fresh := &session{ID: id, Values: values, closed: make(chan struct{})}
	for i := 0; i < 64; i++ {
		fresh.History = append(fresh.History, fmt.Sprintf("%s visited /page/%d at %s", id, i, time.Now()))
	}
	if ttl > 0 {
		fresh.expires = time.Now().Add(ttl)
	}
	s.mutex.Lock()
	old := s.sessions[id]
	s.sessions[id] = fresh
	s.mutex.Unlock()
	if old != nil {
		close(old.closed)
	}
	go fresh.watch()
}

// watch would push changes to the client; here it only waits for the end.
func (s *session) watch() {
	<-s.closed
}

func (s *store) get(id string) *session {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.sessions[id]
}

func (s *store) sweep() {
	for range time.Tick(200 * time.Millisecond) {
		now := time.Now()
		s.mutex.Lock()
		for id, one := range s.sessions {
			if !one.expires.IsZero() && one.expires.Before(now) {
				delete(s.sessions, id)
				close(one.closed)
			}
		}
		s.mutex.Unlock()
	}
}

func (s *store) serve(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("id")
	if r.Method == http.MethodGet {
		if one := s.get(id); one != nil {
			json.NewEncoder(w).Encode(one)
			return
		}
		http.NotFound(w, r)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	values := map[string]string{}
	if err == nil {
		err = json.Unmarshal(body, &values)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ttl, _ := time.ParseDuration(r.URL.Query().Get("ttl"))
	s.put(id, values, ttl)
	w.WriteHeader(http.StatusCreated)
}

func (s *store) stats(w http.ResponseWriter, _ *http.Request) {
	var gc debug.GCStats
	debug.ReadGCStats(&gc)
	s.mutex.Lock()
	count := len(s.sessions)
	s.mutex.Unlock()
	json.NewEncoder(w).Encode(map[string]int64{"sessions": int64(count), "collections": gc.NumGC})
}

func main() {
	address := flag.String("listen", "127.0.0.1:0", "address to listen on")
	minutes := flag.Int("minutes", 10, "exit after so many minutes in any case")
	flag.Parse()
	time.AfterFunc(time.Duration(*minutes)*time.Minute, func() { os.Exit(0) })
	s := &store{sessions: map[string]*session{}}
	go s.sweep()
	mux := http.NewServeMux()
	mux.HandleFunc("/sessions", s.serve)
	mux.HandleFunc("/stats", s.stats)
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr())
	log.Fatal(http.Serve(listener, mux))
}
