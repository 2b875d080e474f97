package main

import (
	"errors"
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"

	"letgo.lab/truth"
)

// The ledger is a shared file of 64-bit words: eight of a header, of which the first is the number
// of slots in use, then four for each slot. A slot is used once.
//
//	goid  runs  state  lost
const (
	header      = 8
	perSlot     = 4
	mostSlots   = 1 << 14
	clusterMost = 8
)

// States of a slot.
const (
	empty = iota
	lives
	ended
)

var ledger *[header + perSlot*mostSlots]uint64

func openLedger(path string) error {
	if path == "" {
		return errors.New("-ledger is needed")
	}
	size := int(unsafe.Sizeof(*ledger))
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := file.Truncate(int64(size)); err != nil {
		return err
	}
	bytes, err := syscall.Mmap(int(file.Fd()), 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return err
	}
	ledger = (*[header + perSlot*mostSlots]uint64)(unsafe.Pointer(&bytes[0]))
	return nil
}

func slots() int32 { return int32(atomic.LoadUint64(&ledger[0])) }

func word(slot int32, field int) *uint64 { return &ledger[header+perSlot*int(slot)+field] }

func goidOf(slot int32) uint64  { return atomic.LoadUint64(word(slot, 0)) }
func runsOf(slot int32) uint64  { return atomic.LoadUint64(word(slot, 1)) }
func stateOf(slot int32) uint64 { return atomic.LoadUint64(word(slot, 2)) }

// enter gives the calling goroutine its number, before it waits for the first time.
func enter(slot int32) {
	atomic.StoreUint64(word(slot, 0), truth.Goid())
	atomic.StoreUint64(word(slot, 2), lives)
}

func ran(slot int32)   { atomic.AddUint64(word(slot, 1), 1) }
func leave(slot int32) { atomic.StoreUint64(word(slot, 2), ended) }

func setLost(slot int32, lost uint64) { atomic.StoreUint64(word(slot, 3), lost) }

// newSlot is called by whoever holds lifeLock.
func newSlot() int32 { return int32(atomic.AddUint64(&ledger[0], 1)) - 1 }

func alive() (count int) {
	for slot := int32(0); slot < slots(); slot++ {
		if stateOf(slot) != ended {
			count++
		}
	}
	return count
}

func allRuns() (sum uint64) {
	for slot := int32(0); slot < slots(); slot++ {
		sum += runsOf(slot)
	}
	return sum
}
