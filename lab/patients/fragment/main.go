// Fragment allocates objects of one size and keeps one of N: every span stays in use, nearly empty.
package main

import (
	"flag"
	"runtime"

	"letgo.lab/truth"
)

var kept [][]byte

func main() {
	size := flag.Int("size", 256, "bytes an object; a size class of the runtime")
	every := flag.Int("every", 16, "keep one of so many")
	p := truth.Start(128)
	total := p.Bytes() / *size
	all := make([][]byte, total)
	for i := range all {
		all[i] = make([]byte, *size)
		all[i][0] = 1
		all[i][*size-1] = 1
	}
	for i := 0; i < total; i += *every {
		kept = append(kept, all[i])
	}
	all = nil
	runtime.GC()
	runtime.GC()
	p.Truth("size", *size, "objects", len(kept), "bytes", len(kept)**size, "allocated", total)
	p.Serve()
	runtime.KeepAlive(kept)
}
