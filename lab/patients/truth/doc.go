// Package truth lets a patient tell its own truth: a Go program that retains memory in one known
// shape says what it did, in lines that a test compares with what letgo reads from outside.
//
// Every line of standard output is `letgo.patient/1 <kind> key=value ...`, without spaces in
// values. Kinds:
//
//	truth     what the shape built: objects=, bytes=, ... (exact unless the key ends in _about)
//	ready     the shape stands; pid= of this process
//	memstats  runtime.MemStats, field by field under its own name
//	bysize    live objects by slot size, as size=objects (Mallocs - Frees of MemStats.BySize)
//	done      a command is finished; command= names it
//	error     a command or the shape failed; why= in words joined by underscores
//
// Commands come on standard input, one a line: memstats, stop, gc, free, exit, and those of the
// shape (drop and the like), which may take words behind theirs. `stop` reads MemStats, prints
// memstats and bysize, and stops the whole process with SIGSTOP; nothing is allocated in between.
// After SIGCONT it says done.
//
// With -clock a thread notes when the process stood still; then calm and gaps are commands, too.
//
// A patient exits by itself: at the end of standard input, and after -minutes in any case. With
// LETGO_PATIENT_TETHER set it is killed when its parent dies, stopped or not.
package truth
