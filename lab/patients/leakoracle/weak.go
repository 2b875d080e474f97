//go:build go1.24

package main

import "weak"

func init() {
	weaken = func(l *link) func() *link { return weak.Make(l).Value }
}
