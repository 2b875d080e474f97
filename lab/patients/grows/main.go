// Grows holds what grows by known numbers on command, what stays as it is, and what is dropped and
// made again so that its addresses are given out once more.
//
//	grow   -more entries to a list, as many buffers to another, and waiting goroutines
//	reuse  drops the cells, collects, and makes as many with other contents: says how many of them
//	       lie where one had been
//	retype drops the coins, collects, and makes as many tokens, which have the same size and the same
//	       contents: says how many of them lie where a coin had been
package main

import (
	"flag"
	"runtime"
	"unsafe"

	"letgo.lab/truth"
)

type entry struct {
	next *entry
	pad  [56]byte
}

type page struct {
	next   *page
	buffer *[1024]byte
}

type cell struct {
	next       *cell
	generation uint64
	pad        [80]byte
}

// coin and token are alike but for their type.
type coin struct {
	value uint64
	pad   [96]byte
}

type token struct {
	value uint64
	pad   [96]byte
}

var (
	coins  []*coin
	tokens []*token
	// kept lie between the coins, as pins do between the cells.
	kept []*coin
)

var (
	entries *entry
	pages   *page
	still   *entry
	cells   *cell
	// pins lie between the cells, so that these spans stay those of cells when the cells go.
	pins *cell
	gate = make(chan bool)
)

func wait(gate chan bool) { <-gate }

func grow(more, goroutines int) {
	for i := 0; i < more; i++ {
		entries = &entry{next: entries}
		pages = &page{next: pages, buffer: &[1024]byte{byte(i), 1}}
	}
	for i := 0; i < goroutines; i++ {
		go wait(gate)
	}
}

func fill(count int, generation uint64) {
	for i := 0; i < count; i++ {
		cells = &cell{next: cells, generation: generation}
	}
}

// places are the addresses of all cells, as numbers: they keep nothing.
func places() map[uintptr]bool {
	all := map[uintptr]bool{}
	for at := cells; at != nil; at = at.next {
		all[uintptr(unsafe.Pointer(at))] = true
	}
	return all
}

func reuse(count int, generation uint64) int {
	before := places()
	cells = nil
	runtime.GC()
	runtime.GC()
	fill(count, generation)
	again := 0
	for at := range places() {
		if before[at] {
			again++
		}
	}
	return again
}

func retype() int {
	before := map[uintptr]bool{}
	for _, one := range coins {
		before[uintptr(unsafe.Pointer(one))] = true
	}
	count := len(coins)
	coins = nil
	runtime.GC()
	runtime.GC()
	again := 0
	for i := 0; i < count; i++ {
		one := &token{value: 7}
		tokens = append(tokens, one)
		if before[uintptr(unsafe.Pointer(one))] {
			again++
		}
	}
	return again
}

func main() {
	count := flag.Int("n", 4000, "entries, and cells")
	more := flag.Int("more", 3000, "entries that a grow adds, and buffers")
	p := truth.Start(0)
	generation := uint64(1)
	for i := 0; i < *count; i++ {
		still = &entry{next: still}
	}
	grow(*count, 10)
	for i := 0; i < *count; i++ {
		fill(1, generation)
		pins = &cell{next: pins}
	}
	for i := 0; i < *count; i++ {
		coins = append(coins, &coin{value: 7})
		kept = append(kept, &coin{value: 7})
	}
	p.On("retype", func() { p.Truth("retyped", retype()) })
	p.On("grow", func() { grow(*more, 25) })
	p.On("reuse", func() {
		generation++
		p.Truth("reused", reuse(*count, generation))
	})
	runtime.GC()
	runtime.GC()
	p.Truth("entry_bytes", int(unsafe.Sizeof(entry{})), "page_bytes", int(unsafe.Sizeof(page{})),
		"buffer_bytes", 1024, "cell_bytes", int(unsafe.Sizeof(cell{})))
	p.Serve()
	runtime.KeepAlive(still)
	runtime.KeepAlive(cells)
	runtime.KeepAlive(pins)
}
