// Burst holds a cache, then much more for a moment, drops that but for a few scattered objects, and
// idles with one listening socket: what a release has to give back.
//
// Values have 0.25 to 7 KiB, every page of them is touched. The same seed gives the same objects.
package main

import (
	"flag"
	"fmt"
	"math/rand"
	"net"
	"runtime"
	"runtime/debug"
	"time"

	"letgo.lab/truth"
)

const tick = 10 * time.Millisecond

type node struct {
	key   int
	value []byte
}

// cache is what the program needs; its keys count up.
var (
	cache = map[int]*node{}
	sink  *node
)

type sums struct {
	objects, bytes int
}

func cached(n *node) {
	n.key = len(cache)
	cache[n.key] = n
}

func (s *sums) add(n *node) {
	s.objects++
	s.bytes += len(n.value)
}

func fresh(r *rand.Rand) *node {
	n := &node{value: make([]byte, 256+r.Intn(7<<10-256+1))}
	for i := 0; i < len(n.value); i += 512 {
		n.value[i] = 1
	}
	return n
}

func main() {
	live := flag.Int("live", 200, "MiB of values that are needed")
	burst := flag.Int("burst", 800, "MiB of values that are held at once and dropped")
	keep := flag.Int("keep", 1, "percent of the burst's objects that are kept")
	collect := flag.Bool("gc", false, "run the garbage collector after the drop")
	alloc := flag.Int("alloc", 0, "MiB a second that one goroutine allocates and drops, steadily")
	rewrite := flag.Bool("rewrite", false, "set GOGC=100 every 100 ms: a program that governs itself")
	p := truth.Start(0)
	r := rand.New(rand.NewSource(1))

	needed := fill(r, *live<<20)
	again := func() {
		held, kept := hold(r, *burst<<20, *keep)
		if *collect {
			runtime.GC()
		}
		p.Truth("burst_objects", held.objects, "burst_bytes", held.bytes,
			"kept_objects", kept.objects, "kept_bytes", kept.bytes, "cached_objects", len(cache))
	}
	p.Truth("live_objects", needed.objects, "live_bytes", needed.bytes)
	again()
	p.Truth("port", listen(p))
	p.Settings()
	p.On("again", again)
	if *alloc > 0 {
		go churn(*alloc)
	}
	if *rewrite {
		go govern()
	}
	p.Serve()
	runtime.KeepAlive(cache)
}

// fill caches values of so many bytes together.
func fill(r *rand.Rand, bytes int) (all sums) {
	for all.bytes < bytes {
		n := fresh(r)
		all.add(n)
		cached(n)
	}
	return all
}

// hold keeps values of so many bytes at once, moves some into the cache, and drops the rest.
func hold(r *rand.Rand, bytes, keep int) (held, kept sums) {
	var all []*node
	for held.bytes < bytes {
		n := fresh(r)
		held.add(n)
		all = append(all, n)
	}
	for _, n := range all {
		if r.Intn(100) < keep {
			kept.add(n)
			cached(n)
		}
	}
	return held, kept
}

// listen answers each connection on loopback with a line; returns the port.
func listen(p *truth.Patient) int {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.Fail(err.Error())
	}
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			fmt.Fprintln(connection, "alive")
			connection.Close()
		}
	}()
	return listener.Addr().(*net.TCPAddr).Port
}

// churn allocates a second's share every tick.
func churn(mib int) {
	r := rand.New(rand.NewSource(2))
	share := mib << 20 / int(time.Second/tick)
	owed := 0
	for range time.Tick(tick) {
		for owed += share; owed > 0; owed -= len(sink.value) {
			sink = fresh(r)
		}
	}
}

func govern() {
	for range time.Tick(100 * time.Millisecond) {
		debug.SetGCPercent(100)
	}
}
