package truth

import (
	"bytes"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Roll is the goroutines that a shape started on purpose, by the function that each is in, with
// what the shape knows of them:
//
//	leaked  can never run again, and nothing but themselves and others such reaches what they wait for
//	stuck   never run again, but what they wait for is reachable, or they wait in no way that proves it
//	either  never run again; whether what they wait for is reachable is up to the runtime
//	kept    run when they are woken
//	busy    run now and then by themselves
//
// It holds names and numbers, and never what a goroutine waits for.
type Roll struct {
	mutex  sync.Mutex
	groups map[string]*group
}

type group struct {
	class    string
	state    string
	expected int
	ran      int
	goids    []uint64
}

// Goid is the number of the calling goroutine, as the runtime prints it.
func Goid() uint64 {
	var buf [64]byte
	goid, _ := header(buf[:runtime.Stack(buf[:], false)])
	return goid
}

// Expect says that so many goroutines more will come into a function.
func (r *Roll) Expect(class, function string, count int) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.groups == nil {
		r.groups = map[string]*group{}
	}
	g := r.groups[function]
	if g == nil {
		g = &group{class: class}
		r.groups[function] = g
	}
	g.expected += count
}

// Here enters the calling goroutine, as the last thing before it waits.
func (r *Roll) Here() {
	function, goid := caller(), Goid()
	r.mutex.Lock()
	defer r.mutex.Unlock()
	g := r.groups[function]
	if g == nil {
		panic("truth: nobody expects a goroutine in " + function)
	}
	g.goids = append(g.goids, goid)
}

// Ran notes that the calling goroutine was woken, as the first thing after it waited.
func (r *Roll) Ran() {
	function := caller()
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.groups[function].ran++
}

// caller is the name of the function that called the caller of this one.
func caller() string {
	var pcs [1]uintptr
	runtime.Callers(3, pcs[:])
	frame, _ := runtime.CallersFrames(pcs[:]).Next()
	return frame.Function
}

// Settle waits until all that are expected have come and none of them runs.
func (r *Roll) Settle() {
	for !r.settled() {
		time.Sleep(time.Millisecond)
	}
}

func (r *Roll) settled() bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for _, g := range r.groups {
		if len(g.goids) < g.expected {
			return false
		}
	}
	states := States()
	for _, g := range r.groups {
		ended := 0
		for _, goid := range g.goids {
			state, lives := states[goid]
			switch {
			case !lives:
				ended++
			case g.class == "busy":
			case Moves(state):
				return false
			default:
				g.state = state
			}
		}
		if ended != g.ran && g.class != "busy" {
			return false
		}
	}
	return true
}

// Moves says whether a goroutine in this state may go on by itself.
func Moves(state string) bool {
	switch strings.TrimSuffix(state, " (scan)") {
	case "running", "runnable", "preempted", "waiting", "copystack":
		return true
	}
	return strings.HasPrefix(state, "GC ") || strings.HasPrefix(state, "garbage ")
}

// Woken waits until every goroutine of a class has run since it waited.
func (r *Roll) Woken(class string) {
	for !r.woken(class) {
		time.Sleep(time.Millisecond)
	}
}

func (r *Roll) woken(class string) bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for _, g := range r.groups {
		if g.class == class && g.ran < g.expected {
			return false
		}
	}
	return true
}

// Tell prints, for each function, how many of its class there are, how many have run since they
// waited, the state that the runtime prints, and the numbers; and the sum of each class.
func (r *Roll) Tell(p *Patient) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	var functions []string
	sums := map[string]int{"leaked": 0, "kept": 0, "stuck": 0, "either": 0, "busy": 0}
	for function, g := range r.groups {
		functions = append(functions, function)
		sums[g.class] += g.expected - g.ran
	}
	sort.Strings(functions)
	for _, function := range functions {
		g := r.groups[function]
		p.Truth(g.class+":"+function, g.expected-g.ran, "ran:"+function, g.ran,
			"state:"+function, strings.ReplaceAll(g.state, " ", "_"),
			"goids:"+function, commas(g.goids))
	}
	for class, sum := range sums {
		p.Truth(class, sum)
	}
}

func commas(numbers []uint64) string {
	var words []string
	for _, number := range numbers {
		words = append(words, strconv.FormatUint(number, 10))
	}
	return strings.Join(words, ",")
}

// States are the states of all goroutines, at one moment at which none runs.
func States() map[uint64]string {
	buf := make([]byte, 1<<20)
	size := runtime.Stack(buf, true)
	for size == len(buf) {
		buf = make([]byte, 2*len(buf))
		size = runtime.Stack(buf, true)
	}
	states := map[uint64]string{}
	for _, stack := range bytes.Split(buf[:size], []byte("\n\n")) {
		if goid, state := header(stack); goid != 0 {
			states[goid] = state
		}
	}
	return states
}

// header reads `goroutine 7 [chan receive, 2 minutes]:`, which is how every stack begins.
func header(stack []byte) (goid uint64, state string) {
	rest := bytes.TrimPrefix(stack, []byte("goroutine "))
	end := bytes.IndexByte(rest, ' ')
	if end < 0 || len(rest) == len(stack) {
		return 0, ""
	}
	goid, err := strconv.ParseUint(string(rest[:end]), 10, 64)
	if err != nil {
		return 0, ""
	}
	rest = rest[end+1:]
	if stop := bytes.IndexAny(rest, ",]"); stop > 0 && rest[0] == '[' {
		state = string(rest[1:stop])
	}
	return goid, state
}
