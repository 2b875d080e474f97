//! [`Span`]: one `runtime.mspan`, a run of runtime pages (8 KiB each).
//!
//! A span holds objects of one size class, one large object, or memory that the runtime manages
//! by hand (stacks, GC work buffers). This module does not read (see `mheap`) and does not know
//! residency (see the `account` crate).

use letgo_target::{Addr, AddrRange};

/// Bytes of a runtime page. Source: src/runtime/malloc.go, `_PageSize`, go1.19 to go1.27.
pub const RUNTIME_PAGE: u64 = 8192;

/// What a span is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum SpanUse {
    /// `mSpanInUse`: objects of the garbage-collected heap.
    #[default]
    Heap,
    /// `mSpanManual`: goroutine stacks, whole or cached in `stackpool`, `stackLarge`, `mcache`.
    Stack,
    /// `mSpanManual`: GC work buffers (`work.wbufSpans`); counted in `GCSys`.
    WorkBuf,
    /// `mSpanManual`, other uses: unrolled pointer masks and the like; counted in `GCSys`.
    PtrScalarBits,
}

/// One span, decoded and checked: its range neither overflows nor is empty, and
/// `nelems * elem_size` fits in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Span {
    /// Where the `mspan` structure lies.
    pub mspan: Addr,
    /// First byte of the span.
    pub base: Addr,
    /// Length in runtime pages.
    pub npages: u32,
    /// Slots; 0 for spans managed by hand.
    pub nelems: u32,
    /// Bytes a slot (`mspan.elemsize`).
    pub elem_size: u64,
    /// `mspan.freeindex`: slots below are in use.
    pub free_index: u32,
    /// `mspan.allocCount`: slots in use.
    pub alloc_count: u32,
    /// `mspan.spanclass`: size class * 2 + noscan.
    pub span_class: u8,
    /// What it is for.
    pub used_for: SpanUse,
    /// The last GC has finished marking and the sweeper has not been here: an allocated slot
    /// without its mark bit is garbage.
    pub needs_sweep: bool,
    /// In some P's `mcache`, so that `alloc_count` may be behind.
    pub cached: bool,
    /// Chunk of a user arena (`mspan.isUserArenaChunk`).
    pub user_arena: bool,
    /// `mspan.allocBits`, 1 bit a slot.
    pub alloc_bits: Addr,
    /// `mspan.gcmarkBits`, 1 bit a slot.
    pub mark_bits: Addr,
    /// Mark bits lie in the span itself (Green Tea), in its last 128 bytes.
    pub inline_marks: bool,
    /// Bytes at the end of the span that hold pointer bitmaps and inline marks.
    pub bitmap_bytes: u32,
    /// `mspan.largeType`, null where there is none.
    pub large_type: Addr,
    /// `mspan.specials`, head of a list, null where there is none.
    pub specials: Addr,
}

impl Span {
    /// The bytes of the span.
    pub fn range(&self) -> AddrRange {
        AddrRange::sized(self.base, u64::from(self.npages) * RUNTIME_PAGE)
    }

    /// Bytes of the slots, used or free; what follows is tail and in-span bitmap.
    pub fn slots_len(&self) -> u64 {
        u64::from(self.nelems).saturating_mul(self.elem_size)
    }

    /// Size class, 0 for a large object. Source: src/runtime/mheap.go, `spanClass`.
    pub fn size_class(&self) -> u8 {
        self.span_class >> 1
    }

    /// Whether its objects hold no pointers.
    pub fn is_noscan(&self) -> bool {
        self.span_class & 1 == 1
    }
}
