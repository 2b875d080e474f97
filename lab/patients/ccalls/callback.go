//go:build cgo

package main

// #include "calls.h"
import "C"

var (
	isBlocked = make(chan bool)
	never     = make(chan bool)
)

//export callInside
func callInside() { inside() }

//go:noinline
func inside() { C.letgo_outer(5) }

//export callBlocked
func callBlocked() {
	isBlocked <- true
	<-never
}
