//go:build go1.23 && !go1.27

// Timers as programs of today have them: the module says go 1.19, which would bring the old ones.

//go:debug asynctimerchan=0
package main
