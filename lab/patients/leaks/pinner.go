//go:build go1.21

package main

import (
	"runtime"
	"unsafe"
)

var (
	pinner   runtime.Pinner
	pinnedAt hidden
)

func init() {
	keeping("kept", map[string]kept{
		"ofPinner": {startOfPinner, func() { (*session)(pinnedAt.pointer()).lock.Unlock() }},
	})
}

// startOfPinner leaves the mutex to a pinner, as for C that has its address.
func startOfPinner(n int) {
	expect("ofPinner", n)
	s := &session{}
	s.lock.Lock()
	pinner.Pin(s)
	pinnedAt = hide(unsafe.Pointer(s))
	for i := 0; i < n; i++ {
		go ofPinner(s)
	}
}

//go:noinline
func ofPinner(s *session) {
	roll.Here()
	s.lock.Lock()
	roll.Ran()
	s.lock.Unlock()
}
