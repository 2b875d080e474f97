//! The allocation and mark bits of spans, streamed.
//!
//! A slot is in use if it lies below `freeindex` or its allocation bit is set. In a span that
//! needs sweeping, a slot in use without its mark bit is garbage: the last GC found it dead.
//! With Green Tea the marks of small objects lie in the span itself until it is swept, and add to
//! those outside.
//!
//! Invariants: a batch holds at most [`Limits::batch_bytes`] of bits; of each span the slots in
//! use add up to `alloc_count`, or the span is read once more, and counted as torn.
//!
//! Source: src/runtime/mbitmap.go, `isFree`; mgcsweep.go, `sweepLocked.sweep`;
//! mgcmark_greenteagc.go, `moveInlineMarks`; go1.19 to go1.27.

use letgo_target::{Addr, AddrRange, Coverage, Gathered, ReadMemory, gather};

use crate::mheap;
use crate::mspan::{Context, Decoded};
use crate::view::View;
use crate::{Error, Limits, Runtime, Span, SpanUse};

/// Bytes at the end of a span that hold inline marks and the class. Source:
/// mgcmark_greenteagc.go, `spanInlineMarkBits`: scans, owned, marks, class.
const INLINE_MARKS: u64 = 64;
/// Slots that inline marks have room for: 63 bytes.
const MOST_INLINE_SLOTS: u32 = 63 * 8;

/// Slots of a span that are in use, and of these the garbage.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SlotCounts {
    /// Slots in use.
    pub allocated: u32,
    /// Of these, those that the last GC found dead and the sweeper has not reached.
    pub garbage: u32,
}

/// One span's bits.
#[derive(Clone, Copy, Debug)]
pub struct SlotBits<'a> {
    nelems: u32,
    free_index: u32,
    alloc: &'a [u8],
    /// Absent where the span needs no sweeping.
    marks: Option<(&'a [u8], &'a [u8])>,
}

impl SlotBits<'_> {
    /// Slots.
    pub fn len(&self) -> u32 {
        self.nelems
    }

    /// Whether there are no slots.
    pub fn is_empty(&self) -> bool {
        self.nelems == 0
    }

    /// Whether slot `index` is in use.
    pub fn is_allocated(&self, index: u32) -> bool {
        index < self.nelems && (index < self.free_index || bit(self.alloc, index))
    }

    /// Whether slot `index` is in use, and the last GC found what is in it dead.
    pub fn is_garbage(&self, index: u32) -> bool {
        self.is_allocated(index)
            && self
                .marks
                .is_some_and(|(marks, inline)| !bit(marks, index) && !bit(inline, index))
    }

    /// Slots `64 * word` and on that are in use, a bit each; none beyond the last slot.
    pub fn allocated_word(&self, word: u32) -> u64 {
        let first = word.saturating_mul(64);
        let below = mask(self.free_index.saturating_sub(first));
        let all = mask(self.nelems.saturating_sub(first));
        (word_at(self.alloc, word) | below) & all
    }

    /// Slots `64 * word` and on that are garbage, a bit each.
    pub fn garbage_word(&self, word: u32) -> u64 {
        self.marks.map_or(0, |(marks, inline)| {
            self.allocated_word(word) & !(word_at(marks, word) | word_at(inline, word))
        })
    }

    /// Slots in use, and garbage among them.
    pub fn counts(&self) -> SlotCounts {
        let mut counts = SlotCounts::default();
        for word in 0..self.nelems.div_ceil(64) {
            counts.allocated += self.allocated_word(word).count_ones();
            counts.garbage += self.garbage_word(word).count_ones();
        }
        counts
    }
}

/// The lowest `count` bits, all of them from 64 on.
fn mask(count: u32) -> u64 {
    match count {
        0 => 0,
        1..=63 => u64::MAX >> (64 - count),
        _ => u64::MAX,
    }
}

fn bit(bytes: &[u8], index: u32) -> bool {
    let byte = bytes.get((index / 8) as usize).copied().unwrap_or(0);
    byte >> (index % 8) & 1 == 1
}

