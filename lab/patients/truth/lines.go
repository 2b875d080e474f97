package truth

import (
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const prefix = "letgo.patient/1 "

// line is a fixed buffer: printing allocates nothing, so that figures read just before it hold.
type line struct {
	buf [32 << 10]byte
	len int
}

var (
	out      line
	outMutex sync.Mutex
	stats    runtime.MemStats
)

func (l *line) str(s string) {
	l.len += copy(l.buf[l.len:], s)
}

func (l *line) uint(v uint64) {
	l.len += len(strconv.AppendUint(l.buf[l.len:l.len], v, 10))
}

func (l *line) pair(key string, v uint64) {
	l.str(" ")
	l.str(key)
	l.str("=")
	l.uint(v)
}

func (l *line) begin(kind string) {
	l.str(prefix)
	l.str(kind)
}

func (l *line) end() {
	l.str("\n")
}

func (l *line) write() {
	rest := l.buf[:l.len]
	for len(rest) > 0 {
		n, err := syscall.Write(1, rest)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			break
		}
		rest = rest[n:]
	}
	l.len = 0
}

// say prints one line of number pairs.
func say(kind string, pairs ...any) {
	outMutex.Lock()
	defer outMutex.Unlock()
	out.begin(kind)
	for i := 0; i+1 < len(pairs); i += 2 {
		key := pairs[i].(string)
		switch v := pairs[i+1].(type) {
		case string:
			out.str(" " + key + "=" + v)
		case int:
			out.pair(key, uint64(v))
		case int64:
			out.pair(key, uint64(v))
		case uint64:
			out.pair(key, v)
		case bool:
			out.str(" " + key + "=" + strconv.FormatBool(v))
		default:
			panic("truth: a value must be a string, a bool, an int, an int64 or a uint64")
		}
	}
	out.end()
	out.write()
}

// readStats stops the world, flushes every mcache, and formats without allocating.
func readStats() {
	runtime.ReadMemStats(&stats)
	m := &stats
	out.begin("memstats")
	out.pair("Alloc", m.Alloc)
	out.pair("TotalAlloc", m.TotalAlloc)
	out.pair("Sys", m.Sys)
	out.pair("Mallocs", m.Mallocs)
	out.pair("Frees", m.Frees)
	out.pair("HeapAlloc", m.HeapAlloc)
	out.pair("HeapSys", m.HeapSys)
	out.pair("HeapIdle", m.HeapIdle)
	out.pair("HeapInuse", m.HeapInuse)
	out.pair("HeapReleased", m.HeapReleased)
	out.pair("HeapObjects", m.HeapObjects)
	out.pair("StackInuse", m.StackInuse)
	out.pair("StackSys", m.StackSys)
	out.pair("MSpanInuse", m.MSpanInuse)
	out.pair("MSpanSys", m.MSpanSys)
	out.pair("MCacheInuse", m.MCacheInuse)
	out.pair("MCacheSys", m.MCacheSys)
	out.pair("BuckHashSys", m.BuckHashSys)
	out.pair("GCSys", m.GCSys)
	out.pair("OtherSys", m.OtherSys)
	out.pair("NextGC", m.NextGC)
	out.pair("LastGC", m.LastGC)
	out.pair("PauseTotalNs", m.PauseTotalNs)
	out.pair("NumGC", uint64(m.NumGC))
	out.pair("NumForcedGC", uint64(m.NumForcedGC))
	out.pair("Goroutines", uint64(runtime.NumGoroutine()))
	out.end()
	out.begin("bysize")
	for i := range m.BySize {
		s := &m.BySize[i]
		if s.Size != 0 && s.Mallocs != s.Frees {
			out.str(" ")
			out.uint(uint64(s.Size))
			out.str("=")
			out.uint(s.Mallocs - s.Frees)
		}
	}
	out.end()
	out.write()
}

func printStats() {
	outMutex.Lock()
	defer outMutex.Unlock()
	readStats()
}

// settle reads the figures until two readings in a row agree on the memory outside of the heap.
//
// Starting the world again wakes another thread; where all threads are blocked, as many may be in a
// shape of ours, that is a new one, whose stacks and structures the reading before did not have.
func settle() {
	var before uint64
	for i := 0; i < 50; i++ {
		runtime.ReadMemStats(&stats)
		now := stats.Sys - stats.HeapSys
		if now == before {
			return
		}
		before = now
		time.Sleep(time.Millisecond)
	}
}

// printStatsAndStop stops this process as the very last thing after reading its figures.
func printStatsAndStop() {
	outMutex.Lock()
	defer outMutex.Unlock()
	pid := uintptr(syscall.Getpid())
	settle()
	readStats()
	// Sent to this very thread, the signal takes effect before the call returns.
	tid, _, _ := syscall.RawSyscall(syscall.SYS_GETTID, 0, 0, 0)
	syscall.RawSyscall(syscall.SYS_TGKILL, pid, tid, uintptr(syscall.SIGSTOP))
}
