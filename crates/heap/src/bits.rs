//! Sets of small numbers, a bit each; plain, and shared between threads.
//!
//! Numbers beyond the end are in no set, and adding them does nothing.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::prefetch::prefetch;

/// The lowest `count` bits, all of them from 64 on.
pub(crate) fn low(count: u64) -> u64 {
    match count {
        0 => 0,
        1..=63 => u64::MAX >> (64 - count),
        _ => u64::MAX,
    }
}

/// The `u64` at a byte offset, little endian; 0 where the bytes end before.
#[inline]
pub(crate) fn word(bytes: &[u8], at: usize) -> u64 {
    let found = bytes.get(at..).and_then(|rest| rest.first_chunk());
    found.map_or(0, |word| u64::from_le_bytes(*word))
}

/// A number that indexes our own memory.
#[inline]
#[allow(
    clippy::cast_possible_truncation,
    reason = "x86-64 only: an usize has 64 bits"
)]
pub(crate) fn index(number: u64) -> usize {
    number as usize
}

/// A set of numbers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct BitSet {
    words: Vec<u64>,
}

impl BitSet {
    /// An empty set with room for the numbers below `len`.
    pub(crate) fn new(len: usize) -> BitSet {
        BitSet {
            words: vec![0; len.div_ceil(64)],
        }
    }

    #[inline]
    pub(crate) fn has(&self, number: u32) -> bool {
        let word = self.words.get((number / 64) as usize);
        word.is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    /// Asks for the memory that [`BitSet::has`] will read.
    #[inline]
    pub(crate) fn ask(&self, number: u32) {
        prefetch(&self.words, (number / 64) as usize);
    }

    /// Adds `first + n` for each bit `n` of `bits`.
    pub(crate) fn insert_word(&mut self, first: u64, bits: u64) {
        let (at, shift) = (index(first / 64), first % 64);
        if let Some(word) = self.words.get_mut(at) {
            *word |= bits << shift;
        }
        if shift != 0
            && let Some(word) = self.words.get_mut(at + 1)
        {
            *word |= bits >> (64 - shift);
        }
    }

    /// The bits of `first` to `first + 63`.
    pub(crate) fn word(&self, first: u64) -> u64 {
        let (at, shift) = (index(first / 64), first % 64);
        let part = |at: usize| self.words.get(at).copied().unwrap_or(0);
        match shift {
            0 => part(at),
            _ => part(at) >> shift | part(at + 1) << (64 - shift),
        }
    }

    /// How many of `first` to `first + count - 1` are in it.
    pub(crate) fn count(&self, first: u32, count: u32) -> u32 {
        let (first, count) = (u64::from(first), u64::from(count));
        let mut sum = 0;
        let mut done = 0;
        while done < count {
            sum += (self.word(first + done) & low(count - done)).count_ones();
            done += 64;
        }
        sum
    }

    /// The numbers that are in this set and in `other`.
    pub(crate) fn common<'a>(&'a self, other: &'a BitSet) -> impl Iterator<Item = u32> + 'a {
        let words = self.words.iter().zip(&other.words);
        words.zip(0u32..).flat_map(|((a, b), at)| {
            let mut both = a & b;
            std::iter::from_fn(move || {
                let bit = (both != 0).then(|| both.trailing_zeros())?;
                both &= both - 1;
                Some(at * 64 + bit)
            })
        })
    }

    /// Hands those of `first` to `first + count - 1` that are in it to `take`, in order.
    #[inline]
    pub(crate) fn each(&self, first: u32, count: u32, mut take: impl FnMut(u32)) {
        for done in (0..count).step_by(64) {
            let start = first.saturating_add(done);
            let mut bits = self.word(u64::from(start)) & low(u64::from(count - done));
            while bits != 0 {
                take(start + bits.trailing_zeros());
                bits &= bits - 1;
            }
        }
    }

    /// How many numbers are in it.
    pub(crate) fn len(&self) -> u64 {
        let words = self.words.iter();
        words.map(|word| u64::from(word.count_ones())).sum()
    }

    /// The numbers of this set that are not in `other`.
    pub(crate) fn without(&self, other: &BitSet) -> BitSet {
        let words = self.words.iter().zip(&other.words);
        BitSet {
            words: words.map(|(a, b)| a & !b).collect(),
        }
    }
}

/// A set that threads take numbers out of; each number goes to one of them.
#[derive(Debug)]
pub(crate) struct SharedSet {
    words: Vec<AtomicU64>,
}

impl SharedSet {
    pub(crate) fn of(set: &BitSet) -> SharedSet {
        SharedSet {
            words: set.words.iter().map(|word| AtomicU64::new(*word)).collect(),
        }
    }

    /// Takes a number out, and says whether it was in.
    #[inline]
    pub(crate) fn take(&self, number: u32) -> bool {
        let Some(word) = self.words.get((number / 64) as usize) else {
            return false;
        };
        let bit = 1u64 << (number % 64);
        word.load(Ordering::Relaxed) & bit != 0
            && word.fetch_and(!bit, Ordering::Relaxed) & bit != 0
    }

    /// Whether a number is in.
    pub(crate) fn has(&self, number: u32) -> bool {
        let word = self.words.get((number / 64) as usize);
        word.is_some_and(|word| word.load(Ordering::Relaxed) >> (number % 64) & 1 != 0)
    }

    /// Asks for the memory that [`SharedSet::take`] will read.
    #[inline]
    pub(crate) fn ask(&self, number: u32) {
        prefetch(&self.words, (number / 64) as usize);
    }

    /// What is left.
    pub(crate) fn rest(&self) -> BitSet {
        let words = self.words.iter();
        BitSet {
            words: words.map(|word| word.load(Ordering::Relaxed)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_go_across_borders() {
        let mut set = BitSet::new(200);
        set.insert_word(60, 0b1_0001_1111);
        let all: Vec<u32> = (0..200).filter(|n| set.has(*n)).collect();
        assert_eq!(all, [60, 61, 62, 63, 64, 68]);
        assert_eq!(set.word(60), 0b1_0001_1111);
        assert_eq!(set.count(61, 5), 4);
        assert_eq!(set.count(0, 200), 6);
        assert_eq!(set.len(), 6);
        let mut some = Vec::new();
        set.each(61, 100, |number| some.push(number));
        assert_eq!(some, all[1..]);
        set.each(61, 7, |number| {
            assert!(some.contains(&number) && number < 68)
        });
        set.insert_word(10_000, u64::MAX);
        assert!(!set.has(10_000), "beyond the end");
    }

    #[test]
    fn a_number_is_taken_once() {
        let mut set = BitSet::new(70);
        set.insert_word(69, 1);
        let shared = SharedSet::of(&set);
        assert!(shared.take(69));
        assert!(!shared.take(69));
        assert!(!shared.take(1));
        assert!(!shared.take(u32::MAX));
        assert_eq!(shared.rest().len(), 0);
    }

    #[test]
    fn short_bytes_are_zero() {
        assert_eq!(word(&[1; 9], 2), 0);
        assert_eq!(word(&[1, 0, 0, 0, 0, 0, 0, 0], 0), 1);
        assert_eq!(word(&[], usize::MAX), 0);
    }
}
