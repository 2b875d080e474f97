//go:build cgo

// Cgomalloc holds memory of C: on the main heap, in the arenas of threads, and in pieces large
// enough for malloc to map them alone.
package main

/*
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void *keep[64];
static size_t kept;
static pthread_barrier_t filled;

static void fill(size_t bytes) {
	for (size_t done = 0, i = 0; done < bytes; i++) {
		size_t n = 64 + (i * 97) % 2000;
		char **p = malloc(n);
		memset(p, 1, n);
		*p = keep[kept % 64];
		keep[kept % 64] = (char *)p;
		done += n;
	}
	__sync_fetch_and_add(&kept, 1);
}

static void *worker(void *arg) {
	static __thread void *own;
	size_t bytes = (size_t)(uintptr_t)arg;
	for (size_t done = 0, i = 0; done < bytes; i++) {
		size_t n = 64 + (i * 97) % 2000;
		char **p = malloc(n);
		memset(p, 1, n);
		*p = own;
		own = p;
		done += n;
	}
	pthread_barrier_wait(&filled);
	for (;;) pthread_barrier_wait(&filled);
}

static int start(size_t heap, int threads, size_t each, size_t mapped) {
	fill(heap);
	char *large = malloc(mapped);
	memset(large, 1, mapped);
	keep[63] = large;
	pthread_barrier_init(&filled, 0, threads + 1);
	for (int i = 0; i < threads; i++) {
		pthread_t t;
		if (pthread_create(&t, 0, worker, (void *)(uintptr_t)each)) return -1;
	}
	pthread_barrier_wait(&filled);
	return 0;
}
*/
import "C"

import "letgo.lab/truth"

func main() {
	const threads = 4
	p := truth.Start(96)
	part := p.Bytes() / 6
	if C.start(C.size_t(part), threads, C.size_t(part), C.size_t(part)) != 0 {
		p.Fail("pthread_create failed")
	}
	p.Truth("heap_bytes_about", part, "arenas", threads, "arena_bytes_about", part, "mapped_bytes", part)
	p.Serve()
}
