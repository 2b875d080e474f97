// Spinning has goroutines that run all the time, each on a thread of its own, and holds objects on
// their stacks alone: kept ones, of slots of 3200 bytes, are in a variable that is used later; lost
// ones, of 3456 bytes, in one whose value still lies in its frame and is used no more.
//
// The garbage collector is off once the shape stands, so that what is lost stays where it is.
package main

import (
	"runtime"
	"runtime/debug"
	"sync/atomic"

	"letgo.lab/truth"
)

const (
	runners = 6
	kept    = 50
	lost    = 20
)

type keptNode struct {
	next *keptNode
	pad  [3184]byte
}

type lostNode struct {
	next *lostNode
	pad  [3440]byte
}

var (
	turns [runners]struct {
		n   atomic.Uint64
		pad [56]byte
	}
	length int
)

//go:noinline
func keep() *keptNode {
	var list *keptNode
	for i := 0; i < kept; i++ {
		list = &keptNode{next: list}
	}
	return list
}

//go:noinline
func lose() *lostNode {
	var list *lostNode
	for i := 0; i < lost; i++ {
		list = &lostNode{next: list}
	}
	return list
}

//go:noinline
func lengthOf(list *lostNode) int {
	n := 0
	for ; list != nil; list = list.next {
		n++
	}
	return n
}

// spin is left at any instruction.
//
//go:noinline
func spin(number int) {
	for {
		turns[number].n.Add(1)
	}
}

//go:noinline
func zero(bytes *[4096]byte) {
	*bytes = [4096]byte{}
}

// scrub leaves nothing of what was called before in registers, nor on the stack below.
//
//go:noinline
func scrub() {
	var bytes [4096]byte
	zero(&bytes)
	runtime.Gosched()
}

// run has both lists in its frame when it calls spin; the second is used no more.
//
//go:noinline
func run(number int) {
	ours, theirs := keep(), lose()
	for i := 0; i < 2; i++ {
		length += lengthOf(theirs)
	}
	scrub()
	spin(number)
	runtime.KeepAlive(ours)
}

func main() {
	p := truth.Start(1)
	runtime.GOMAXPROCS(runners + 2)
	debug.SetGCPercent(-1)
	for i := 0; i < runners; i++ {
		go run(i)
	}
	for i := range turns {
		for turns[i].n.Load() == 0 {
			runtime.Gosched()
		}
	}
	p.Truth("runners", runners, "kept", runners*kept, "lost", runners*lost)
	p.Serve()
}
