//go:build go1.25

package main

import (
	"testing"
	"testing/synctest"
)

var bubbleEnd = make(chan int)

func init() {
	testing.Init()
	keeping("stuck", map[string]kept{"bubbled": {startBubbled, nil}})
}

// startBubbled makes goroutines in a bubble of testing/synctest, in which waiting has names of its
// own. The bubble's root waits outside of it, so that the bubble is not found to be deadlocked.
func startBubbled(n int) {
	expect("bubbled", n)
	go testing.Main(func(_, _ string) (bool, error) { return true, nil }, []testing.InternalTest{
		{Name: "bubble", F: func(t *testing.T) {
			synctest.Test(t, func(*testing.T) {
				ch := make(chan int)
				for i := 0; i < n; i++ {
					go bubbled(ch)
				}
				<-bubbleEnd
			})
		}},
	}, nil, nil)
}

//go:noinline
func bubbled(ch chan int) {
	roll.Here()
	<-ch
	roll.Ran()
}
