package main

import (
	"context"
	"io"
	"reflect"
	"runtime"
	"sync"
	"time"
)

// forEver are the modes that nobody can let go on.
var forEver = map[string]bool{"nilReceive": true, "nilSend": true, "noCases": true, "nilCases": true}

func init() {
	leaky(map[string]func(n int) func(){
		"nilReceive": startNilReceive,
		"nilSend":    startNilSend,
		"noCases":    startNoCases,
		"nilCases":   startNilCases,
		"receive":    startReceive,
		"send":       startSend,
		"sendFull":   startSendFull,
		"rangeOver":  startRangeOver,
		"selectTwo":  startSelectTwo,
		"reflected":  startReflected,
		"chainTail":  startChain,
		"ringOdd":    startRing,
		"locked":     startLocked,
		"deep":       startDeep,
		"ofBuffer":   startOfBuffer,
		"ofGarbage":  startOfGarbage,
		"ofDead":     startOfDead,
		"done":       startDone,
		"late":       startLate,
		"piped":      startPiped,
		"deferred":   startDeferred,
	})
}

func startNilReceive(n int) func() {
	expect("nilReceive", n)
	for i := 0; i < n; i++ {
		go nilReceive(nil)
	}
	return nil
}

//go:noinline
func nilReceive(none chan int) {
	roll.Here()
	<-none
	roll.Ran()
}

func startNilSend(n int) func() {
	expect("nilSend", n)
	for i := 0; i < n; i++ {
		go nilSend(nil)
	}
	return nil
}

//go:noinline
func nilSend(none chan int) {
	roll.Here()
	none <- 1
	roll.Ran()
}

func startNoCases(n int) func() {
	expect("noCases", n)
	for i := 0; i < n; i++ {
		go noCases()
	}
	return nil
}

//go:noinline
func noCases() {
	roll.Here()
	select {}
}

func startNilCases(n int) func() {
	expect("nilCases", n)
	for i := 0; i < n; i++ {
		go nilCases(nil, nil)
	}
	return nil
}

// nilCases waits in a select all of whose channels are nil: it waits in no queue.
//
//go:noinline
func nilCases(one, two chan int) {
	roll.Here()
	select {
	case <-one:
	case two <- 1:
	}
	roll.Ran()
}

func startReceive(n int) func() {
	expect("receive", n)
	ch := make(chan int)
	for i := 0; i < n; i++ {
		go receive(ch)
	}
	return func() { close(ch) }
}

//go:noinline
func receive(ch chan int) {
	roll.Here()
	<-ch
	roll.Ran()
}

func startSend(n int) func() {
	expect("send", n)
	ch := make(chan int)
	for i := 0; i < n; i++ {
		go send(ch)
	}
	return func() {
		for i := 0; i < n; i++ {
			<-ch
		}
	}
}

//go:noinline
func send(ch chan int) {
	roll.Here()
	ch <- 1
	roll.Ran()
}

func startSendFull(n int) func() {
	expect("sendFull", n)
	ch := make(chan int, 4)
	for i := 0; i < cap(ch); i++ {
		ch <- i
	}
	for i := 0; i < n; i++ {
		go sendFull(ch)
	}
	return func() {
		for i := 0; i < n; i++ {
			<-ch
		}
	}
}

//go:noinline
func sendFull(ch chan int) {
	roll.Here()
	ch <- 1
	roll.Ran()
}

func startRangeOver(n int) func() {
	expect("rangeOver", n)
	ch := make(chan *[64]int, 2)
	for i := 0; i < n; i++ {
		go rangeOver(ch)
	}
	return func() { close(ch) }
}

//go:noinline
func rangeOver(ch chan *[64]int) {
	roll.Here()
	sum := 0
	for one := range ch {
		sum += one[0]
	}
	roll.Ran()
}

