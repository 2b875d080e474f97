//go:build !cgo

package truth

// Cgo says whether C code is linked in, which makes runtime/cgo start every thread.
var Cgo = false
