//! Pointer bitmaps of arenas, up to 1.21 (and 1.22 without allocation headers), as one bit a word.
//!
//! Two encodings, both turned into the same plane of bits:
//! - 1.20 and later: a bit a word, and for each 64 words one more bit that says that the object
//!   which goes on there has no more pointers;
//! - 1.19: two bits a word. Four words share a byte: pointer bits below, scan bits above; a word
//!   whose scan bit is not set ends its object's pointers.
//!
//! Bits behind an object's last pointer are left over from what lay there before, so each object
//! is cut on its own. This module reads no target.
//!
//! Source: src/runtime/mbitmap.go, `heapBits.next`, go1.19 and go1.20 to go1.22; mgcmark.go,
//! `scanobject`, go1.19.

use crate::bits::low;

/// Bytes of a heap that one word of the plane covers.
pub(crate) const WORD_BYTES: u64 = 512;

/// Cuts the bitmap of a span, a bit a word, to what each object really has.
///
/// `no_more` has a bit for each word of `bits`. Slots are `elem_words` words each.
pub(crate) fn cut(bits: &mut [u64], no_more: &[u8], elem_words: u64, nelems: u32) {
    if elem_words == 0 || elem_words <= 1 {
        return;
    }
    for slot in 0..u64::from(nelems) {
        let (Some(first), Some(end)) = (
            slot.checked_mul(elem_words),
            (slot + 1).checked_mul(elem_words),
        ) else {
            return;
        };
        let ends = |word: u64| {
            let byte = usize::try_from(word / 8)
                .ok()
                .and_then(|at| no_more.get(at));
            byte.is_none_or(|byte| byte >> (word % 8) & 1 == 1)
        };
        let last = (first / 64..end.div_ceil(64))
            // The word that the object ends in says something of the next one.
            .find(|word| (word + 1) * 64 < end && ends(*word));
        if let Some(last) = last {
            clear(bits, (last + 1) * 64, end);
        }
    }
}

/// Clears the bits from `first` up to `end`.
fn clear(bits: &mut [u64], first: u64, end: u64) {
    let mut at = first;
    while at < end {
        let take = (64 - at % 64).min(end - at);
        let word = usize::try_from(at / 64)
            .ok()
            .and_then(|at| bits.get_mut(at));
        let Some(word) = word else { return };
        *word &= !(low(take) << (at % 64));
        at += take;
    }
}

/// Turns the two-bit map of a span into a bit a word; `pairs` has a byte for four words.
pub(crate) fn flatten(pairs: &[u8], bits: &mut [u64], elem_words: u64, nelems: u32) {
    bits.fill(0);
    if elem_words == 0 {
        return;
    }
    let words = (pairs.len() as u64 * 4).min(bits.len() as u64 * 64);
    let end = elem_words.saturating_mul(u64::from(nelems)).min(words);
    let mut at = 0;
    while at < end {
        let object_end = (at - at % elem_words + elem_words).min(end);
        while at < object_end {
            let pair = usize::try_from(at / 4).ok().and_then(|at| pairs.get(at));
            let pair = pair.copied().unwrap_or(0) >> (at % 4);
            if pair & 0x10 == 0 {
                at = object_end;
                break;
            }
            if pair & 1 == 1
                && let Some(word) = usize::try_from(at / 64)
                    .ok()
                    .and_then(|at| bits.get_mut(at))
            {
                *word |= 1 << (at % 64);
            }
            at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_ends_where_no_more_pointers_are_promised() {
        // Objects of 96 words: the first in words 0 and 1 (half), the second in words 1 and 2.
        let mut bits = [u64::MAX; 3];
        // Word 0 promises no more of the first; word 1 of the second.
        cut(&mut bits, &[0b011], 96, 2);
        assert_eq!(bits[0], u64::MAX);
        assert_eq!(bits[1], u64::MAX << 32, "the first object is cut at 64");
        assert_eq!(bits[2], 0, "the second at 128");
    }

    #[test]
    fn what_is_promised_in_the_last_word_of_an_object_is_of_the_next() {
        let mut bits = [u64::MAX; 2];
        cut(&mut bits, &[0b01], 64, 2);
        assert_eq!(bits, [u64::MAX; 2]);
        let mut bits = [u64::MAX; 2];
        cut(&mut bits, &[0b01], 32, 4);
        assert_eq!(bits, [u64::MAX; 2]);
        let mut bits = [u64::MAX; 2];
        cut(&mut bits, &[0b01], 128, 1);
        assert_eq!(bits, [u64::MAX, 0]);
    }

    #[test]
    fn two_bits_a_word_end_at_the_first_word_that_is_not_scanned() {
        // Two objects of six words. First: pointer, scalar, pointer, end, (left over) pointer.
        let pairs = [0b0111_1101, 0b1111_0001, 0b1111_1111];
        let mut bits = [u64::MAX; 1];
        flatten(&pairs, &mut bits, 6, 2);
        assert_eq!(bits[0], 0b1111_0000_0101);
    }

    #[test]
    fn nonsense_neither_panics_nor_runs_long() {
        let mut bits = [u64::MAX; 2];
        cut(&mut bits, &[], 1 << 62, u32::MAX);
        cut(&mut bits, &[], 0, 7);
        cut(&mut bits, &[0xff], 3, 7);
        flatten(&[0xff; 3], &mut bits, u64::MAX, u32::MAX);
        flatten(&[], &mut bits, 0, 1);
        assert_eq!(bits, [0; 2]);
    }
}
