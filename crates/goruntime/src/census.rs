//! [`Census`]: everything that the runtime knows of its own memory, as plain data.
//!
//! Filled by [`crate::Runtime::census`]; joined with the kernel's residency by the `account`
//! crate. Nothing here knows residency.

use letgo_target::{Addr, AddrRange, Coverage};

use crate::{Debug, Goroutine, PageAlloc, ProfileBuckets, RuntimeStats, Span, Thread};

/// A range of memory that the runtime owns outside of spans, and what for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Metadata {
    /// The bytes, exactly (not rounded to pages).
    pub range: AddrRange,
    /// Which `*Sys` counter of `runtime.MemStats` counts them.
    pub sys: Sys,
    /// What they are, in the runtime's words: `heapArena`, `pageAlloc.chunks`, `gcBitsArena`, ...
    pub what: &'static str,
}

/// The `*Sys` counters of `runtime.MemStats` that count memory outside of the heap's spans.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Sys {
    /// `GCSys` (`memstats.gcMiscSys`; GC work buffers are spans and come on top).
    Gc,
    /// `MSpanSys`.
    Mspan,
    /// `MCacheSys`.
    Mcache,
    /// `BuckHashSys`.
    BuckHash,
    /// `OtherSys`.
    Other,
    /// `StackSys` beyond `StackInuse` (`memstats.stacks_sys`).
    OsStack,
    /// Counted by no counter, such as the arena index (`mheap_.arenas` L2).
    Uncounted,
}

/// What a walk over the runtime's structures found.
///
/// # Consistency
/// Read piece by piece; of a running target the pieces are of slightly different moments, and
/// `coverage.torn` counts what was seen to change.
#[derive(Clone, Debug, Default)]
pub struct Census {
    /// Spans in state `mSpanInUse` or `mSpanManual`, by base address, not overlapping.
    pub spans: Vec<Span>,
    /// Address ranges that the page allocator owns (`pageAlloc.inUse`), with their bits.
    pub pages: PageAlloc,
    /// Memory outside of spans, by address, not overlapping.
    pub metadata: Vec<Metadata>,
    /// Goroutines that are not dead, as far as the limits allowed.
    pub goroutines: Vec<Goroutine>,
    /// Dead g's that `allgs` still holds, with their cached stacks if any.
    pub dead_goroutines: u64,
    /// Bytes of stacks that dead g's keep.
    pub dead_stack_bytes: u64,
    /// Threads (`runtime.m`).
    pub threads: Vec<Thread>,
    /// mspan structures ever made, in use or not (`mheap_.allspans`).
    pub mspans: u64,
    /// What GODEBUG set, as it is now.
    pub debug: Debug,
    /// The memory, block and mutex profile's buckets: counts and bytes, not stacks.
    pub buckets: ProfileBuckets,
    /// The runtime's own counters, as `ReadMemStats` would compute them.
    pub stats: RuntimeStats,
    /// Bytes in mspans, bitmaps and arenas lie here; the arena index maps them.
    pub arenas: Vec<AddrRange>,
    /// Where the program keeps its variables: `(data, bss)` of every module, then its
    /// `(noptrdata, noptrbss)`.
    pub module_data: Vec<(AddrRange, AddrRange)>,
    /// What was left out or seen to change.
    pub coverage: Coverage,
}

impl Census {
    /// The span that holds `addr`.
    pub fn span_of(&self, addr: Addr) -> Option<&Span> {
        let index = self
            .spans
            .partition_point(|span| span.range().end() <= addr);
        self.spans
            .get(index)
            .filter(|span| span.range().contains(addr))
    }
}
