// Package leakprofile writes what the runtime itself says of leaked goroutines. It stands apart from
// truth since whoever links runtime/pprof has the memory profile on.
package leakprofile

import (
	"os"
	"runtime/pprof"

	"letgo.lab/truth"
)

// Write writes the profile goroutineleak (debug=2) to a file. Go 1.27 and later.
func Write(p *truth.Patient, path string) {
	leaks := pprof.Lookup("goroutineleak")
	if leaks == nil {
		p.Fail("this release has no profile goroutineleak")
	}
	file, err := os.Create(path)
	if err != nil {
		p.Fail(err.Error())
	}
	if err := leaks.WriteTo(file, 2); err != nil {
		p.Fail(err.Error())
	}
	if err := file.Close(); err != nil {
		p.Fail(err.Error())
	}
}
