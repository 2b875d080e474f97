package main

import (
	"os"

	"letgo.lab/truth"
)

var (
	mainWakes = make(chan int)
	// mainHolds is the mode whose channel main has, if any.
	mainHolds string
)

func init() {
	keeping("kept", map[string]kept{
		"ofMain": {func(int) { mainHolds = "ofMain" }, func() { close(mainWakes) }},
	})
	leaky(map[string]func(n int) func(){
		"ofBlockedMain": func(int) func() { mainHolds = "ofBlockedMain"; return nil },
	})
	// Nobody can let main go on, which can only be one of the two.
	forEver["ofBlockedMain"] = true
	alone["ofBlockedMain"] = true
}

// hand makes the channel that main will hold itself, where a mode wants it to, and those who wait.
//
//go:noinline
func hand() (own chan int) {
	switch mainHolds {
	case "ofMain":
		expect(mainHolds, *count)
		own = make(chan int)
		for i := 0; i < *count; i++ {
			go ofMain(own)
		}
	case "ofBlockedMain":
		expect(mainHolds, *count)
		own = make(chan int)
		for i := 0; i < *count; i++ {
			go ofBlockedMain(own)
		}
	}
	return own
}

// serve obeys commands until standard input ends, while main holds what it has.
func serve(p *truth.Patient, own chan int) {
	switch mainHolds {
	case "ofMain":
		go serveAndExit(p)
		<-mainWakes
		close(own)
		select {}
	case "ofBlockedMain":
		go serveAndExit(p)
		defer close(own)
		select {}
	default:
		p.Serve()
	}
}

func serveAndExit(p *truth.Patient) {
	p.Serve()
	os.Exit(0)
}

//go:noinline
func ofMain(ch chan int) {
	roll.Here()
	<-ch
	roll.Ran()
}

//go:noinline
func ofBlockedMain(ch chan int) {
	roll.Here()
	<-ch
	roll.Ran()
}
