package main

import (
	"os"
	"runtime"
	"syscall"
	"time"
)

// schedule is when requests are due: count of them, rate a second.
type schedule struct {
	rate, count int
}

func (s schedule) due(start time.Time, i int) time.Time {
	return start.Add(time.Duration(i) * time.Second / time.Duration(s.rate))
}

// clock is the real one but in tests.
type clock interface {
	now() time.Time
	sleep(time.Duration)
}

// run calls send for each request when it is due, or at once where that has passed. Returns how
// many were sent.
func (s schedule) run(c clock, stop <-chan os.Signal, send func(i int, due time.Time)) int {
	start := c.now()
	for i := 0; i < s.count; i++ {
		due := s.due(start, i)
		for wait := due.Sub(c.now()); wait > 0; wait = due.Sub(c.now()) {
			c.sleep(wait)
		}
		select {
		case <-stop:
			return i
		default:
		}
		send(i, due)
	}
	return s.count
}

type realClock struct{}

func (realClock) now() time.Time {
	return time.Now()
}

// sleep is the kernel's: Go's timers are a millisecond late where nothing else runs.
func (realClock) sleep(wait time.Duration) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	span := syscall.NsecToTimespec(wait.Nanoseconds())
	syscall.Nanosleep(&span, nil)
}
