//! [`Pointers`]: the words of objects that are pointers, found in the bytes of their spans.
//!
//! An object's pointers are written down in one of four ways (see [`Shape`]): a bit a word at the
//! end of its span, a bit a word in a plane of our own (made of the arenas' bitmaps), the mask of
//! the type that its first word names, or the mask of its span's type. Masks of types repeat to
//! the end of the object.
//!
//! Does not read (see `copy`) and does not know what a pointer points to (see `objects`).
//!
//! Source: src/runtime/mbitmap.go, `typePointersOfUnchecked`, `heapBitsSmallForAddr`, `next`;
//! go1.22 to go1.27. See docs/formats/heap-pointers.md.

use crate::bits::{index, low, word};
use crate::objects::{HeapSpan, Shape};
use crate::types::{Masks, TypeMask};

/// Bytes that the type's address takes at the start of an object. Source: `MallocHeaderSize`.
const HEADER: usize = 8;

/// The bytes of a span, or of a part of one that has one object.
#[derive(Clone, Copy)]
pub(crate) struct Piece<'a> {
    pub(crate) span: &'a HeapSpan,
    /// Offset of the first byte in the span.
    pub(crate) from: u64,
    pub(crate) bytes: &'a [u8],
    /// `mspan.largeType`, of a span that has one object.
    pub(crate) large_type: u64,
}

/// What pointers are found with, beside the spans themselves.
#[derive(Clone, Copy)]
pub(crate) struct Pointers<'a> {
    /// A bit a word of all spans that are read; empty where the release needs none.
    pub(crate) plane: &'a [u64],
    /// Those of all objects in question.
    pub(crate) types: &'a Masks,
}

impl Pointers<'_> {
    /// Hands every pointer of an object, as far as it lies in the piece, to `take`, with the number
    /// of its word in the piece; nil ones are left out.
    #[inline]
    pub(crate) fn each(&self, piece: &Piece<'_>, slot: u32, take: &mut impl FnMut(u64, u64)) {
        let (start, object) = piece.object(slot);
        match piece.span.shape {
            Shape::Opaque => {}
            Shape::Bits(offset) => {
                let words = (piece.span.elem_size / 8).min(64);
                let first = u64::from(slot).wrapping_mul(words);
                let (at, shift) = (offset as usize + index(first / 64 * 8), first % 64);
                let mut mask = word(piece.bytes, at) >> shift;
                if shift + words > 64 {
                    mask |= word(piece.bytes, at + 8) << (64 - shift);
                }
                masked(object, start, mask & low(words), take);
            }
            Shape::Header => {
                if let Some(mask) = self.mask(word(object, 0)) {
                    let own = object.get(HEADER..).unwrap_or_default();
                    tiles(own, start + 1, 0, mask, take);
                }
            }
            Shape::Typed => {
                if let Some(mask) = self.mask(piece.large_type) {
                    tiles(object, start, piece.from / 8, mask, take);
                }
            }
            Shape::Plane(first) => {
                let first = u64::from(first) * 64 + start.wrapping_add(piece.from / 8);
                self.planed(object, start, first, take);
            }
        }
    }

    #[inline]
    fn mask(&self, addr: u64) -> Option<&TypeMask> {
        self.types.get(&addr)?.as_deref()
    }

    /// The pointers of `bytes`, the first word of which has this bit of the plane.
    fn planed(&self, bytes: &[u8], at: u64, first: u64, take: &mut impl FnMut(u64, u64)) {
        let mut rest = bytes;
        let mut bit = first;
        while !rest.is_empty() {
            let mask = self.plane.get(index(bit / 64)).copied().unwrap_or(0);
            let words = 64 - bit % 64;
            let (part, behind) = cut(rest, words);
            masked(part, at + bit - first, mask >> (bit % 64), take);
            rest = behind;
            bit += words;
        }
    }
}

