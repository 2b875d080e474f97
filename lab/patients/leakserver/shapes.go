package main

import (
	"context"
	"io"
	"net/http"
	"runtime"
	"sync"
)

// A shape is a handler, how it is asked, and what each request leaves behind, by function.
type shape struct {
	class   string
	handler http.HandlerFunc
	ask     func(client *http.Client, url string) error
	leaves  map[string]int
}

var shapes = map[string]shape{
	"async":   {"leaked", async, post, map[string]int{"main.processAsync": 1}},
	"late":    {"leaked", late, post, map[string]int{"main.query": 1}},
	"first":   {"leaked", first, post, map[string]int{"main.replica": 3}},
	"piped":   {"leaked", piped, post, map[string]int{"main.encode": 1}},
	"session": {"leaked", session, post, map[string]int{"main.touch": 1}},
	"fanout":  {"leaked", fanout, post, map[string]int{"main.gather": 1}},
	"stream":  {"leaked", stream, leave, map[string]int{"main.produce": 1}},
	"timeout": {"leaked", timeout, post, map[string]int{"main.watch": 1}},
	"hub":     {"stuck", subscribe, post, map[string]int{"main.subscriber": 1}},
}

// Shapes that are asked for by name alone: what they leave is net/http's own, which the roll cannot
// know. Of each request there remain a readLoop and a writeLoop, and with -fixed one of each for
// each connection that waits to be used again.
var named = map[string]shape{
	"body": {"either", body, post, nil},
}

// upstream is what the handlers of body ask.
var upstream = &http.Client{Transport: &http.Transport{}}

// body asks another server, here itself, and does not close the body of the answer: the connection
// is neither used again nor closed, since for all that the transport knows somebody still reads.
func body(w http.ResponseWriter, r *http.Request) {
	answer, err := upstream.Get("http://" + r.Host + "/upstream")
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	if *fixed {
		io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
	}
	w.WriteHeader(answer.StatusCode)
}

func answer(w http.ResponseWriter, r *http.Request) {
	w.Write(make([]byte, 2<<10))
}

// user is what a request's context carries.
type user struct {
	name string
	data []byte
}

type userKey struct{}

func withUser(ctx context.Context) context.Context {
	return context.WithValue(ctx, userKey{}, &user{"user", make([]byte, 16<<10)})
}

// async gives the context and the body of its request to a goroutine that outlives both, and waits
// for somebody who does not exist.
func async(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	results := make(chan int)
	go processAsync(withUser(r.Context()), body, results)
	w.WriteHeader(http.StatusAccepted)
}

//go:noinline
func processAsync(ctx context.Context, body []byte, results chan int) {
	var ended <-chan struct{}
	if *fixed {
		ended = ctx.Done()
	}
	roll.Here()
	select {
	case results <- len(body):
	case <-ended:
	}
	roll.Ran()
	runtime.KeepAlive(ctx)
	runtime.KeepAlive(body)
}

// late does not wait for a query longer than its patience; the query then has nobody to answer.
func late(w http.ResponseWriter, r *http.Request) {
	answers := make(chan []byte, room(1))
	over := make(chan struct{})
	go query(answers, over)
	select {
	case <-gone():
		close(over)
	case <-r.Context().Done():
	}
	w.WriteHeader(http.StatusRequestTimeout)
}

// room is a buffer for those who are not waited for, in a handler without a leak.
func room(size int) int {
	if *fixed {
		return size
	}
	return 0
}

//go:noinline
func query(answers chan []byte, over chan struct{}) {
	rows := make([]byte, 32<<10)
	<-over
	roll.Here()
	answers <- rows
	roll.Ran()
}

// first asks four replicas and takes the first answer; the others come later, and to nobody.
func first(w http.ResponseWriter, r *http.Request) {
	answers, won := make(chan int, room(4)), make(chan struct{})
	for i := 0; i < 3; i++ {
		go replica(answers, won)
	}
	go fast(answers)
	<-answers
	close(won)
	w.WriteHeader(http.StatusOK)
}

