//! Decoding one `runtime.mspan` into a [`Span`].
//!
//! An mspan is dead (its structure waits to be used again), in use (objects), or managed by hand
//! (stacks, GC work buffers, unrolled pointer masks). This module turns the bytes of one into a
//! [`Span`]; it reads nothing (see `mheap`).
//!
//! Invariants of what it returns: the range lies inside the heap's arenas, is not empty and does
//! not overflow; `nelems * elem_size` fits in it; `free_index` and `alloc_count` are at most
//! `nelems`.
//!
//! Source: src/runtime/mheap.go, type mspan, `initSpan`; mgcsweep.go; mbitmap.go,
//! `heapBitsInSpan`; go1.19 to go1.27.

use letgo_target::{Addr, AddrRange};

use crate::layout::Layout;
use crate::{RUNTIME_PAGE, Span, SpanUse};

/// Largest object whose pointer bitmap lies in its span. Source: `MinSizeForMallocHeader`.
const MOST_BITMAP_OBJECT: u64 = 512;
/// Smallest object whose mark bits lie in its span. Source: `gcUsesSpanInlineMarkBits`.
const LEAST_INLINE_OBJECT: u64 = 16;
/// Bytes of `spanInlineMarkBits`.
const INLINE_MARK_BYTES: u32 = 128;
/// Bytes of a runtime page that one byte of in-span pointer bitmap covers.
const BYTES_A_BITMAP_BYTE: u64 = 64;

/// `mSpanInUse`. Source: src/runtime/mheap.go.
const IN_USE: u8 = 1;
/// `mSpanManual`.
const MANUAL: u8 = 2;

/// What decoding needs to know besides the bytes.
#[derive(Clone, Debug)]
pub(crate) struct Context<'a> {
    pub(crate) layout: &'a Layout,
    /// `mheap_.sweepgen`
    pub(crate) sweepgen: u32,
    /// `work.wbufSpans`: a span on one of its lists is a GC work buffer's.
    pub(crate) work_bufs: AddrRange,
    /// The arenas, merged, by address.
    pub(crate) arenas: &'a [AddrRange],
    /// Pointer bitmaps lie in spans.
    pub(crate) span_bitmaps: bool,
    /// Mark bits lie in spans.
    pub(crate) inline_marks: bool,
}

/// What the bytes of an mspan are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Decoded {
    /// A span in use or managed by hand.
    Span(Span),
    /// A structure that waits to be used again.
    Dead,
    /// An invariant is broken: halfway through an update, or not an mspan.
    Bad(&'static str),
}

/// Decodes the `bytes` of the mspan at `mspan`.
pub(crate) fn decode(context: &Context<'_>, mspan: Addr, bytes: &[u8]) -> Decoded {
    let fields = &context.layout.mspan;
    let state = fields.state.u8(bytes);
    match state {
        0 => return Decoded::Dead,
        IN_USE | MANUAL => {}
        _ => return Decoded::Bad("its state is none that there is"),
    }
    let base = fields.start_addr.addr(bytes);
    let Ok(npages) = u32::try_from(fields.npages.get(bytes)) else {
        return Decoded::Bad("it has too many pages");
    };
    let mut span = Span {
        mspan,
        base,
        npages,
        nelems: fields.nelems.u32(bytes),
        elem_size: fields.elemsize.get(bytes),
        free_index: fields.freeindex.u32(bytes),
        alloc_count: fields.alloc_count.u32(bytes),
        span_class: fields.spanclass.u8(bytes),
        alloc_bits: fields.alloc_bits.addr(bytes),
        mark_bits: fields.gcmark_bits.addr(bytes),
        large_type: fields.large_type.map_or(Addr::NULL, |f| f.addr(bytes)),
        specials: fields.specials.addr(bytes),
        user_arena: fields.is_user_arena_chunk.is_some_and(|f| f.u8(bytes) != 0),
        ..Span::default()
    };
    if npages == 0 || !base.0.is_multiple_of(RUNTIME_PAGE) {
        return Decoded::Bad("its range is empty or not on runtime pages");
    }
    if !in_arenas(context.arenas, span.range()) {
        return Decoded::Bad("it lies outside of the arenas");
    }
    if state == MANUAL {
        manual(context, &mut span, fields.list.addr(bytes));
        return Decoded::Span(span);
    }
    let behind = context.sweepgen.wrapping_sub(fields.sweepgen.u32(bytes));
    heap(context, &mut span, behind)
}

