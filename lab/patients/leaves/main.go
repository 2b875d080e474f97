// Leaves holds 4,000,000 objects through 20,000 slices of 200 pointers each, and prints where the
// slice of all slices lies.
//
// The slices are larger than objects whose bitmap lies in their span: a reader that gets these
// wrong finds the slices and none of the leaves.
package main

import (
	"runtime"
	"unsafe"

	"letgo.lab/truth"
)

type leaf struct {
	a, b uint64
	p    *leaf
}

const (
	slices = 20000
	each   = 200
)

var all [][]*leaf

func main() {
	p := truth.Start(0)
	all = make([][]*leaf, slices)
	for i := range all {
		all[i] = make([]*leaf, each)
		for j := range all[i] {
			all[i][j] = &leaf{a: uint64(i), b: uint64(j)}
		}
	}
	runtime.GC()
	p.Truth("slices", slices, "leaves", slices*each, "at", uint64(uintptr(unsafe.Pointer(&all[0]))))
	p.Serve()
}
