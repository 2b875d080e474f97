package main

import (
	"sync"
	"sync/atomic"
)

// What globals hold, one for each mode.
var (
	globalChan   chan int
	globalFull   chan int
	globalMap    = map[string]chan int{}
	globalSync   sync.Map
	globalBox    = make(chan chan int, 4)
	globalFunc   func()
	globalAny    any
	globalSelect chan int
	globalRelay  chan int
	globalSender chan chan int
	globalStale  chan int

	// These are not on the heap themselves.
	thePlacedMutex sync.Mutex
	thePlacedRW    sync.RWMutex
	thePlacedGroup sync.WaitGroup
	placedLock     sync.Mutex
	thePlacedCond  = sync.Cond{L: &placedLock}

	theHeapMutex *session
	theHeapRW    *sync.RWMutex
	theHeapGroup *sync.WaitGroup
	theHeapCond  *sync.Cond
)

func init() {
	keeping("kept", map[string]kept{
		"ofGlobal":  {startOfGlobal, func() { close(globalChan) }},
		"ofFull":    {startOfFull, func() { drain(globalFull, *count) }},
		"ofMap":     {startOfMap, func() { close(globalMap["key"]) }},
		"ofSyncMap": {startOfSyncMap, wakeOfSyncMap},
		"ofBox":     {startOfBox, func() { close(<-globalBox) }},
		"ofFunc":    {startOfFunc, func() { globalFunc() }},
		"ofAny":     {startOfAny, func() { close(globalAny.(*holder).next.ch) }},
		"ofEither":  {startOfEither, func() { close(globalSelect) }},
		"ofRelay":   {startOfRelay, func() { close(globalRelay) }},
		"ofSender":  {startOfSender, wakeOfSender},

		"placedMutex": {startPlacedMutex, func() { thePlacedMutex.Unlock() }},
		"placedRW":    {startPlacedRW, func() { thePlacedRW.Unlock() }},
		"placedGroup": {startPlacedGroup, func() { thePlacedGroup.Done() }},
		"placedCond":  {startPlacedCond, func() { thePlacedCond.Broadcast() }},
		"heapMutex":   {startHeapMutex, func() { theHeapMutex.lock.Unlock() }},
		"heapRW":      {startHeapRW, func() { theHeapRW.RUnlock() }},
		"heapGroup":   {startHeapGroup, func() { theHeapGroup.Done() }},
		"heapCond":    {startHeapCond, func() { theHeapCond.Broadcast() }},
	})
	leaky(map[string]func(n int) func(){"ofStale": startOfStale})
}

func drain(ch chan int, n int) {
	for i := 0; i < n; i++ {
		<-ch
	}
}

func startOfGlobal(n int) {
	expect("ofGlobal", n)
	globalChan = make(chan int)
	for i := 0; i < n; i++ {
		go ofGlobal(globalChan)
	}
}

//go:noinline
func ofGlobal(ch chan int) {
	roll.Here()
	<-ch
	roll.Ran()
}

func startOfFull(n int) {
	expect("ofFull", n)
	globalFull = make(chan int, 1)
	globalFull <- 0
	for i := 0; i < n; i++ {
		go ofFull(globalFull)
	}
}

//go:noinline
func ofFull(ch chan int) {
	roll.Here()
	ch <- 1
	roll.Ran()
}

func startOfMap(n int) {
	expect("ofMap", n)
	ch := make(chan int)
	globalMap["key"] = ch
	for i := 0; i < n; i++ {
		go ofMap(ch)
	}
}

//go:noinline
func ofMap(ch chan int) {
	roll.Here()
	for range ch {
	}
	roll.Ran()
}

func startOfSyncMap(n int) {
	expect("ofSyncMap", n)
	ch := make(chan int)
	globalSync.Store("key", ch)
	for i := 0; i < n; i++ {
		go ofSyncMap(ch)
	}
}

func wakeOfSyncMap() {
	ch, _ := globalSync.Load("key")
	close(ch.(chan int))
}

//go:noinline
func ofSyncMap(ch chan int) {
	roll.Here()
	<-ch
	roll.Ran()
}

func startOfBox(n int) {
	expect("ofBox", n)
	ch := make(chan int)
	globalBox <- ch
	for i := 0; i < n; i++ {
		go ofBox(ch)
	}
}

//go:noinline
func ofBox(ch chan int) {
	roll.Here()
	<-ch
	roll.Ran()
}

func startOfFunc(n int) {
	expect("ofFunc", n)
	ch := make(chan int)
	globalFunc = func() { close(ch) }
	for i := 0; i < n; i++ {
		go ofFunc(ch)
	}
}

//go:noinline
func ofFunc(ch chan int) {
	roll.Here()
	<-ch
	roll.Ran()
}

func startOfAny(n int) {
	expect("ofAny", n)
	last := &holder{ch: make(chan int)}
	globalAny = &holder{next: last}
	for i := 0; i < n; i++ {
		go ofAny(last.ch)
	}
}

//go:noinline
func ofAny(ch chan int) {
	roll.Here()
	<-ch
	roll.Ran()
}

// startOfEither makes selects of which only one channel can be reached.
func startOfEither(n int) {
	expect("ofEither", n)
	globalSelect = make(chan int)
	for i := 0; i < n; i++ {
		go ofEither(make(chan int), globalSelect, make(chan int))
	}
}