func startSelectTwo(n int) func() {
	expect("selectTwo", n)
	in, out := make(chan int), make(chan string)
	for i := 0; i < n; i++ {
		go selectTwo(in, out)
	}
	return func() { close(in) }
}

//go:noinline
func selectTwo(in chan int, out chan string) {
	roll.Here()
	var none chan int
	select {
	case <-in:
	case out <- "word":
	case <-none:
	}
	roll.Ran()
}

func startReflected(n int) func() {
	expect("reflected", n)
	ch := make(chan int)
	for i := 0; i < n; i++ {
		go reflected(ch)
	}
	return func() { close(ch) }
}

//go:noinline
func reflected(ch chan int) {
	roll.Here()
	cases := []reflect.SelectCase{{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(ch)}}
	reflect.Select(cases)
	roll.Ran()
}

// startChain makes pairs of which one waits for the other, who waits for nobody.
func startChain(n int) func() {
	expect("chainTail", n)
	roll.Expect("leaked", "main.chainHead", n)
	ch := make(chan int)
	for i := 0; i < n; i++ {
		next := make(chan int)
		go chainHead(ch, next)
		go chainTail(next)
	}
	return func() { close(ch) }
}

//go:noinline
func chainHead(ch, next chan int) {
	roll.Here()
	<-ch
	roll.Ran()
	close(next)
}

//go:noinline
func chainTail(ch chan int) {
	roll.Here()
	<-ch
	roll.Ran()
}

// startRing makes rings of two, each of whom waits for the other first.
func startRing(n int) func() {
	expect("ringOdd", n)
	roll.Expect("leaked", "main.ringEven", n)
	var odds []chan int
	for i := 0; i < n; i++ {
		odd, even := make(chan int), make(chan int)
		go ringOdd(odd, even)
		go ringEven(even, odd)
		odds = append(odds, odd)
	}
	return func() {
		for _, odd := range odds {
			close(odd)
		}
	}
}

//go:noinline
func ringOdd(own, other chan int) {
	roll.Here()
	<-own
	roll.Ran()
	close(other)
}

//go:noinline
func ringEven(own, other chan int) {
	roll.Here()
	<-own
	roll.Ran()
	runtime.KeepAlive(other)
}

func startLocked(n int) func() {
	expect("locked", n)
	ch := make(chan int)
	for i := 0; i < n; i++ {
		go locked(ch)
	}
	return func() { close(ch) }
}

// locked has a thread of its own, and is in Go.
//
//go:noinline
func locked(ch chan int) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	roll.Here()
	<-ch
	roll.Ran()
}

func startDeep(n int) func() {
	expect("deep", n)
	ch := make(chan int)
	for i := 0; i < n; i++ {
		go down(60, ch)
	}
	return func() { close(ch) }
}

// down holds 16 KiB of heap and more than half a KiB of stack in each of its frames.
//
//go:noinline
func down(depth int, ch chan int) int {
	var frame [512]byte
	own := block()
	frame[depth] = 1
	if depth == 0 {
		deep(ch)
	} else {
		down(depth-1, ch)
	}
	return int(own[depth]) + int(frame[depth])
}

//go:noinline
func block() []byte { return make([]byte, 16<<10) }

//go:noinline
func deep(ch chan int) {
	roll.Here()
	<-ch
	roll.Ran()
}

// startOfBuffer leaves the channel in the buffer of one that only a goroutine such has.
func startOfBuffer(n int) func() {
	expect("ofBuffer", n)
	ch, box := make(chan int), make(chan chan int, 1)
	box <- ch
	for i := 0; i < n; i++ {
		go ofBuffer(ch, box)
	}
	return func() { close(<-box) }
}

//go:noinline
func ofBuffer(ch chan int, box chan chan int) {
	roll.Here()
	<-ch
	roll.Ran()
	runtime.KeepAlive(box)
}

type holder struct {
	next *holder
	ch   chan int
}

