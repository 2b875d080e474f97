package main

import (
	"sync/atomic"
	"time"
	"unsafe"
)

type node struct {
	next *node
	id   int
	pad  [3]uint64
}

// pair is an object on a stack.
type pair struct {
	pad         [5]uint64
	first, last *node
}

// large is what a word that is dead must not keep.
type large [1 << 16]*node

var (
	gate   = make(chan int)
	parked int32
	places = map[string]uintptr{}
	sum    int64
)

//go:noinline
func chain(n int) *node {
	var head *node
	for i := 0; i < n; i++ {
		head = &node{next: head, id: i}
	}
	return head
}

//go:noinline
func touch(l *large) { atomic.AddInt64(&sum, int64(l[1].id)) }

//go:noinline
func look(n *node) { atomic.AddInt64(&sum, int64(n.id)) }

//go:noinline
func fill(p *pair) { p.first, p.last = chain(1), chain(2) }

//go:noinline
func read(p *pair) { atomic.AddInt64(&sum, int64(p.first.id+p.last.id)) }

// wait parks, as the last thing before it notes that it is about to.
//
//go:noinline
func wait() {
	atomic.AddInt32(&parked, 1)
	<-gate
}

// standLocal waits with a list in a local, which it looks at when it goes on.
//
//go:noinline
func standLocal() {
	local := chain(3)
	places["kept_local"] = uintptr(unsafe.Pointer(local.next))
	wait()
	look(local)
}

// standDead waits with something large in a word of its frame that it looks at no more.
//
//go:noinline
func standDead() {
	dead := new(large)
	dead[1] = chain(1)
	places["lost_large"] = uintptr(unsafe.Pointer(dead))
	places["lost_leaf"] = uintptr(unsafe.Pointer(dead[1]))
	touch(dead)
	touch(dead)
	wait()
	look(chain(1))
}

// standObject waits with two objects on its stack of which it looks at one when it goes on.
//
//go:noinline
func standObject() {
	var live, dead pair
	fill(&live)
	fill(&dead)
	places["kept_object"] = uintptr(unsafe.Pointer(live.last.next))
	places["lost_object"] = uintptr(unsafe.Pointer(dead.last.next))
	read(&dead)
	at := &live
	wait()
	read(at)
}

// standBetween waits in a function of the program that loaded it, which it calls with a list.
//
//go:noinline
func standBetween(program func(unsafe.Pointer)) {
	local, passed := chain(3), chain(5)
	places["kept_between"] = uintptr(unsafe.Pointer(local.next))
	places["kept_passed"] = uintptr(unsafe.Pointer(passed.next))
	program(unsafe.Pointer(passed))
	look(local)
}

// lose waits for what nobody else knows.
//
//go:noinline
func lose(n *node) {
	own := make(chan *node)
	atomic.AddInt32(&parked, 1)
	look(<-own)
	look(n)
}

// Stand starts goroutines that wait in functions of this plugin, and says where objects lie: kept_*
// must be found reachable, lost_* must not. `program` is called with a list, and waits for Gate.
func Stand(program func(unsafe.Pointer)) map[string]uintptr {
	starts := []func(){
		standLocal,
		standDead,
		standObject,
		func() { standBetween(program) },
	}
	for i := 0; i < 3; i++ {
		lost := chain(1000)
		places["kept_leaked"] = uintptr(unsafe.Pointer(lost.next))
		starts = append(starts, func() { lose(lost) })
	}
	for i, start := range starts {
		go start()
		// One after the other: they write to one map.
		for atomic.LoadInt32(&parked) < int32(i)+1 {
			time.Sleep(time.Millisecond)
		}
	}
	time.Sleep(20 * time.Millisecond)
	return places
}

// Wait parks as the plugin's own goroutines do.
func Wait() { wait() }
