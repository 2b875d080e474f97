// Types makes a known number of objects of many types, and prints how many there are of each and
// where one lies: NAME_count and NAME_at. Nothing but interfaces of one list leads to all of them,
// so that a reader needs no names of variables.
//
// The garbage collector is off once the shape stands.
package main

import (
	"container/list"
	"fmt"
	"reflect"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"letgo.lab/truth"
)

type small struct {
	next *small
	id   int
	pad  [3]int
}

type large struct {
	first *small
	pad   [100]uint64
	last  *leaf
}

type huge struct {
	pad  [40000]uint64
	last *leaf
}

type leaf struct {
	a, b, c int
}

type session struct {
	user  string
	data  []byte
	peers []*peer
}

type peer struct {
	name string
	back *session
}

type inner struct {
	p *leaf
	n int
}

type outer struct {
	inner
	odd  int
	more *leaf
	tail [4]int
}

type pair[K comparable, V any] struct {
	key   K
	value V
	next  *pair[K, V]
}

type cell struct {
	p atomic.Pointer[counted]
	n int
}

type counted struct {
	name string
	n    int
	pad  [4]int
}

type stamped struct {
	since, before, never time.Time
	every                time.Duration
}

type note struct {
	n    int
	from *leaf
}

type message struct {
	text string
	from *leaf
	n    [4]int
}

type shape interface{ area() int }

type square struct{ side, x, y int }
type circle struct {
	radius int
	center *leaf
}

func (s *square) area() int { return s.side }
func (c circle) area() int  { return c.radius }

type shapes struct{ all []shape }

type stored struct{ n [7]int }

type element struct{ n [9]int }

type env struct {
	n    [11]int
	name string
}

type grid struct {
	rows [8][4]*corner
}

type corner struct{ n [13]int }

type middle struct {
	a, b int
	deep struct {
		c int
		p *leaf
		d [6]int
	}
}

type pointing struct{ to *leafHolder }
type leafHolder struct {
	l [15]int
}

// Rows that no round number of words holds a whole number of.
type brick struct {
	left  *brickLeft
	n     int
	right *brickRight
	text  string
	m     [2]int
}
type brickLeft struct{ l [18]int }
type brickRight struct{ l [19]int }

// Its pointers lie far from each other.
type sparse struct {
	a [300]uint64
	p *sparseFirst
	b [700]uint64
	q *sparseSecond
}
type sparseFirst struct{ l [21]int }
type sparseSecond struct{ l [22]int }
type many struct{ l [23]int }

var (
	everything []interface{}
	sink       int
	p          *truth.Patient
)

func hold(what interface{}) { everything = append(everything, what) }

func tell(name string, count int, at unsafe.Pointer) {
	p.Truth(name+"_count", uint64(count))
	p.Truth(name+"_at", uint64(uintptr(at)))
}

func text(kind string, i int) string { return fmt.Sprintf("%s number %06d, long enough", kind, i) }

func data(v interface{}) unsafe.Pointer { return (*[2]unsafe.Pointer)(unsafe.Pointer(&v))[1] }

