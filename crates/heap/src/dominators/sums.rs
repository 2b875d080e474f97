//! [`Sums`]: bytes and objects of ids that may dominate others.
//!
//! Ids lie mixed: those of a span that holds pointers, those of one that does not. Only blocks
//! with one that may dominate have sums.
#![allow(
    clippy::indexing_slicing,
    reason = "places are our own, below the length of what they index"
)]

use super::walk::Source;
use crate::Count;
use crate::prefetch::prefetch;

/// Ids of one block.
const BLOCK: usize = 32;
const NONE: u32 = u32::MAX;

/// The low and high half of bytes, and objects: close together.
type Sum = [u32; 3];

/// A sum for each id that may dominate others.
#[derive(Debug)]
pub(crate) struct Sums {
    /// Which block of `sums`, by id.
    blocks: Vec<u32>,
    sums: Vec<Sum>,
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
        source.each_object(&mut |id, leads| {
            if leads {
                enter(id as usize);
            }
        });
        (ids..all).for_each(enter);
        Sums {
            blocks,
            sums: vec![[0; 3]; len as usize * BLOCK],
        }
    }

    #[inline]
    fn place(&self, id: u32) -> Option<usize> {
        let block = *self.blocks.get(id as usize / BLOCK)?;
        (block != NONE).then(|| block as usize * BLOCK + id as usize % BLOCK)
    }

    /// Zero for ids that cannot dominate others.
    pub(crate) fn get(&self, id: u32) -> Count {
        let [low, high, objects] = self.place(id).map_or([0; 3], |place| self.sums[place]);
        Count {
            objects: objects.into(),
            bytes: u64::from(high) << 32 | u64::from(low),
        }
    }

    #[inline]
    pub(crate) fn add(&mut self, id: u32, more: Count) {
        let sum = self.get(id);
        let bytes = sum.bytes.saturating_add(more.bytes);
        let half = |bits: u64| u32::try_from(bits).unwrap_or(u32::MAX);
        if let Some(place) = self.place(id) {
            self.sums[place] = [
                half(bytes & u64::from(u32::MAX)),
                half(bytes >> 32),
                half(sum.objects.saturating_add(more.objects)),
            ];
        }
    }

    /// Asks for the memory of one.
    #[inline]
    pub(crate) fn ask(&self, id: u32) {
        if let Some(place) = self.place(id) {
            prefetch(&self.sums, place);
        }
    }
}
