// Cshared is a Go library in a C program (host.c): the executable is not Go, a library in it is.
package main

import "C"

import "letgo.lab/truth"

var live [][]byte

// LetgoPatient is what host.c calls.
//
//export LetgoPatient
func LetgoPatient() {
	p := truth.Start(32)
	for done := 0; done < p.Bytes(); done += 4096 {
		b := make([]byte, 4096)
		b[0] = 1
		live = append(live, b)
	}
	p.Truth("bytes", p.Bytes())
	p.Serve()
}

func main() {}
