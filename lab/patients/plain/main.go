// Plain keeps some of everything: small objects with and without pointers, large ones, slices of
// pointers, maps and strings; a third was dropped and collected before it says ready.
//
// Commands: drop (another third is dropped, not collected).
package main

import (
	"fmt"
	"runtime"

	"letgo.lab/truth"
)

type node struct {
	next  *node
	value [3]uint64
}

type wide struct {
	left, right *wide
	bytes       []byte
	pad         [20]uint64
}

type group struct {
	nodes  *node
	wides  []*wide
	small  [][]byte
	large  []byte
	byName map[string]*node
	byID   map[int]int
	names  []string
}

var groups []*group

// build makes about one MiB of mixed objects and counts what it asked for.
func build(seed int) (g *group, objects, bytes int) {
	g = &group{byName: map[string]*node{}, byID: map[int]int{}}
	for i := 0; i < 4000; i++ {
		g.nodes = &node{next: g.nodes, value: [3]uint64{uint64(seed), uint64(i), 1}}
		bytes += 32
	}
	for i := 0; i < 600; i++ {
		w := &wide{bytes: make([]byte, 40+i%200)}
		if i > 0 {
			w.left = g.wides[i-1]
		}
		g.wides = append(g.wides, w)
		bytes += 200 + 40 + i%200
	}
	for i := 0; i < 500; i++ {
		b := make([]byte, 8+(i*37+seed*11)%1500)
		b[0] = byte(i)
		g.small = append(g.small, b)
		bytes += len(b)
	}
	g.large = make([]byte, 100<<10+(seed%7)*40000)
	for i := range g.large {
		g.large[i] = byte(i)
	}
	bytes += len(g.large)
	for i, n := 0, g.nodes; i < 500; i, n = i+1, n.next {
		name := fmt.Sprintf("group-%d-name-%d", seed, i)
		g.byName[name] = n
		g.byID[i] = seed
		g.names = append(g.names, name)
		bytes += len(name)
	}
	return g, 4000 + 1200 + 500 + 1 + 500, bytes
}

func drop(keep func(int) bool) {
	for i := range groups {
		if !keep(i) {
			groups[i] = nil
		}
	}
}

func main() {
	p := truth.Start(192)
	groups = make([]*group, p.Bytes()>>20)
	objects, bytes := 0, 0
	for i := range groups {
		g, o, b := build(i)
		groups[i] = g
		if i%3 != 0 {
			objects += o
			bytes += b
		}
	}
	park := make(chan bool)
	for i := 0; i < 100; i++ {
		go func() { <-park }()
	}
	drop(func(i int) bool { return i%3 != 0 })
	runtime.GC()
	runtime.GC()
	p.Truth("objects_about", objects, "bytes_about", bytes, "goroutines_parked", 100)
	p.On("drop", func() { drop(func(i int) bool { return i%3 == 2 }) })
	p.Serve()
}
