//! [`PageAlloc`]: `runtime.pageAlloc`, which runtime pages are free and which were returned.

use letgo_target::{Addr, AddrRange};

/// Runtime pages in one chunk: 4 MiB. Source: src/runtime/mpagealloc.go, `pallocChunkPages`.
pub const CHUNK_PAGES: u64 = 512;

/// One chunk's bits; bit `i` of the bitmaps is runtime page `i` of the chunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Chunk {
    /// First byte of the chunk; a multiple of 4 MiB.
    pub base: Addr,
    /// `pallocData.pallocBits`: set where the page is allocated to a span or a page cache.
    pub alloc: [u64; 8],
    /// `pallocData.scavenged`: set where the page was returned to the OS.
    pub scavenged: [u64; 8],
}

/// `runtime.pageCache` of one P: 64 runtime pages of which some are free and allocated to the P.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageCache {
    /// First byte, a multiple of 64 runtime pages.
    pub base: Addr,
    /// Set where the page is free (though `Chunk::alloc` has it set).
    pub cache: u64,
    /// Set where the page is free and was returned to the OS.
    pub scavenged: u64,
}

/// The page allocator's view of the heap's address space.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageAlloc {
    /// `pageAlloc.inUse`: address space that the allocator may hand out, by address.
    pub in_use: Vec<AddrRange>,
    /// Chunks of `in_use`, by address.
    pub chunks: Vec<Chunk>,
    /// Page caches that are not empty, by address; those of several Ps that hold parts of the same
    /// 64 runtime pages are one.
    pub caches: Vec<PageCache>,
}
