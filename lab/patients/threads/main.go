// Threads has many os threads: each goroutine is locked to its own, which waits in a system call.
package main

import (
	"flag"
	"os"
	"runtime"
	"sync"
	"syscall"

	"letgo.lab/truth"
)

func main() {
	count := flag.Int("n", 200, "os threads that wait in read(2)")
	p := truth.Start(0)
	var pipe [2]int
	if err := syscall.Pipe(pipe[:]); err != nil {
		p.Fail(err.Error())
	}
	var started sync.WaitGroup
	started.Add(*count)
	for i := 0; i < *count; i++ {
		go func() {
			runtime.LockOSThread()
			var one [1]byte
			started.Done()
			syscall.Read(pipe[0], one[:])
		}()
	}
	started.Wait()
	for tasks() < *count {
		runtime.Gosched()
	}
	p.Truth("threads_blocked", *count, "cgo", truth.Cgo)
	p.Serve()
}

func tasks() int {
	entries, _ := os.ReadDir("/proc/self/task")
	return len(entries)
}
