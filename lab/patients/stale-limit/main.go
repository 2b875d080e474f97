// Stale-limit started with one memory limit (GOMEMLIMIT, where it is set) and was given another at
// run time: what the environment says is no longer what holds.
package main

import (
	"flag"
	"os"
	"runtime"
	"runtime/debug"

	"letgo.lab/truth"
)

var live []byte

func main() {
	limit := flag.Int64("limit-mib", 3072, "the limit that is set at run time")
	gogc := flag.Int("gogc", 150, "the GOGC that is set at run time")
	p := truth.Start(32)
	live = make([]byte, p.Bytes())
	for i := 0; i < len(live); i += 4096 {
		live[i] = 1
	}
	debug.SetMemoryLimit(*limit << 20)
	debug.SetGCPercent(*gogc)
	env := "none"
	if v := os.Getenv("GOMEMLIMIT"); v != "" {
		env = v
	}
	p.Truth("limit", *limit<<20, "gogc", *gogc, "env", env)
	p.Serve()
	runtime.KeepAlive(live)
}