impl<'a> Piece<'a> {
    /// The first word of an object in the piece, and its bytes, those that are in the piece.
    #[inline]
    pub(crate) fn object(&self, slot: u32) -> (u64, &'a [u8]) {
        let size = self.span.elem_size;
        let start = u64::from(slot).wrapping_mul(size);
        let end = start.wrapping_add(size).saturating_sub(self.from);
        let end = index(end).min(self.bytes.len());
        let bytes = self.bytes.get(index(start)..end);
        (start / 8, bytes.unwrap_or_default())
    }
}

/// The first words, and what is behind them.
#[inline]
fn cut(bytes: &[u8], words: u64) -> (&[u8], &[u8]) {
    bytes.split_at(index(words * 8).min(bytes.len()))
}

/// The words of `bytes` whose bits are set, without those that are zero; the first has the number
/// `at`.
#[inline]
fn masked(bytes: &[u8], at: u64, mut mask: u64, take: &mut impl FnMut(u64, u64)) {
    while mask != 0 {
        let number = mask.trailing_zeros();
        let value = word(bytes, number as usize * 8);
        mask &= mask - 1;
        if value != 0 {
            take(at + u64::from(number), value);
        }
    }
}

/// The pointers of values of one type that lie one after the other; the first starts so many words
/// before, and the last may be cut. The first word has the number `number`.
#[inline]
fn tiles(
    bytes: &[u8],
    mut number: u64,
    before: u64,
    mask: &TypeMask,
    take: &mut impl FnMut(u64, u64),
) {
    let size = (mask.size / 8).max(1);
    let (mut rest, mut at) = (bytes, before % size);
    while !rest.is_empty() {
        let words = (64 - at % 64).min(size - at);
        let (part, behind) = cut(rest, words);
        let bits = mask.mask.get(index(at / 64)).copied().unwrap_or(0);
        masked(part, number, bits >> (at % 64) & low(words), take);
        rest = behind;
        number += words;
        at += words;
        if at == size {
            at = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::objects::Objects;
    use letgo_goruntime::{RUNTIME_PAGE, Span};
    use letgo_target::Addr;

    /// The bytes of a span whose words are their own numbers, from 1.
    fn words(npages: u32) -> Vec<u8> {
        let words = 1..=u64::from(npages) * RUNTIME_PAGE / 8;
        words.flat_map(u64::to_le_bytes).collect()
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

    /// The type at 0x5000.
    fn types(size: u64, mask: &[u64]) -> Masks {
        let mask = mask.to_vec();
        let mask = Arc::new(TypeMask { size, mask });
        Masks::from_iter([(0x5000, Some(mask)), (0x6000, None)])
    }

    /// The pointers of an object, from pieces of so many bytes.
    fn pointers(
        (plane, types): (&[u64], &Masks),
        span: &HeapSpan,
        slot: u32,
        bytes: &[u8],
        step: usize,
    ) -> Vec<u64> {
        let mut found = Vec::new();
        for (bytes, number) in bytes.chunks(step).zip(0u64..) {
            let piece = Piece {
                span,
                from: number * step as u64,
                bytes,
                large_type: 0x5000,
            };
            Pointers { plane, types }.each(&piece, slot, &mut |at, value| {
                assert_eq!(word(bytes, index(at) * 8), value);
                found.push(value);
            });
        }
        found
    }

    fn none() -> (&'static [u64], Masks) {
        (&[], Masks::default())
    }

    #[test]
    fn bits_at_the_end_of_a_span_go_across_words() {
        let mut bytes = words(1);
        let span = span(48, 1, 165, Shape::Bits(8192 - 256));
        // Object 10 has the words 60 to 65: bits 60..63 of the first word, 0 and 1 of the second.
        let bits = 8192 - 256;
        bytes[bits..bits + 8].copy_from_slice(&(0b1001u64 << 60).to_le_bytes());
        bytes[bits + 8..bits + 16].copy_from_slice(&0b110u64.to_le_bytes());
        let (plane, types) = none();
        let of = |slot| pointers((plane, &types), &span, slot, &bytes, 8192);
        assert_eq!(of(10), [61, 64, 66]);
        assert_eq!(of(11), [67]);
        assert!(of(9).is_empty());
    }

    #[test]
    fn a_whole_word_of_bits_is_one_object_of_512_bytes() {
        let mut bytes = words(1);
        let bits = 8192 - 128;
        bytes[bits..].fill(0xff);
        let span = span(512, 1, 15, Shape::Bits(8192 - 128));
        let (plane, types) = none();
        let found = pointers((plane, &types), &span, 1, &bytes, 8192);
        assert_eq!(found, (65..=128).collect::<Vec<_>>());
    }

    #[test]
    fn a_header_names_a_type_that_repeats_and_is_cut() {
        let mut bytes = words(1);
        let types = types(3 * 8, &[0b011]);
        for (at, named) in [(1024, 0x5000u64), (3072, 0x6000)] {
            bytes[at..at + 8].copy_from_slice(&named.to_le_bytes());
        }
        let span = span(1024, 1, 8, Shape::Header);
        let of = |slot| pointers((&[], &types), &span, slot, &bytes, 8192);
        // Behind the header 127 words: 42 values and one word of another.
        let found = of(1);
        assert_eq!(found.len(), 42 * 2 + 1);
        assert_eq!(found[..4], [130, 131, 133, 134]);
        assert_eq!(found.last(), Some(&256));
        assert!(of(2).is_empty(), "no such type");
        assert!(of(3).is_empty(), "a type that cannot be read");
    }

    #[test]
    fn parts_of_a_large_object_have_its_pointers_once() {
        let bytes = words(4);
        let types = types(72 * 8, &[1 << 63 | 1, 0b1000_0000]);
        let typed = span(4 * 8192, 4, 1, Shape::Typed);
        let in_parts = |step| pointers((&[], &types), &typed, 0, &bytes, step);
        let whole = in_parts(4 * 8192);
        // Values start at the words 1, 73, ...; each has a pointer at its word 0, 63 and 71.
        let expected: Vec<u64> = (0..4096u64)
            .filter(|at| [0, 63, 71].contains(&(at % 72)))
            .map(|at| at + 1)
            .collect();
        assert_eq!(whole, expected);
        for step in [512, 1024, 4096, 8192] {
            assert_eq!(in_parts(step), whole, "{step}");
        }
        let plane: Vec<u64> = (0..64).map(|word| 1 << word).collect();
        let planed = span(4 * 8192, 4, 1, Shape::Plane(0));
        let (_, types) = none();
        let in_parts = |step| pointers((&plane, &types), &planed, 0, &bytes, step);
        let whole = in_parts(4 * 8192);
        assert_eq!(whole[..3], [1, 66, 131]);
        assert_eq!(whole.len(), 64);
        for step in [512, 2048, 8192] {
            assert_eq!(in_parts(step), whole, "{step}");
        }
    }

    #[test]
    fn what_lies_behind_an_object_is_not_its_own() {
        let bytes = words(2);
        let types = types(8, &[1]);
        let span = span(8192 + 24, 2, 1, Shape::Typed);
        for step in [512, 8192, 16384] {
            let found = pointers((&[], &types), &span, 0, &bytes, step);
            assert_eq!(found, (1..=1027).collect::<Vec<_>>(), "{step}");
        }
    }

    #[test]
    fn nothing_that_is_not_there_is_read() {
        for shape in [
            Shape::Opaque,
            Shape::Bits(u32::MAX),
            Shape::Plane(u32::MAX),
            Shape::Header,
            Shape::Typed,
        ] {
            let span = span(1 << 20, 128, 1, shape);
            let (plane, types) = none();
            for slot in [0, u32::MAX] {
                let found = pointers((plane, &types), &span, slot, &[1; 64], 64);
                assert!(found.is_empty());
            }
        }
    }
}
