// Idle had a burst, dropped it, and keeps its headroom: GOGC=400 and no memory limit, so that the
// background scavenger retains what the last cycle used and returns nothing.
package main

import (
	"os"
	"runtime"
	"runtime/debug"

	"letgo.lab/truth"
)

var (
	live  [][]byte
	burst [][]byte
)

func fill(bytes, piece int) [][]byte {
	var kept [][]byte
	for done := 0; done < bytes; done += piece {
		b := make([]byte, piece)
		for i := 0; i < len(b); i += 512 {
			b[i] = 1
		}
		kept = append(kept, b)
	}
	return kept
}

func main() {
	p := truth.Start(256)
	gogc := 0
	if os.Getenv("GOGC") == "" {
		gogc = 400
		debug.SetGCPercent(gogc)
	}
	live = fill(p.Bytes()/5, 16<<10)
	runtime.GC()
	burst = fill(p.Bytes()*3/5, 64<<10)
	burst = nil
	runtime.GC()
	p.Truth("live_bytes", p.Bytes()/5, "burst_bytes", p.Bytes()*3/5, "gogc_set", gogc)
	p.Serve()
}
