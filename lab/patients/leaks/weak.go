//go:build go1.24

package main

import (
	"runtime"
	"sync"
	"weak"
)

var (
	cleaned    *object
	weakMutex  weak.Pointer[session]
	weakHolder weak.Pointer[holder]
	weakGroup  weak.Pointer[sync.WaitGroup]
)

func init() {
	keeping("kept", map[string]kept{
		"ofCleanup":  {startOfCleanup, wakeOfCleanup},
		"ofWeak":     {startOfWeak, func() { close(weakHolder.Value().ch) }},
		"weakInner":  {startWeakInner, func() { weakMutex.Value().lock.Unlock() }},
		"weakItself": {startWeakItself, func() { weakGroup.Value().Done() }},
	})
}

// startOfCleanup leaves one channel to the argument of a cleanup.
func startOfCleanup(n int) {
	expect("ofCleanup", n)
	ch := make(chan int)
	cleaned = &object{}
	runtime.AddCleanup(cleaned, func(ch chan int) { close(ch) }, ch)
	for i := 0; i < n; i++ {
		go ofCleanup(ch)
	}
}

func wakeOfCleanup() {
	cleaned = nil
	runtime.GC()
	runtime.GC()
}

//go:noinline
func ofCleanup(ch chan int) {
	roll.Here()
	<-ch
	roll.Ran()
}

// startOfWeak leaves the channel to an object that is weakly held, and strongly by those who wait.
func startOfWeak(n int) {
	expect("ofWeak", n)
	h := &holder{ch: make(chan int)}
	weakHolder = weak.Make(h)
	for i := 0; i < n; i++ {
		go ofWeak(h)
	}
}

//go:noinline
func ofWeak(h *holder) {
	roll.Here()
	<-h.ch
	roll.Ran()
	runtime.KeepAlive(h)
}

// startWeakInner has the mutex inside of the object that is weakly held.
func startWeakInner(n int) {
	expect("weakInner", n)
	s := &session{}
	s.lock.Lock()
	weakMutex = weak.Make(s)
	for i := 0; i < n; i++ {
		go weakInner(s)
	}
}

//go:noinline
func weakInner(s *session) {
	roll.Here()
	s.lock.Lock()
	roll.Ran()
	s.lock.Unlock()
}

// startWeakItself holds the primitive itself weakly.
func startWeakItself(n int) {
	expect("weakItself", n)
	g := new(sync.WaitGroup)
	g.Add(1)
	weakGroup = weak.Make(g)
	for i := 0; i < n; i++ {
		go weakItself(g)
	}
}

//go:noinline
func weakItself(g *sync.WaitGroup) {
	roll.Here()
	g.Wait()
	roll.Ran()
}
