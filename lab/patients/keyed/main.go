// Keyed holds -n records by name, half of them in a slice and half in a map: three objects each, a
// struct with pointers, its key, and 100 to 999 bytes that are written, so that they are resident.
//
// For races: at -n 4000000 it is 12 million objects in 2.6 GB, and idles.
package main

import (
	"flag"
	"runtime"
	"runtime/debug"
	"strconv"

	"letgo.lab/truth"
)

type record struct {
	next *record
	key  string
	val  []byte
}

var (
	listed []*record
	byName = map[string]*record{}
)

func main() {
	count := flag.Int("n", 500_000, "records")
	p := truth.Start(0)
	// Collected more rarely while it is built, and as any program afterwards.
	percent := debug.SetGCPercent(400)
	for i := 0; i < *count; i++ {
		r := &record{key: "key" + strconv.Itoa(i), val: make([]byte, 100+i%900)}
		for j := range r.val {
			r.val[j] = byte(i)
		}
		if i%2 == 0 {
			listed = append(listed, r)
		} else {
			byName[r.key] = r
		}
	}
	debug.SetGCPercent(percent)
	runtime.GC()
	runtime.GC()
	p.Truth("records", *count)
	p.Serve()
	runtime.KeepAlive(listed)
	runtime.KeepAlive(byName)
}
