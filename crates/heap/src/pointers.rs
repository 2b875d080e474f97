//! [`Contents`]: the copied spans, and the pointers of each object in them.
//!
//! An object's pointers are written down in one of four ways (see [`Shape`]): a bit a word at the
//! end of its span, a bit a word in a plane of our own (made of the arenas' bitmaps), the mask of
//! the type that its first word names, or the mask of its span's type. Masks of types repeat to
//! the end of the object.
//!
//! Does not copy (see `copy`) and does not know what a pointer points to (see `objects`).
//!
//! Source: src/runtime/mbitmap.go, `typePointersOfUnchecked`, `heapBitsSmallForAddr`, `next`;
//! go1.22 to go1.27. See docs/formats/heap-pointers.md.

use letgo_goruntime::RUNTIME_PAGE;

use crate::bits::{index, low, word};
use crate::objects::{HeapSpan, Shape};
use crate::types::{TypeMask, Types};

/// Words of the plane that one runtime page takes.
pub(crate) const PLANE_WORDS: u64 = RUNTIME_PAGE / 512;
/// Bytes that the type's address takes at the start of an object. Source: `MallocHeaderSize`.
const HEADER: usize = 8;

/// Everything of a heap that its objects' pointers are found with.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// The copied spans, one after the other.
    pub(crate) data: Vec<u8>,
    /// A bit a word of `data`; empty where the release needs none.
    pub(crate) plane: Vec<u64>,
    pub(crate) types: Types,
}

impl Contents {
    /// Hands every pointer of an object to `take`; nil ones are left out.
    #[inline]
    pub(crate) fn each(&self, span: &HeapSpan, slot: u32, take: &mut impl FnMut(u64)) {
        match span.shape {
            Shape::Opaque => {}
            Shape::Bits(offset) => {
                let bits = span.at(0) + offset as usize;
                let words = (span.elem_size / 8).min(64);
                let first = u64::from(slot).wrapping_mul(words);
                let (at, shift) = (bits + index(first / 64 * 8), first % 64);
                let mut mask = word(&self.data, at) >> shift;
                if shift + words > 64 {
                    mask |= word(&self.data, at + 8) << (64 - shift);
                }
                masked(self.object(span, slot), mask & low(words), take);
            }
            Shape::Header => {
                let object = self.object(span, slot);
                if let Some(mask) = self.types.get(word(object, 0)) {
                    tiles(object.get(HEADER..).unwrap_or_default(), mask, take);
                }
            }
            Shape::Typed(_) | Shape::Plane(_) => {
                self.each_within(span, slot, 0, span.elem_size, take);
            }
        }
    }

    /// Like [`Contents::each`], of those that lie in the bytes `from` to `to` of the object. The
    /// parts of an object have all its pointers, once each.
    pub(crate) fn each_within(
        &self,
        span: &HeapSpan,
        slot: u32,
        from: u64,
        to: u64,
        take: &mut impl FnMut(u64),
    ) {
        let object = self.object(span, slot);
        match span.shape {
            Shape::Typed(number) => {
                let Some(mask) = self.types.mask(number) else {
                    return;
                };
                // The values that start in this part.
                let bound =
                    |at: u64| index(at.div_ceil(mask.size.max(1)).saturating_mul(mask.size));
                let end = bound(to).min(object.len());
                tiles(object.get(bound(from)..end).unwrap_or_default(), mask, take);
            }
            Shape::Plane(first) => {
                let start = u64::from(slot).wrapping_mul(span.elem_size);
                let (mut at, end) = (from / 8, to / 8);
                while at < end {
                    let bit = start / 8 + at;
                    let shift = bit % 64;
                    let words = (64 - shift).min(end - at);
                    let place = u64::from(first) + bit / 64;
                    let mask = self.plane.get(index(place)).copied().unwrap_or(0);
                    let rest = object.get(index(at * 8)..).unwrap_or_default();
                    masked(rest, mask >> shift & low(words), take);
                    at += words;
                }
            }
            _ => self.each(span, slot, take),
        }
    }

    /// The bytes of an object.
    #[inline]
    fn object(&self, span: &HeapSpan, slot: u32) -> &[u8] {
        let start = span.at(slot);
        let end = start.saturating_add(index(span.elem_size));
        self.data.get(start..end).unwrap_or_default()
    }
}

/// The words of `bytes` whose bits are set, without those that are zero.
#[inline]
fn masked(bytes: &[u8], mut mask: u64, take: &mut impl FnMut(u64)) {
    while mask != 0 {
        let value = word(bytes, mask.trailing_zeros() as usize * 8);
        mask &= mask - 1;
        if value != 0 {
            take(value);
        }
    }
}

