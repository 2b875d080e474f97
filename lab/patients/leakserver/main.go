// Leakserver is an HTTP server on loopback that asks itself: what handlers leave behind, which is
// how goroutines are lost in practice.
//
// Arguments are names of shapes (see shapes.go), none for all but those that go by name alone. Each is asked -requests times, by
// -clients at a time, with -http2 by HTTP/2 over TLS. With -fixed the handlers do as they should, and nobody
// is left. What is true is told by function, see truth.Roll. Commands:
//
//	more     asks once more as often, and tells the roll again
//	profile  writes the profile goroutineleak (debug=2) to the file of -profile (Go 1.27 and later)
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sort"
	"strings"
	"sync"
	"time"

	"letgo.lab/truth"
	"letgo.lab/truth/leakprofile"
)

var (
	roll     truth.Roll
	requests = flag.Int("requests", 40, "requests of each shape")
	clients  = flag.Int("clients", 8, "requests at a time")
	fixed    = flag.Bool("fixed", false, "handlers without a leak")
	http2    = flag.Bool("http2", false, "HTTP/2")
	profile  = flag.String("profile", "", "where the command profile writes")
)

func main() {
	p := truth.Start(0)
	names := flag.Args()
	if len(names) == 0 {
		for name := range shapes {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	mux := http.NewServeMux()
	for _, name := range names {
		one, known := find(name)
		if !known {
			p.Fail("no such shape: " + name)
		}
		mux.HandleFunc("/"+name, one.handler)
	}
	mux.HandleFunc("/upstream", answer)
	server := httptest.NewUnstartedServer(mux)
	if server.EnableHTTP2 = *http2; *http2 {
		server.StartTLS()
	} else {
		server.Start()
	}
	address, err := url.Parse(server.URL)
	if err != nil {
		p.Fail(err.Error())
	}
	transport := server.Client().Transport.(*http.Transport)
	transport.MaxIdleConnsPerHost = *clients
	more := func() {
		for _, name := range names {
			if failed := ask(transport, server.URL, name); failed > 0 {
				p.Fail(fmt.Sprint(failed, " requests failed: ", name))
			}
		}
		if *fixed {
			roll.Woken("leaked")
		}
		roll.Settle()
		roll.Tell(p)
	}
	more()
	p.Truth("port", address.Port(), "requests", *requests,
		"shapes", strings.Join(names, ","))
	p.On("more", more)
	p.On("profile", func() { leakprofile.Write(p, *profile) })
	p.Serve()
}

func find(name string) (one shape, known bool) {
	if one, known = shapes[name]; !known {
		one, known = named[name]
	}
	return one, known
}

// ask sends the requests of one shape; how many had no good answer.
func ask(transport *http.Transport, address, name string) (failed int) {
	one, _ := find(name)
	for function, each := range one.leaves {
		roll.Expect(one.class, function, each**requests)
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	var mutex sync.Mutex
	var all sync.WaitGroup
	turns := make(chan int)
	for i := 0; i < *clients; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			for range turns {
				if err := one.ask(client, address+"/"+name); err != nil {
					mutex.Lock()
					failed++
					mutex.Unlock()
				}
			}
		}()
	}
	for i := 0; i < *requests; i++ {
		turns <- i
	}
	close(turns)
	all.Wait()
	return failed
}

// post is a request with a body, whose answer is read to its end.
func post(client *http.Client, url string) error {
	body := strings.NewReader(strings.Repeat("body ", 4000))
	answer, err := client.Post(url, "text/plain", body)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode >= http.StatusInternalServerError {
		return fmt.Errorf("status %d", answer.StatusCode)
	}
	return nil
}

// leave is a request whose client goes away once the handler works on it.
func leave(client *http.Client, url string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	// The header has come, the rest would come for ever.
	cancel()
	return answer.Body.Close()
}

// gone says that the patience of a handler is over.
func gone() <-chan struct{} {
	over := make(chan struct{})
	time.AfterFunc(time.Millisecond, func() { close(over) })
	return over
}
