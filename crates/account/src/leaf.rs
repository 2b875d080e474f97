//! [`Leaf`]: the ends of the account's tree, each a kind of owner of resident bytes.
//!
//! The ids are part of the contract with users (`letgo.why/1`).

/// A kind of owner. Every resident byte belongs to exactly one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Leaf {
    /// Allocated slots that are reachable, where there is a graph.
    HeapReachable,
    /// Allocated slots, reachable or not: without the graph nobody can tell. With it, those of
    /// spans that it does not know.
    HeapObjects,
    /// With the graph, allocated slots that are not reachable. Without, those that the last GC
    /// found dead and the sweeper has not reached.
    HeapGarbage,
    /// Free slots in spans in use.
    HeapFreeSlots,
    /// What is left of a span behind its last slot.
    HeapSpanTail,
    /// Pointer bitmaps and inline marks inside of spans.
    HeapSpanBitmap,
    /// Free spans that were never returned.
    HeapIdle,
    /// Free spans that were returned to the OS and are resident all the same.
    HeapReturnedResident,
    /// Stacks of goroutines.
    StacksGoroutine,
    /// Stack memory without an owner, cached for the next goroutine.
    StacksFree,
    /// Stacks of OS threads.
    StacksOsThread,
    /// The collector's own structures and work buffers.
    RuntimeGc,
    /// `mspan` structures.
    RuntimeMspan,
    /// `mcache` structures.
    RuntimeMcache,
    /// Buckets of the memory, block and mutex profiles, and their table.
    RuntimeProfileBuckets,
    /// The runtime's other structures.
    RuntimeOther,
    /// Memory of the runtime that none of its counters counts: the arena index, and what is left
    /// of the last os page behind a structure.
    RuntimeUncounted,
    /// Machine code of the program and its libraries.
    BinaryText,
    /// Read-only data of the program and its libraries: types, strings, pclntab.
    BinaryRodata,
    /// Initialised variables.
    BinaryData,
    /// Variables that start as zero.
    BinaryBss,
    /// glibc's malloc: `[heap]` and arenas.
    CgoMalloc,
    /// Other mapped files.
    MapsFile,
    /// Shared memory without a file on disk.
    MapsShm,
    /// Other anonymous memory.
    MapsAnon,
    /// Shadow memory of race, msan and asan builds.
    SanitizerShadow,
    /// `[vdso]` and the like.
    Kernel,
    /// Nobody's. Zero on every program that we test.
    Unattributed,
}

impl Leaf {
    /// All leaves, in the order of the tree.
    pub const ALL: [Leaf; 28] = [
        Leaf::HeapReachable,
        Leaf::HeapObjects,
        Leaf::HeapGarbage,
        Leaf::HeapFreeSlots,
        Leaf::HeapSpanTail,
        Leaf::HeapSpanBitmap,
        Leaf::HeapIdle,
        Leaf::HeapReturnedResident,
        Leaf::StacksGoroutine,
        Leaf::StacksFree,
        Leaf::StacksOsThread,
        Leaf::RuntimeGc,
        Leaf::RuntimeMspan,
        Leaf::RuntimeMcache,
        Leaf::RuntimeProfileBuckets,
        Leaf::RuntimeOther,
        Leaf::RuntimeUncounted,
        Leaf::BinaryText,
        Leaf::BinaryRodata,
        Leaf::BinaryData,
        Leaf::BinaryBss,
        Leaf::CgoMalloc,
        Leaf::MapsFile,
        Leaf::MapsShm,
        Leaf::MapsAnon,
        Leaf::SanitizerShadow,
        Leaf::Kernel,
        Leaf::Unattributed,
    ];

