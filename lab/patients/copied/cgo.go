//go:build cgo

package main

/*
#include <unistd.h>

static long sum(long n, int nap) {
	double total = 0;
	for (long i = 0; i < n; i++) total += i * 0.5;
	if (nap) usleep(100);
	for (long i = 0; i < n; i++) total += i * 0.5;
	return (long)total;
}
*/
import "C"

func callC() {
	for round := 0; ; round++ {
		const n = 10000
		if C.sum(n, C.int(round%2)) != n*(n-1)/2 {
			corrupt.Add(1)
		}
		calls.Add(1)
	}
}
