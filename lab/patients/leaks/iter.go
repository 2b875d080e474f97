//go:build go1.23

package main

import (
	"iter"
)

var nextPulled func() (int, bool)

func init() {
	keeping("kept", map[string]kept{"ofCoroutine": {startOfCoroutine, func() { nextPulled() }}})
	keeping("stuck", map[string]kept{"ofLostCoroutine": {startOfLostCoroutine, nil}})
}

// closing is a sequence that has a channel on its stack while it is not asked, and then closes it.
//
//go:noinline
func closing(ch chan int) iter.Seq[int] {
	return func(yield func(int) bool) {
		yield(1)
		close(ch)
	}
}

// startOfCoroutine leaves the channel to a sequence that a global can ask for more.
func startOfCoroutine(n int) {
	expect("ofCoroutine", n)
	ch := make(chan int)
	nextPulled, _ = iter.Pull(closing(ch))
	nextPulled()
	for i := 0; i < n; i++ {
		go ofCoroutine(ch)
	}
}

//go:noinline
func ofCoroutine(ch chan int) {
	roll.Here()
	<-ch
	roll.Ran()
}

// startOfLostCoroutine leaves the channel to a sequence that nobody can ask for more.
func startOfLostCoroutine(n int) {
	expect("ofLostCoroutine", n)
	ch := make(chan int)
	next, _ := iter.Pull(closing(ch))
	next()
	for i := 0; i < n; i++ {
		go ofLostCoroutine(ch)
	}
}

//go:noinline
func ofLostCoroutine(ch chan int) {
	roll.Here()
	<-ch
	roll.Ran()
}
