//! Where Go 1.24 keeps its fields on linux/amd64, in bytes; written down by hand.
//!
//! Source: src/runtime of go1.24.13; the offsets were read off gdb (`print &((T*)0)->field` on a
//! program's DWARF), not off letgo's tables.

/// Our choice of where the variables lie: name, address, bytes.
pub(super) const GLOBALS: &[(&str, u64, u64)] = &[
    ("runtime.mheap_", MHEAP, mheap::SIZE),
    ("runtime.gcController", GC_CONTROLLER, 392),
    ("runtime.memstats", MEMSTATS, 7744),
    ("runtime.work", WORK, 592),
    ("runtime.sched", SCHED, 6824),
    ("runtime.allgs", 0x62_8000, 24),
    ("runtime.allglen", 0x62_8020, 8),
    ("runtime.allgptr", 0x62_8028, 8),
    ("runtime.allp", 0x62_8040, 24),
    ("runtime.allm", 0x62_8060, 8),
    ("runtime.mbuckets", 0x62_8070, 8),
    ("runtime.bbuckets", 0x62_8078, 8),
    ("runtime.xbuckets", 0x62_8080, 8),
    ("runtime.buckhash", 0x62_8088, 8),
    ("runtime.persistentChunks", 0x62_8090, 8),
    ("runtime.gcBitsArenas", 0x62_80a0, 40),
    ("runtime.allfin", 0x62_80d0, 8),
    ("runtime.spanSetBlockPool", 0x62_80e0, 8),
    ("runtime.gcphase", 0x62_80f0, 4),
    ("runtime.debug", 0x62_8100, 124),
    ("runtime.firstmoduledata", MODULEDATA, 584),
    ("runtime.emptymspan", EMPTY_MSPAN, mspan::SIZE),
];

pub(super) const MHEAP: u64 = 0x60_0000;
pub(super) const GC_CONTROLLER: u64 = 0x62_0000;
pub(super) const MEMSTATS: u64 = 0x62_1000;
pub(super) const WORK: u64 = 0x62_4000;
pub(super) const SCHED: u64 = 0x62_5000;
pub(super) const MODULEDATA: u64 = 0x62_9000;
pub(super) const EMPTY_MSPAN: u64 = 0x62_a000;

/// The address of one of [`GLOBALS`].
pub(super) fn global(name: &str) -> u64 {
    let found = GLOBALS.iter().find(|global| global.0 == name);
    found.unwrap_or_else(|| panic!("no variable {name}")).1
}

/// First byte of the heap: the first arena hint of amd64.
pub(super) const HEAP: u64 = 0xc0_0000_0000;
/// `pageSize`
pub(super) const PAGE: u64 = 8192;
/// `heapArenaBytes`
pub(super) const ARENA: u64 = 64 << 20;
/// `pallocChunkBytes`
pub(super) const CHUNK: u64 = 4 << 20;

/// Index of an address in units of `unit`, counted from `arenaBaseOffset`.
pub(super) fn index(addr: u64, unit: u64) -> u64 {
    addr.wrapping_sub(0xffff_8000_0000_0000) / unit
}

pub(super) mod mheap {
    pub(in super::super) const SIZE: u64 = 93008;
    pub(in super::super) const PAGES: u64 = 8;
    pub(in super::super) const SWEEPGEN: u64 = 65856;
    pub(in super::super) const ALLSPANS: u64 = 65864;
    pub(in super::super) const PAGES_IN_USE: u64 = 65888;
    pub(in super::super) const ARENAS: u64 = 66008;
    pub(in super::super) const ALL_ARENAS: u64 = 66096;
    pub(in super::super) const CUR_ARENA: u64 = 66168;
    pub(in super::super) const CENTRAL: u64 = 66184;
    /// `mcentral` padded to cache lines.
    pub(in super::super) const CENTRAL_STRIDE: u64 = 192;
    pub(in super::super) const SPANALLOC: u64 = 92296;
    pub(in super::super) const CACHEALLOC: u64 = 92368;
    pub(in super::super) const SPECIAL_WEAK_HANDLE_ALLOC: u64 = 92800;
}

pub(super) mod page_alloc {
    pub(in super::super) const SUMMARY: u64 = 0;
    pub(in super::super) const CHUNKS: u64 = 120;
    pub(in super::super) const START: u64 = 65664;
    pub(in super::super) const END: u64 = 65672;
    pub(in super::super) const IN_USE: u64 = 65680;
    /// `scav.index`: chunks 0, min 24, max 32.
    pub(in super::super) const SCAV_INDEX: u64 = 65720;
}

