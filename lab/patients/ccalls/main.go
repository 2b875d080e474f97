//go:build cgo

// Ccalls has goroutines in C: asleep in libc two functions deep, by one of two ways, spinning, and
// called back into Go from there. It tells what backtrace(3) says of each that sleeps.
package main

/*
#cgo CFLAGS: -O2 -fomit-frame-pointer -fvisibility=hidden
#include "calls.h"
*/
import "C"

import (
	"fmt"
	"os"
	"strings"
	"time"

	"letgo.lab/truth"
)

const (
	alike    = 3
	sleepers = alike + 4
)

//go:noinline
func sleeps() { C.letgo_outer(3) }

//go:noinline
func either(left C.int) { C.letgo_either(left, 3) }

//go:noinline
func spins() { C.letgo_spin() }

//go:noinline
func through() { C.letgo_through(0) }

//go:noinline
func blocked() { C.letgo_through(1) }

func main() {
	p := truth.Start(1)
	C.letgo_first()
	for i := 0; i < alike; i++ {
		go sleeps()
	}
	for left := C.int(0); left < 2; left++ {
		go either(left)
	}
	go through()
	go blocked()
	go spins()
	if C.letgo_foreign() != 0 {
		p.Fail("pthread_create failed")
	}
	for i := 0; i < sleepers; i++ {
		for !asleep(int(C.letgo_tids[i])) {
			time.Sleep(time.Millisecond)
		}
		for number, addr := range C.letgo_traces[i] {
			p.Truth(fmt.Sprintf("trace%d_%d", i, number), uint64(uintptr(addr)))
		}
	}
	<-isBlocked
	p.Truth("alike", alike, "sleepers", sleepers)
	p.Serve()
}

// asleep says whether a thread has come to rest, which it does in nanosleep only.
func asleep(tid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/stat", tid))
	if tid == 0 || err != nil {
		return false
	}
	behind := strings.LastIndexByte(string(stat), ')')
	return strings.HasPrefix(string(stat[behind+1:]), " S")
}
