// Buckets samples every allocation, from very many call stacks: the memory profile itself is large.
package main

import (
	"flag"
	"runtime"

	"letgo.lab/truth"
)

var kept [][]byte

//go:noinline
func left(path, depth uint) {
	step(path, depth)
}

//go:noinline
func right(path, depth uint) {
	step(path, depth)
}

// step takes one of two ways at each depth, so that each path is a stack of its own.
//
//go:noinline
func step(path, depth uint) {
	if depth == 0 {
		kept = append(kept, make([]byte, 64))
		return
	}
	if path&1 == 0 {
		left(path>>1, depth-1)
	} else {
		right(path>>1, depth-1)
	}
}

func init() {
	runtime.MemProfileRate = 1
}

func main() {
	depth := flag.Uint("depth", 13, "two to this many stacks; at most 14, since the runtime keeps 32 frames")
	p := truth.Start(0)
	for path := uint(0); path < 1<<*depth; path++ {
		left(path, *depth)
	}
	runtime.MemProfileRate = 0
	runtime.GC()
	runtime.GC()
	runtime.GC()
	n, _ := runtime.MemProfile(nil, true)
	p.Truth("paths", 1<<*depth, "mem_profile_records", n)
	p.Serve()
	runtime.KeepAlive(kept)
}
