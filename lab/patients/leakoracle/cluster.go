package main

import (
	"math/rand"
	"sync/atomic"
	"time"
)

// A stage is one wait of a goroutine: for one prim, for one of several channels, for ever, or for
// nothing but time.
type stage struct {
	kind  int
	how   int
	prims []prim
}

const (
	single = iota
	choice
	never
	sleep
)

// makeCluster makes a few goroutines over a few prims, some of them known to globals, and lets
// globals know some.
//
//go:noinline
func makeCluster(random *rand.Rand) {
	var prims []prim
	for i := 1 + random.Intn(4); i > 0; i-- {
		prims = append(prims, newPrim(random))
	}
	if random.Intn(3) == 0 {
		known := open(roots[random.Intn(len(roots))])
		if len(known) > 0 {
			prims = append(prims, known[random.Intn(len(known))])
		}
	}
	for i := 1 + random.Intn(clusterMost-1); i > 0; i-- {
		begin(random, prims)
	}
	for i := random.Intn(3); i >= 0; i-- {
		some := pick(random, prims, 4)
		setRoot(random.Intn(len(roots)), int32(len(some)), wrap(random, some), some...)
	}
	if random.Intn(40) == 0 {
		setTimer(pick(random, prims, 2))
	}
}

// pick takes one to most of prims, some maybe twice.
func pick(random *rand.Rand, prims []prim, most int) (picked []prim) {
	for i := 1 + random.Intn(most); i > 0; i-- {
		picked = append(picked, prims[random.Intn(len(prims))])
	}
	return picked
}

// begin starts one goroutine. What it holds stays the same until it ends.
//
//go:noinline
func begin(random *rand.Rand, prims []prim) {
	var script []stage
	var all []prim
	for i := 1 + random.Intn(3); i > 0; i-- {
		one := newStage(random, prims)
		script = append(script, one)
		all = append(all, one.prims...)
	}
	own := pick(random, prims, 4)
	if random.Intn(3) == 0 {
		own = nil
	}
	bag := wrap(random, own)
	if l, isLink := bag.(*link); isLink && l != nil && random.Intn(2) == 0 {
		setWeak(l)
	}
	all = append(all, own...)
	slot := newSlot()
	rows[slot].heldLen = numbers(&rows[slot].held, all)
	goesOn(slot)
	go live(slot, script, bag)
}

func newStage(random *rand.Rand, prims []prim) stage {
	how := random.Intn(6)
	switch dice := random.Intn(40); {
	case dice == 0:
		return stage{kind: never, how: how}
	case dice < 4:
		return stage{kind: sleep, how: how}
	case dice < 14:
		var channels []prim
		for _, one := range pick(random, prims, mostWaits) {
			if _, is := one.(*channel); is {
				channels = append(channels, one)
			}
		}
		if len(channels) > 0 {
			return stage{choice, how, channels}
		}
	}
	return stage{single, how, pick(random, prims, 1)}
}

// live is a goroutine's life: it waits, and when it was let go on it operates what it holds.
//
//go:noinline
func live(slot int32, script []stage, bag any) {
	enter(slot)
	for i := range script {
		if script[i].kind == sleep {
			doze(script[i].how)
		} else {
			waitsFor(slot, script[i].prims)
			wait(&script[i])
			goesOn(slot)
		}
		ran(slot)
		now := atomic.LoadInt32(&pace)
		operateAll(open(bag), now == closing)
		if now >= probing {
			for _, stage := range script {
				operateAll(stage.prims, now == closing)
			}
		}
	}
	leave(slot)
}

//go:noinline
func wait(s *stage) {
	switch {
	case s.kind == never && s.how%3 == 0:
		select {}
	case s.kind == never && s.how%3 == 1:
		var none chan int
		<-none
	case s.kind == never:
		var none chan int
		none <- 1
	case s.kind == choice:
		var channels []*channel
		for _, one := range s.prims {
			channels = append(channels, one.(*channel))
		}
		waitAny(s.how, channels)
	default:
		s.prims[0].wait(s.how)
	}
}

// doze sleeps for a while, and goes on sleeping while the world is held.
//
//go:noinline
func doze(how int) {
	time.Sleep(time.Duration(how+1) * time.Millisecond)
	for atomic.LoadInt32(&pace) == holding {
		time.Sleep(time.Millisecond)
	}
}
