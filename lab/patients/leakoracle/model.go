package main

import "sync/atomic"

// The model is who holds what and waits for what, by number. Each goroutine writes its own row.

const (
	mostHeld  = 24
	mostWaits = 3
	// awake is in the place of what is waited for where a goroutine goes on by itself.
	awake = -1
)

// row is one goroutine's.
type row struct {
	held    [mostHeld]int32
	heldLen int32
	waits   [mostWaits]int32
	waitLen int32
}

var (
	rows [mostSlots]row
	// rootRows are what globals hold, timed what timers do; fixed are what is reachable for ever.
	rootRows [len(roots)][mostHeld]int32
	rootLens [len(roots)]int32
	timed    []int32
	fixed    []int32
)

// waitsFor is what the goroutine will wait for next.
func waitsFor(slot int32, prims []prim) {
	r := &rows[slot]
	for i, one := range prims {
		atomic.StoreInt32(&r.waits[i], one.number())
	}
	atomic.StoreInt32(&r.waitLen, int32(len(prims)))
}

func goesOn(slot int32) { atomic.StoreInt32(&rows[slot].waitLen, awake) }

func numbers(into *[mostHeld]int32, prims []prim) int32 {
	for i, one := range prims {
		into[i] = one.number()
	}
	return int32(len(prims))
}

// judge marks who is lost: a fixed point over the rows, while nobody runs.
func judge() (lost, waiting int) {
	reached := map[int32]bool{}
	for i := range rootRows {
		for _, number := range rootRows[i][:rootLens[i]] {
			reached[number] = true
		}
	}
	for _, number := range append(timed[:len(timed):len(timed)], fixed...) {
		reached[number] = true
	}
	joined := map[int32]bool{}
	for grown := true; grown; {
		grown = false
		for slot := int32(0); slot < slots(); slot++ {
			if stateOf(slot) == ended || joined[slot] || !rows[slot].joins(reached) {
				continue
			}
			joined[slot], grown = true, true
			for _, number := range rows[slot].held[:rows[slot].heldLen] {
				reached[number] = true
			}
		}
	}
	for slot := int32(0); slot < slots(); slot++ {
		setLost(slot, 0)
		if stateOf(slot) == ended {
			continue
		}
		waiting++
		if !joined[slot] {
			lost++
			setLost(slot, 1)
		}
	}
	return lost, waiting
}

func (r *row) joins(reached map[int32]bool) bool {
	if r.waitLen == awake {
		return true
	}
	for _, number := range r.waits[:r.waitLen] {
		if reached[number] {
			return true
		}
	}
	return false
}
