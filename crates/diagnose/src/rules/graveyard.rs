//! `goroutine-graveyard`: dead goroutines that `allgs` keeps for good.
//!
//! The runtime reuses a dead `g`, and never frees one. Its stack goes at the next GC; the `g`
//! itself stays on the heap, as many as there were goroutines at once.
//!
//! Source: src/runtime/proc.go, `allgadd`, `gfput`; src/runtime/mgcmark.go,
//! `markrootFreeGStacks`; go1.19 to go1.27.

use letgo_account::Leaf;

use crate::draft::{Case, Draft};
use crate::finding::Confidence;
use crate::words;

/// Many more goroutines are dead than alive.
pub(crate) fn dead_goroutines(case: &Case<'_>) -> Option<Draft> {
    let goroutines = case.facts.goroutines;
    let ratio = goroutines
        .count
        .saturating_mul(case.thresholds.dead_per_goroutine);
    if goroutines.dead < case.thresholds.dead_least || goroutines.dead < ratio {
        return None;
    }
    // The pointer in allgs comes on top.
    let bytes = goroutines
        .dead
        .saturating_mul(goroutines.g_bytes.saturating_add(8));
    if !case.is_share(bytes, case.thresholds.low_share) {
        return None;
    }
    // Until the next GC they keep their stacks, too.
    let stacks = case.facts.resident(Leaf::StacksFree);
    let stacks = if case.is_share(stacks, case.thresholds.low_share) {
        stacks
    } else {
        0
    };
    let until = match stacks {
        0 => String::new(),
        stacks => format!(", and {} of stacks until the next GC", words::bytes(stacks)),
    };
    let title = format!(
        "{} dead goroutines hold {} for good{until}",
        words::count(goroutines.dead),
        words::bytes(bytes)
    );
    let draft = Draft::new(Confidence::Proven, title)
        .claim(case.objects(), bytes)
        .claim(Leaf::StacksFree, stacks)
        .count(goroutines.dead)
        .holder("runtime.allgs")
        .evidence(format!(
            "{} goroutines are left of {} that there once were at the same time.",
            words::count(goroutines.count),
            words::count(goroutines.count.saturating_add(goroutines.dead))
        ))
        .evidence(format!(
            "Each keeps its g, {} B on the heap; the runtime reuses them and frees none.",
            goroutines.g_bytes
        ));
    Some(remedies(case, draft, stacks))
}

fn remedies(case: &Case<'_>, draft: Draft, stacks: u64) -> Draft {
    let draft = if stacks > 0 {
        let expect = format!("a GC frees the stacks: up to {} back", words::bytes(stacks));
        draft.remedy("now", case.letgo("release"), expect)
    } else {
        draft
    };
    draft
        .remedy(
            "for good",
            "bound how many goroutines are started at once (a worker pool, a semaphore)",
            "no more than that bound are ever kept",
        )
        .remedy(
            "now",
            "restart it",
            "the only way to give back the g's that there are",
        )
}