pub(super) mod mspan {
    pub(in super::super) const SIZE: u64 = 160;
    pub(in super::super) const LIST: u64 = 16;
    pub(in super::super) const START_ADDR: u64 = 24;
    pub(in super::super) const NPAGES: u64 = 32;
    pub(in super::super) const FREEINDEX: u64 = 48;
    pub(in super::super) const NELEMS: u64 = 50;
    pub(in super::super) const ALLOC_BITS: u64 = 64;
    pub(in super::super) const GCMARK_BITS: u64 = 72;
    pub(in super::super) const SWEEPGEN: u64 = 88;
    pub(in super::super) const ALLOC_COUNT: u64 = 96;
    pub(in super::super) const SPANCLASS: u64 = 98;
    pub(in super::super) const STATE: u64 = 99;
    pub(in super::super) const ALLOC_COUNT_BEFORE_CACHE: u64 = 102;
    pub(in super::super) const ELEMSIZE: u64 = 104;
    pub(in super::super) const LIMIT: u64 = 112;
    pub(in super::super) const SPECIALS: u64 = 128;
}

pub(super) mod gc_controller {
    pub(in super::super) const GC_PERCENT: u64 = 0;
    pub(in super::super) const MEMORY_LIMIT: u64 = 8;
    pub(in super::super) const GC_PERCENT_HEAP_GOAL: u64 = 72;
    pub(in super::super) const TRIGGERED: u64 = 88;
    pub(in super::super) const HEAP_LIVE: u64 = 104;
    pub(in super::super) const HEAP_MARKED: u64 = 152;
    pub(in super::super) const HEAP_IN_USE: u64 = 272;
    pub(in super::super) const HEAP_RELEASED: u64 = 280;
    pub(in super::super) const HEAP_FREE: u64 = 288;
    pub(in super::super) const TOTAL_ALLOC: u64 = 296;
    pub(in super::super) const TOTAL_FREE: u64 = 304;
    pub(in super::super) const MAPPED_READY: u64 = 312;
}

pub(super) mod heap_stats_delta {
    pub(in super::super) const SIZE: u64 = 1176;
    pub(in super::super) const COMMITTED: u64 = 0;
    pub(in super::super) const RELEASED: u64 = 8;
    pub(in super::super) const IN_HEAP: u64 = 16;
    pub(in super::super) const IN_STACKS: u64 = 24;
    pub(in super::super) const IN_WORK_BUFS: u64 = 32;
    pub(in super::super) const LARGE_ALLOC: u64 = 56;
    pub(in super::super) const LARGE_ALLOC_COUNT: u64 = 64;
    pub(in super::super) const SMALL_ALLOC_COUNT: u64 = 72;
    pub(in super::super) const LARGE_FREE_COUNT: u64 = 624;
    pub(in super::super) const SMALL_FREE_COUNT: u64 = 632;
}

pub(super) mod mstats {
    pub(in super::super) const STACKS_SYS: u64 = 3544;
    pub(in super::super) const MSPAN_SYS: u64 = 3552;
    pub(in super::super) const MCACHE_SYS: u64 = 3560;
    pub(in super::super) const BUCKHASH_SYS: u64 = 3568;
    pub(in super::super) const GC_MISC_SYS: u64 = 3576;
    pub(in super::super) const OTHER_SYS: u64 = 3584;
    pub(in super::super) const LAST_GC_UNIX: u64 = 3592;
    pub(in super::super) const NUMGC: u64 = 7704;
    pub(in super::super) const LAST_GC_NANOTIME: u64 = 7720;
}

pub(super) mod work {
    /// `wbufSpans`: lock 8, free 16, busy 16.
    pub(in super::super) const WBUF_SPANS: u64 = 144;
    pub(in super::super) const CYCLES: u64 = 424;
}

pub(super) mod sched {
    pub(in super::super) const NMIDLE: u64 = 40;
    pub(in super::super) const MNEXT: u64 = 48;
    pub(in super::super) const G_FREE_N: u64 = 184;
}

pub(super) mod p {
    pub(in super::super) const SIZE: u64 = 8952;
    pub(in super::super) const MCACHE: u64 = 56;
    pub(in super::super) const PCACHE: u64 = 64;
}

