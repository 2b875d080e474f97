// Subscribers wait for messages, and the hub that has all of them in a global map never drops one:
// a leak that nothing proves, since each can still be reached. New ones come at a steady rate, from
// the command go on. With -fixed as many go as come.
package main

import (
	"flag"
	"runtime"
	"sync"
	"time"

	"letgo.lab/truth"
)

// tick is the time between two turns, in each of which some come.
const tick = 10 * time.Millisecond

var (
	count = flag.Int("n", 2000, "subscribers at the start")
	each  = flag.Int("each", 4, "subscribers that come every 10 ms")
	fixed = flag.Bool("fixed", false, "as many go as come")
)

var hub = struct {
	sync.Mutex
	first, next int
	subscribers map[int]chan string
}{subscribers: map[int]chan string{}}

//go:noinline
func subscribe(ready *sync.WaitGroup) {
	ch := make(chan string)
	hub.Lock()
	hub.subscribers[hub.next] = ch
	hub.next++
	hub.Unlock()
	ready.Add(1)
	go subscriber(ch, ready)
	ready.Wait()
}

//go:noinline
func subscriber(ch chan string, ready *sync.WaitGroup) {
	backlog := make([]byte, 16<<10)
	for i := range backlog {
		backlog[i] = 1
	}
	ready.Done()
	<-ch
	runtime.KeepAlive(backlog)
}

// unsubscribe lets the one go that has been there longest.
func unsubscribe() {
	hub.Lock()
	defer hub.Unlock()
	close(hub.subscribers[hub.first])
	delete(hub.subscribers, hub.first)
	hub.first++
}

func main() {
	p := truth.Start(0)
	var ready sync.WaitGroup
	for i := 0; i < *count; i++ {
		subscribe(&ready)
	}
	// What the first GC sees has no time yet.
	runtime.GC()
	runtime.GC()
	p.Truth("subscribers", *count)
	p.On("go", func() {
		go func() {
			var ready sync.WaitGroup
			for range time.Tick(tick) {
				for i := 0; i < *each; i++ {
					subscribe(&ready)
					if *fixed {
						unsubscribe()
					}
				}
			}
		}()
	})
	p.Serve()
}
