// Heap fills -mib with small objects of many sizes, all in spans of one runtime page, so that 4 GiB
// are half a million spans; every page is touched, and -every leaves one free slot in so many.
//
// For benchmarks: the size that letgo's budgets are stated for.
package main

import (
	"flag"
	"runtime"
	"runtime/debug"

	"letgo.lab/truth"
)

// node is an object with a pointer; nodes of one size hang on lists.
type node[Rest any] struct {
	next *node[Rest]
	rest Rest
}

// list holds objects of one size.
type list interface {
	// add makes so many objects and answers their bytes.
	add(count int) int
	// thin drops one object in every so many and answers the bytes that went.
	thin(every int) (objects, bytes int)
}

// lists is how many chains a size has, so that a GC can mark them side by side.
const lists = 4096

type chains[Rest any] struct {
	size  int
	heads [lists]*node[Rest]
}

func (c *chains[Rest]) add(count int) int {
	for i := 0; i < count; i++ {
		head := &c.heads[i%lists]
		*head = &node[Rest]{next: *head}
	}
	return count * c.size
}

func (c *chains[Rest]) thin(every int) (objects, bytes int) {
	seen := 0
	for i := range c.heads {
		for link := &c.heads[i]; *link != nil; seen++ {
			if seen%every == every-1 {
				*link = (*link).next
				objects++
				continue
			}
			link = &(*link).next
		}
	}
	return objects, objects * c.size
}

// leaves are objects without pointers, held by a slice each thousand.
type leaves struct {
	size int
	held [][][]byte
}

func (l *leaves) add(count int) int {
	for made := 0; made+1000 <= count; made += 1000 {
		some := make([][]byte, 1000)
		for i := range some {
			some[i] = make([]byte, l.size)
			some[i][0] = 1
		}
		l.held = append(l.held, some)
	}
	return len(l.held) * 1000 * l.size
}

func (l *leaves) thin(every int) (objects, bytes int) {
	seen := 0
	for _, some := range l.held {
		for i := range some {
			if seen++; seen%every == 0 {
				some[i] = nil
				objects++
			}
		}
	}
	return objects, objects * l.size
}

func main() {
	every := flag.Int("every", 8, "drop one object of so many afterwards (0: none)")
	p := truth.Start(4096)
	// No collection on the way: it would sweep and mark what is built only to be kept.
	percent := debug.SetGCPercent(-1)
	all := []list{
		&chains[[3]uint64]{size: 32},
		&chains[[7]uint64]{size: 64},
		&chains[[11]uint64]{size: 96},
		&chains[[31]uint64]{size: 256},
		&chains[[63]uint64]{size: 512},
		&leaves{size: 64},
		&leaves{size: 144},
		&leaves{size: 1024},
	}
	sizes := []int{32, 64, 96, 256, 512, 64, 144, 1024}
	objects, bytes := 0, 0
	for i, l := range all {
		count := p.Bytes() / len(all) / sizes[i] / 1000 * 1000
		objects += count
		bytes += l.add(count)
	}
	if *every > 0 {
		for _, l := range all {
			o, b := l.thin(*every)
			objects -= o
			bytes -= b
		}
	}
	debug.SetGCPercent(percent)
	runtime.GC()
	runtime.GC()
	p.Truth("objects_about", objects, "bytes_about", bytes)
	p.Serve()
	runtime.KeepAlive(all)
}
