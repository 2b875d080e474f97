//! [`Holders`]: who dominates each object, and what that adds up to.
//!
//! The last two steps: settled objects get their dominator from the tree of the numbered ones;
//! then the sizes are summed, from leaves up.
//!
//! Invariant: what the top retains is everything.
#![allow(
    clippy::indexing_slicing,
    reason = "ids and numbers are our own, below the lengths of the arrays they index"
)]

use super::Error;
use super::state::{Known, State};
use super::tree::Tree;
use super::walk::{Bounds, Source, Walk};
use crate::Count;
use crate::prefetch::prefetch;

/// Leaves whose holders' sums are asked for ahead.
const AHEAD: usize = 16;

/// Bytes and objects, close together.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, packed(4))]
struct Sum {
    bytes: u64,
    objects: u32,
}

impl Sum {
    #[inline]
    fn add(&mut self, other: Sum) {
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.objects = self.objects.saturating_add(other.objects);
    }
}

/// Who dominates each id: objects that are followed, other objects, groups of roots, what only
/// finalizers keep, the top.
#[derive(Debug)]
pub(crate) struct Holders {
    followed: u32,
    objects: u32,
    /// By id.
    above: Vec<State>,
    /// Of ids that can dominate others: those of followed objects, then those of groups.
    sums: Vec<Sum>,
}

impl Holders {
    /// Finds all of it; `bytes` hands over the bytes of each object, in the order of followed ones
    /// and others, mixed as they lie.
    pub(crate) fn of<S: Source>(
        source: &S,
        bounds: Bounds,
        sizes: impl FnOnce(&mut dyn FnMut(u32, u64)),
    ) -> Result<Holders, Error> {
        let walk = Walk::over(source, bounds)?;
        let Walk {
            mut states,
            ids,
            parents,
            lowest,
            late,
            shared,
        } = walk;
        let tree = Tree::of(parents, lowest, late, bounds)?;
        let followed = source.followed();
        let mut share = Share {
            states: &mut states,
            ids: &ids,
            tree: &tree,
        };
        // Leaves hang on settled objects, so these come first.
        share.all(shared.iter().filter(|(id, _)| *id < followed));
        share.all(shared.iter().filter(|(id, _)| *id >= followed));
        drop(shared);
        let above = tree.into_above();
        let mut holders = Holders {
            followed,
            objects: source.objects(),
            above: states,
            sums: Vec::new(),
        };
        holders.sum(&ids, &above, sizes);
        for (id, above) in ids.iter().zip(&above) {
            holders.above[*id as usize] = State::settled(ids[*above as usize]);
        }
        Ok(holders)
    }

    /// Sums up: leaves, settled objects, numbered ones from the last.
    fn sum(&mut self, ids: &[u32], above: &[u32], sizes: impl FnOnce(&mut dyn FnMut(u32, u64))) {
        let top = self.top();
        for state in &mut self.above {
            if let Known::Unseen | Known::Pending(_) = state.known() {
                *state = State::settled(top);
            }
        }
        let groups = self.above.len() - self.objects as usize;
        self.sums = vec![Sum::default(); self.followed as usize + groups];
        sizes(&mut |id, bytes| {
            let own = Sum { bytes, objects: 1 };
            let id = id as usize;
            if let Some(ahead) = self.above.get(id + AHEAD)
                && let Known::Settled(ahead) = ahead.known()
            {
                prefetch(&self.sums, self.place(ahead));
            }
            let holder = match self.above[id].known() {
                Known::Settled(above) if id >= self.followed as usize => self.place(above),
                _ => id,
            };
            self.sums[holder].add(own);
        });
        for id in 0..self.followed as usize {
            if let Known::Settled(above) = self.above[id].known() {
                let (own, above) = (self.sums[id], self.place(above));
                self.sums[above].add(own);
            }
        }
        for (id, above) in ids.iter().zip(above).skip(1).rev() {
            let own = self.sums[self.place(*id)];
            let above = self.place(ids[*above as usize]);
            self.sums[above].add(own);
        }
    }

    /// Where the sum of an id is.
    #[inline]
    fn place(&self, id: u32) -> usize {
        let leaves = if id < self.followed {
            0
        } else {
            self.objects - self.followed
        };
        (id - leaves) as usize
    }

    /// The id of the top.
    pub(crate) fn top(&self) -> u32 {
        u32::try_from(self.above.len())
            .unwrap_or(0)
            .saturating_sub(1)
    }

    /// Ids of objects are below.
    pub(crate) fn objects(&self) -> u32 {
        self.objects
    }

    /// Who dominates an id; the top itself.
    pub(crate) fn above(&self, id: u32) -> Option<u32> {
        match self.above.get(id as usize)?.known() {
            Known::Settled(above) => Some(above),
            _ => None,
        }
    }

    /// What an id that can dominate others retains, itself included.
    pub(crate) fn retained(&self, id: u32) -> Option<Count> {
        if id >= self.followed && id < self.objects {
            return None;
        }
        let sum = self.sums.get(self.place(id))?;
        Some(Count {
            objects: sum.objects.into(),
            bytes: sum.bytes,
        })
    }

    /// The ids that an id dominates with none between.
    pub(crate) fn children(&self, of: u32) -> impl Iterator<Item = u32> + '_ {
        let own = State::settled(of);
        let ids = (0u32..).zip(&self.above);
        ids.filter(move |(id, above)| **above == own && *id != of)
            .map(|(id, _)| id)
    }
}

/// Dominators of settled objects that several lead to.
struct Share<'a> {
    states: &'a mut [State],
    ids: &'a [u32],
    tree: &'a Tree,
}

impl Share<'_> {
    fn all<'a>(&mut self, edges: impl Iterator<Item = &'a (u32, u32)>) {
        for (id, from) in edges {
            let Known::Settled(above) = self.states[*id as usize].known() else {
                continue;
            };
            if above != *from {
                let common = self.tree.common(self.number(above), self.number(*from));
                self.states[*id as usize] = State::settled(self.ids[common as usize]);
            }
        }
    }

    /// The number of an object, or of what dominates it where it has none.
    fn number(&self, id: u32) -> u32 {
        match self.states[id as usize].known() {
            Known::Inner(number) => number,
            Known::Settled(above) => match self.states[above as usize].known() {
                Known::Inner(number) => number,
                _ => 0,
            },
            _ => 0,
        }
    }
}
