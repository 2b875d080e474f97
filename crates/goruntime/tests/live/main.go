// Command live makes a heap of many shapes, prints what the runtime says of it, and stops itself.
//
// Between ReadMemStats and the stop nothing is allocated: the lines are put together in a static
// buffer. With the argument "churn" a known number of objects is allocated after the lines were
// printed, so that they lie in the Ps' caches and no counter knows them yet.
package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"runtime/pprof"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

type node struct {
	next *node
	pad  [40]byte
}

var (
	buf    [1 << 14]byte
	used   int
	stats  runtime.MemStats
	keep   [][]byte
	list   *node
	sink   [4096]*node
	tiny   [4096]*int32
	sample = []metrics.Sample{{Name: "/cpu/classes/gc/total:cpu-seconds"}}
	block  = make(chan int)

	blocked int32
	limit   int64
	gogc    int
)

func put(key string, value uint64) {
	used += copy(buf[used:], key)
	buf[used] = '='
	used++
	var digits [20]byte
	at := len(digits)
	for {
		at--
		digits[at] = byte('0' + value%10)
		value /= 10
		if value == 0 {
			break
		}
	}
	used += copy(buf[used:], digits[at:])
	buf[used] = '\n'
	used++
}

//go:noinline
func deep(n int) byte {
	var frame [256]byte
	frame[n%256] = byte(n)
	if n == 0 {
		atomic.AddInt32(&blocked, 1)
		<-block
	} else {
		frame[0] = deep(n - 1)
	}
	return frame[n%256]
}

func fill() {
	for i := 0; i < 20000; i++ {
		list = &node{next: list}
		keep = append(keep, make([]byte, 8+i%3000))
	}
	for i := 0; i < 16; i++ {
		keep = append(keep, make([]byte, 1<<20+i*4096))
	}
	for i := range keep {
		if i%3 == 0 {
			keep[i] = nil
		}
	}
	// One processor, so that each goroutine goes on to its block once it has counted itself.
	processors := runtime.GOMAXPROCS(1)
	for i := 0; i < 200; i++ {
		go deep(i)
	}
	for atomic.LoadInt32(&blocked) < 200 {
		runtime.Gosched()
	}
	time.Sleep(20 * time.Millisecond)
	runtime.GOMAXPROCS(processors)
	for i := 0; i < 20; i++ {
		done := make(chan bool)
		go func() { done <- true }()
		<-done
	}
}

func churn() {
	for i := 0; i < 1000; i++ {
		sink[i] = new(node)
		tiny[i] = new(int32)
	}
}

func main() {
	const setParentDeathSignal = 1
	syscall.RawSyscall(syscall.SYS_PRCTL, setParentDeathSignal, uintptr(syscall.SIGKILL), 0)
	runtime.MemProfileRate = 4096
	pprof.Lookup("heap")
	runtime.SetBlockProfileRate(1)
	gogc = debug.SetGCPercent(150)
	gogc = 150
	if len(os.Args) > 2 {
		debug.SetMemoryLimit(1 << 28)
	}
	limit = debug.SetMemoryLimit(-1)
	fill()
	runtime.GC()
	time.Sleep(50 * time.Millisecond)
	metrics.Read(sample)
	runtime.ReadMemStats(&stats)
	put("heap_alloc", stats.HeapAlloc)
	put("heap_inuse", stats.HeapInuse)
	put("heap_idle", stats.HeapIdle)
	put("heap_released", stats.HeapReleased)
	put("heap_sys", stats.HeapSys)
	put("heap_objects", stats.HeapObjects)
	put("total_alloc", stats.TotalAlloc)
	put("mallocs", stats.Mallocs)
	put("frees", stats.Frees)
	put("stack_inuse", stats.StackInuse)
	put("stack_sys", stats.StackSys)
	put("mspan_inuse", stats.MSpanInuse)
	put("mspan_sys", stats.MSpanSys)
	put("mcache_inuse", stats.MCacheInuse)
	put("mcache_sys", stats.MCacheSys)
	put("buck_hash_sys", stats.BuckHashSys)
	put("gc_sys", stats.GCSys)
	put("other_sys", stats.OtherSys)
	put("next_gc", stats.NextGC)
	put("last_gc_unix_ns", stats.LastGC)
	put("num_gc", uint64(stats.NumGC))
	put("num_forced_gc", uint64(stats.NumForcedGC))
	put("pause_total_ns", stats.PauseTotalNs)
	put("goroutines", uint64(runtime.NumGoroutine()))
	put("gomaxprocs", uint64(runtime.GOMAXPROCS(0)))
	put("gc_percent", uint64(gogc))
	if sample[0].Value.Kind() == metrics.KindFloat64 {
		put("gc_cpu_ns", uint64(sample[0].Value.Float64()*1e9+0.5))
	}
	put("memory_limit", uint64(limit)) // the last line
	syscall.Write(1, buf[:used])
	if len(os.Args) > 1 && os.Args[1] == "churn" {
		churn()
	}
	syscall.Kill(syscall.Getpid(), syscall.SIGSTOP)
	// The signal stops this thread a moment later; and somebody may let the process go on, then
	// it ends by itself after ten minutes. Raw calls allocate nothing.
	second := syscall.Timespec{Sec: 1}
	for i := 0; i < 600; i++ {
		syscall.RawSyscall(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&second)), 0, 0)
	}
	runtime.KeepAlive(list)
}
