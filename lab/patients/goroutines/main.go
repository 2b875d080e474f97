// Goroutines has many that are parked on one channel, and a few on other things.
package main

import (
	"flag"
	"runtime"
	"sync"
	"time"

	"letgo.lab/truth"
)

//go:noinline
func deep(depth int, park chan bool, started *sync.WaitGroup) int {
	var pad [256]byte
	pad[depth%256] = 1
	if depth == 0 {
		started.Done()
		<-park
		return int(pad[0])
	}
	return deep(depth-1, park, started) + int(pad[1])
}

func main() {
	count := flag.Int("n", 100000, "goroutines parked in a chan receive")
	p := truth.Start(0)
	park := make(chan bool)
	var started sync.WaitGroup
	started.Add(*count + 100)
	for i := 0; i < *count; i++ {
		go func() {
			started.Done()
			<-park
		}()
	}
	for i := 0; i < 100; i++ {
		go deep(200, park, &started)
	}
	var never sync.Mutex
	never.Lock()
	for i := 0; i < 10; i++ {
		go never.Lock()
		go time.Sleep(time.Hour)
		go func() { select {} }()
	}
	started.Wait()
	time.Sleep(50 * time.Millisecond)
	p.Truth("chan_receive", *count+100, "deep", 100, "mutex", 10, "sleep", 10, "select", 10)
	p.Serve()
	runtime.KeepAlive(park)
}
