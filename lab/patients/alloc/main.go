// Alloc never rests: workers allocate as fast as they can and keep a sliding window, start and end
// goroutines, and fill maps anew. It is the running target.
//
// Commands: pause, go.
package main

import (
	"flag"
	"runtime"
	"sync"
	"sync/atomic"

	"letgo.lab/truth"
)

type item struct {
	next *item
	data []byte
	tags map[int]string
}

var (
	rounds uint64
	gate   sync.RWMutex
)

func worker(id, window int) {
	ring := make([]*item, window)
	for i := 0; ; i++ {
		gate.RLock()
		it := &item{next: ring[(i+window/2)%window], data: make([]byte, 16+(i*61+id)%4000)}
		it.next = nil
		if i%16 == 0 {
			it.tags = map[int]string{i: "a", i + 1: "b"}
		}
		if i%4096 == 0 {
			it.data = make([]byte, 200<<10)
		}
		if i%64 == 0 {
			var wait sync.WaitGroup
			wait.Add(1)
			go func() { defer wait.Done(); grow(20) }()
			wait.Wait()
		}
		ring[i%window] = it
		atomic.AddUint64(&rounds, 1)
		gate.RUnlock()
	}
}

// grow makes the goroutine's stack grow.
//
//go:noinline
func grow(depth int) int {
	var pad [512]byte
	pad[depth%512] = 1
	if depth == 0 {
		return int(pad[0])
	}
	return grow(depth-1) + int(pad[1])
}

func main() {
	workers := flag.Int("workers", 2, "goroutines that allocate")
	p := truth.Start(64)
	for w := 0; w < *workers; w++ {
		go worker(w, p.Bytes() / *workers / 2300)
	}
	for atomic.LoadUint64(&rounds) < 1000 {
		runtime.Gosched()
	}
	p.On("pause", gate.Lock)
	p.On("go", gate.Unlock)
	p.Truth("workers", *workers)
	p.Serve()
}
