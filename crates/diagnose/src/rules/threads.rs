//! `thread-stacks`: OS threads, their stacks and their number.
//!
//! The runtime starts a thread when all others are in system calls or in C, and keeps it for
//! good. In a program without cgo a thread's own stack is small; with cgo it is the libc's.

use letgo_account::Leaf;

use crate::draft::{Case, Draft};
use crate::finding::{Confidence, Severity};
use crate::words;

/// `sched.maxmcount`: more threads than this end the program.
const MOST_THREADS: u64 = 10_000;

/// Threads take memory, or there are very many.
pub(crate) fn stacks(case: &Case<'_>) -> Option<Draft> {
    let threads = case.facts.threads;
    let leaf = case.facts.leaf(Leaf::StacksOsThread);
    let bytes = leaf.resident_bytes;
    let procs = u64::from(case.facts.stats.gomaxprocs.max(1));
    let per_p = procs.saturating_mul(case.thresholds.threads_per_p);
    let many = threads.count >= case.thresholds.threads_many && threads.count >= per_p;
    if !many && !case.stands_out(bytes, case.thresholds.low_share) {
        return None;
    }
    let title = if many {
        format!(
            "{} OS threads for GOMAXPROCS={procs}",
            words::count(threads.count)
        )
    } else {
        format!("Stacks of OS threads hold {}", words::bytes(bytes))
    };
    let near_crash = threads.runtime_count >= MOST_THREADS / 2;
    let draft = Draft::new(Confidence::Proven, title)
        .claim(Leaf::StacksOsThread, bytes)
        .count(threads.count)
        .least(if near_crash { Severity::High } else { Severity::Info })
        .evidence(format!(
            "{} threads, {} of them the Go scheduler's; their stacks have {} resident of {} mapped.",
            words::count(threads.count),
            words::count(threads.runtime_count),
            words::bytes(bytes),
            words::bytes(leaf.virtual_bytes)
        ))
        .evidence_if(near_crash, || {
            format!("The runtime ends the program at {} threads.", words::count(MOST_THREADS))
        })
        .evidence("Each also has a kernel stack, which is outside of RSS.")
        .evidence("The runtime keeps a thread once it was started.");
    Some(remedies(case, draft))
}

fn remedies(case: &Case<'_>, draft: Draft) -> Draft {
    draft
        .remedy(
            "next",
            case.letgo("goroutines"),
            "which calls hold threads: system calls, cgo, LockOSThread",
        )
        .remedy(
            "for good",
            "bound how many goroutines are in file, DNS or C calls at once",
            "threads stay near that bound after a restart",
        )
}
