// Plugin loads a Go plugin that keeps memory of its own: two modules, one runtime.
package main

import (
	"os"
	"path/filepath"
	"plugin"

	"letgo.lab/truth"
)

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
	keep, err := loaded.Lookup("Keep")
	if err != nil {
		p.Fail(err.Error())
	}
	keep.(func(int))(p.Bytes())
	p.Truth("bytes", p.Bytes(), "modules", 2)
	p.Serve()
}