//go:noinline
func ofEither(one, two, three chan int) {
	roll.Here()
	select {
	case <-one:
	case <-two:
	case three <- 1:
	}
	roll.Ran()
}

// startOfRelay makes chains of three, the first of whom can be reached.
func startOfRelay(n int) {
	expect("ofRelay", n)
	roll.Expect("kept", "main.relay", 2*n)
	globalRelay = make(chan int)
	for i := 0; i < n; i++ {
		second, third := make(chan int), make(chan int)
		go relay(globalRelay, second)
		go relay(second, third)
		go ofRelay(third)
	}
}

//go:noinline
func relay(own, next chan int) {
	roll.Here()
	<-own
	roll.Ran()
	close(next)
}

//go:noinline
func ofRelay(ch chan int) {
	roll.Here()
	<-ch
	roll.Ran()
}

// startOfSender makes senders that offer the channel of others, which they have nowhere else.
func startOfSender(n int) {
	expect("ofSender", n)
	roll.Expect("kept", "main.sender", n)
	globalSender = make(chan chan int)
	for i := 0; i < n; i++ {
		ch := make(chan int)
		go sender(globalSender, ch)
		go ofSender(ch)
	}
}

func wakeOfSender() {
	for i := 0; i < *count; i++ {
		close(<-globalSender)
	}
}

//go:noinline
func sender(out chan chan int, ch chan int) {
	roll.Here()
	out <- ch
	roll.Ran()
}

//go:noinline
func ofSender(ch chan int) {
	roll.Here()
	<-ch
	roll.Ran()
}

var staleRead int32

// startOfStale leaves the channel in a variable of a goroutine that does not look at it any more.
func startOfStale(n int) func() {
	roll.Expect("kept", "main.stale", 1)
	globalStale = make(chan int)
	ch := make(chan int)
	go stale(ch, globalStale)
	roll.Settle()
	expect("ofStale", n)
	for i := 0; i < n; i++ {
		go ofStale(ch)
	}
	return func() { close(ch) }
}

func init() {
	m := modes["ofStale"]
	m.wake = func() { close(globalStale) }
	modes["ofStale"] = m
}

//go:noinline
func stale(ch, own chan int) {
	atomic.AddInt32(&staleRead, int32(cap(ch)))
	roll.Here()
	<-own
	roll.Ran()
}

//go:noinline
func ofStale(ch chan int) {
	roll.Here()
	<-ch
	roll.Ran()
}

func startPlacedMutex(n int) {
	expect("placedMutex", n)
	thePlacedMutex.Lock()
	for i := 0; i < n; i++ {
		go placedMutex()
	}
}

//go:noinline
func placedMutex() {
	roll.Here()
	thePlacedMutex.Lock()
	roll.Ran()
	thePlacedMutex.Unlock()
}

func startPlacedRW(n int) {
	expect("placedRW", n)
	thePlacedRW.Lock()
	for i := 0; i < n; i++ {
		go placedRW()
	}
}

//go:noinline
func placedRW() {
	roll.Here()
	thePlacedRW.RLock()
	roll.Ran()
	thePlacedRW.RUnlock()
}

func startPlacedGroup(n int) {
	expect("placedGroup", n)
	thePlacedGroup.Add(1)
	for i := 0; i < n; i++ {
		go placedGroup()
	}
}

//go:noinline
func placedGroup() {
	roll.Here()
	thePlacedGroup.Wait()
	roll.Ran()
}

func startPlacedCond(n int) {
	expect("placedCond", n)
	for i := 0; i < n; i++ {
		go placedCond()
	}
}

//go:noinline
func placedCond() {
	thePlacedCond.L.Lock()
	roll.Here()
	thePlacedCond.Wait()
	roll.Ran()
	thePlacedCond.L.Unlock()
}

func startHeapMutex(n int) {
	expect("heapMutex", n)
	theHeapMutex = &session{}
	theHeapMutex.lock.Lock()
	for i := 0; i < n; i++ {
		go heapMutex(theHeapMutex)
	}
}

//go:noinline
func heapMutex(s *session) {
	roll.Here()
	s.lock.Lock()
	roll.Ran()
	s.lock.Unlock()
}

func startHeapRW(n int) {
	expect("heapRW", n)
	theHeapRW = new(sync.RWMutex)
	theHeapRW.RLock()
	for i := 0; i < n; i++ {
		go heapRW(theHeapRW)
	}
}

//go:noinline
func heapRW(m *sync.RWMutex) {
	roll.Here()
	m.Lock()
	roll.Ran()
	m.Unlock()
}

func startHeapGroup(n int) {
	expect("heapGroup", n)
	theHeapGroup = new(sync.WaitGroup)
	theHeapGroup.Add(1)
	for i := 0; i < n; i++ {
		go heapGroup(theHeapGroup)
	}
}

//go:noinline
func heapGroup(g *sync.WaitGroup) {
	roll.Here()
	g.Wait()
	roll.Ran()
}

func startHeapCond(n int) {
	expect("heapCond", n)
	theHeapCond = sync.NewCond(new(sync.Mutex))
	for i := 0; i < n; i++ {
		go heapCond(theHeapCond)
	}
}

//go:noinline
func heapCond(c *sync.Cond) {
	c.L.Lock()
	roll.Here()
	c.Wait()
	roll.Ran()
	c.L.Unlock()
}
