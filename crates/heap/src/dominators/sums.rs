//! [`Sums`]: bytes and objects of ids that may dominate others.
//!
//! Ids lie mixed: those of a span that holds pointers, those of one that does not. Only blocks
//! with one that may dominate have sums. Nearly all sums are small and have 64 bits; the others are
//! kept beside.
#![allow(
    clippy::indexing_slicing,
    reason = "places are our own, below the length of what they index"
)]

use rustc_hash::FxHashMap;

use super::state::zeros;
use super::walk::Source;
use crate::Count;
use crate::prefetch::prefetch;

/// Ids of one block.
const BLOCK: usize = 32;
const NONE: u32 = u32::MAX;

/// Words of a sum: the low half of its bytes; what is above it, and objects.
const WORDS: usize = 2;
/// Bits of the second word that are bytes.
const HIGH: u32 = 8;
/// Both words of a sum that is kept beside.
const BESIDE: u32 = u32::MAX;
/// Objects of sums that are kept beside, or more.
const MANY: u64 = (BESIDE >> HIGH) as u64;

/// A sum for each id that may dominate others.
#[derive(Debug)]
pub(crate) struct Sums {
    /// Which block of `sums`, by id.
    blocks: Vec<u32>,
    sums: Vec<u32>,
    /// Those that are too large, by id.
    beside: FxHashMap<u32, Count>,
}

impl Sums {
    /// All zero.
    pub(crate) fn of<S: Source>(source: &S) -> Sums {
        let ids = source.ids() as usize;
        let all = ids + source.groups() as usize + 2;
        let mut blocks = vec![NONE; all.div_ceil(BLOCK)];
        let mut len = 0;
        let mut enter = |id: usize| {
            let block = &mut blocks[id / BLOCK];
            if *block == NONE {
                *block = len;
                len += 1;
            }
        };
        source.each_leading(&mut |id| enter(id as usize));
        (ids..all).for_each(enter);
        Sums {
            blocks,
            sums: zeros(len as usize * BLOCK * WORDS),
            beside: FxHashMap::default(),
        }
    }

    #[inline]
    fn place(&self, id: u32) -> Option<usize> {
        let block = *self.blocks.get(id as usize / BLOCK)?;
        (block != NONE).then(|| (block as usize * BLOCK + id as usize % BLOCK) * WORDS)
    }

    /// Zero for ids that cannot dominate others.
    #[inline]
    pub(crate) fn get(&self, id: u32) -> Count {
        let place = self.place(id);
        place.map_or_else(Count::default, |place| self.at(id, place))
    }

    #[inline]
    fn at(&self, id: u32, place: usize) -> Count {
        match self.sums[place..place + WORDS] {
            [BESIDE, BESIDE] => self.beside.get(&id).copied().unwrap_or_default(),
            [low, rest] => Count {
                objects: u64::from(rest >> HIGH),
                bytes: u64::from(rest << (32 - HIGH)) << HIGH | u64::from(low),
            },
            _ => Count::default(),
        }
    }

    #[inline]
    pub(crate) fn add(&mut self, id: u32, more: Count) {
        let Some(place) = self.place(id) else {
            return;
        };
        let sum = self.at(id, place);
        let sum = Count {
            objects: sum.objects.saturating_add(more.objects),
            bytes: sum.bytes.saturating_add(more.bytes),
        };
        self.sums[place..place + WORDS].copy_from_slice(&match words(sum) {
            Some(words) => words,
            None => {
                self.beside.insert(id, sum);
                [BESIDE; WORDS]
            }
        });
    }

    /// Asks for the memory of one.
    #[inline]
    pub(crate) fn ask(&self, id: u32) {
        if let Some(place) = self.place(id) {
            prefetch(&self.sums, place);
        }
    }
}

/// A sum in two words; nothing where it is too large.
#[inline]
fn words(sum: Count) -> Option<[u32; WORDS]> {
    let low = u32::try_from(sum.bytes & u64::from(u32::MAX)).ok()?;
    let high = sum.bytes >> 32;
    let fits = high < 1 << HIGH && sum.objects < MANY;
    let rest = u32::try_from(sum.objects << HIGH | high).ok();
    Some([low, rest.filter(|_| fits)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums() -> Sums {
        Sums {
            blocks: vec![NONE, 0],
            sums: vec![0; BLOCK * WORDS],
            beside: FxHashMap::default(),
        }
    }

    #[test]
    fn sums_are_those_of_what_was_added_however_large() {
        let parts = [
            (1, 16),
            (0, u64::from(u32::MAX)),
            (3, 1 << 39),
            (7, (1 << 39) - 1),
            (1 << 23, 1 << 40),
            (1 << 24, 8),
            (1, u64::MAX >> 1),
        ];
        let mut sums = sums();
        let mut all = Count::default();
        for (objects, bytes) in parts {
            let part = Count { objects, bytes };
            sums.add(40, part);
            all.objects += objects;
            all.bytes += bytes;
            assert_eq!(sums.get(40), all);
        }
        assert_eq!(sums.get(41), Count::default(), "its neighbour");
    }

    #[test]
    fn sums_at_the_borders_of_what_fits() {
        for objects in [0, 1, MANY - 1, MANY, MANY + 1] {
            for bytes in [0, 1, (1 << 40) - 1, 1 << 40, u64::MAX] {
                let mut sums = sums();
                let count = Count { objects, bytes };
                sums.add(33, count);
                assert_eq!(sums.get(33), count);
            }
        }
    }

    #[test]
    fn ids_that_cannot_dominate_have_none() {
        let mut sums = sums();
        let one = Count {
            objects: 1,
            bytes: 8,
        };
        for id in [0, 31, 64, u32::MAX] {
            sums.add(id, one);
            assert_eq!(sums.get(id), Count::default());
        }
    }
}
