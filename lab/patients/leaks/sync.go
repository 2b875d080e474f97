package main

import (
	"sync"
	"unsafe"
)

func init() {
	leaky(map[string]func(n int) func(){
		"mutex":     startMutex,
		"inner":     startInner,
		"rwReader":  startReader,
		"rwWriter":  startWriter,
		"rwReader2": startBehindWriter,
		"cond":      startCond,
		"group":     startGroup,
		"once":      startOnce,
	})
}

// roomy is a mutex that shares its place with nothing, see startOfTiny.
type roomy struct {
	sync.Mutex
	pad [2]uint64
}

// startMutex makes a mutex that is locked by nobody who is still there.
func startMutex(n int) func() {
	expect("mutex", n)
	m := &new(roomy).Mutex
	m.Lock()
	for i := 0; i < n; i++ {
		go mutex(m)
	}
	return m.Unlock
}

//go:noinline
func mutex(m *sync.Mutex) {
	roll.Here()
	m.Lock()
	roll.Ran()
	m.Unlock()
}

// session has its mutex not at its beginning.
type session struct {
	name string
	data [100]byte
	lock sync.Mutex
	once sync.Once
	more *session
}

func startInner(n int) func() {
	expect("inner", n)
	s := &session{name: "session", more: &session{}}
	s.lock.Lock()
	for i := 0; i < n; i++ {
		go inner(s)
	}
	return s.lock.Unlock
}

//go:noinline
func inner(s *session) {
	roll.Here()
	s.lock.Lock()
	roll.Ran()
	s.lock.Unlock()
}

func startReader(n int) func() {
	expect("rwReader", n)
	m := new(sync.RWMutex)
	m.Lock()
	for i := 0; i < n; i++ {
		go rwReader(m)
	}
	return m.Unlock
}

//go:noinline
func rwReader(m *sync.RWMutex) {
	roll.Here()
	m.RLock()
	roll.Ran()
	m.RUnlock()
}

// startWriter makes writers: the first waits for readers, the others for the first.
func startWriter(n int) func() {
	expect("rwWriter", n)
	m := new(sync.RWMutex)
	m.RLock()
	for i := 0; i < n; i++ {
		go rwWriter(m)
	}
	return m.RUnlock
}

//go:noinline
func rwWriter(m *sync.RWMutex) {
	roll.Here()
	m.Lock()
	roll.Ran()
	m.Unlock()
}

// startBehindWriter makes readers that wait behind a writer, who waits for a reader.
func startBehindWriter(n int) func() {
	m := new(sync.RWMutex)
	m.RLock()
	roll.Expect("leaked", "main.rwFirst", 1)
	go rwFirst(m)
	roll.Settle()
	expect("rwReader2", n)
	for i := 0; i < n; i++ {
		go rwReader2(m)
	}
	return m.RUnlock
}

//go:noinline
func rwFirst(m *sync.RWMutex) {
	roll.Here()
	m.Lock()
	roll.Ran()
	m.Unlock()
}

//go:noinline
func rwReader2(m *sync.RWMutex) {
	roll.Here()
	m.RLock()
	roll.Ran()
	m.RUnlock()
}

func startCond(n int) func() {
	expect("cond", n)
	c := sync.NewCond(new(sync.Mutex))
	for i := 0; i < n; i++ {
		go cond(c)
	}
	return c.Broadcast
}

//go:noinline
func cond(c *sync.Cond) {
	c.L.Lock()
	roll.Here()
	c.Wait()
	roll.Ran()
	c.L.Unlock()
}

func startGroup(n int) func() {
	expect("group", n)
	g := new(sync.WaitGroup)
	g.Add(1)
	for i := 0; i < n; i++ {
		go group(g)
	}
	return g.Done
}

//go:noinline
func group(g *sync.WaitGroup) {
	roll.Here()
	g.Wait()
	roll.Ran()
}

// startOnce makes one that never returns from a sync.Once, and others that wait for it.
func startOnce(n int) func() {
	o, ch := &new(session).once, make(chan int)
	roll.Expect("leaked", "main.onceFirst", 1)
	go o.Do(func() { onceFirst(ch) })
	roll.Settle()
	expect("once", n)
	for i := 0; i < n; i++ {
		go once(o)
	}
	return func() { close(ch) }
}

//go:noinline
func onceFirst(ch chan int) {
	roll.Here()
	<-ch
	roll.Ran()
}

//go:noinline
func once(o *sync.Once) {
	roll.Here()
	o.Do(func() {})
	roll.Ran()
}

// tiny are mutexes that lie where those lie that others wait for.
var tiny []*sync.Mutex

func init() {
	keeping("stuck", map[string]kept{"ofTiny": {startOfTiny, nil}})
}

// startOfTiny makes mutexes that nobody has but those who wait. The runtime puts what is smaller
// than 16 bytes and has no pointers into one object (mallocTiny): each lies beside another, which a
// global has, and by which the object is reachable.
func startOfTiny(n int) {
	expect("ofTiny", n)
	for i := 0; i < n; i++ {
		m, other := neighbours()
		tiny = append(tiny, other)
		m.Lock()
		go ofTiny(m)
	}
}

func neighbours() (one, other *sync.Mutex) {
	const object = 16
	for {
		one, other = new(sync.Mutex), new(sync.Mutex)
		if uintptr(unsafe.Pointer(one))/object == uintptr(unsafe.Pointer(other))/object {
			return one, other
		}
	}
}

//go:noinline
func ofTiny(m *sync.Mutex) {
	roll.Here()
	m.Lock()
	roll.Ran()
	m.Unlock()
}
