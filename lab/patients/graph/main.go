// Graph holds objects in every way that the runtime knows of, and prints where one of each lies:
// kept_* must be found reachable, lost_* must not.
//
// The garbage collector is off once the shape stands, so that what is lost stays where it is until
// the command gc, which collects twice.
package main

import (
	"reflect"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"letgo.lab/truth"
)

type node struct {
	next *node
	id   int
	pad  [3]uint64
}

// tagged has its only pointer behind 60 words without.
type tagged struct {
	pad  [60]uint64
	last *node
	more [20]uint64
}

// bulky is larger than objects whose bitmap lies in their span.
type bulky struct {
	first *node
	pad   [100]uint64
	last  *node
	tail  [9]uint64
}

// grid is large enough for its mask to be made on demand.
type grid struct {
	cells [1 << 15]struct {
		at   *node
		x, y uint64
	}
}

type holder interface{ get() *node }

type boxed struct{ n *node }

func (b boxed) get() *node { return b.n }

var (
	list    *node
	table   = map[string]*node{}
	numbers = map[int]node{}
	slots   []*node
	tags    []*tagged
	bulks   []*bulky
	wide    *grid
	pairs   *[20000][2]*node
	queue   = make(chan *node, 1000)
	iface   holder
	fn      func() *node
	inner   *int
	text    []string
	pool    sync.Pool
	timers  []*time.Timer
	boxes   sync.Map
	block   = make(chan int)
	parked  int32
	fins    []*bulky
	bytes   [][]byte
	made    reflect.Value
	held    any

	// lost is where objects were that nothing holds, by name.
	lost = map[string]uintptr{}
	kept = map[string]uintptr{}
)

func keep(name string, p unsafe.Pointer) { kept[name] = uintptr(p) }

//go:noinline
func fresh(id int) *node { return &node{id: id} }

//go:noinline
func chain(n int) *node {
	var head *node
	for i := 0; i < n; i++ {
		head = &node{next: head, id: i}
	}
	return head
}

func fillSlices() {
	list = chain(20000)
	last := list
	for last.next != nil {
		last = last.next
	}
	keep("list_end", unsafe.Pointer(last))
	slots = make([]*node, 100000)
	for i := 0; i < len(slots); i += 7 {
		slots[i] = fresh(i)
	}
	keep("slice_end", unsafe.Pointer(slots[99995/7*7]))
	for i := 0; i < 500; i++ {
		tags = append(tags, &tagged{last: fresh(i)})
		bulks = append(bulks, &bulky{first: fresh(i), last: fresh(i)})
		bytes = append(bytes, make([]byte, i*10))
	}
	keep("tagged_last", unsafe.Pointer(tags[499].last))
	keep("bulky_last", unsafe.Pointer(bulks[499].last))
	wide = new(grid)
	for i := range wide.cells {
		if i%5 == 0 {
			wide.cells[i].at = fresh(i)
		}
	}
	keep("grid_end", unsafe.Pointer(wide.cells[(len(wide.cells)-1)/5*5].at))
	pairs = new([20000][2]*node)
	pairs[19999][1] = fresh(1)
	keep("pairs_end", unsafe.Pointer(pairs[19999][1]))
	structs := make([]struct {
		a string
		b *node
		c [30]uint64
	}, 97)
	structs[96].b = fresh(2)
	held = structs
	keep("interface_slice_end", unsafe.Pointer(structs[96].b))
}

func fillMaps() {
	for i := 0; i < 20000; i++ {
		table["key"+strconv.Itoa(i)] = fresh(i)
		numbers[i] = node{next: fresh(i)}
	}
	keep("map_value", unsafe.Pointer(table["key19999"]))
	keep("map_inner", unsafe.Pointer(numbers[19999].next))
	for i := 0; i < 1000; i++ {
		queue <- fresh(i)
		boxes.Store(i, fresh(i))
		text = append(text, strconv.Itoa(i)+" is a number")
		pool.Put(fresh(i))
	}
	value, _ := boxes.Load(999)
	keep("sync_map_value", unsafe.Pointer(value.(*node)))
	keep("string_bytes", *(*unsafe.Pointer)(unsafe.Pointer(&text[999])))
	waiting := fresh(3)
	keep("channel_element", unsafe.Pointer(waiting))
	<-queue
	queue <- waiting
	box := boxed{fresh(4)}
	keep("interface", unsafe.Pointer(box.n))
	iface = box
	captured := fresh(5)
	keep("closure", unsafe.Pointer(captured))
	fn = func() *node { return captured }
	whole := &struct {
		a [9]uint64
		b int
	}{}
	keep("interior", unsafe.Pointer(whole))
	inner = &whole.b
	made = reflect.MakeFunc(reflect.TypeOf(fn), func([]reflect.Value) []reflect.Value {
		<-block
		return []reflect.Value{reflect.ValueOf(captured)}
	})
	for i := 0; i < 100; i++ {
		own := fresh(i)
		timers = append(timers, time.AfterFunc(time.Hour, func() { runtime.KeepAlive(own) }))
		if i == 99 {
			keep("timer", unsafe.Pointer(own))
		}
	}
}

