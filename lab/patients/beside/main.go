// Beside holds memory by variables of several words, and by values that the compiler laid out
// beside the variables: each fills a store whose nodes two ways lead to, so that no object holds
// them alone. It tells what each of them keeps alive.
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
