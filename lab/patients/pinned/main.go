// Pinned has a burst of small objects with pointers and keeps one for each span: some megabytes
// of survivors keep all of the burst's spans. With -copy it copies the survivors out first, as it
// should, and the spans become free as a whole.
package main

import (
	"flag"
	"runtime"

	"letgo.lab/truth"
)

// A session is 48 bytes, a size class of the runtime; 170 of them fit into a span of 8 KiB.
type session struct {
	next *session
	name string
	id   [3]uint64
}

const (
	sessionBytes = 48
	perSpan      = 8192 / sessionBytes
)

var sessions []*session

func main() {
	copyOut := flag.Bool("copy", false, "copy the survivors out of the burst")
	p := truth.Start(96)
	total := p.Bytes() / sessionBytes
	all := make([]*session, total)
	for i := range all {
		all[i] = &session{name: "burst", id: [3]uint64{uint64(i)}}
	}
	for i := 0; i < total; i += perSpan {
		kept := all[i]
		if *copyOut {
			own := *kept
			kept = &own
		}
		sessions = append(sessions, kept)
	}
	all = nil
	runtime.GC()
	runtime.GC()
	p.Truth("size", sessionBytes, "objects", len(sessions), "bytes", len(sessions)*sessionBytes,
		"allocated", total, "spans", total/perSpan)
	p.Serve()
	runtime.KeepAlive(sessions)
}
