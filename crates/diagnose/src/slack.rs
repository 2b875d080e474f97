//! [`Slack`]: what spans keep beside reachable objects, once everything else is collected.
//!
//! A span goes back only as a whole, so after the next GC a span with one reachable object stays
//! with all of its slots. Some of that the program fills again before the GC after it: what its
//! heap goal allows beyond what is reachable. The rest is excess, and nobody's.
//!
//! The excess is shared between two rules, so that each byte is in one finding:
//! - `pinned-spans` takes it from the spans of which only few slots are reachable;
//! - `fragmentation` takes what is left, which lies in better used spans. If the first has too
//!   little to stand out, the second takes all.
//!
//! Spans that wait for a finalizer are left out: they go, one GC later.

use letgo_account::{Leaf, ReachClass, Reached, Shares};

use crate::draft::{Case, Draft};
use crate::pacer::scaled;

/// Spans of the heap goal for a byte of objects: what the scavenger allows for, too.
const SPREAD: f64 = 1.1;

/// What spans keep, and whose it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slack {
    /// Spans that stay.
    pub(crate) staying: Shares,
    /// Of these, those of which few slots are reachable.
    pub(crate) pinned: Shares,
    /// Bytes of free slots that the program fills before the GC after the next.
    pub(crate) headroom: u64,
    /// What `pinned-spans` says is lost; 0 where it is silent.
    pub(crate) pinned_bytes: u64,
    /// What `fragmentation` says is lost.
    pub(crate) rest_bytes: u64,
}

impl Slack {
    /// What the graph says; nothing without one.
    pub(crate) fn of(case: &Case<'_>) -> Option<Slack> {
        let reached = case.facts.reached.as_ref()?;
        let eighths = case.thresholds.pinned_eighths;
        let mut staying = Shares::default();
        let mut pinned = Shares::default();
        for class in &reached.classes {
            staying.add(&self::staying(class));
            pinned.add(&self::pinned(class, eighths));
        }
        let headroom = headroom(case, reached);
        let excess = kept(&staying).saturating_sub(headroom);
        let few = kept(&pinned).min(excess);
        let pinned_bytes = match case.stands_out(few, case.thresholds.medium_share) {
            true => few,
            false => 0,
        };
        Some(Slack {
            staying,
            pinned,
            headroom,
            pinned_bytes,
            rest_bytes: excess - pinned_bytes,
        })
    }

    /// Claims what `pinned-spans` has: free slots, then garbage.
    pub(crate) fn claim_pinned(&self, draft: Draft) -> Draft {
        let free = self.pinned.free.0.min(self.pinned_bytes);
        draft
            .claim(Leaf::HeapFreeSlots, free)
            .claim(Leaf::HeapGarbage, self.pinned_bytes - free)
    }

    /// Claims what `fragmentation` has, likewise, beside what `pinned-spans` has.
    pub(crate) fn claim_rest(&self, draft: Draft) -> Draft {
        let taken = self.pinned.free.0.min(self.pinned_bytes);
        let free = self.staying.free.0.saturating_sub(taken);
        let free = free.min(self.rest_bytes);
        draft
            .claim(Leaf::HeapFreeSlots, free)
            .claim(Leaf::HeapGarbage, self.rest_bytes - free)
    }
}

/// Resident bytes of slots without a reachable object.
pub(crate) fn kept(shares: &Shares) -> u64 {
    shares.free.0.saturating_add(shares.garbage.resident.0)
}

/// Spans of a class that a reachable object keeps.
pub(crate) fn staying(class: &ReachClass) -> Shares {
    sum(class.shares.iter().skip(1))
}

/// Spans of a class that few reachable objects keep: at most so many eighths of their slots.
pub(crate) fn pinned(class: &ReachClass, eighths: usize) -> Shares {
    sum(class.shares.iter().skip(1).take(eighths))
}

/// Spans of a class that more reachable objects keep.
pub(crate) fn better_used(class: &ReachClass, eighths: usize) -> Shares {
    sum(class.shares.iter().skip(1).skip(eighths))
}

fn sum<'a>(parts: impl Iterator<Item = &'a Shares>) -> Shares {
    let mut sum = Shares::default();
    parts.for_each(|part| sum.add(part));
    sum
}

/// What the heap may grow by after the next GC, at GOGC=100 or the smaller one in force.
///
/// What the last GC marked counts as live, too: live heaps swing, and come back.
fn headroom(case: &Case<'_>, reached: &Reached) -> u64 {
    let objects = reached.reachable.slot_bytes;
    let objects = objects.saturating_add(reached.unknown.slot_bytes);
    let live = objects.max(case.facts.stats.heap_marked);
    let gogc = case.pacer.gogc().unwrap_or(100).min(100);
    let goal = case.pacer.goal_of(live, gogc);
    scaled(goal, SPREAD).saturating_sub(objects)
}