fn word_at(bytes: &[u8], word: u32) -> u64 {
    let rest = bytes.get((word as usize).saturating_mul(8)..);
    let Some(rest) = rest else { return 0 };
    match rest.first_chunk() {
        Some(word) => u64::from_le_bytes(*word),
        None => rest
            .iter()
            .rev()
            .fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// Bytes of a span's bits. Source: src/runtime/mheap.go, `newMarkBits`.
fn bit_bytes(nelems: u32) -> u64 {
    u64::from(nelems.div_ceil(64)) * 8
}

impl Runtime {
    /// Reads the bits of `spans` and hands each to `take`, in order. Spans managed by hand are
    /// passed over.
    ///
    /// `take` gets the span as it is now where it was read once more.
    ///
    /// # Errors
    /// Only what makes the whole target unreadable. Spans whose bits cannot be read are skipped.
    ///
    /// # Consistency
    /// A running target allocates and sweeps meanwhile. A span whose bits do not add up is read
    /// once more and counted as torn.
    pub fn slots(
        &self,
        memory: &dyn ReadMemory,
        spans: &[Span],
        limits: &Limits,
        take: &mut dyn FnMut(&Span, SlotBits<'_>),
    ) -> Result<Coverage, Error> {
        let view = View::new(self, memory);
        let mut coverage = Coverage::default();
        let mut rest = spans;
        while !rest.is_empty() {
            let len = batch_len(rest, limits);
            let (batch, later) = rest.split_at_checked(len).unwrap_or((rest, &[]));
            rest = later;
            let heap = || batch.iter().filter(|span| span.used_for == SpanUse::Heap);
            let bits = gather(memory, heap().flat_map(items))?;
            let mut again = Vec::new();
            for span in heap() {
                match bits_of(span, &bits) {
                    Some(bits) if bits.counts().allocated == span.alloc_count => take(span, bits),
                    _ => again.push(*span),
                }
            }
            for span in again {
                coverage.torn += 1;
                reread(view, span, &mut coverage, take)?;
            }
        }
        Ok(coverage)
    }
}

/// How many of `spans` make a batch: at least one.
fn batch_len(spans: &[Span], limits: &Limits) -> usize {
    let mut bytes = 0u64;
    for (index, span) in spans.iter().enumerate() {
        bytes = bytes.saturating_add(2 * bit_bytes(span.nelems) + INLINE_MARKS);
        if bytes > limits.batch_bytes {
            return index.max(1);
        }
    }
    spans.len()
}

/// Where a span's bits lie; empty where there is nothing to read.
fn items(span: &Span) -> [(Addr, u64); 3] {
    let bytes = bit_bytes(span.nelems);
    let marks = if span.needs_sweep { bytes } else { 0 };
    let inline = if span.needs_sweep && span.inline_marks {
        INLINE_MARKS
    } else {
        0
    };
    [
        (span.alloc_bits, bytes),
        (span.mark_bits, marks),
        (inline_marks(span), inline),
    ]
}

fn inline_marks(span: &Span) -> Addr {
    Addr(span.range().end().0.saturating_sub(INLINE_MARKS))
}

fn bits_of<'a>(span: &Span, bits: &'a Gathered) -> Option<SlotBits<'a>> {
    let [alloc, marks, inline] = items(span).map(|(addr, len)| {
        bits.get(addr, usize::try_from(len).unwrap_or(0))
            .or_else(|| (len == 0).then_some(&[][..]))
    });
    let inline = inline?;
    // The last byte is the class, not marks.
    let inline = inline
        .get(..inline.len().saturating_sub(1))
        .unwrap_or(inline);
    if span.inline_marks && span.nelems > MOST_INLINE_SLOTS {
        return None;
    }
    Some(SlotBits {
        nelems: span.nelems,
        free_index: span.free_index,
        alloc: alloc?,
        marks: match span.needs_sweep {
            true => Some((marks?, inline)),
            false => None,
        },
    })
}

/// Reads a span and its bits once more, and takes them as they are now.
fn reread(
    view: View<'_>,
    span: Span,
    coverage: &mut Coverage,
    take: &mut dyn FnMut(&Span, SlotBits<'_>),
) -> Result<(), Error> {
    let arenas = [AddrRange::new(Addr::NULL, Addr(mheap::USER_END))];
    let context: Context<'_> = mheap::context(view, &arenas)?;
    let now = match mheap::reread(view, &context, span.mspan)? {
        Decoded::Span(now) if now.range() == span.range() && now.used_for == SpanUse::Heap => now,
        Decoded::Bad(why) => {
            coverage.skip("mspan", format!("{why} (its bits were asked for)"));
            return Ok(());
        }
        // Freed since, or made anew: there is nothing in these slots to tell of.
        _ => return Ok(()),
    };
    let gathered = gather(view.memory, items(&now).into_iter())?;
    match bits_of(&now, &gathered) {
        Some(bits) => take(&now, bits),
        None => coverage.skip("mspan", "its bits cannot be read"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits<'a>(alloc: &'a [u8], marks: Option<(&'a [u8], &'a [u8])>) -> SlotBits<'a> {
        SlotBits {
            nelems: 70,
            free_index: 3,
            alloc,
            marks,
        }
    }

    #[test]
    fn slots_below_the_free_index_are_in_use_whatever_their_bit() {
        let alloc = [
            0b1001_0000,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0b1111_1111,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
        ];
        let bits = bits(&alloc, None);
        let used: Vec<u32> = (0..80).filter(|i| bits.is_allocated(*i)).collect();
        assert_eq!(used, [0, 1, 2, 4, 7, 64, 65, 66, 67, 68, 69]);
        assert_eq!(bits.counts().allocated, 11);
        assert_eq!(bits.counts().garbage, 0, "nothing is garbage when swept");
    }

    #[test]
    fn garbage_is_in_use_and_marked_neither_outside_nor_inside() {
        let alloc = [0xff; 16];
        let mut marks = [0xff; 16];
        marks[0] = 0b1111_1000;
        let inline = [0b0000_0010; 63];
        let bits = bits(&alloc, Some((&marks, &inline)));
        let garbage: Vec<u32> = (0..70).filter(|i| bits.is_garbage(*i)).collect();
        assert_eq!(garbage, [0, 2]);
        let counts = bits.counts();
        assert_eq!((counts.allocated, counts.garbage), (70, 2));
    }

    #[test]
    fn short_bitmaps_are_zero_beyond_their_end() {
        let bits = bits(&[0xff], None);
        assert_eq!(bits.counts().allocated, 8);
        assert_eq!(bits.allocated_word(9), 0);
    }
}
