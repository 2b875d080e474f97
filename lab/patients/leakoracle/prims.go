package main

import (
	"math/rand"
	"sync"
	"sync/atomic"
)

// A prim is something to wait for. Whoever has one can operate it, which never waits and lets some
// go on who wait for it; hard, where it can be, for all.
type prim interface {
	number() int32
	operate(hard bool)
	wait(how int)
}

var lastNumber int32

type numbered struct{ n int32 }

func (n *numbered) number() int32 { return n.n }

func fresh() numbered { return numbered{atomic.AddInt32(&lastNumber, 1)} }

type channel struct {
	numbered
	ch     chan int
	closed int32
}

// quietly lets a send into a channel that was closed pass: its goroutine has run, as any other.
func quietly() { _ = recover() }

func (c *channel) operate(hard bool) {
	defer quietly()
	if hard && atomic.CompareAndSwapInt32(&c.closed, 0, 1) {
		close(c.ch)
		return
	}
	if atomic.LoadInt32(&c.closed) != 0 {
		return
	}
	select {
	case <-c.ch:
	default:
	}
	select {
	case c.ch <- 1:
	default:
	}
}

func (c *channel) wait(how int) {
	defer quietly()
	switch how % 3 {
	case 0:
		<-c.ch
	case 1:
		c.ch <- 2
	default:
		for i := range c.ch {
			if i >= 0 {
				return
			}
		}
	}
}

// waitAny waits in a select over one to three channels.
func waitAny(how int, all []*channel) {
	defer quietly()
	var one, two, three chan int
	one = all[0].ch
	if len(all) > 1 {
		two = all[1].ch
	}
	if len(all) > 2 {
		three = all[2].ch
	}
	if how%2 == 0 {
		select {
		case <-one:
		case two <- 3:
		case <-three:
		}
		return
	}
	select {
	case one <- 4:
	case <-two:
	case <-three:
	}
}

// mutex is locked; whoever gets it leaves it locked, and whoever has the prim may unlock it.
type mutex struct {
	numbered
	lock   *sync.Mutex
	locked int32
}

func (m *mutex) operate(bool) {
	if atomic.CompareAndSwapInt32(&m.locked, 1, 0) {
		m.lock.Unlock()
	}
}

func (m *mutex) wait(int) {
	m.lock.Lock()
	atomic.StoreInt32(&m.locked, 1)
}

// roomy is a mutex that shares its place with nothing: the runtime puts what is smaller than 16 bytes
// and has no pointers together, where whoever reaches one reaches the other.
type roomy struct {
	sync.Mutex
	pad [2]uint64
}

// inside is a mutex that is not at the beginning of its object.
type inside struct {
	name string
	pad  [5]uint64
	lock sync.Mutex
	last *inside
}

type rwMutex struct {
	numbered
	lock          *sync.RWMutex
	written, read int32
}

func (m *rwMutex) operate(bool) {
	if atomic.CompareAndSwapInt32(&m.written, 1, 0) {
		m.lock.Unlock()
	}
	if atomic.CompareAndSwapInt32(&m.read, 1, 0) {
		m.lock.RUnlock()
	}
}

func (m *rwMutex) wait(how int) {
	if how%2 == 0 {
		m.lock.RLock()
		m.lock.RUnlock()
		return
	}
	m.lock.Lock()
	atomic.StoreInt32(&m.written, 1)
}

type group struct {
	numbered
	wg      *sync.WaitGroup
	pending int32
}

func (g *group) operate(bool) {
	if atomic.CompareAndSwapInt32(&g.pending, 1, 0) {
		g.wg.Done()
	}
}

func (g *group) wait(int) { g.wg.Wait() }

type cond struct {
	numbered
	c *sync.Cond
}

func (c *cond) operate(hard bool) {
	if hard {
		c.c.Broadcast()
		return
	}
	c.c.Signal()
}

func (c *cond) wait(int) {
	c.c.L.Lock()
	c.c.Wait()
	c.c.L.Unlock()
}

// placed are mutexes that are not on the heap.
var (
	placed  [16]sync.Mutex
	placedP [len(placed)]*mutex
)

func init() {
	for i := range placed {
		placed[i].Lock()
		placedP[i] = &mutex{numbered: fresh(), lock: &placed[i], locked: 1}
		fixed = append(fixed, placedP[i].n)
	}
}

func operatePlaced(i int) { placedP[i].operate(true) }

func newPrim(random *rand.Rand) prim {
	switch dice := random.Intn(20); {
	case dice < 6:
		return &channel{numbered: fresh(), ch: make(chan int)}
	case dice < 9:
		return &channel{numbered: fresh(), ch: make(chan int, 1+random.Intn(3))}
	case dice < 11:
		m := &mutex{numbered: fresh(), lock: &new(roomy).Mutex, locked: 1}
		m.lock.Lock()
		return m
	case dice < 13:
		whole := &inside{name: "inside", last: &inside{}}
		m := &mutex{numbered: fresh(), lock: &whole.lock, locked: 1}
		m.lock.Lock()
		return m
	case dice < 15:
		m := &rwMutex{numbered: fresh(), lock: new(sync.RWMutex), written: 1}
		m.lock.Lock()
		return m
	case dice < 16:
		m := &rwMutex{numbered: fresh(), lock: new(sync.RWMutex), read: 1}
		m.lock.RLock()
		return m
	case dice < 18:
		g := &group{numbered: fresh(), wg: new(sync.WaitGroup), pending: 1}
		g.wg.Add(1)
		return g
	case dice < 19:
		return &cond{numbered: fresh(), c: sync.NewCond(new(sync.Mutex))}
	default:
		return placedP[random.Intn(len(placed))]
	}
}
