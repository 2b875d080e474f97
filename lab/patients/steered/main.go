// Steered sets its own GOGC and memory limit when it is told to, and sleeps otherwise.
//
// Commands: percent-N and percent-off (debug.SetGCPercent), limit-NMiB and limit-off
// (debug.SetMemoryLimit), for the N that are listed below.
package main

import (
	"math"
	"runtime"
	"runtime/debug"
	"strconv"

	"letgo.lab/truth"
)

type node struct {
	next *node
	pad  [112]byte
}

var list *node

func main() {
	p := truth.Start(16)
	for i := 0; i < p.Bytes()/128; i++ {
		list = &node{next: list}
	}
	for _, percent := range []int{20, 50, 100, 400} {
		p.On("percent-"+strconv.Itoa(percent), func(percent int) func() {
			return func() { debug.SetGCPercent(percent) }
		}(percent))
	}
	p.On("percent-off", func() { debug.SetGCPercent(-1) })
	for _, mib := range []int64{256, 1024} {
		p.On("limit-"+strconv.FormatInt(mib, 10)+"MiB", func(limit int64) func() {
			return func() { debug.SetMemoryLimit(limit) }
		}(mib<<20))
	}
	p.On("limit-off", func() { debug.SetMemoryLimit(math.MaxInt64) })
	runtime.GC()
	p.Truth("objects", p.Bytes()/128)
	p.Serve()
}