    /// The id in JSON, stable.
    pub fn id(self) -> &'static str {
        match self {
            Leaf::HeapReachable => "heap.reachable",
            Leaf::HeapObjects => "heap.objects",
            Leaf::HeapGarbage => "heap.garbage",
            Leaf::HeapFreeSlots => "heap.free_slots",
            Leaf::HeapSpanTail => "heap.span_tail",
            Leaf::HeapSpanBitmap => "heap.span_bitmap",
            Leaf::HeapIdle => "heap.idle",
            Leaf::HeapReturnedResident => "heap.returned_resident",
            Leaf::StacksGoroutine => "stacks.goroutine",
            Leaf::StacksFree => "stacks.free",
            Leaf::StacksOsThread => "stacks.os_thread",
            Leaf::RuntimeGc => "runtime.gc",
            Leaf::RuntimeMspan => "runtime.mspan",
            Leaf::RuntimeMcache => "runtime.mcache",
            Leaf::RuntimeProfileBuckets => "runtime.profile_buckets",
            Leaf::RuntimeOther => "runtime.other",
            Leaf::RuntimeUncounted => "runtime.uncounted",
            Leaf::BinaryText => "binary.text",
            Leaf::BinaryRodata => "binary.rodata",
            Leaf::BinaryData => "binary.data",
            Leaf::BinaryBss => "binary.bss",
            Leaf::CgoMalloc => "cgo.malloc",
            Leaf::MapsFile => "maps.file",
            Leaf::MapsShm => "maps.shm",
            Leaf::MapsAnon => "maps.anon",
            Leaf::SanitizerShadow => "sanitizer.shadow",
            Leaf::Kernel => "kernel",
            Leaf::Unattributed => "unattributed",
        }
    }

    /// The branch of the tree that it hangs on.
    pub fn group(self) -> Group {
        match self {
            Leaf::HeapReachable
            | Leaf::HeapObjects
            | Leaf::HeapGarbage
            | Leaf::HeapFreeSlots
            | Leaf::HeapSpanTail
            | Leaf::HeapSpanBitmap
            | Leaf::HeapIdle
            | Leaf::HeapReturnedResident => Group::Heap,
            Leaf::StacksGoroutine | Leaf::StacksFree | Leaf::StacksOsThread => Group::Stacks,
            Leaf::RuntimeGc
            | Leaf::RuntimeMspan
            | Leaf::RuntimeMcache
            | Leaf::RuntimeProfileBuckets
            | Leaf::RuntimeOther
            | Leaf::RuntimeUncounted => Group::Runtime,
            Leaf::BinaryText | Leaf::BinaryRodata | Leaf::BinaryData | Leaf::BinaryBss => {
                Group::Binary
            }
            Leaf::CgoMalloc => Group::Cgo,
            Leaf::MapsFile | Leaf::MapsShm | Leaf::MapsAnon => Group::Maps,
            Leaf::SanitizerShadow => Group::Sanitizer,
            Leaf::Kernel => Group::Kernel,
            Leaf::Unattributed => Group::Unattributed,
        }
    }

    /// Its place in [`Leaf::ALL`].
    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// The words that a person reads.
    pub fn label(self) -> &'static str {
        match self {
            Leaf::HeapReachable => "reachable objects",
            Leaf::HeapObjects => "objects",
            Leaf::HeapGarbage => "garbage, not yet swept",
            Leaf::HeapFreeSlots => "free slots in used spans",
            Leaf::HeapSpanTail => "span tails",
            Leaf::HeapSpanBitmap => "bitmaps inside of spans",
            Leaf::HeapIdle => "idle spans, never returned",
            Leaf::HeapReturnedResident => "returned, yet still resident",
            Leaf::StacksGoroutine => "goroutine stacks",
            Leaf::StacksFree => "cached stacks",
            Leaf::StacksOsThread => "thread stacks",
            Leaf::RuntimeGc => "GC structures",
            Leaf::RuntimeMspan => "mspans",
            Leaf::RuntimeMcache => "mcaches",
            Leaf::RuntimeProfileBuckets => "profile buckets",
            Leaf::RuntimeOther => "other runtime structures",
            Leaf::RuntimeUncounted => "arena index, page rounding",
            Leaf::BinaryText => "machine code",
            Leaf::BinaryRodata => "read-only data",
            Leaf::BinaryData => "variables",
            Leaf::BinaryBss => "zeroed variables",
            Leaf::CgoMalloc => "cgo / malloc",
            Leaf::MapsFile => "mapped files",
            Leaf::MapsShm => "shared memory",
            Leaf::MapsAnon => "other anonymous memory",
            Leaf::SanitizerShadow => "sanitizer shadow",
            Leaf::Kernel => "kernel pages",
            Leaf::Unattributed => "unattributed",
        }
    }
}

/// A branch of the tree: the part of a leaf's id before the dot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Group {
    /// Heap spans and free heap memory; sums to `HeapSys`.
    Heap,
    /// Stacks of goroutines and threads.
    Stacks,
    /// The runtime's own structures.
    Runtime,
    /// The program's and its libraries' images.
    Binary,
    /// C's allocator.
    Cgo,
    /// Other mappings.
    Maps,
    /// Shadow memory of sanitizers.
    Sanitizer,
    /// The kernel's pages.
    Kernel,
    /// Nobody's.
    Unattributed,
}

impl Group {
    /// All groups, in the order of the tree.
    pub const ALL: [Group; 9] = [
        Group::Heap,
        Group::Stacks,
        Group::Runtime,
        Group::Binary,
        Group::Cgo,
        Group::Maps,
        Group::Sanitizer,
        Group::Kernel,
        Group::Unattributed,
    ];

    /// The id in JSON, stable.
    pub fn id(self) -> &'static str {
        match self {
            Group::Heap => "heap",
            Group::Stacks => "stacks",
            Group::Runtime => "runtime",
            Group::Binary => "binary",
            Group::Cgo => "cgo",
            Group::Maps => "maps",
            Group::Sanitizer => "sanitizer",
            Group::Kernel => "kernel",
            Group::Unattributed => "unattributed",
        }
    }

    /// The words that a person reads.
    pub fn label(self) -> &'static str {
        match self {
            Group::Heap => "Go heap",
            Group::Stacks => "stacks",
            Group::Runtime => "GC and runtime structures",
            Group::Binary => "binary and libraries",
            Group::Cgo => "cgo",
            Group::Maps => "other mappings",
            Group::Sanitizer => "sanitizer",
            Group::Kernel => "kernel pages",
            Group::Unattributed => "unattributed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_lists_every_leaf_at_its_own_index() {
        for (index, leaf) in Leaf::ALL.iter().enumerate() {
            assert_eq!(leaf.index(), index, "{leaf:?}");
        }
        assert_eq!(Leaf::Unattributed.index(), Leaf::ALL.len() - 1);
    }

    #[test]
    fn an_id_starts_with_its_group() {
        for leaf in Leaf::ALL {
            let group = leaf.group().id();
            assert!(leaf.id() == group || leaf.id().starts_with(&format!("{group}.")));
        }
    }
}