/// A span managed by hand: which hand.
///
/// Stacks set `elemsize`; a work buffer's span is on a list of `work.wbufSpans`; what is left are
/// unrolled pointer masks (`materializeGCProg`, up to 1.23), or a work buffer's span in the few
/// instructions before it is put on its list. Both count in `GCSys`.
fn manual(context: &Context<'_>, span: &mut Span, list: Addr) {
    span.used_for = if context.work_bufs.contains(list) {
        SpanUse::WorkBuf
    } else if span.elem_size != 0 {
        SpanUse::Stack
    } else {
        SpanUse::PtrScalarBits
    };
    span.nelems = 0;
    span.free_index = 0;
    span.alloc_count = 0;
    span.user_arena = false;
    span.large_type = Addr::NULL;
    span.specials = Addr::NULL;
}

/// A span of objects. `behind` is how far its sweep generation is behind the heap's:
/// 2 needs sweeping, 1 is being swept, 0 is swept, -1 is cached and needs sweeping, -3 is swept
/// and cached. One that is being swept counts as swept: its bits may have been exchanged already.
fn heap(context: &Context<'_>, span: &mut Span, behind: u32) -> Decoded {
    const CACHED_UNSWEPT: u32 = 1u32.wrapping_neg();
    const CACHED_SWEPT: u32 = 3u32.wrapping_neg();
    let len = span.range().len();
    let slots = u64::from(span.nelems).checked_mul(span.elem_size);
    if span.nelems == 0 || span.elem_size == 0 || slots.is_none_or(|slots| slots > len) {
        return Decoded::Bad("its slots do not fit in it");
    }
    if span.free_index > span.nelems || span.alloc_count > span.nelems {
        return Decoded::Bad("more slots are in use than there are");
    }
    if span.alloc_bits.is_null() || span.mark_bits.is_null() {
        return Decoded::Bad("it has no bits");
    }
    match behind {
        2 | CACHED_UNSWEPT => span.needs_sweep = true,
        0 | 1 | CACHED_SWEPT => {}
        _ => return Decoded::Bad("its sweep generation is none that there is"),
    }
    span.cached = matches!(behind, CACHED_UNSWEPT | CACHED_SWEPT);
    span.inline_marks = context.inline_marks
        && !span.user_arena
        && (LEAST_INLINE_OBJECT..=MOST_BITMAP_OBJECT).contains(&span.elem_size);
    span.bitmap_bytes = bitmap_bytes(context, span, len);
    if slots.is_none_or(|slots| slots.saturating_add(u64::from(span.bitmap_bytes)) > len) {
        return Decoded::Bad("its slots and bitmap do not fit in it");
    }
    Decoded::Span(*span)
}

/// Bytes at the end of a span that hold pointer bitmaps and inline marks.
fn bitmap_bytes(context: &Context<'_>, span: &Span, len: u64) -> u32 {
    if span.user_arena {
        let rest = len.saturating_sub(span.elem_size);
        return u32::try_from(rest).unwrap_or(u32::MAX);
    }
    let marks = if span.inline_marks {
        INLINE_MARK_BYTES
    } else {
        0
    };
    let small = span.elem_size <= MOST_BITMAP_OBJECT;
    if context.span_bitmaps && small && !span.is_noscan() {
        let bitmap = u32::try_from(len / BYTES_A_BITMAP_BYTE).unwrap_or(u32::MAX);
        marks.saturating_add(bitmap)
    } else {
        marks
    }
}

