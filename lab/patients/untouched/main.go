// Untouched asked for memory that it never wrote to: in use for the runtime, not resident.
package main

import (
	"runtime"

	"letgo.lab/truth"
)

func main() {
	p := truth.Start(512)
	ring := make([]byte, p.Bytes())
	touched := len(ring) / 64
	for i := 0; i < touched; i += 4096 {
		ring[i] = 1
	}
	runtime.GC()
	p.Truth("asked_bytes", len(ring), "touched_bytes", touched)
	p.Serve()
	runtime.KeepAlive(ring)
}
