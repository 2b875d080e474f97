package main

import (
	"context"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// hidden are the bits of a pointer, upside down: they lead nobody there, neither the collector nor
// one who takes every word for a pointer.
type hidden uintptr

func hide(p unsafe.Pointer) hidden { return ^hidden(uintptr(p)) }

func (h hidden) pointer() unsafe.Pointer {
	bits := ^uintptr(h)
	return *(*unsafe.Pointer)(unsafe.Pointer(&bits))
}

const long = 1000 * time.Hour

type object struct {
	next *object
	pad  [100]byte
}

var (
	timerAt, afterAt, tickerAt, timeoutAt hidden

	finalized     *object
	cancelGlobal  context.CancelFunc
	parentGlobal  context.Context
	cancelParent  context.CancelFunc
	ioWriter      *os.File
	callWriter    int
	semWriter     [2]*os.File
	sleeperWakes  int32
	runningEnds   int32
	pooledObjects sync.Pool
)

func init() {
	keeping("kept", map[string]kept{
		"ofTimer":     {startOfTimer, func() { (*time.Timer)(timerAt.pointer()).Reset(0) }},
		"afterLong":   {startAfterLong, func() { (*time.Timer)(afterAt.pointer()).Reset(0) }},
		"tickLong":    {startTickLong, func() { (*time.Ticker)(tickerAt.pointer()).Reset(1) }},
		"ofFinalizer": {startOfFinalizer, wakeOfFinalizer},
		"ofCancel":    {startOfCancel, func() { cancelGlobal() }},
		"ofParent":    {startOfParent, func() { cancelParent() }},
		"ofTimeout":   {startOfTimeout, func() { (*request)(timeoutAt.pointer()).cancel() }},
		"ofIO":        {startOfIO, func() { ioWriter.Close() }},
		"ofCall":      {startOfCall, func() { syscall.Close(callWriter) }},
		"notified":    {startNotified, wakeNotified},
		"semWaiter":   {startSemWaiter, wakeSemWaiter},
		"ofSleeper":   {startOfSleeper, func() { atomic.StoreInt32(&sleeperWakes, 1) }},
		"ofRunning":   {startOfRunning, func() { atomic.StoreInt32(&runningEnds, 1) }},
	})
	keeping("stuck", map[string]kept{
		"ofOwnFinalizer": {startOfOwnFinalizer, nil},
	})
	keeping("either", map[string]kept{
		"ofPool":     {startOfPool, nil},
		"stopped":    {startStopped, nil},
		"stoppedFun": {startStoppedFun, nil},
	})
}

// startOfTimer leaves the channel to a function that a timer will call.
func startOfTimer(n int) {
	expect("ofTimer", n)
	ch := make(chan int)
	timerAt = hide(unsafe.Pointer(time.AfterFunc(long, func() { close(ch) })))
	for i := 0; i < n; i++ {
		go ofTimer(ch)
	}
}

//go:noinline
func ofTimer(ch chan int) {
	roll.Here()
	<-ch
	roll.Ran()
}

// startAfterLong makes one that waits for a time, and others that wait for it.
func startAfterLong(n int) {
	expect("afterLong", n)
	roll.Expect("kept", "main.afterTime", 1)
	next := make(chan int)
	timer := time.NewTimer(long)
	afterAt = hide(unsafe.Pointer(timer))
	go afterTime(timer.C, next)
	for i := 0; i < n; i++ {
		go afterLong(next)
	}
}

//go:noinline
func afterTime(at <-chan time.Time, next chan int) {
	roll.Here()
	<-at
	roll.Ran()
	close(next)
}

//go:noinline
func afterLong(ch chan int) {
	roll.Here()
	<-ch
	roll.Ran()
}

func startTickLong(n int) {
	expect("tickLong", n)
	ticker := time.NewTicker(long)
	tickerAt = hide(unsafe.Pointer(ticker))
	for i := 0; i < n; i++ {
		go tickLong(ticker)
	}
}

//go:noinline
func tickLong(ticker *time.Ticker) {
	roll.Here()
	<-ticker.C
	roll.Ran()
}

// startOfFinalizer leaves the channel to the finalizer of an object that is held.
func startOfFinalizer(n int) {
	expect("ofFinalizer", n)
	ch := make(chan int)
	finalized = &object{}
	runtime.SetFinalizer(finalized, func(*object) { close(ch) })
	for i := 0; i < n; i++ {
		go ofFinalizer(ch)
	}
}

func wakeOfFinalizer() {
	finalized = nil
	runtime.GC()
	runtime.GC()
}

//go:noinline
func ofFinalizer(ch chan int) {
	roll.Here()
	<-ch
	roll.Ran()
}

// startOfOwnFinalizer leaves the channel to the finalizer of an object that only those have who
// wait for it: the collector takes what the finalizer needs for reachable.
func startOfOwnFinalizer(n int) {
	expect("ofOwnFinalizer", n)
	for i := 0; i < n; i++ {
		own, ch := &object{}, make(chan int)
		runtime.SetFinalizer(own, func(*object) { close(ch) })
		go ofOwnFinalizer(own, ch)
	}
}

//go:noinline
func ofOwnFinalizer(own *object, ch chan int) {
	roll.Here()
	<-ch
	roll.Ran()
	runtime.KeepAlive(own)
}

func startOfCancel(n int) {
	expect("ofCancel", n)
	var ctx context.Context
	ctx, cancelGlobal = context.WithCancel(context.Background())
	for i := 0; i < n; i++ {
		go ofCancel(ctx)
	}
}

//go:noinline
func ofCancel(ctx context.Context) {
	roll.Here()
	<-ctx.Done()
	roll.Ran()
}

// startOfParent makes a context that only its parent knows.
func startOfParent(n int) {
	expect("ofParent", n)
	parentGlobal, cancelParent = context.WithCancel(context.Background())
	for i := 0; i < n; i++ {
		r := &request{}
		r.ctx, r.cancel = context.WithCancel(parentGlobal)
		go ofParent(r.ctx)
	}
}

//go:noinline
func ofParent(ctx context.Context) {
	roll.Here()
	<-ctx.Done()
	roll.Ran()
}

func startOfTimeout(n int) {
	expect("ofTimeout", n)
	r := &request{}
	r.ctx, r.cancel = context.WithTimeout(context.Background(), long)
	timeoutAt = hide(unsafe.Pointer(r))
	for i := 0; i < n; i++ {
		go ofTimeout(r)
	}
}

//go:noinline
func ofTimeout(r *request) {
	roll.Here()
	<-r.ctx.Done()
	roll.Ran()
	runtime.KeepAlive(r)
}

// startOfIO leaves the channel to one that reads.
func startOfIO(n int) {
	expect("ofIO", n)
	roll.Expect("kept", "main.ioReader", 1)
	reader, writer, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	ioWriter = writer
	ch := make(chan int)
	go ioReader(reader, ch)
	for i := 0; i < n; i++ {
		go ofIO(ch)
	}
}

//go:noinline
func ioReader(reader *os.File, ch chan int) {
	var byte1 [1]byte
	roll.Here()
	reader.Read(byte1[:])
	roll.Ran()
	close(ch)
}

//go:noinline
func ofIO(ch chan int) {
	roll.Here()
	<-ch
	roll.Ran()
}

// startOfCall leaves the channel to one that is in a system call.
func startOfCall(n int) {
	expect("ofCall", n)
	roll.Expect("kept", "main.caller", 1)
	var ends [2]int
	if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC); err != nil {
		panic(err)
	}
	callWriter = ends[1]
	ch := make(chan int)
	go caller(ends[0], ch)
	for i := 0; i < n; i++ {
		go ofCall(ch)
	}
}

