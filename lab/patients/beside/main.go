// Beside holds memory by variables of several words, by values that the compiler laid out beside
// the variables, and by goroutines of one function: so that no object holds it alone. It tells what
// each of them keeps alive.
package main

import (
	"flag"
	"runtime"

	"letgo.lab/truth"
)

type node struct {
	next *node
	val  []byte
}

type store struct {
	limit  int
	first  *node
	byName map[int]*node
}

func (s *store) fill(count int) {
	s.byName = map[int]*node{}
	for i := 0; i < count; i++ {
		n := &node{next: s.first, val: make([]byte, 300)}
		for j := range n.val {
			n.val[j] = byte(i)
		}
		s.first = n
		s.byName[i] = n
	}
}

type outer struct {
	name  string
	inner *store
}

var (
	byValue store
	laidOut = &store{limit: 1}
	deep    = &outer{name: "deep", inner: &store{limit: 2}}
	// Of what two lead to neither holds it.
	one   = &store{limit: 3}
	other = one
)

const keepers = 7

var forever = make(chan bool)

// keep holds a mebibyte on its stack alone, and waits for good.
func keep(started chan bool) {
	own := make([]byte, 1<<20)
	for i := range own {
		own[i] = byte(i)
	}
	started <- true
	<-forever
	runtime.KeepAlive(own)
}

func main() {
	count := flag.Int("n", 5000, "nodes of the smallest store")
	p := truth.Start(0)
	for at, each := range []struct {
		name  string
		store *store
	}{{"by_value", &byValue}, {"laid_out", laidOut}, {"deep", deep.inner}, {"shared", other}} {
		before := live()
		each.store.fill(*count * (at + 1))
		p.Truth(each.name, live()-before)
	}
	before := live()
	for i := 0; i < keepers; i++ {
		started := make(chan bool)
		go keep(started)
		<-started
	}
	p.Truth("keepers", keepers, "kept", live()-before)
	p.Serve()
	runtime.KeepAlive(one)
	runtime.KeepAlive(other)
}

// live is HeapAlloc right after a collection: all that is reachable, where nobody allocates.
func live() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
