package main

import (
	"context"
	"math/rand"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// roots are what globals hold: containers, as wrap makes them.
var roots [48]any

// timers are upside down, so that nothing but the runtime's heap of timers leads to them.
var timers []hidden

// weakly gives what is held by weak pointers, while it is there.
var weakly []func() *link

const (
	mostTimers = 6
	mostWeak   = 40
	long       = 1000 * time.Hour
)

type hidden uintptr

func (h hidden) pointer() unsafe.Pointer {
	bits := ^uintptr(h)
	return *(*unsafe.Pointer)(unsafe.Pointer(&bits))
}

type link struct {
	one  prim
	next *link
}

type key int

// wrap puts prims into one of the things in which programs keep what they have.
func wrap(random *rand.Rand, prims []prim) any {
	switch random.Intn(8) {
	case 0:
		return append([]prim(nil), prims...)
	case 1:
		m := map[int32]prim{}
		for _, one := range prims {
			m[one.number()] = one
		}
		return m
	case 2:
		return linked(prims)
	case 3:
		own := append([]prim(nil), prims...)
		return func() []prim { return own }
	case 4:
		ctx := context.Background()
		for i, one := range prims {
			ctx = context.WithValue(ctx, key(i), one)
		}
		return ctx
	case 5:
		box := make(chan prim, len(prims)+1)
		for _, one := range prims {
			box <- one
		}
		return box
	case 6:
		m := new(sync.Map)
		for _, one := range prims {
			m.Store(one.number(), one)
		}
		return m
	default:
		var array [mostHeld]prim
		copy(array[:], prims)
		return &array
	}
}

func linked(prims []prim) (head *link) {
	for _, one := range prims {
		head = &link{one, head}
	}
	return head
}

// open is what is in a container. Only one goroutine at a time opens it.
func open(container any) (prims []prim) {
	switch c := container.(type) {
	case []prim:
		return c
	case map[int32]prim:
		for _, one := range c {
			prims = append(prims, one)
		}
	case *link:
		for ; c != nil; c = c.next {
			prims = append(prims, c.one)
		}
	case func() []prim:
		return c()
	case context.Context:
		for i := key(0); c.Value(i) != nil; i++ {
			prims = append(prims, c.Value(i).(prim))
		}
	case chan prim:
		for i := len(c); i > 0; i-- {
			one := <-c
			prims = append(prims, one)
			c <- one
		}
	case *sync.Map:
		c.Range(func(_, one any) bool {
			prims = append(prims, one.(prim))
			return true
		})
	case *[mostHeld]prim:
		for _, one := range c {
			if one != nil {
				prims = append(prims, one)
			}
		}
	}
	return prims
}

func operateAll(prims []prim, hard bool) {
	for _, one := range prims {
		one.operate(hard)
	}
}

// setRoot makes a global hold a container of these prims, or nothing.
func setRoot(at int, count int32, container any, held ...prim) {
	roots[at] = container
	rootLens[at] = count
	numbers(&rootRows[at], held)
}

// copyRoot lets two globals hold the same.
//
//go:noinline
func copyRoot(random *rand.Rand) {
	from, to := random.Intn(len(roots)), random.Intn(len(roots))
	roots[to], rootRows[to], rootLens[to] = roots[from], rootRows[from], rootLens[from]
}

// setTimer lets a timer hold prims, for ever.
func setTimer(prims []prim) {
	if len(timers) == mostTimers {
		return
	}
	own := append([]prim(nil), prims...)
	timer := time.AfterFunc(long, func() { operateWhileProbed(own) })
	timers = append(timers, hidden(^uintptr(unsafe.Pointer(timer))))
	for _, one := range own {
		timed = append(timed, one.number())
	}
}

// fireTimers lets all go off. They are not looked at again: nothing keeps them any more.
func fireTimers() {
	for _, at := range timers {
		(*time.Timer)(at.pointer()).Reset(0)
	}
	timers, timed = nil, nil
}

func operateWhileProbed(prims []prim) {
	for now := atomic.LoadInt32(&pace); now >= probing; now = atomic.LoadInt32(&pace) {
		operateAll(prims, now == closing)
		time.Sleep(100 * time.Microsecond)
	}
}

// setWeak holds a link by a weak pointer, where this release has those.
func setWeak(l *link) {
	if !*useWeak || weaken == nil || len(weakly) == mostWeak {
		return
	}
	weakly = append(weakly, weaken(l))
	for ; l != nil; l = l.next {
		fixed = append(fixed, l.one.number())
	}
}

// weaken makes a weak pointer.
var weaken func(l *link) func() *link