//go:noinline
func caller(fd int, ch chan int) {
	var byte1 [1]byte
	roll.Here()
	syscall.Read(fd, byte1[:])
	roll.Ran()
	close(ch)
}

//go:noinline
func ofCall(ch chan int) {
	roll.Here()
	<-ch
	roll.Ran()
}

func startNotified(n int) {
	expect("notified", n)
	for i := 0; i < n; i++ {
		ch := make(chan os.Signal, 1)
		signal.Notify(ch, syscall.SIGUSR2)
		go notified(ch)
	}
}

func wakeNotified() { syscall.Kill(syscall.Getpid(), syscall.SIGUSR2) }

//go:noinline
func notified(ch chan os.Signal) {
	roll.Here()
	<-ch
	roll.Ran()
}

// startSemWaiter makes writers into a full pipe: all but one of them wait for the right to write.
func startSemWaiter(n int) {
	roll.Expect("kept", "main.semOwner", 1)
	reader, writer, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	semWriter = [2]*os.File{reader, writer}
	go semOwner(writer)
	roll.Settle()
	expect("semWaiter", n)
	for i := 0; i < n; i++ {
		go semWaiter(writer)
	}
}

func wakeSemWaiter() { semWriter[0].Close() }

func init() {
	// A write into a pipe that nobody reads would end the process only on standard output.
	signal.Ignore(syscall.SIGPIPE)
}

