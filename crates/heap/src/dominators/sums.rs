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
use crate::edges::Untouched;
use crate::prefetch::prefetch;

/// Ids of one block.
const BLOCK: usize = 32;
const NONE: u32 = u32::MAX;

/// Words of a sum: the low and high half of bytes, and objects, close together.
const WORDS: usize = 3;

/// A sum for each id that may dominate others.
#[derive(Debug)]
pub(crate) struct Sums {
    /// Which block of `sums`, by id.
    blocks: Vec<u32>,
    sums: Vec<u32>,
}

impl Sums {
    /// All zero; `untouched` is told of their memory.
    pub(crate) fn of<S: Source>(source: &S, untouched: Option<Untouched>) -> Sums {
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
        // Nearly all of it is read before it is written to, which the kernel makes twice the work
        // of where it was not touched before.
        let len = len as usize * BLOCK * WORDS;
        let mut sums = Vec::with_capacity(len);
        if let Some(untouched) = untouched {
            untouched(sums.spare_capacity_mut());
        }
        sums.resize(len, 0);
        Sums { blocks, sums }
    }

    #[inline]
    fn place(&self, id: u32) -> Option<usize> {
        let block = *self.blocks.get(id as usize / BLOCK)?;
        (block != NONE).then(|| (block as usize * BLOCK + id as usize % BLOCK) * WORDS)
    }

    /// Zero for ids that cannot dominate others.
    pub(crate) fn get(&self, id: u32) -> Count {
        let sum = self.place(id).map(|place| &self.sums[place..place + WORDS]);
        let &[low, high, objects] = sum.unwrap_or(&[0; WORDS]) else {
            return Count::default();
        };
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
            self.sums[place..place + WORDS].copy_from_slice(&[
                half(bytes & u64::from(u32::MAX)),
                half(bytes >> 32),
                half(sum.objects.saturating_add(more.objects)),
            ]);
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
