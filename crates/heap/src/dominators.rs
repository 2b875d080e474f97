//! [`Dominators`]: who holds what.
//!
//! An object *dominates* another if every way from a root to that one leads through it; the
//! nearest one that does is its *holder*. All that an object dominates, it *retains*: if nothing
//! led to it any more, the collector would free all of that.
//!
//! Roots come in groups (a variable, a goroutine, or each word on its own). An object that only
//! one group leads to is held by that group; one that several lead to is held by the top, which
//! leads to all groups. What a finalizer keeps of an unreachable object is a group as well. Of an
//! object that is reachable the finalizer keeps nothing that the object does not hold itself. A
//! root that is a guess holds only what nothing else leads to.
//!
//! The parts: `heap` turns a graph into what `walk` goes over once; `tree` finds dominators among
//! those objects that others are reached through; `holders` finds those of all others, and sums up.
//! Leaves take 4 bytes each; an object that leads to leaves only, 16; all others, 28.
//!
//! Does not know names of roots or types.

mod heap;
mod holders;
mod stacks;
mod state;
mod sums;
#[cfg(test)]
mod tests;
mod tree;
mod walk;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use letgo_target::AddrRange;
use rustc_hash::FxHashMap;

use crate::{Count, Error, Graph, GraphOptions, ObjectId, Reachable};
use heap::{Groups, HeapSource};
use holders::Holders;
pub use stacks::Stack;
use walk::Bounds;

/// Most bytes, whatever the limits say: edges have numbers of 32 bits.
const MOST_BYTES: u64 = 16 << 30;

/// What holds objects.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Holder {
    /// An object.
    Object(ObjectId),
    /// A group of roots.
    Group(u32),
    /// Finalizers, of objects that nothing else leads to.
    Finalizers,
    /// No object and no group alone.
    Top,
}

/// What a holder retains.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Held {
    /// The holder.
    pub holder: Holder,
    /// What it retains, itself included.
    pub retained: Count,
}

/// The holders of all reachable objects.
pub struct Dominators<'a> {
    graph: &'a Graph,
    weigh: &'a dyn Fn(AddrRange) -> u64,
    groups: u32,
    holders: Holders,
}

