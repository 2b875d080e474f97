// Gcoff turned the garbage collector off, without a memory limit, and piles up garbage.
package main

import (
	"runtime/debug"

	"letgo.lab/truth"
)

var (
	live [][]byte
	sink []byte
)

func main() {
	p := truth.Start(128)
	debug.SetGCPercent(-1)
	for i := 0; i < 64; i++ {
		live = append(live, make([]byte, 64<<10))
	}
	garbage := 0
	for ; garbage < p.Bytes(); garbage += 4096 {
		sink = make([]byte, 4096)
		sink[0] = 1
	}
	p.Truth("live_bytes", 64*64<<10, "garbage_bytes", garbage)
	p.Serve()
}
