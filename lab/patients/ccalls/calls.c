#define _GNU_SOURCE
#include "calls.h"

#include <execinfo.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// Go code.
extern void callInside(void);
extern void callBlocked(void);

int letgo_sleepers;
int letgo_tids[letgo_most];
void *letgo_traces[letgo_most][letgo_frames];

// The first call loads what backtrace needs.
void letgo_first(void) {
	void *trace[letgo_frames];
	backtrace(trace, letgo_frames);
}

// Sleeps in libc, with a frame whose size no other register tells.
__attribute__((noinline)) static int letgo_inner(int n) {
	volatile char room[200 + 16 * n];
	for (int i = 0; i < n; i++) room[i] = (char)i;
	int own = __atomic_fetch_add(&letgo_sleepers, 1, __ATOMIC_SEQ_CST) % letgo_most;
	backtrace(letgo_traces[own], letgo_frames);
	__atomic_store_n(&letgo_tids[own], (int)syscall(SYS_gettid), __ATOMIC_SEQ_CST);
	for (;;) {
		struct timespec long_time = {.tv_sec = 1000000};
		nanosleep(&long_time, 0);
		if (room[n / 2] < 0) return own;
	}
}

__attribute__((noinline)) int letgo_outer(int n) {
	return letgo_inner(n + 2) + 1;
}

__attribute__((noinline)) static int letgo_left(int n) {
	return letgo_inner(n + 3) + 2;
}

__attribute__((noinline)) static int letgo_right(int n) {
	return letgo_inner(n + 4) + 3;
}

// One call by two ways.
__attribute__((noinline)) int letgo_either(int left, int n) {
	return 1 + (left ? letgo_left(n) : letgo_right(n));
}

// Never leaves C, and is in no system call.
void letgo_spin(void) {
	for (volatile unsigned i = 0;; i++) {
	}
}

// Goes back to Go, which calls C again, or blocks.
void letgo_through(int block) {
	block ? callBlocked() : callInside();
}

static void *letgo_thread(void *none) {
	callInside();
	return none;
}

// The same on a thread that Go did not make.
int letgo_foreign(void) {
	pthread_t thread;
	return pthread_create(&thread, 0, letgo_thread, 0);
}
