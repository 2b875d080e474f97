//go:build !cgo

package main

import "letgo.lab/truth"

func main() {
	truth.Start(1).Fail("built without cgo")
}