//go:noinline
func semOwner(writer *os.File) {
	roll.Here()
	writer.Write(make([]byte, 1<<20))
	roll.Ran()
}

//go:noinline
func semWaiter(writer *os.File) {
	roll.Here()
	writer.Write([]byte{1})
	roll.Ran()
}

// startOfSleeper leaves the channel to one that sleeps most of its time.
func startOfSleeper(n int) {
	expect("ofSleeper", n)
	roll.Expect("busy", "main.sleeper", 1)
	ch := make(chan int)
	go sleeper(ch)
	for i := 0; i < n; i++ {
		go ofSleeper(ch)
	}
}

//go:noinline
func sleeper(ch chan int) {
	roll.Here()
	for atomic.LoadInt32(&sleeperWakes) == 0 {
		time.Sleep(20 * time.Millisecond)
	}
	close(ch)
	roll.Ran()
}

//go:noinline
func ofSleeper(ch chan int) {
	roll.Here()
	<-ch
	roll.Ran()
}

// startOfRunning leaves the channel to one that runs all the time, as the runtime sees it.
func startOfRunning(n int) {
	expect("ofRunning", n)
	roll.Expect("busy", "main.running", 1)
	ch := make(chan int)
	go running(ch)
	for i := 0; i < n; i++ {
		go ofRunning(ch)
	}
}

//go:noinline
func running(ch chan int) {
	roll.Here()
	for atomic.LoadInt32(&runningEnds) == 0 {
		nap(200 * time.Microsecond)
	}
	close(ch)
	roll.Ran()
}

// nap sleeps without telling the scheduler. Being called is where the collector can stop it.
//
//go:noinline
func nap(short time.Duration) {
	sleep := syscall.NsecToTimespec(int64(short))
	syscall.RawSyscall(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&sleep)), 0, 0)
}

//go:noinline
func ofRunning(ch chan int) {
	roll.Here()
	<-ch
	roll.Ran()
}

// startOfPool leaves the channel to a pool, which the collector empties.
func startOfPool(n int) {
	expect("ofPool", n)
	ch := make(chan int)
	for i := 0; i < n; i++ {
		go ofPool(ch)
	}
	pooledObjects.Put(&holder{ch: ch})
}

//go:noinline
func ofPool(ch chan int) {
	roll.Here()
	<-ch
	roll.Ran()
}

// startStopped makes some that wait for a timer that was stopped. The runtime forgets it then or
// later: before Go 1.23 a stopped timer stays in its heap until it comes to the top.
func startStopped(n int) {
	expect("stopped", n)
	for i := 0; i < n; i++ {
		timer := time.NewTimer(long)
		timer.Stop()
		go stopped(timer.C)
	}
}

//go:noinline
func stopped(at <-chan time.Time) {
	roll.Here()
	<-at
	roll.Ran()
}

// startStoppedFun makes some that wait for what a stopped timer would have done.
func startStoppedFun(n int) {
	expect("stoppedFun", n)
	ch := make(chan int)
	time.AfterFunc(long, func() { close(ch) }).Stop()
	for i := 0; i < n; i++ {
		go stoppedFun(ch)
	}
}

//go:noinline
func stoppedFun(ch chan int) {
	roll.Here()
	<-ch
	roll.Ran()
}
