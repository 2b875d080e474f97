//go:build cgo

package main

/*
#include <stdint.h>
#include <unistd.h>

static int ends[2];
static uintptr_t kept;

static int letgo_open(void) { return pipe(ends); }
static void letgo_wait(void) { char c; while (read(ends[0], &c, 1) < 0) {} }
static void letgo_end(void) { close(ends[1]); }
static void letgo_keep(uintptr_t handle) { kept = handle; }
static uintptr_t letgo_kept(void) { return kept; }
*/
import "C"

import "runtime/cgo"

func init() {
	keeping("kept", map[string]kept{
		"ofC":      {startOfC, func() { C.letgo_end() }},
		"ofHandle": {startOfHandle, wakeOfHandle},
	})
}

// startOfC leaves the channel to one that is in C.
func startOfC(n int) {
	if C.letgo_open() != 0 {
		panic("no pipe")
	}
	expect("ofC", n)
	roll.Expect("kept", "main.inC", 1)
	ch := make(chan int)
	go inC(ch)
	for i := 0; i < n; i++ {
		go ofC(ch)
	}
}

//go:noinline
func inC(ch chan int) {
	roll.Here()
	C.letgo_wait()
	roll.Ran()
	close(ch)
}

//go:noinline
func ofC(ch chan int) {
	roll.Here()
	<-ch
	roll.Ran()
}

// startOfHandle leaves the channel to C, by a handle.
func startOfHandle(n int) {
	expect("ofHandle", n)
	ch := make(chan int)
	C.letgo_keep(C.uintptr_t(cgo.NewHandle(ch)))
	for i := 0; i < n; i++ {
		go ofHandle(ch)
	}
}

func wakeOfHandle() { close(cgo.Handle(C.letgo_kept()).Value().(chan int)) }

//go:noinline
func ofHandle(ch chan int) {
	roll.Here()
	<-ch
	roll.Ran()
}