/// The pointers of values of one type that lie one after the other; the last may be cut.
#[inline]
fn tiles(bytes: &[u8], mask: &TypeMask, take: &mut impl FnMut(u64)) {
    let size = index(mask.size).max(8);
    for value in bytes.chunks(size) {
        for (part, mask) in value.chunks(512).zip(&mask.mask) {
            masked(part, *mask, take);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::Objects;
    use letgo_goruntime::Span;
    use letgo_target::Addr;

    /// A span whose words are their own numbers, from 1.
    fn contents(npages: u32) -> Contents {
        let words = 1..=u64::from(npages) * RUNTIME_PAGE / 8;
        Contents {
            data: words.flat_map(u64::to_le_bytes).collect(),
            ..Contents::default()
        }
    }

    fn span(elem_size: u64, npages: u32, nelems: u32, shape: Shape) -> HeapSpan {
        let span = Span {
            base: Addr(0xc000_0000),
            npages,
            nelems,
            elem_size,
            ..Span::default()
        };
        HeapSpan {
            shape,
            ..Objects::new(&[span]).unwrap().spans[0]
        }
    }

    fn pointers(contents: &Contents, span: &HeapSpan, slot: u32) -> Vec<u64> {
        let mut found = Vec::new();
        contents.each(span, slot, &mut |value| found.push(value));
        found
    }

    /// The same in parts of `step` bytes.
    fn in_parts(contents: &Contents, span: &HeapSpan, step: u64) -> Vec<u64> {
        let mut found = Vec::new();
        for from in (0..span.elem_size).step_by(usize::try_from(step).unwrap()) {
            let to = (from + step).min(span.elem_size);
            contents.each_within(span, 0, from, to, &mut |value| found.push(value));
        }
        found
    }

    #[test]
    fn bits_at_the_end_of_a_span_go_across_words() {
        let mut contents = contents(1);
        let span = span(48, 1, 165, Shape::Bits(8192 - 256));
        // Object 10 has the words 60 to 65: bits 60..63 of the first word, 0 and 1 of the second.
        let bits = 8192 - 256;
        contents.data[bits..bits + 8].copy_from_slice(&(0b1001u64 << 60).to_le_bytes());
        contents.data[bits + 8..bits + 16].copy_from_slice(&0b110u64.to_le_bytes());
        assert_eq!(pointers(&contents, &span, 10), [61, 64, 66]);
        assert_eq!(pointers(&contents, &span, 11), [67]);
        assert_eq!(pointers(&contents, &span, 9), []);
    }

    #[test]
    fn a_whole_word_of_bits_is_one_object_of_512_bytes() {
        let mut contents = contents(1);
        let bits = 8192 - 128;
        contents.data[bits..].fill(0xff);
        let span = span(512, 1, 15, Shape::Bits(8192 - 128));
        assert_eq!(
            pointers(&contents, &span, 1),
            (65..=128).collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_header_names_a_type_that_repeats_and_is_cut() {
        let mut contents = contents(1);
        let mask = TypeMask {
            size: 3 * 8,
            mask: vec![0b011],
        };
        contents.types.push(0x5000, mask);
        contents.data[1024..1032].copy_from_slice(&0x5000u64.to_le_bytes());
        let span = span(1024, 1, 8, Shape::Header);
        // Behind the header 127 words: 42 values and one word of another.
        let found = pointers(&contents, &span, 1);
        assert_eq!(found.len(), 42 * 2 + 1);
        assert_eq!(found[..4], [130, 131, 133, 134]);
        assert_eq!(found.last(), Some(&256));
        assert_eq!(pointers(&contents, &span, 2), [], "no such type");
    }

    #[test]
    fn parts_of_a_large_object_have_its_pointers_once() {
        let mut contents = contents(4);
        let mask = TypeMask {
            size: 72 * 8,
            mask: vec![1 << 63 | 1, 0b1000_0000],
        };
        let number = contents.types.push(1, mask);
        let typed = span(4 * 8192, 4, 1, Shape::Typed(number));
        let whole = pointers(&contents, &typed, 0);
        assert_eq!(whole[..4], [1, 64, 72, 73]);
        for step in [512, 1024, 4096, 1 << 20] {
            assert_eq!(in_parts(&contents, &typed, step), whole, "{step}");
        }
        contents.plane = (0..64).map(|word| 1 << word).collect();
        let planed = span(4 * 8192, 4, 1, Shape::Plane(0));
        let whole = pointers(&contents, &planed, 0);
        assert_eq!(whole[..3], [1, 66, 131]);
        assert_eq!(whole.len(), 64);
        for step in [512, 2048, 1 << 20] {
            assert_eq!(in_parts(&contents, &planed, step), whole, "{step}");
        }
    }

    #[test]
    fn nothing_that_is_not_there_is_read() {
        let contents = Contents::default();
        for shape in [
            Shape::Opaque,
            Shape::Bits(u32::MAX),
            Shape::Plane(u32::MAX),
            Shape::Header,
            Shape::Typed(7),
        ] {
            let span = span(1 << 20, 128, 1, shape);
            assert_eq!(pointers(&contents, &span, 0), []);
            assert_eq!(pointers(&contents, &span, u32::MAX), []);
        }
    }
}
