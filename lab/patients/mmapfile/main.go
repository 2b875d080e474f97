// Mmapfile maps a file and touches every page of it, and an anonymous mapping of its own beside.
package main

import (
	"flag"
	"os"
	"syscall"

	"letgo.lab/truth"
)

var sum int

func main() {
	path := flag.String("path", "", "file to make and map (empty: one that is unlinked at once)")
	p := truth.Start(64)
	file, err := open(*path)
	if err != nil {
		p.Fail(err.Error())
	}
	block := make([]byte, 1<<20)
	for i := range block {
		block[i] = byte(i)
	}
	for done := 0; done < p.Bytes(); done += len(block) {
		if _, err := file.Write(block); err != nil {
			p.Fail(err.Error())
		}
	}
	mapped := must(p, int(file.Fd()), p.Bytes(), syscall.PROT_READ, syscall.MAP_SHARED)
	for i := 0; i < len(mapped); i += 4096 {
		sum += int(mapped[i])
	}
	anonymous := must(p, -1, 4<<20, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	for i := 0; i < len(anonymous); i += 4096 {
		anonymous[i] = 1
	}
	p.Truth("file_bytes", len(mapped), "anon_bytes", len(anonymous))
	p.Serve()
}

func open(path string) (*os.File, error) {
	if path != "" {
		return os.Create(path)
	}
	file, err := os.CreateTemp("", "letgo-patient-")
	if err == nil {
		err = os.Remove(file.Name())
	}
	return file, err
}

func must(p *truth.Patient, fd, size, protection, flags int) []byte {
	mapped, err := syscall.Mmap(fd, 0, size, protection, flags)
	if err != nil {
		p.Fail(err.Error())
	}
	return mapped
}
