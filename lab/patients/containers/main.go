// Containers holds maps, slices, strings and channels of known sizes in package-level variables,
// and tells how much is in each.
//
//	forget  deletes all but one of 100 entries of a map of large values, and of one of pointers
//	clear   deletes all entries of these
//	remake  makes both anew with what is left
//	run     lets a list grow and a cache replace what it has, by as many bytes, until told to rest
//	rest    ends that
package main

import (
	"flag"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"letgo.lab/truth"
)

type session struct {
	user string
	id   int
}

type profile struct {
	id  int
	pad [112]byte
}

type store struct {
	name  string
	byKey map[string]*session
}

var (
	sessions = map[string]*session{}
	profiles = map[int]profile{}
	few      = map[int]int{}
	list     []*session
	roomy    []*session
	text     string
	queue    chan *session
	shared   *store

	// grown grows while it runs; ring keeps its length.
	grown   [][]byte
	ring    = make([][]byte, 512)
	running atomicFlag
)

// atomicFlag is for releases without atomic.Bool's friends.
type atomicFlag struct{ on int32 }

func (f *atomicFlag) set(on int32) { atomic.StoreInt32(&f.on, on) }
func (f *atomicFlag) is() bool     { return atomic.LoadInt32(&f.on) == 1 }

const piece = 64 << 10

//go:noinline
func put(name string, one *session) {
	sessions[name] = one
	shared.byKey[name] = one
}

//go:noinline
func fill(entries int) {
	shared = &store{name: "shared", byKey: map[string]*session{}}
	for i := 0; i < entries; i++ {
		one := &session{user: "user " + strconv.Itoa(i), id: i}
		put("session "+strconv.Itoa(i), one)
		profiles[i] = profile{id: i}
		list = append(list, one)
	}
	for i := 0; i < 5; i++ {
		few[i] = i
	}
	roomy = make([]*session, 3, 4096)
	roomy[0] = list[0]
	text = strings.Repeat("text ", 1000)
	queue = make(chan *session, 16)
	for i := 0; i < 7; i++ {
		queue <- list[i]
	}
}

//go:noinline
func forget(keep int) {
	for i := 0; i < len(list); i++ {
		if keep == 0 || i%keep != 0 {
			delete(profiles, i)
			delete(sessions, "session "+strconv.Itoa(i))
		}
	}
}

//go:noinline
func remake() {
	own := make(map[int]profile, len(profiles))
	for key, value := range profiles {
		own[key] = value
	}
	profiles = own
	kept := make(map[string]*session, len(sessions))
	for key, value := range sessions {
		kept[key] = value
	}
	sessions = kept
}

//go:noinline
func add(own []byte) { grown = append(grown, own) }

//go:noinline
func replace(at int, own []byte) { ring[at%len(ring)] = own }

func fresh(byte_ int) []byte {
	own := make([]byte, piece)
	for i := 0; i < len(own); i += 4096 {
		own[i] = byte(byte_) | 1
	}
	return own
}

func run(most int) {
	for i := 0; running.is(); i++ {
		if len(grown)*piece < most {
			add(fresh(i))
		}
		replace(i, fresh(i))
		time.Sleep(2 * time.Millisecond)
	}
}

func tell(p *truth.Patient) {
	p.Truth("sessions", len(sessions), "profiles", len(profiles), "few", len(few),
		"list", len(list), "list_cap", cap(list), "roomy", len(roomy), "roomy_cap", cap(roomy),
		"text", len(text), "queue", len(queue), "queue_cap", cap(queue),
		"shared", len(shared.byKey))
}

func main() {
	entries := flag.Int("entries", 20000, "entries of maps and lists")
	most := flag.Int("most", 512<<20, "bytes that the list grows to")
	p := truth.Start(0)
	fill(*entries)
	for i := range ring {
		ring[i] = fresh(i)
	}
	change := func(what func()) func() {
		return func() {
			what()
			runtime.GC()
			runtime.GC()
			tell(p)
		}
	}
	p.On("forget", change(func() { forget(100) }))
	p.On("clear", change(func() { forget(0) }))
	p.On("remake", change(remake))
	p.On("run", func() {
		running.set(1)
		go run(*most)
	})
	p.On("rest", func() { running.set(0) })
	runtime.GC()
	runtime.GC()
	tell(p)
	p.Serve()
}
