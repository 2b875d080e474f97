// Copied is a program that does much at once, and notices what a frozen copy of it could break:
// a wave over many pages that shows whether a copy is of one instant, collections, children, TCP,
// timers, C, signals, and the longest time in which it did not run.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"letgo.lab/truth"
)

const (
	osPage = 4096
	crests = 256
)

var (
	wave    = flag.Bool("wave", false, "run the wave")
	garbage = flag.Bool("garbage", false, "allocate all the time")
	execs   = flag.Bool("exec", false, "run children all the time")
	tcp     = flag.Bool("tcp", false, "echo over TCP all the time")
	timers  = flag.Bool("timers", false, "run timers all the time")
	cCode   = flag.Bool("cgo", false, "call C all the time")
	profile = flag.Bool("profile", false, "let SIGPROF come all the time")
	gaps    = flag.Bool("gaps", false, "spin and keep the longest gap")
	threads = flag.Int("threads", 0, "os threads that wait in read(2)")
	huge    = flag.Bool("huge", false, "ask for huge pages for what is held")
	filter  = flag.Bool("seccomp", false, "be killed for a fork")
)

var (
	failed, corrupt, children, echoes, ticks, calls, signals atomic.Uint64
	gapNs                                                    atomic.Int64
	held                                                     []byte
)

func main() {
	p := truth.Start(0)
	signal.Ignore(syscall.SIGPIPE)
	hold(p)
	sea := mmap(p, crests*osPage)
	for name, part := range map[*bool]func(){
		wave: func() { waves(sea) }, garbage: makeGarbage, execs: runChildren, tcp: echo,
		timers: tick, cCode: callC, gaps: spin,
	} {
		if *name {
			go part()
		}
	}
	if *profile {
		go profileAll()
	}
	wait(p)
	got := make(chan os.Signal, 16)
	signal.Notify(got, syscall.SIGUSR1)
	go countSignals(got)
	listen(p)
	p.On("stats", func() { stats(p) })
	p.On("calm", func() { gapNs.Store(0) })
	p.Truth("wave", address(sea), "crests", crests, "os_page", osPage,
		"held", address(held), "held_bytes", len(held),
		"signals", uint64(uintptr(unsafe.Pointer(&signals))), "port", port, "cgo", truth.Cgo)
	restrict(p)
	p.Serve()
}

func stats(p *truth.Patient) {
	p.Truth("failed", failed.Load(), "corrupt", corrupt.Load(), "children", children.Load(),
		"echoes", echoes.Load(), "ticks", ticks.Load(), "calls", calls.Load(),
		"signals", signals.Load(), "gap_ns", gapNs.Load())
}

func address(bytes []byte) uint64 {
	if len(bytes) == 0 {
		return 0
	}
	return uint64(uintptr(unsafe.Pointer(&bytes[0])))
}

func mmap(p *truth.Patient, bytes int) []byte {
	flags := syscall.MAP_PRIVATE | syscall.MAP_ANON
	sea, err := syscall.Mmap(-1, 0, bytes, syscall.PROT_READ|syscall.PROT_WRITE, flags)
	if err != nil {
		p.Fail(err.Error())
	}
	return sea
}

// hold fills memory that never changes: the number of each os page in its first word.
func hold(p *truth.Patient) {
	if p.Bytes() == 0 {
		return
	}
	held = mmap(p, p.Bytes())
	advice := 15 // MADV_NOHUGEPAGE
	if *huge {
		advice = 14 // MADV_HUGEPAGE
	}
	syscall.Madvise(held, advice)
	for at := 0; at < len(held); at += osPage {
		*(*uint64)(unsafe.Pointer(&held[at])) = uint64(at / osPage)
	}
}

// waves writes a number to one word of each os page, in order, and then the next number: at any
// instant the words fall by one at most once.
func waves(sea []byte) {
	for number := uint64(1); ; number++ {
		for at := 0; at < len(sea); at += osPage {
			atomic.StoreUint64((*uint64)(unsafe.Pointer(&sea[at])), number)
		}
	}
}

func makeGarbage() {
	type node struct {
		next *node
		body [5]int
	}
	for {
		var list *node
		for i := 0; i < 20000; i++ {
			list = &node{next: list, body: [5]int{i, i, i, i, i}}
		}
		want := 19999
		for ; list != nil; list = list.next {
			if list.body != [5]int{want, want, want, want, want} {
				corrupt.Add(1)
			}
			want--
		}
	}
}

func runChildren() {
	for {
		out, err := exec.Command("/bin/echo", "copied").Output()
		if err != nil || string(out) != "copied\n" {
			failed.Add(1)
			fmt.Fprintln(os.Stderr, "child:", err)
		}
		children.Add(1)
	}
}

func tick() {
	var all sync.WaitGroup
	for {
		for i := 1; i <= 20; i++ {
			all.Add(1)
			asked := time.Now()
			least := time.Duration(i) * 100 * time.Microsecond
			time.AfterFunc(least, func() {
				if time.Since(asked) < least {
					corrupt.Add(1)
				}
				ticks.Add(1)
				all.Done()
			})
		}
		all.Wait()
	}
}

// spin looks at the clock all the time: the longest gap is how long it did not run.
func spin() {
	runtime.LockOSThread()
	for last := time.Now(); ; {
		now := time.Now()
		if gap := int64(now.Sub(last)); gap > gapNs.Load() {
			gapNs.Store(gap)
		}
		last = now
	}
}

func profileAll() {
	for {
		null, err := os.OpenFile("/dev/null", os.O_WRONLY, 0)
		if err != nil || pprof.StartCPUProfile(null) != nil {
			failed.Add(1)
			return
		}
		time.Sleep(time.Second)
		pprof.StopCPUProfile()
		null.Close()
	}
}

// countSignals counts each SIGUSR1; the sender waits for one before it sends the next.
func countSignals(got chan os.Signal) {
	for range got {
		signals.Add(1)
	}
}

// wait starts threads that wait in read(2) for ever.
func wait(p *truth.Patient) {
	var pipe [2]int
	if err := syscall.Pipe(pipe[:]); err != nil {
		p.Fail(err.Error())
	}
	var started sync.WaitGroup
	started.Add(*threads)
	for i := 0; i < *threads; i++ {
		go func() {
			runtime.LockOSThread()
			var one [1]byte
			started.Done()
			syscall.Read(pipe[0], one[:])
		}()
	}
	started.Wait()
}
