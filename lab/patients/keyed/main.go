// Keyed holds -n records by name, half of them in a slice and half in a map: three objects each, a
// struct with pointers, its key, and 100 to 999 bytes that are written, so that they are resident.
//
// For races: at -n 4000000 it is 12 million objects in 2.6 GB, and idles. With -measured it collects
// garbage between the halves and tells what each of them keeps alive.
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
	measured := flag.Bool("measured", false, "tell what each half keeps alive")
	p := truth.Start(0)
	// Collected more rarely while it is built, and as any program afterwards.
	percent := debug.SetGCPercent(400)
	before := live(*measured)
	for i := 0; i < *count; i += 2 {
		listed = append(listed, fresh(i))
	}
	between := live(*measured)
	for i := 1; i < *count; i += 2 {
		r := fresh(i)
		byName[r.key] = r
	}
	after := live(*measured)
	debug.SetGCPercent(percent)
	runtime.GC()
	runtime.GC()
	p.Truth("records", *count, "listed_about", between-before, "by_name_about", after-between)
	p.Serve()
	runtime.KeepAlive(listed)
	runtime.KeepAlive(byName)
}

func fresh(i int) *record {
	r := &record{key: "key" + strconv.Itoa(i), val: make([]byte, 100+i%900)}
	for j := range r.val {
		r.val[j] = byte(i)
	}
	return r
}

// live is HeapAlloc right after a collection: all that is reachable, where nobody allocates.
func live(measured bool) uint64 {
	if !measured {
		return 0
	}
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
