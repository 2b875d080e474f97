// Thp asks for huge pages and touches one byte of each: resident bytes are 512 times those used.
package main

import (
	"runtime"
	"syscall"
	"unsafe"

	"letgo.lab/truth"
)

const huge = 2 << 20

func main() {
	p := truth.Start(128)
	ring := make([]byte, p.Bytes()+huge)
	start := huge - int(uintptr(unsafe.Pointer(&ring[0]))%huge)
	inside := ring[start : start+p.Bytes()]
	const madvHugepage = 14
	if err := syscall.Madvise(inside, madvHugepage); err != nil {
		p.Fail("madvise: " + err.Error())
	}
	for i := 0; i < len(inside); i += huge {
		inside[i] = 1
	}
	p.Truth("asked_bytes", len(inside), "touched_bytes", len(inside)/huge*4096)
	p.Serve()
	runtime.KeepAlive(ring)
}