func structures() {
	var chain *small
	for i := 0; i < 1000; i++ {
		chain = &small{next: chain, id: i}
	}
	hold(chain)
	tell("small", 1000, unsafe.Pointer(chain.next.next))
	var larges []*large
	for i := 0; i < 20; i++ {
		larges = append(larges, &large{last: &leaf{a: i}})
	}
	hold(&larges)
	tell("large", 20, unsafe.Pointer(larges[7]))
	h := &huge{last: &leaf{}}
	hold(h)
	tell("huge", 1, unsafe.Pointer(h))
	outers := make([]*inner, 30)
	for i := range outers {
		o := &outer{inner: inner{p: &leaf{}}, more: &leaf{b: i}}
		if i == 3 {
			tell("outer", 30, unsafe.Pointer(o))
		}
		// Only its first field is known to anybody.
		outers[i] = &o.inner
	}
	hold(outers)
	var pairs *pair[string, *leaf]
	for i := 0; i < 40; i++ {
		pairs = &pair[string, *leaf]{text("pair", i), &leaf{}, pairs}
	}
	hold(pairs)
	tell("pair", 40, unsafe.Pointer(pairs.next))
	g := &grid{}
	for i := range g.rows {
		for j := range g.rows[i] {
			g.rows[i][j] = &corner{}
		}
	}
	hold(g)
	tell("grid", 1, unsafe.Pointer(g))
	tell("corner", 32, unsafe.Pointer(g.rows[7][3]))
	var insides []**leaf
	for i := 0; i < 25; i++ {
		m := &middle{}
		m.deep.p = &leaf{a: i}
		insides = append(insides, &m.deep.p)
		hold(m)
		if i == 9 {
			tell("middle", 25, unsafe.Pointer(m))
		}
	}
	hold(insides)
	rows := make([]pointing, 33)
	for i := range rows {
		rows[i].to = &leafHolder{}
	}
	// From the middle on.
	hold(rows[3:])
	tell("pointing", 1, unsafe.Pointer(&rows[0]))
	tell("holder", 33, unsafe.Pointer(rows[5].to))
	long()
}

// Rows and values of hundreds of words.
func long() {
	rights := 0
	bricks := make([]brick, 1000)
	for i := range bricks {
		b := &bricks[i]
		b.left = &brickLeft{}
		b.text = string([]byte{'b', byte(i), byte(i >> 8)})
		if i%3 == 0 {
			b.right = &brickRight{}
			rights++
		}
	}
	hold(bricks)
	tell("brick", 1, unsafe.Pointer(&bricks[0]))
	tell("brick_left", 1000, unsafe.Pointer(bricks[999].left))
	tell("brick_right", rights, unsafe.Pointer(bricks[999].right))
	s := &sparse{p: &sparseFirst{}, q: &sparseSecond{}}
	hold(s)
	tell("sparse", 1, unsafe.Pointer(s))
	tell("sparse_first", 1, unsafe.Pointer(s.p))
	tell("sparse_second", 1, unsafe.Pointer(s.q))
	all := make([]*many, 3000)
	for i := range all {
		all[i] = &many{}
	}
	hold(all)
	tell("many", 3000, unsafe.Pointer(all[2999]))
}

func atomics() {
	var cells []*cell
	for i := 0; i < 50; i++ {
		c := &cell{n: i}
		c.p.Store(&counted{n: i})
		cells = append(cells, c)
	}
	hold(cells)
	tell("cell", 50, unsafe.Pointer(cells[4]))
	tell("counted", 50, unsafe.Pointer(cells[4].p.Load()))
}

func stamps() {
	now := time.Now()
	var all []*stamped
	for i := 0; i < 20; i++ {
		all = append(all, &stamped{now, time.Unix(951782400, 1), time.Time{}, 90 * time.Second})
	}
	hold(all)
	tell("stamped", 20, unsafe.Pointer(all[7]))
}

func interfaces() {
	s := &shapes{}
	for i := 0; i < 60; i++ {
		s.all = append(s.all, &square{side: i}, circle{i, &leaf{}})
	}
	hold(s)
	tell("square", 60, data(s.all[20]))
	tell("circle", 60+110, data(s.all[21]))
	made := reflect.StructOf([]reflect.StructField{
		{Name: "P", Type: reflect.TypeOf((*leaf)(nil))},
		{Name: "N", Type: reflect.TypeOf([8]int{})},
	})
	v := reflect.New(made)
	v.Elem().Field(0).Set(reflect.ValueOf(&leaf{}))
	hold(v.Interface())
	tell("made", 1, data(v.Interface()))
	m := reflect.MakeMap(reflect.MapOf(reflect.TypeOf(""), reflect.TypeOf(&made).Elem()))
	hold(m.Interface())
	tell("made_map", 1, data(m.Interface()))
}