func fast(answers chan int) { answers <- 0 }

//go:noinline
func replica(answers chan int, won chan struct{}) {
	<-won
	roll.Here()
	answers <- 1
	roll.Ran()
}

// piped encodes into a pipe, of which it reads the beginning alone.
func piped(w http.ResponseWriter, r *http.Request) {
	reader, writer := io.Pipe()
	go encode(writer)
	var start [16]byte
	reader.Read(start[:])
	if *fixed {
		reader.Close()
	}
	w.Write(start[:])
}

//go:noinline
func encode(writer *io.PipeWriter) {
	roll.Here()
	writer.Write(make([]byte, 8<<10))
	roll.Ran()
	writer.Close()
}

// entry is a session of which the handler forgets to unlock the mutex when it fails.
type entry struct {
	sync.Mutex
	data [2048]byte
}

func session(w http.ResponseWriter, r *http.Request) {
	e := &entry{}
	e.Lock()
	go touch(e)
	if *fixed {
		defer e.Unlock()
	}
	w.WriteHeader(http.StatusBadRequest)
}

//go:noinline
func touch(e *entry) {
	roll.Here()
	e.Lock()
	roll.Ran()
	e.Unlock()
}

// fanout starts three parts and gathers them, but one fails without saying that it is done.
func fanout(w http.ResponseWriter, r *http.Request) {
	var parts sync.WaitGroup
	answer := make(chan int, 1)
	parts.Add(3)
	for i := 0; i < 3; i++ {
		go part(&parts, i == 1 && !*fixed)
	}
	go gather(&parts, answer)
	<-gone()
	w.WriteHeader(http.StatusOK)
}

func part(parts *sync.WaitGroup, fails bool) {
	if !fails {
		parts.Done()
	}
}

//go:noinline
func gather(parts *sync.WaitGroup, answer chan int) {
	roll.Here()
	parts.Wait()
	roll.Ran()
	answer <- 1
}

// stream sends what another produces, until its client goes away.
func stream(w http.ResponseWriter, r *http.Request) {
	chunks := make(chan []byte)
	ended := make(chan struct{})
	go produce(chunks, ended)
	w.Write(<-chunks)
	w.(http.Flusher).Flush()
	<-r.Context().Done()
	if *fixed {
		close(ended)
	}
}

//go:noinline
func produce(chunks chan []byte, ended chan struct{}) {
	chunks <- make([]byte, 4<<10)
	roll.Here()
	select {
	case chunks <- make([]byte, 4<<10):
	case <-ended:
	}
	roll.Ran()
}

// timeout watches a context of its own that it forgets to cancel.
func timeout(w http.ResponseWriter, r *http.Request) {
	j := &job{}
	j.ctx, j.cancel = context.WithCancel(withUser(context.Background()))
	go watch(j.ctx)
	if *fixed {
		defer j.cancel()
	}
	w.WriteHeader(http.StatusOK)
}

type job struct {
	ctx    context.Context
	cancel context.CancelFunc
}

//go:noinline
func watch(ctx context.Context) {
	roll.Here()
	<-ctx.Done()
	roll.Ran()
}

// hub knows every subscriber, and is never told that one has gone.
var hub struct {
	sync.Mutex
	subscribers []chan string
}

// subscribe makes a subscriber whom nobody will ever tell anything. The hub can be reached, and so
// no verdict can be that the subscriber never runs again.
func subscribe(w http.ResponseWriter, r *http.Request) {
	ch := make(chan string)
	go subscriber(ch)
	if *fixed {
		close(ch)
	} else {
		hub.Lock()
		hub.subscribers = append(hub.subscribers, ch)
		hub.Unlock()
	}
	w.WriteHeader(http.StatusOK)
}

//go:noinline
func subscriber(ch chan string) {
	roll.Here()
	<-ch
	roll.Ran()
}
