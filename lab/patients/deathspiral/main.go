// Deathspiral has a memory limit just above what it holds, and keeps allocating: the collector runs
// without pause and frees almost nothing.
package main

import (
	"flag"
	"runtime"
	"runtime/debug"
	"time"

	"letgo.lab/truth"
)

type node struct {
	left, right *node
	pad         [4]uint64
}

var (
	live []*node
	sink []byte
)

func main() {
	margin := flag.Int("margin", 6, "MiB between what is mapped and the limit")
	p := truth.Start(96)
	for i := 0; i < p.Bytes()/48; i++ {
		n := &node{}
		if i > 0 {
			n.left = live[i/2]
		}
		live = append(live, n)
	}
	runtime.GC()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	limit := int64(m.Sys-m.HeapReleased) + int64(*margin)<<20
	debug.SetMemoryLimit(limit)
	go func() {
		for i := 0; ; i++ {
			sink = make([]byte, 2048)
		}
	}()
	time.Sleep(500 * time.Millisecond)
	p.Truth("limit", limit, "live_bytes_about", p.Bytes()*7/6)
	p.Serve()
	runtime.KeepAlive(live)
}
