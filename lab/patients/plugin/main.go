// Plugin loads a Go plugin that keeps memory of its own: two modules, one runtime.
//
// With -stand goroutines wait in functions of the plugin, with objects in their frames that must be
// found reachable (kept_*) and that must not (lost_*). The garbage collector is off then, so that
// what is lost stays where it is until the command collect, which collects twice.
package main

import (
	"flag"
	"os"
	"path/filepath"
	"plugin"
	"runtime"
	"runtime/debug"
	"unsafe"

	"letgo.lab/truth"
)

var stands = flag.Bool("stand", false, "let goroutines wait in the plugin")

func look(loaded *plugin.Plugin, p *truth.Patient, name string) plugin.Symbol {
	symbol, err := loaded.Lookup(name)
	if err != nil {
		p.Fail(err.Error())
	}
	return symbol
}

// between is called by the plugin and waits in it.
func between(wait func()) func(unsafe.Pointer) {
	return func(passed unsafe.Pointer) {
		wait()
		runtime.KeepAlive(passed)
	}
}

func main() {
	p := truth.Start(32)
	exe, err := os.Executable()
	if err != nil {
		p.Fail(err.Error())
	}
	loaded, err := plugin.Open(filepath.Join(filepath.Dir(exe), "plugin.so"))
	if err != nil {
		p.Fail(err.Error())
	}
	look(loaded, p, "Keep").(func(int))(p.Bytes())
	if *stands {
		runtime.GC()
		debug.SetGCPercent(-1)
		wait := look(loaded, p, "Wait").(func())
		stand := look(loaded, p, "Stand").(func(func(unsafe.Pointer)) map[string]uintptr)
		for name, at := range stand(between(wait)) {
			p.Truth(name, uint64(at))
		}
	}
	p.On("collect", func() {
		runtime.GC()
		runtime.GC()
	})
	p.Truth("bytes", p.Bytes(), "modules", 2)
	p.Serve()
}
