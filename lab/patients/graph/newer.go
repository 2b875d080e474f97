//go:build go1.24

package main

import (
	"runtime"
	"unsafe"
	"weak"
)

var (
	weakly  []weak.Pointer[bulky]
	cleaned []*bulky
)

// fillNewer makes cleanups and weak pointers; those of objects that nothing else holds too.
func fillNewer() {
	for i := 0; i < 300; i++ {
		live := &bulky{first: fresh(i)}
		own := fresh(i)
		cleaned = append(cleaned, live)
		runtime.AddCleanup(live, func(n *node) { runtime.KeepAlive(own) }, fresh(i))
		weakly = append(weakly, weak.Make(live))
		if i == 299 {
			keep("cleanup_closure", unsafe.Pointer(own))
		}
	}
}

// dropNewer makes an object that only a weak pointer leads to.
//
//go:noinline
func dropNewer() {
	only := &bulky{first: fresh(7)}
	lost["weak"] = uintptr(unsafe.Pointer(only.first))
	weakly = append(weakly, weak.Make(only))
}
