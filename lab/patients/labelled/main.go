// Labelled has goroutines with labels of runtime/pprof: all alike, by tenant, so many that a map of
// them has several buckets, none, and one that is secret.
package main

import (
	"context"
	"flag"
	"runtime/pprof"
	"strconv"
	"sync"

	"letgo.lab/truth"
)

var (
	secret = flag.String("secret", "nothing", "value of a label")
	park   = make(chan bool)
	ready  sync.WaitGroup
)

//go:noinline
func alike() { wait() }

//go:noinline
func tenants() { wait() }

//go:noinline
func many() { wait() }

//go:noinline
func none() { wait() }

//go:noinline
func hidden() { wait() }

//go:noinline
func wait() {
	ready.Done()
	<-park
}

// start runs a function in a goroutine with labels, each of a string of its own.
func start(run func(), labels ...string) {
	var own []string
	for _, label := range labels {
		own = append(own, string([]byte(label)))
	}
	ready.Add(1)
	ctx := pprof.WithLabels(context.Background(), pprof.Labels("handler", "/api"))
	go pprof.Do(ctx, pprof.Labels(own...), func(context.Context) { run() })
}

func main() {
	p := truth.Start(0)
	for i := 0; i < 20; i++ {
		start(alike, "zone", "eu")
	}
	for i := 0; i < 60; i++ {
		start(tenants, "tenant", "t"+strconv.Itoa(i%3*i%5))
	}
	var all []string
	for i := 0; i < 20; i++ {
		all = append(all, "key"+strconv.Itoa(i), "value"+strconv.Itoa(i))
	}
	for i := 0; i < 4; i++ {
		start(many, all...)
	}
	start(hidden, "secret", *secret)
	for i := 0; i < 7; i++ {
		ready.Add(1)
		go none()
	}
	ready.Wait()
	p.Truth("goroutines", 20+60+4+1+7)
	p.Serve()
}
