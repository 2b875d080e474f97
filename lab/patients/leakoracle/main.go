// Leakoracle makes goroutines at random that wait for each other's channels, locks, groups and
// conditions, and that hold them in random ways, and goes on doing so: whoever says of one of them
// that it can never run again can be shown to be wrong.
//
// Every run of a goroutine is counted in the file of -ledger (see ledger.go), which a test reads
// while this program is stopped. Commands:
//
//	hold           stops making and operating, waits until nobody runs, marks in the ledger who is
//	               lost by the program's own model, and tells how many: lost, waiting
//	go             goes on
//	proven G ...   operates everything that can be reached from the globals, and lets everyone who
//	               is woken do the same with what it holds, until nothing more happens; tells which
//	               of those goroutines have run (ran), and which it never had (unknown), - for none
//	profile        writes the profile goroutineleak (debug=2) to the file of -profile (Go 1.27)
//
// The model and the ledger are numbers: they hold nothing.
package main

import (
	"flag"
	"math/rand"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"letgo.lab/truth"
	"letgo.lab/truth/leakprofile"
)

var (
	seed    = flag.Int64("seed", 1, "what the random choices start from")
	most    = flag.Int("most", 1500, "goroutines at a time")
	useWeak = flag.Bool("weak", false, "hold some by weak pointers (Go 1.24)")
	profile = flag.String("profile", "", "where the command profile writes")
	path    = flag.String("ledger", "", "where runs are counted")
)

var (
	// lifeLock is held by whoever changes or operates what globals hold.
	lifeLock sync.Mutex
	held     bool
	// pace is what goroutines do: live, stand still where they sleep, or be probed.
	pace int32
)

const (
	living = iota
	holding
	probing
	closing
)

func main() {
	p := truth.Start(0)
	if err := openLedger(*path); err != nil {
		p.Fail(err.Error())
	}
	go life(rand.New(rand.NewSource(*seed)))
	p.On("hold", func() {
		hold()
		lost, waiting := judge()
		p.Truth("lost", lost, "waiting", waiting, "slots", int(slots()))
	})
	p.On("go", func() { release(living) })
	p.OnWords("proven", func(words []string) { answer(p, words) })
	p.On("profile", func() { leakprofile.Write(p, *profile) })
	p.Truth("slots", mostSlots)
	p.Serve()
}

// life changes the world, a little at a time.
func life(random *rand.Rand) {
	for {
		lifeLock.Lock()
		step(random)
		lifeLock.Unlock()
		time.Sleep(time.Duration(random.Intn(400)) * time.Microsecond)
	}
}

//go:noinline
func step(random *rand.Rand) {
	switch dice := random.Intn(1000); {
	case dice < 200:
		if living := alive(); living < *most && slots()+clusterMost < mostSlots {
			makeCluster(random)
		}
	case dice < 900:
		for i := 0; i < 6; i++ {
			operateAll(open(roots[random.Intn(len(roots))]), false)
		}
	case dice < 930:
		setRoot(random.Intn(len(roots)), 0, nil)
	case dice < 990:
		copyRoot(random)
	default:
		runtime.GC()
	}
}

// hold stops life and waits until nobody runs.
func hold() {
	if !held {
		lifeLock.Lock()
		held = true
	}
	atomic.StoreInt32(&pace, holding)
	settle()
}

func release(to int32) {
	atomic.StoreInt32(&pace, to)
	if held {
		held = false
		lifeLock.Unlock()
	}
}

// settle waits until all goroutines of the ledger stand, all in one moment.
func settle() {
	for {
		states := truth.States()
		moving := false
		for slot := int32(0); slot < slots(); slot++ {
			state, lives := states[goidOf(slot)]
			if lives && truth.Moves(state) || !lives && stateOf(slot) != ended {
				moving = true
				break
			}
		}
		if !moving {
			return
		}
		time.Sleep(200 * time.Microsecond)
	}
}

// answer probes, and says which of the named goroutines have run since.
func answer(p *truth.Patient, words []string) {
	hold()
	slotsBy := map[uint64]int32{}
	for slot := int32(0); slot < slots(); slot++ {
		slotsBy[goidOf(slot)] = slot
	}
	runs := map[uint64]uint64{}
	var unknown, ran []string
	for _, word := range words {
		goid, _ := strconv.ParseUint(word, 10, 64)
		slot, known := slotsBy[goid]
		if !known {
			unknown = append(unknown, word)
			continue
		}
		runs[goid] = runsOf(slot)
		if stateOf(slot) == ended {
			ran = append(ran, word)
		}
	}
	woken := probe()
	for _, word := range words {
		goid, _ := strconv.ParseUint(word, 10, 64)
		if slot, known := slotsBy[goid]; known && runsOf(slot) != runs[goid] {
			ran = append(ran, word)
		}
	}
	p.Truth("asked", len(words), "woken", woken, "ran", list(ran), "unknown", list(unknown))
	release(living)
}

func list(words []string) string {
	if len(words) == 0 {
		return "-"
	}
	return strings.Join(words, ",")
}

// probe operates everything in reach until nothing more happens, and forgets it; the number of runs.
func probe() (woken uint64) {
	before := allRuns()
	atomic.StoreInt32(&pace, probing)
	fireTimers()
	quiet, last := 0, before
	for round := 0; quiet < 3 || round < 12; round++ {
		hard := round >= 6
		if hard {
			atomic.StoreInt32(&pace, closing)
		}
		operateEverything(hard)
		if round%4 == 3 {
			runtime.GC()
		}
		settle()
		now := allRuns()
		if now == last {
			quiet++
		} else {
			quiet = 0
		}
		last = now
	}
	for i := range roots {
		setRoot(i, 0, nil)
	}
	return last - before
}

//go:noinline
func operateEverything(hard bool) {
	for i := range roots {
		operateAll(open(roots[i]), hard)
	}
	for i := range placed {
		operatePlaced(i)
	}
	for _, get := range weakly {
		if l := get(); l != nil {
			operateAll(open(l), hard)
		}
	}
}
