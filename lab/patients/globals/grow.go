package main

import "strconv"

type Node struct {
	next *Node
	key  string
	val  []byte
}

// The two holders of the program that letgo is raced on.
var keep []*Node
var cache = map[string]*Node{}

//go:noinline
func grow(n int) {
	for i := 0; i < n; i++ {
		k := "key" + strconv.Itoa(i)
		nd := &Node{key: k, val: make([]byte, 100+i%900)}
		for j := range nd.val {
			nd.val[j] = byte(i)
		}
		if i%2 == 0 {
			keep = append(keep, nd)
		} else {
			cache[k] = nd
		}
	}
}
