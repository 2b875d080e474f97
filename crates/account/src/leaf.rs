//! [`Leaf`]: the ends of the account's tree, each a kind of owner of resident bytes.
//!
//! The ids are part of the contract with users (`letgo.why/1`).

/// A kind of owner. Every resident byte belongs to exactly one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Leaf {
    /// Allocated slots, reachable or not: without the graph nobody can tell.
    HeapObjects,
    /// Slots that the last GC found dead and the sweeper has not reached.
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
    pub const ALL: [Leaf; 26] = [
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

    /// The words that a person reads.
    pub fn label(self) -> &'static str {
        match self {
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