// startOfGarbage leaves the channel to objects that nobody has.
func startOfGarbage(n int) func() {
	expect("ofGarbage", n)
	ring := &holder{ch: make(chan int)}
	ring.next = &holder{next: ring, ch: ring.ch}
	for i := 0; i < n; i++ {
		go ofGarbage(ring.ch)
	}
	return func() { close(ring.next.ch) }
}

//go:noinline
func ofGarbage(ch chan int) {
	roll.Here()
	<-ch
	roll.Ran()
}

// startOfDead leaves the channel on the stack of a goroutine that has ended.
func startOfDead(n int) func() {
	expect("ofDead", n)
	ch := make(chan int)
	for i := 0; i < n; i++ {
		go ofDead(ch)
	}
	var ended sync.WaitGroup
	ended.Add(1)
	go brief(ch, &ended)
	ended.Wait()
	return func() { close(ch) }
}

//go:noinline
func brief(ch chan int, ended *sync.WaitGroup) {
	own := [4]chan int{ch, ch, ch, ch}
	runtime.KeepAlive(&own)
	ended.Done()
}

//go:noinline
func ofDead(ch chan int) {
	roll.Here()
	<-ch
	roll.Ran()
}

// requestKey is under what a context has its request.
type requestKey struct{}

// request is what a handler has, and forgets to end.
type request struct {
	ctx    context.Context
	cancel context.CancelFunc
	body   []byte
}

func newRequest() *request {
	r := &request{body: make([]byte, 64<<10)}
	r.ctx, r.cancel = context.WithCancel(context.WithValue(context.Background(), requestKey{}, r))
	return r
}

func startDone(n int) func() {
	expect("done", n)
	var requests []*request
	for i := 0; i < n; i++ {
		r := newRequest()
		requests = append(requests, r)
		go done(r.ctx)
	}
	return func() {
		for _, r := range requests {
			r.cancel()
		}
	}
}

// done waits for a context that nobody can cancel any more.
//
//go:noinline
func done(ctx context.Context) {
	roll.Here()
	<-ctx.Done()
	roll.Ran()
}

// startLate makes workers whose asker does not wait for the answer.
func startLate(n int) func() {
	answers := make(chan []byte)
	for i := 0; i < n; i++ {
		expect("late", 1)
		go late(answers)
		ask(answers)
	}
	return func() {
		for i := 0; i < n; i++ {
			<-answers
		}
	}
}

//go:noinline
func ask(answers chan []byte) {
	roll.Settle()
	patience := make(chan time.Time)
	close(patience)
	select {
	case <-patience:
	case <-make(chan int):
	}
	runtime.KeepAlive(answers)
}

//go:noinline
func late(answers chan []byte) {
	answer := make([]byte, 32<<10)
	roll.Here()
	answers <- answer
	roll.Ran()
}

// startPiped makes writers into pipes that nobody reads to the end or closes.
func startPiped(n int) func() {
	expect("piped", n)
	var readers []*io.PipeReader
	for i := 0; i < n; i++ {
		reader, writer := io.Pipe()
		go piped(writer)
		readers = append(readers, reader)
	}
	return func() {
		for _, reader := range readers {
			reader.Close()
		}
	}
}

//go:noinline
func piped(writer *io.PipeWriter) {
	roll.Here()
	writer.Write(make([]byte, 4096))
	roll.Ran()
}

func startDeferred(n int) func() {
	expect("deferred", n)
	roll.Expect("leaked", "main.deferrer", n)
	own := make(chan int)
	for i := 0; i < n; i++ {
		ch := make(chan int)
		go deferrer(own, ch)
		go deferred(ch)
	}
	return func() { close(own) }
}

// deferrer has the channel of another in a deferred call alone.
//
//go:noinline
func deferrer(own, ch chan int) {
	defer close(ch)
	roll.Here()
	<-own
	roll.Ran()
}

//go:noinline
func deferred(ch chan int) {
	roll.Here()
	<-ch
	roll.Ran()
}
