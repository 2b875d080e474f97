//! [`TakenKinds`]: kinds as a pass reads them, without a lock.
//!
//! A kind is taken out of [`Kinds`](super::kinds::Kinds) once, its words worked out, and then stays
//! where it is until the pass is over.
//!
//! Invariants: what was taken does not change; numbers are at most [`MOST_KINDS`].

use std::cell::OnceCell;
use std::sync::Arc;

use super::kinds::{Kind, MOST_KINDS};
use super::seeds::Seeds;

/// Kinds of one block.
const BLOCK: usize = 1 << 12;

type Block = Box<[OnceCell<Arc<Kind>>]>;

/// Kinds by number.
pub(super) struct TakenKinds {
    blocks: Box<[OnceCell<Block>]>,
}

impl TakenKinds {
    pub(super) fn new() -> TakenKinds {
        let blocks = MOST_KINDS as usize / BLOCK + 1;
        TakenKinds {
            blocks: (0..blocks).map(|_| OnceCell::new()).collect(),
        }
    }

    /// A kind, its words worked out.
    #[inline]
    pub(super) fn get(&self, number: u32, seeds: &Seeds) -> Option<&Kind> {
        let at = number as usize;
        let block = self.blocks.get(at / BLOCK)?;
        let known = block.get().and_then(|block| block.get(at % BLOCK)?.get());
        match known {
            Some(kind) => Some(kind),
            None => TakenKinds::take(block, number, seeds),
        }
    }

    #[cold]
    fn take<'a>(block: &'a OnceCell<Block>, number: u32, seeds: &Seeds) -> Option<&'a Kind> {
        let mut kinds = seeds.lock();
        let kind = kinds.get(number)?.clone();
        if kind.pointers != Some(false) {
            kinds.words(number);
        }
        drop(kinds);
        let block = block.get_or_init(|| (0..BLOCK).map(|_| OnceCell::new()).collect());
        let place = block.get(number as usize % BLOCK)?;
        Some(place.get_or_init(|| kind))
    }
}
