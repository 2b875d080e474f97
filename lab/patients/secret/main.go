// Secret keeps a text in memory of every kind, in a form of its own in each, so that whoever finds
// one knows where it was: the text of place n is the one given, each byte xor n.
//
// The text as it was given (place 0) is among the arguments.
package main

import (
	"flag"
	"runtime"

	"letgo.lab/truth"
)

// Places.
const (
	inSmallStruct = iota + 1
	inLargeStruct
	inSmallBuffer
	inLargeBuffer
	inStack
	inGlobal
	inPointerfulGlobal
	inMap
)

// length is that of the text.
const length = 32

type small struct {
	next *small
	text [56]byte
}

type large struct {
	next *large
	text [2000]byte
}

type buffer [64]byte

var (
	smalls  *small
	larges  *large
	buffers []*buffer
	bulk    []byte
	byName  = map[string]*small{}
	global  [4096]byte
	mixed   struct {
		held *small
		text [500]byte
	}
	park = make(chan bool)
)

// fill writes the text of a place as often as it fits.
func fill(to []byte, text string, place byte) {
	for len(to) >= length {
		for i := 0; i < length; i++ {
			to[i] = text[i] ^ place
		}
		to = to[length:]
	}
}

//go:noinline
func wait(text string, started chan bool) byte {
	var own [512]byte
	fill(own[:], text, inStack)
	started <- true
	<-park
	return own[0]
}

func main() {
	text := flag.String("text", "", "the text, 32 bytes")
	p := truth.Start(0)
	if len(*text) != length {
		p.Fail("the text has to have 32 bytes")
	}
	// Whole spans are filled, to their last slot.
	for i := 0; i < 2000; i++ {
		smalls = &small{next: smalls}
		fill(smalls.text[:], *text, inSmallStruct)
		b := new(buffer)
		fill(b[:], *text, inSmallBuffer)
		buffers = append(buffers, b)
	}
	for i := 0; i < 100; i++ {
		larges = &large{next: larges}
		fill(larges.text[:], *text, inLargeStruct)
	}
	bulk = make([]byte, 1<<20)
	// The key is made of it: a buffer of its own would be on the stack.
	fill(bulk, *text, inMap)
	byName[string(bulk[:length])] = smalls
	fill(bulk, *text, inLargeBuffer)
	fill(global[:], *text, inGlobal)
	mixed.held = smalls
	fill(mixed.text[:], *text, inPointerfulGlobal)
	started := make(chan bool)
	for i := 0; i < 10; i++ {
		go wait(*text, started)
		<-started
	}
	runtime.GC()
	runtime.GC()
	p.Truth("places", inMap)
	p.Serve()
}
