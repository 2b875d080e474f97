package truth

import (
	"runtime"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

const (
	// tick is how often a thread looks at the clock.
	tick = 200 * time.Microsecond
	// stillness is what counts as standing still when all of it is added up.
	stillness = time.Millisecond
)

var gapNs, stoodNs, waitedNs atomic.Int64

// noteGaps starts a thread that notes when it did not run, and adds the commands
//
//	calm  forgets what was noted
//	gaps  gap_ns, the longest time in which the thread could not have run; stood_ns, all such times
//	      of a millisecond or more together; waited_ns, the longest wait for a processor
//
// A wait for a processor is the machine's noise and no stop: a stopped thread does not wait in a
// queue. Source: Documentation/scheduler/sched-stats.rst, the second number of schedstat.
func (p *Patient) noteGaps() {
	started := make(chan struct{})
	go look(started)
	<-started
	p.On("calm", func() {
		gapNs.Store(0)
		stoodNs.Store(0)
		waitedNs.Store(0)
	})
	p.On("gaps", func() {
		p.Truth("gap_ns", gapNs.Load(), "stood_ns", stoodNs.Load(), "waited_ns", waitedNs.Load())
	})
}

// look sleeps without telling the scheduler, so that nobody takes its processor away meanwhile.
func look(started chan struct{}) {
	runtime.LockOSThread()
	file := "/proc/self/task/" + strconv.Itoa(syscall.Gettid()) + "/schedstat"
	fd, err := syscall.Open(file, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		fd = -1
	}
	close(started)
	sleep := syscall.NsecToTimespec(int64(tick))
	last, waited := time.Now(), queued(fd)
	for {
		syscall.RawSyscall(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&sleep)), 0, 0)
		now, nowWaited := time.Now(), queued(fd)
		wait := nowWaited - waited
		note(&waitedNs, wait)
		gap := int64(now.Sub(last)) - wait
		note(&gapNs, gap)
		if gap >= int64(stillness) {
			stoodNs.Add(gap)
		}
		last, waited = now, nowWaited
	}
}

// note keeps the longest; only one thread notes.
func note(longest *atomic.Int64, ns int64) {
	if ns > longest.Load() {
		longest.Store(ns)
	}
}

// queued is how long the thread has waited for a processor, 0 where the kernel does not tell.
func queued(fd int) int64 {
	var text [64]byte
	n, _, errno := syscall.RawSyscall6(
		syscall.SYS_PREAD64, uintptr(fd), uintptr(unsafe.Pointer(&text[0])), uintptr(len(text)), 0, 0, 0)
	if errno != 0 || n > uintptr(len(text)) {
		return 0
	}
	number, field := int64(0), 0
	for _, c := range text[:n] {
		switch {
		case c == ' ' && field == 1:
			return number
		case c == ' ':
			field++
			number = 0
		case c >= '0' && c <= '9':
			number = number*10 + int64(c-'0')
		}
	}
	return 0
}
