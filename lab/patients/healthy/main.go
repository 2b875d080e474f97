// Healthy holds what it needs, packed well, with a sane limit and a trickle of work: nothing stands
// out.
package main

import (
	"runtime"
	"runtime/debug"
	"time"

	"letgo.lab/truth"
)

type entry struct {
	next *entry
	key  [5]uint64
}

var (
	live *entry
	sink []byte
)

func main() {
	p := truth.Start(64)
	limit := int64(p.Bytes()) * 4
	debug.SetMemoryLimit(limit)
	objects := p.Bytes() / 48
	for i := 0; i < objects; i++ {
		live = &entry{next: live}
	}
	go func() {
		for range time.Tick(20 * time.Millisecond) {
			sink = make([]byte, 1024)
		}
	}()
	debug.FreeOSMemory()
	p.Truth("objects", objects, "bytes", objects*48, "limit", limit)
	p.Serve()
	runtime.KeepAlive(live)
}
