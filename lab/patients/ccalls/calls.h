#include <stdint.h>

// Threads that are about to sleep for good, and the addresses that backtrace(3) gave of each.
enum { letgo_most = 32, letgo_frames = 8 };
extern int letgo_sleepers;
extern int letgo_tids[letgo_most];
extern void *letgo_traces[letgo_most][letgo_frames];

void letgo_first(void);
int letgo_outer(int n);
int letgo_either(int left, int n);
void letgo_spin(void);
void letgo_through(int block);
int letgo_foreign(void);
