// Twice holds -both records by two variables and -own by the second of them alone.
package main

import (
	"flag"
	"runtime"

	"letgo.lab/truth"
)

type record struct {
	next *record
	body [56]byte
}

var first, second []*record

func main() {
	both := flag.Int("both", 500, "records that two variables hold")
	own := flag.Int("own", 40, "records that one variable holds")
	p := truth.Start(0)
	for i := 0; i < *both; i++ {
		r := &record{}
		first = append(first, r)
		second = append(second, r)
	}
	for i := 0; i < *own; i++ {
		second = append(second, &record{})
	}
	runtime.GC()
	runtime.GC()
	p.Truth("both", *both, "own", *own)
	p.Serve()
	runtime.KeepAlive(first)
	runtime.KeepAlive(second)
}