pub(super) mod mcache {
    pub(in super::super) const SIZE: u64 = 1208;
    pub(in super::super) const TINY_ALLOCS: u64 = 40;
    pub(in super::super) const ALLOC: u64 = 48;
}

pub(super) mod g {
    pub(in super::super) const SIZE: u64 = 440;
    pub(in super::super) const STACK: u64 = 0;
    pub(in super::super) const M: u64 = 48;
    pub(in super::super) const SCHED: u64 = 56;
    pub(in super::super) const ATOMICSTATUS: u64 = 152;
    pub(in super::super) const GOID: u64 = 160;
    pub(in super::super) const WAITSINCE: u64 = 176;
    pub(in super::super) const WAITREASON: u64 = 184;
    pub(in super::super) const GOPC: u64 = 288;
    pub(in super::super) const STARTPC: u64 = 304;
    /// `_Grunning`, `_Gwaiting`, `_Gdead`
    pub(in super::super) const RUNNING: u32 = 2;
    pub(in super::super) const WAITING: u32 = 4;
    pub(in super::super) const DEAD: u32 = 6;
    /// `waitReasonChanReceive`
    pub(in super::super) const CHAN_RECEIVE: u8 = 14;
}

pub(super) mod m {
    pub(in super::super) const SIZE: u64 = 1832;
    pub(in super::super) const G0: u64 = 0;
    pub(in super::super) const PROCID: u64 = 72;
    pub(in super::super) const GSIGNAL: u64 = 80;
    pub(in super::super) const ID: u64 = 232;
    pub(in super::super) const ALLLINK: u64 = 352;
}

pub(super) mod bucket {
    pub(in super::super) const SIZE: u64 = 48;
    pub(in super::super) const ALLNEXT: u64 = 8;
    pub(in super::super) const TYP: u64 = 16;
    pub(in super::super) const OBJECT_SIZE: u64 = 32;
    pub(in super::super) const NSTK: u64 = 40;
    /// `memRecord`: four cycles of four words.
    pub(in super::super) const MEM_RECORD: u64 = 128;
}

pub(super) mod moduledata {
    pub(in super::super) const TEXT: u64 = 176;
    pub(in super::super) const NOPTRDATA: u64 = 192;
    pub(in super::super) const ENOPTRDATA: u64 = 200;
    pub(in super::super) const DATA: u64 = 208;
    pub(in super::super) const EDATA: u64 = 216;
    pub(in super::super) const BSS: u64 = 224;
    pub(in super::super) const EBSS: u64 = 232;
    pub(in super::super) const NOPTRBSS: u64 = 240;
    pub(in super::super) const ENOPTRBSS: u64 = 248;
    /// `bitvector`: n 0, bytedata 8.
    pub(in super::super) const GCDATAMASK: u64 = 536;
    pub(in super::super) const GCBSSMASK: u64 = 552;
    pub(in super::super) const NEXT: u64 = 576;
}

pub(super) mod fixalloc {
    pub(in super::super) const ELEM: u64 = 0;
    pub(in super::super) const CHUNK: u64 = 32;
    pub(in super::super) const NCHUNK: u64 = 40;
    pub(in super::super) const NALLOC: u64 = 44;
    pub(in super::super) const INUSE: u64 = 48;
    /// `_FixAllocChunk`
    pub(in super::super) const BLOCK: u64 = 16 << 10;
}

pub(super) mod mcentral {
    pub(in super::super) const PARTIAL: u64 = 8;
}

pub(super) mod span_set {
    pub(in super::super) const SPINE: u64 = 8;
    pub(in super::super) const SPINE_LEN: u64 = 16;
    pub(in super::super) const SPINE_CAP: u64 = 24;
    /// `spanSetBlock`: header 24, 512 pointers.
    pub(in super::super) const BLOCK_SIZE: u64 = 4120;
    pub(in super::super) const BLOCK_SPANS: u64 = 24;
}

pub(super) mod gc_bits {
    /// `gcBitsArenas`: lock 0, free 8, next 16, current 24, previous 32.
    pub(in super::super) const CURRENT: u64 = 24;
    pub(in super::super) const ARENA_SIZE: u64 = 64 << 10;
    /// `gcBitsArena`: free 0, next 8, bits 16.
    pub(in super::super) const NEXT: u64 = 8;
    pub(in super::super) const BITS: u64 = 16;
}
