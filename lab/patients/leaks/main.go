// Leaks has goroutines that wait in every way there is: for what nobody can reach any more, and
// for what looks the same and can be reached.
//
// Arguments are names of modes; -all takes every one of this release and build. With -fixed the
// modes that leak let go of what they made, as a program without the leak would, and nobody is left.
//
// What is true is told by function, see truth.Roll. Commands:
//
//	roll     tells it again
//	wake     operates whatever is kept, waits until each of those has run, and tells the roll
//	profile  writes the profile goroutineleak (debug=2) to the file of -profile (Go 1.27 and later)
package main

import (
	"flag"
	"runtime"
	"sort"
	"strings"

	"letgo.lab/truth"
	"letgo.lab/truth/leakprofile"
)

// A mode starts goroutines that wait, and must itself keep nothing of what they wait for.
type mode struct {
	class, function string
	// start returns what lets the goroutines go on, for the modes that leak.
	start func(n int) func()
	// wake lets the goroutines of a kept mode go on, by the one way by which it is kept.
	wake func()
}

var (
	modes = map[string]mode{}
	// alone are modes that do not go with all others, and that -all leaves out.
	alone   = map[string]bool{}
	roll    truth.Roll
	profile = flag.String("profile", "", "where the command profile writes")
	all     = flag.Bool("all", false, "every mode")
	fixed   = flag.Bool("fixed", false, "let go of what is made")
	count   = flag.Int("n", 3, "goroutines of each mode")
)

// most is what fits into a line of numbers.
const most = 2000

// leaky are modes whose goroutines are lost, unless the program lets them go on.
func leaky(starts map[string]func(n int) func()) {
	for name, start := range starts {
		modes[name] = mode{class: "leaked", function: "main." + name, start: start}
	}
}

// A kept mode has a start and a wake.
type kept struct {
	start func(n int)
	wake  func()
}

func keeping(class string, all map[string]kept) {
	for name, one := range all {
		start := one.start
		modes[name] = mode{class, "main." + name, func(n int) func() { start(n); return nil }, one.wake}
	}
}

func main() {
	p := truth.Start(0)
	if *count < 1 || *count > most {
		p.Fail("n is out of range")
	}
	chosen := choose(p)
	for _, name := range chosen {
		begin(modes[name])
	}
	own := hand()
	scrub(64)
	roll.Settle()
	p.Truth("modes", strings.Join(chosen, ","))
	tell := func() { roll.Tell(p) }
	tell()
	p.On("roll", tell)
	p.On("wake", func() {
		for _, name := range chosen {
			if wake := modes[name].wake; wake != nil {
				wake()
			}
		}
		// What was woken is there no more.
		chosen = nil
		roll.Woken("kept")
		runtime.GC()
		runtime.GC()
		roll.Settle()
		tell()
	})
	p.On("profile", func() { leakprofile.Write(p, *profile) })
	serve(p, own)
}

func choose(p *truth.Patient) (names []string) {
	names = flag.Args()
	if *all {
		names = nil
		for name := range modes {
			if !alone[name] {
				names = append(names, name)
			}
		}
		sort.Strings(names)
	}
	var known []string
	for _, name := range names {
		_, isMode := modes[name]
		switch {
		case !isMode:
			p.Fail("no such mode here: " + name)
		case !*fixed || modes[name].class == "leaked" && !forEver[name]:
			known = append(known, name)
		}
	}
	return known
}

//go:noinline
func begin(m mode) {
	release := m.start(*count)
	if *fixed {
		roll.Settle()
		release()
		roll.Woken(m.class)
	}
}

// scrub writes over what the stack of main still has of what was made.
//
//go:noinline
func scrub(depth int) byte {
	var frame [512]byte
	frame[depth] = byte(depth)
	if depth > 0 {
		return scrub(depth-1) + frame[depth]
	}
	return frame[0]
}

// expect says that n goroutines come into the function of a mode, and are of its class.
func expect(name string, n int) {
	m := modes[name]
	roll.Expect(m.class, m.function, n)
}