/// Whether `range` lies in arenas that follow each other.
fn in_arenas(arenas: &[AddrRange], range: AddrRange) -> bool {
    let index = arenas.partition_point(|arena| arena.end() <= range.start());
    arenas.get(index).is_some_and(|arena| arena.covers(range))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::{Member, Mspan, SpanInlineMarkBits};

    fn at(offset: u32, size: u32) -> Member {
        Member { offset, size }
    }

    /// The layout of 1.27 on amd64, written from src/runtime/mheap.go by hand.
    fn layout() -> Layout {
        Layout {
            mspan: Mspan {
                size: 160,
                list: at(16, 8),
                start_addr: at(24, 8),
                npages: at(32, 8),
                freeindex: at(48, 2),
                nelems: at(50, 2),
                alloc_bits: at(64, 8),
                gcmark_bits: at(72, 8),
                sweepgen: at(88, 4),
                alloc_count: at(96, 2),
                spanclass: at(98, 1),
                state: at(99, 1),
                is_user_arena_chunk: Some(at(101, 1)),
                alloc_count_before_cache: at(102, 2),
                elemsize: at(104, 8),
                specials: at(128, 8),
                large_type: Some(at(152, 8)),
            },
            span_inline_mark_bits: Some(SpanInlineMarkBits::default()),
            ..Layout::default()
        }
    }

    struct Bytes([u8; 160]);

    impl Bytes {
        fn heap(elem_size: u64, nelems: u16, class: u8) -> Bytes {
            let mut bytes = Bytes([0; 160]);
            bytes.put(24, &0xc000_0000u64.to_le_bytes());
            bytes.put(32, &1u64.to_le_bytes());
            bytes.put(50, &nelems.to_le_bytes());
            bytes.put(64, &0x1000u64.to_le_bytes());
            bytes.put(72, &0x2000u64.to_le_bytes());
            bytes.put(88, &10u32.to_le_bytes());
            bytes.put(98, &[class, IN_USE]);
            bytes.put(104, &elem_size.to_le_bytes());
            bytes
        }

        fn put(&mut self, at: usize, value: &[u8]) {
            self.0[at..at + value.len()].copy_from_slice(value);
        }

        fn decode(&self, span_bitmaps: bool, inline_marks: bool) -> Decoded {
            let layout = layout();
            let arenas = [AddrRange::sized(Addr(0xc000_0000), 64 << 20)];
            let context = Context {
                layout: &layout,
                sweepgen: 10,
                work_bufs: AddrRange::sized(Addr(0x5000), 40),
                arenas: &arenas,
                span_bitmaps,
                inline_marks,
            };
            decode(&context, Addr(0x7000), &self.0)
        }

        fn span(&self) -> Span {
            match self.decode(true, true) {
                Decoded::Span(span) => span,
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn pointer_bitmaps_and_marks_are_counted_where_a_release_has_them() {
        let small_scan = Bytes::heap(48, 165, 10);
        assert_eq!(small_scan.span().bitmap_bytes, 256);
        let small_noscan = Bytes::heap(48, 168, 11);
        assert_eq!(small_noscan.span().bitmap_bytes, 128);
        let tiny_pointers = Bytes::heap(8, 1008, 2);
        assert_eq!(tiny_pointers.span().bitmap_bytes, 128, "8 bytes: no marks");
        assert!(!tiny_pointers.span().inline_marks);
        let large = Bytes::heap(1024, 8, 64);
        assert_eq!(large.span().bitmap_bytes, 0);
        let Decoded::Span(old) = small_scan.decode(false, false) else {
            panic!("not a span");
        };
        assert_eq!(old.bitmap_bytes, 0);
    }

    #[test]
    fn sweep_generations_tell_swept_cached_and_neither() {
        let mut bytes = Bytes::heap(1024, 8, 64);
        let mut check = |generation: u32, needs_sweep, cached| {
            bytes.put(88, &generation.to_le_bytes());
            let span = bytes.span();
            assert_eq!((span.needs_sweep, span.cached), (needs_sweep, cached));
        };
        check(8, true, false);
        check(9, false, false);
        check(10, false, false);
        check(11, true, true);
        check(13, false, true);
        bytes.put(88, &77u32.to_le_bytes());
        assert!(matches!(bytes.decode(true, true), Decoded::Bad(_)));
    }

    #[test]
    fn spans_managed_by_hand_are_told_apart() {
        let mut bytes = Bytes::heap(2048, 0, 0);
        bytes.put(99, &[MANUAL]);
        assert_eq!(bytes.span().used_for, SpanUse::Stack);
        bytes.put(104, &[0; 8]);
        assert_eq!(bytes.span().used_for, SpanUse::PtrScalarBits);
        bytes.put(16, &0x5018u64.to_le_bytes());
        assert_eq!(bytes.span().used_for, SpanUse::WorkBuf);
    }

    #[test]
    fn nonsense_is_bad_and_never_a_panic() {
        let bad = |at: usize, value: &[u8]| {
            let mut bytes = Bytes::heap(48, 100, 10);
            bytes.put(at, value);
            assert!(matches!(bytes.decode(true, true), Decoded::Bad(_)), "{at}");
        };
        bad(99, &[9]);
        bad(24, &0x1234u64.to_le_bytes());
        bad(24, &u64::MAX.to_le_bytes());
        bad(32, &[0; 8]);
        bad(32, &u64::MAX.to_le_bytes());
        bad(104, &u64::MAX.to_le_bytes());
        bad(50, &u16::MAX.to_le_bytes());
        bad(48, &u16::MAX.to_le_bytes());
        bad(64, &[0; 8]);
    }
}