impl<'a> Dominators<'a> {
    /// Finds who holds what is `reachable`.
    ///
    /// `groups` has the group of each root of [`Graph::roots`], numbered from 0 without large
    /// gaps; without, each root is a group of that number. `weigh` says how many bytes an object
    /// counts for: those of its slot ([`AddrRange::len`]), or those of them that are resident.
    ///
    /// # Errors
    /// Where the limits were hit ([`Error::DominatorBytes`], [`Error::DominatorTime`]), or for
    /// more than 2^30 slots ([`Error::TooLarge`]): there is no partial answer.
    pub fn of(
        graph: &'a Graph,
        reachable: &Reachable,
        options: &GraphOptions<'_>,
        groups: Option<&[u32]>,
        weigh: &'a dyn Fn(AddrRange) -> u64,
    ) -> Result<Dominators<'a>, Error> {
        let now = Instant::now();
        let limits = &options.limits;
        let bounds = Bounds {
            bytes: limits.dominator_bytes.min(MOST_BYTES),
            until: now.checked_add(limits.dominator_time).unwrap_or(now),
        };
        let groups = Groups::of(graph.roots().len(), groups);
        let source = HeapSource {
            graph,
            reachable,
            groups: &groups,
        };
        let holders = Holders::of(&source, bounds, |add| {
            source.each_place(&mut |id, leads, range| add(id, leads, weigh(range)));
        })?;
        Ok(Dominators {
            graph,
            weigh,
            groups: groups.len(),
            holders,
        })
    }

    /// Who holds an object: what dominates it with nothing between. Nothing for objects that are
    /// not reachable.
    pub fn holder(&self, object: ObjectId) -> Option<Holder> {
        let above = self.holders.above(self.id(Holder::Object(object))?)?;
        Some(self.holder_of(above))
    }

    /// What is freed if nothing leads to the holder any more. Nothing for an object that is not
    /// reachable.
    pub fn retained(&self, holder: Holder) -> Option<Count> {
        let id = self.id(holder)?;
        self.holders.above(id)?;
        self.held(id).map(|held| held.retained)
    }

    /// The largest `most` of what a holder holds with nothing between, by retained bytes, and how
    /// many there are altogether. Looks at all objects.
    pub fn largest(&self, of: Holder, most: usize) -> (Vec<Held>, u64) {
        let found = self.largest_of_each(&[of], most);
        found.into_iter().next().unwrap_or_default()
    }

    /// The same of several holders, in their order; looks at all objects once.
    pub fn largest_of_each(&self, holders: &[Holder], most: usize) -> Vec<(Vec<Held>, u64)> {
        let mut places = FxHashMap::default();
        for holder in holders {
            if let Some(id) = self.id(*holder) {
                let next = places.len();
                places.entry(id).or_insert(next);
            }
        }
        let filter = Filter::of(places.keys());
        let mut found: Vec<Largest> = places.iter().map(|_| Largest::default()).collect();
        let lowest = places.keys().copied().min().unwrap_or(1);
        let highest = places.keys().copied().max().unwrap_or(0);
        for (id, above) in self.holders.below(lowest..=highest) {
            let Some(place) = filter.may_have(above).then(|| places.get(&above)).flatten() else {
                continue;
            };
            // Groups that hold nothing alone are left out.
            if let Some(held) = self.held(id).filter(|held| held.retained.objects > 0)
                && let Some(largest) = found.get_mut(*place)
            {
                largest.add(&held, most);
            }
        }
        let sorted: Vec<_> = found.into_iter().map(Largest::sorted).collect();
        let of = |holder: &Holder| {
            let place = places.get(&self.id(*holder)?)?;
            sorted.get(*place).cloned()
        };
        let each = holders.iter().map(|holder| of(holder).unwrap_or_default());
        each.collect()
    }

    fn held(&self, id: u32) -> Option<Held> {
        let holder = self.holder_of(id);
        let mut retained = self.holders.retained(id);
        if let Holder::Object(object) = holder
            && retained.objects == 0
        {
            let bytes = (self.weigh)(self.graph.range_of(object)?);
            retained = Count { objects: 1, bytes };
        }
        Some(Held { holder, retained })
    }

    fn id(&self, holder: Holder) -> Option<u32> {
        let (top, objects) = (self.holders.top(), self.holders.objects());
        match holder {
            Holder::Object(object) => Some(object.0).filter(|id| *id < objects),
            Holder::Group(group) => (group < self.groups).then(|| objects + group),
            Holder::Finalizers => top.checked_sub(1),
            Holder::Top => Some(top),
        }
    }

    fn holder_of(&self, id: u32) -> Holder {
        match (
            id.checked_sub(self.holders.objects()),
            self.holders.top() - id,
        ) {
            (None, _) => Holder::Object(ObjectId(id)),
            (_, 0) => Holder::Top,
            (_, 1) => Holder::Finalizers,
            (Some(group), _) => Holder::Group(group),
        }
    }
}

/// The last bits of some ids: most others are known by them without a look at a map.
struct Filter([u64; 64]);

impl Filter {
    fn of<'a>(ids: impl Iterator<Item = &'a u32>) -> Filter {
        let mut filter = Filter([0; 64]);
        for id in ids {
            let (word, bit) = Filter::place(*id);
            if let Some(word) = filter.0.get_mut(word) {
                *word |= bit;
            }
        }
        filter
    }

    #[inline]
    fn place(id: u32) -> (usize, u64) {
        ((id / 64 % 64) as usize, 1 << (id % 64))
    }

    #[inline]
    fn may_have(&self, id: u32) -> bool {
        let (word, bit) = Filter::place(id);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }
}

/// What holders are sorted by: bytes; of equal ones the first is the largest.
type Size = (u64, Reverse<Holder>);

/// The largest of what a holder holds so far, and their objects.
#[derive(Default)]
struct Largest {
    kept: BinaryHeap<Reverse<(Size, u64)>>,
    count: u64,
}

impl Largest {
    fn add(&mut self, held: &Held, most: usize) {
        self.count += 1;
        let key = (held.retained.bytes, Reverse(held.holder));
        let is_less = |least: &Reverse<(Size, u64)>| key <= least.0.0;
        if self.kept.len() >= most && self.kept.peek().is_some_and(is_less) {
            return;
        }
        self.kept.push(Reverse((key, held.retained.objects)));
        if self.kept.len() > most {
            self.kept.pop();
        }
    }

    /// Largest first, and how many there are beside.
    fn sorted(self) -> (Vec<Held>, u64) {
        let held = |Reverse(((bytes, Reverse(holder)), objects))| Held {
            holder,
            retained: Count { objects, bytes },
        };
        let kept = self.kept.into_sorted_vec().into_iter();
        (kept.map(held).collect(), self.count)
    }
}