func maps() {
	sessions := map[string]*session{}
	var one *session
	for i := 0; i < 3000; i++ {
		one = &session{user: text("user", i), data: make([]byte, 100)}
		one.peers = append(one.peers, &peer{text("peer", i), one})
		sessions[one.user] = one
	}
	hold(sessions)
	tell("sessions", 1, data(sessions))
	tell("session", 3000, unsafe.Pointer(one))
	tell("peer", 3000, unsafe.Pointer(one.peers[0]))
	tell("peers", 3000, unsafe.Pointer(&one.peers[0]))
	few := map[int]*stored{1: {}, 2: {}, 3: {}}
	hold(few)
	tell("few", 1, data(few))
	tell("stored", 3, unsafe.Pointer(few[2]))
	numbers := map[int]int{}
	for i := 0; i < 5000; i++ {
		numbers[i] = i
	}
	hold(numbers)
	tell("numbers", 1, data(numbers))
	wide := map[[200]byte]*[17]int{}
	for i := 0; i < 70; i++ {
		wide[[200]byte{byte(i)}] = &[17]int{i}
	}
	hold(wide)
	tell("wide", 1, data(wide))
	tell("wide_elem", 70, unsafe.Pointer(wide[[200]byte{3}]))
	empty := map[string]peer{}
	hold(empty)
	tell("empty", 1, data(empty))
	nested := map[string]map[int]string{}
	for i := 0; i < 80; i++ {
		nested[text("nested", i)] = map[int]string{i: text("value", i)}
	}
	hold(nested)
	tell("nested", 1, data(nested))
	tell("nested_inner", 80, data(nested[text("nested", 5)]))
	var values sync.Map
	for i := 0; i < 90; i++ {
		values.Store(text("key", i), &element{})
	}
	hold(&values)
	found, _ := values.Load(text("key", 3))
	tell("sync_value", 90, data(found))
	l := list.New()
	for i := 0; i < 110; i++ {
		l.PushBack(&circle{i, nil})
	}
	hold(l)
	tell("list", 1, unsafe.Pointer(l))
	tell("list_element", 110, unsafe.Pointer(l.Front().Next()))
}

func channels() {
	messages := make(chan *message, 64)
	for i := 0; i < 50; i++ {
		messages <- &message{text: text("message", i), from: &leaf{}}
	}
	hold(messages)
	tell("messages", 1, data(messages))
	numbers := make(chan int, 100)
	hold(numbers)
	tell("number_chan", 1, data(numbers))
	alone()
	one := <-messages
	messages <- one
	tell("message", 50, unsafe.Pointer(one))
}

// alone leaves a channel to a goroutine: no object and no variable leads to it.
func alone() {
	notes := make(chan *note, 64)
	for i := 0; i < 40; i++ {
		notes <- &note{i, &leaf{}}
	}
	tell("notes", 1, data(notes))
	tell("note", 40, unsafe.Pointer(peek(notes)))
	go func() {
		for len(notes) > 0 {
			time.Sleep(time.Second)
		}
	}()
}

func peek(notes chan *note) *note {
	one := <-notes
	notes <- one
	return one
}

func closures() {
	var all []func()
	for i := 0; i < 45; i++ {
		e := &env{name: text("env", i)}
		all = append(all, func() { sink += e.n[3] + len(e.name) })
		if i == 30 {
			tell("closure", 45, *(*unsafe.Pointer)(unsafe.Pointer(&all[i])))
			tell("env", 45, unsafe.Pointer(e))
		}
	}
	hold(all)
}

func main() {
	p = truth.Start(0)
	structures()
	atomics()
	stamps()
	interfaces()
	maps()
	channels()
	closures()
	runtime.GC()
	runtime.GC()
	debug.SetGCPercent(-1)
	p.Serve()
}
