// Buffers holds buffers that once grew, and small pieces of large texts and arrays; or, with
// -healthy, buffers that are as large as what is in them, and copies of the pieces.
package main

import (
	"bytes"
	"flag"
	"runtime"
	"strings"
	"sync"

	"letgo.lab/truth"
)

type request struct {
	name string
	id   int
}

type worker struct {
	id   int
	body *bytes.Buffer
}

var (
	// workers keep their buffers between requests.
	workers []*worker
	// requests keep a word of a line each.
	requests []*request
	// heads keep the start of packets.
	heads [][]byte
	// window is a small part of one large array, and does not start where it does; tail has room
	// for all that is behind it, too.
	window []byte
	tail   []byte
	// pool has what nobody uses.
	pool = sync.Pool{New: func() any { return new(bytes.Buffer) }}
)

//go:noinline
func work(count, size, left int, healthy bool) {
	for i := 0; i < count; i++ {
		one := &worker{id: i, body: new(bytes.Buffer)}
		grown := size
		if healthy {
			grown = left
		}
		one.body.Grow(grown)
		for j := 0; j < grown; j += 64 {
			one.body.WriteString(strings.Repeat("x", 64))
		}
		one.body.Truncate(left)
		workers = append(workers, one)
	}
}

//go:noinline
func line(size, i int) string {
	text := make([]byte, size)
	for j := range text {
		text[j] = byte('a' + (i+j)%26)
	}
	return string(text)
}

//go:noinline
func receive(count, size int, healthy bool) {
	for i := 0; i < count; i++ {
		text := line(size, i)
		name := text[100:116]
		packet := []byte(line(size, i))
		head := packet[64:128:128]
		if healthy {
			name = string([]byte(name))
			head = append([]byte(nil), head...)
		}
		requests = append(requests, &request{name: name, id: i})
		heads = append(heads, head)
	}
}

//go:noinline
func cut(size int, healthy bool) {
	one, other := []byte(line(size, 1)), []byte(line(size, 2))
	window = one[100:200:200]
	tail = other[size/4 : size/4+10]
	if healthy {
		window = append([]byte(nil), window...)
		tail = append([]byte(nil), tail...)
	}
}

func main() {
	count := flag.Int("n", 4000, "workers, requests and packets")
	size := flag.Int("size", 8<<10, "bytes of a buffer, a line, a packet")
	large := flag.Int("large", 1<<10, "bytes of each of two arrays that a variable has a part of")
	left := flag.Int("left", 64, "bytes that stay in a buffer")
	healthy := flag.Bool("healthy", false, "nothing that is not needed")
	p := truth.Start(0)
	work(*count, *size, *left, *healthy)
	receive(*count, *size, *healthy)
	cut(*large, *healthy)
	pool.Put(pool.Get())
	runtime.GC()
	runtime.GC()
	room := 0
	for _, one := range workers {
		room += one.body.Cap()
	}
	p.Truth("room", room, "left", *count**left, "line_bytes", *count**size,
		"shown_bytes", *count*16, "packet_bytes", *count**size, "head_bytes", *count*64,
		"large", *large, "window", len(window), "tail", len(tail))
	p.Serve()
	runtime.KeepAlive(workers)
	runtime.KeepAlive(requests)
	runtime.KeepAlive(heads)
}
