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

use std::ops::RangeInclusive;

use super::Error;
use super::state::{Known, State, States};
use super::sums::Sums;
use super::tree::Tree;
use super::walk::{Bounds, Source, Walk};
use crate::Count;

/// Objects whose holders' sums are asked for ahead.
const AHEAD: u32 = 16;
/// Edges whose ends are asked for ahead.
const EDGES_AHEAD: usize = 16;

/// Who dominates each id: objects, groups of roots, what only finalizers keep, the top.
#[derive(Debug)]
pub(crate) struct Holders {
    /// Ids of objects are below.
    objects: u32,
    /// By id; all settled.
    above: States,
    sums: Sums,
}

impl Holders {
    /// Finds all of it; `sizes` hands over the bytes of each reachable object, in order, and
    /// whether it may lead to others.
    ///
    /// # Errors
    /// As of [`Walk::over`].
    pub(crate) fn of<S: Source>(
        source: &S,
        bounds: Bounds,
        sizes: impl FnOnce(&mut dyn FnMut(u32, bool, u64)),
    ) -> Result<Holders, Error> {
        let Walk {
            mut states,
            ids,
            parents,
            lowest,
            late,
            shared,
            shared_leaves,
        } = Walk::over(source, bounds)?;
        let tree = Tree::of(parents, lowest, late, bounds)?;
        let mut share = Share {
            states: &mut states,
            ids: &ids,
            tree: &tree,
        };
        // Leaves may hang on settled objects, so these come first.
        share.all(&shared);
        share.all(&shared_leaves);
        drop((shared, shared_leaves));
        let above = tree.into_above();
        let mut holders = Holders {
            objects: source.ids(),
            sums: Sums::of(source),
            above: states,
        };
        holders.sum(source, &ids, &above, sizes);
        for (id, above) in ids.iter().zip(&above) {
            holders.above.set(*id, State::settled(ids[*above as usize]));
        }
        Ok(holders)
    }

    /// Sums up: leaves, settled objects, numbered ones from the last. What was not reached is the
    /// top's.
    fn sum<S: Source>(
        &mut self,
        source: &S,
        ids: &[u32],
        above: &[u32],
        sizes: impl FnOnce(&mut dyn FnMut(u32, bool, u64)),
    ) {
        let top = self.top();
        let (states, sums) = (&mut self.above, &mut self.sums);
        sizes(&mut |id, leads, bytes| {
            if let Known::Settled(ahead) = states.get(id + AHEAD) {
                sums.ask(ahead);
            }
            let mut holder = id;
            match states.get(id) {
                Known::Settled(above) if !leads => holder = above,
                Known::Settled(_) | Known::Inner(_) => {}
                _ => {
                    states.set(id, State::settled(top));
                    holder = if leads { id } else { top };
                }
            }
            sums.add(holder, Count { objects: 1, bytes });
        });
        let mut up = |id: u32, above: u32| {
            let own = sums.get(id);
            sums.add(above, own);
        };
        source.each_leading(&mut |id| {
            if let Known::Settled(above) = states.get(id) {
                up(id, above);
            }
        });
        for (id, above) in ids.iter().zip(above).skip(1).rev() {
            up(*id, ids[*above as usize]);
        }
    }

    /// The id of the top.
    pub(crate) fn top(&self) -> u32 {
        self.above.len().saturating_sub(1)
    }

    /// Ids of objects are below.
    pub(crate) fn objects(&self) -> u32 {
        self.objects
    }

    /// Who dominates an id; the top itself.
    pub(crate) fn above(&self, id: u32) -> Option<u32> {
        match self.above.get(id) {
            Known::Settled(above) => Some(above),
            _ => None,
        }
    }

    /// What an id retains, itself included; all zero for an object that cannot lead to others.
    pub(crate) fn retained(&self, id: u32) -> Count {
        self.sums.get(id)
    }

    /// Every id but the top that one of `to` dominates with none between, and that one; others may
    /// be among them.
    pub(crate) fn below(&self, to: RangeInclusive<u32>) -> impl Iterator<Item = (u32, u32)> + '_ {
        let top = self.top();
        self.above.settled(to).filter(move |(id, _)| *id != top)
    }
}

/// Dominators of settled objects that several lead to.
struct Share<'a> {
    states: &'a mut States,
    ids: &'a [u32],
    tree: &'a Tree,
}

impl Share<'_> {
    fn all(&mut self, edges: &[(u32, u32)]) {
        for (at, (to, from)) in edges.iter().enumerate() {
            if let Some((to, from)) = edges.get(at + EDGES_AHEAD) {
                self.states.ask(*to);
                self.states.ask(*from);
            }
            let Known::Settled(above) = self.states.get(*to) else {
                continue;
            };
            if above != *from {
                let common = self.tree.common(self.number(above), self.number(*from));
                let common = State::settled(self.ids[common as usize]);
                self.states.set(*to, common);
            }
        }
    }

    /// The number of an object, or of what dominates it where it has none.
    fn number(&self, id: u32) -> u32 {
        match self.states.get(id) {
            Known::Inner(number) => number,
            Known::Settled(above) => match self.states.get(above) {
                Known::Inner(number) => number,
                _ => 0,
            },
            _ => 0,
        }
    }
}