var stackKept, deferKept, escaped uintptr

//go:noinline
func look(n **node) int { return (*n).id }

// deep keeps an object in a local, one in an object on the stack, one in a deferred call.
//
//go:noinline
func deep(depth int, out bool) int {
	local := fresh(depth)
	onStack := [3]*node{nil, fresh(depth), nil}
	deferred := fresh(depth)
	if out && depth == 0 {
		atomic.StoreUintptr(&stackKept, uintptr(unsafe.Pointer(local)))
		atomic.StoreUintptr(&escaped, uintptr(unsafe.Pointer(onStack[1])))
		atomic.StoreUintptr(&deferKept, uintptr(unsafe.Pointer(deferred)))
	}
	sum := 0
	defer func() { sum += deferred.id }()
	sum += look(&onStack[1])
	if depth == 0 {
		atomic.AddInt32(&parked, 1)
		<-block
	} else {
		sum += deep(depth-1, out)
	}
	return sum + local.id + look(&onStack[1])
}

func fillStacks() {
	for i := 0; i < 200; i++ {
		go deep(i%20, i == 199)
	}
	// One that calls through reflection.
	go made.Call(nil)
	for atomic.LoadInt32(&parked) < 200 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(20 * time.Millisecond)
	kept["stack_local"], kept["stack_object"] = stackKept, escaped
	kept["deferred"] = deferKept
}

// fillFinalizers blocks the goroutine that runs finalizers, so that others wait in its queue.
func fillFinalizers() {
	var ran int32
	first := &bulky{first: fresh(1)}
	runtime.SetFinalizer(first, func(b *bulky) {
		atomic.StoreInt32(&ran, 1)
		<-block
		runtime.KeepAlive(b)
	})
	first = nil
	for atomic.LoadInt32(&ran) == 0 {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	for i := 0; i < 300; i++ {
		queued := &bulky{first: fresh(i), last: fresh(i)}
		if i == 150 {
			keep("finalizer_queued", unsafe.Pointer(queued.last))
		}
		runtime.SetFinalizer(queued, func(b *bulky) { runtime.KeepAlive(b) })
	}
	runtime.GC()
	for i := 0; i < 300; i++ {
		own := fresh(i)
		live := &bulky{first: fresh(i)}
		fins = append(fins, live)
		runtime.SetFinalizer(live, func(b *bulky) { runtime.KeepAlive(own) })
		if i == 299 {
			keep("finalizer_closure", unsafe.Pointer(own))
		}
	}
}

// drop makes objects that nothing holds.
//
//go:noinline
func drop() {
	for i := 0; i < 10000; i++ {
		n := chain(3)
		if i == 5000 {
			lost["list"] = uintptr(unsafe.Pointer(n.next))
		}
	}
	ring := chain(10)
	for last := ring; ; last = last.next {
		if last.next == nil {
			last.next = ring
			break
		}
	}
	lost["ring"] = uintptr(unsafe.Pointer(ring))
	large := make([]*node, 50000)
	large[1] = fresh(1)
	lost["slice_element"] = uintptr(unsafe.Pointer(large[1]))
	finalized := &bulky{first: fresh(9)}
	keep("held_by_finalized", unsafe.Pointer(finalized.first))
	lost["finalized"] = uintptr(unsafe.Pointer(finalized))
	runtime.SetFinalizer(finalized, func(b *bulky) { runtime.KeepAlive(b) })
	dropNewer()
}

//go:noinline
func overwrite(depth int) byte {
	var frame [512]byte
	frame[depth] = byte(depth)
	if depth > 0 {
		return overwrite(depth-1) + frame[depth]
	}
	return frame[0]
}

func printPlaces(p *truth.Patient) {
	for name, at := range kept {
		p.Truth("kept_"+name, uint64(at))
	}
	for name, at := range lost {
		p.Truth("lost_"+name, uint64(at))
	}
}

func main() {
	p := truth.Start(0)
	fillSlices()
	fillMaps()
	fillFinalizers()
	fillNewer()
	fillStacks()
	runtime.GC()
	runtime.GC()
	debug.SetGCPercent(-1)
	drop()
	overwrite(20)
	printPlaces(p)
	p.On("collect", func() {
		runtime.GC()
		runtime.GC()
	})
	p.On("dump", dump)
	p.Serve()
}
