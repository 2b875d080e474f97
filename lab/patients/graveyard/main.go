// Graveyard once had many goroutines at the same time; all have ended, and allgs keeps every one.
package main

import (
	"flag"
	"runtime"
	"sync"
	"time"

	"letgo.lab/truth"
)

func main() {
	count := flag.Int("n", 100000, "goroutines that lived at the same time")
	p := truth.Start(0)
	park := make(chan bool)
	var started, ended sync.WaitGroup
	started.Add(*count)
	ended.Add(*count)
	for i := 0; i < *count; i++ {
		go func() {
			started.Done()
			<-park
			ended.Done()
		}()
	}
	started.Wait()
	close(park)
	ended.Wait()
	time.Sleep(50 * time.Millisecond)
	runtime.GC()
	runtime.GC()
	p.Truth("ended", *count)
	p.Serve()
}
