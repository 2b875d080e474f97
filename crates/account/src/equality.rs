//! [`Equality`]: what was walked beside what the runtime itself counts.
//!
//! The walk never uses the counters, so that each is a second source for the other. On a target
//! that stands still they are equal to the byte; on a running one they differ by what happened
//! in between.

use letgo_goruntime::RuntimeStats;

use crate::{Account, Leaf};

/// One figure from two sources.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Equality {
    /// The leaves whose virtual bytes are summed, as ids.
    pub leaves: Vec<&'static str>,
    /// Their sum.
    pub ours: u64,
    /// The runtime's counter, as `runtime.MemStats` names it.
    pub counter: &'static str,
    /// What it says.
    pub theirs: u64,
}

impl Equality {
    /// Ours less theirs.
    pub fn difference(&self) -> i128 {
        i128::from(self.ours) - i128::from(self.theirs)
    }
}

const IN_USE: &[Leaf] = &[
    Leaf::HeapReachable,
    Leaf::HeapObjects,
    Leaf::HeapGarbage,
    Leaf::HeapFreeSlots,
    Leaf::HeapSpanTail,
    Leaf::HeapSpanBitmap,
];
const IDLE: &[Leaf] = &[Leaf::HeapIdle, Leaf::HeapReturnedResident];
const HEAP: &[Leaf] = &[
    Leaf::HeapReachable,
    Leaf::HeapObjects,
    Leaf::HeapGarbage,
    Leaf::HeapFreeSlots,
    Leaf::HeapSpanTail,
    Leaf::HeapSpanBitmap,
    Leaf::HeapIdle,
    Leaf::HeapReturnedResident,
];

/// Compares the account's virtual bytes with the runtime's counters.
pub fn reconcile(account: &Account, stats: &RuntimeStats) -> Vec<Equality> {
    let rows: [(&[Leaf], &str, u64); 11] = [
        (
            &[Leaf::HeapReachable, Leaf::HeapObjects, Leaf::HeapGarbage],
            "HeapAlloc",
            stats.heap_alloc,
        ),
        (IN_USE, "HeapInuse", stats.heap_inuse),
        (IDLE, "HeapIdle", stats.heap_idle),
        (
            &[Leaf::HeapReturnedResident],
            "HeapReleased",
            stats.heap_released,
        ),
        (HEAP, "HeapSys", stats.heap_sys),
        (
            &[Leaf::StacksGoroutine, Leaf::StacksFree],
            "StackSys",
            stats.stack_sys,
        ),
        (&[Leaf::RuntimeMspan], "MSpanSys", stats.mspan_sys),
        (&[Leaf::RuntimeMcache], "MCacheSys", stats.mcache_sys),
        (
            &[Leaf::RuntimeProfileBuckets],
            "BuckHashSys",
            stats.buck_hash_sys,
        ),
        (&[Leaf::RuntimeGc], "GCSys", stats.gc_sys),
        (&[Leaf::RuntimeOther], "OtherSys", stats.other_sys),
    ];
    let equality = |(leaves, counter, theirs): (&[Leaf], &'static str, u64)| Equality {
        leaves: leaves.iter().map(|leaf| leaf.id()).collect(),
        ours: leaves.iter().map(|leaf| account.leaf(*leaf).virt.0).sum(),
        counter,
        theirs,
    };
    rows.into_iter().map(equality).collect()
}
