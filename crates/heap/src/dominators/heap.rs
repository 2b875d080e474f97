//! [`HeapSource`]: the reachable objects of a graph, as what a walk goes over; ids are numbers of
//! slots.
//!
//! Large objects are walked in parts, so that a slice of millions does not put all it leads to on
//! the stack at once.
//!
//! A guess holds what nothing else leads to, and takes nothing from those that hold for certain: of
//! guessed roots, and of what only these lead to, pointers to other objects are left out.

use std::ops::Range;

use letgo_target::{Addr, AddrRange};

use super::walk::{Child, Source};
use crate::bits::low;
use crate::edges::Edges;
use crate::{Graph, ObjectId, Reachable};

/// Pointers of a large object that are walked over at once.
const PART: usize = 2048;

/// An object that leads to others: its node, and which part of its pointers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    node: u32,
    part: u32,
    /// Only guessed roots lead to it.
    guessed: bool,
}

/// The reachable objects of a graph, and groups of its roots.
pub(crate) struct HeapSource<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) reachable: &'a Reachable,
    pub(crate) groups: &'a Groups,
}

impl HeapSource<'_> {
    /// Hands the id of each reachable object to `take`, whether it may lead to others, and where
    /// it is.
    pub(crate) fn each_place(&self, take: &mut impl FnMut(u32, bool, AddrRange)) {
        for span in &self.graph.objects.spans {
            let (first, count) = (u64::from(span.first), u64::from(span.nelems));
            let mut next = Addr(span.base);
            for done in (0..count).step_by(64) {
                let mut bits = self.reachable.members().word(first + done) & low(count - done);
                let leads = self.edges().word(first + done);
                let start = next;
                next = next.add(64 * span.elem_size);
                while bits != 0 {
                    let bit = bits.trailing_zeros();
                    bits &= bits - 1;
                    let at = start.add(u64::from(bit) * span.elem_size);
                    let id = span.first + u32::try_from(done).unwrap_or(0) + bit;
                    let range = AddrRange::sized(at, span.elem_size);
                    take(id, leads >> bit & 1 != 0, range);
                }
            }
        }
    }

    fn edges(&self) -> &Edges {
        &self.graph.copied.edges
    }

    /// Whether only guessed roots lead to an object.
    #[inline]
    fn is_guessed(&self, number: u32) -> bool {
        self.reachable.guessed.objects > 0 && self.reachable.is_guessed(ObjectId(number))
    }

    /// The object in a slot.
    #[inline]
    fn child(&self, number: u32) -> Child<Place> {
        let node = self.edges().node(number);
        Child {
            place: Place {
                node: node.unwrap_or(0),
                part: 0,
                guessed: self.is_guessed(number),
            },
            id: number,
            leads: node.is_some(),
        }
    }

    /// Where the pointers of a place are, and those of further parts.
    #[inline]
    fn range(&self, place: Place) -> Range<usize> {
        let Range { start, end } = self.edges().range(place.node);
        start.saturating_add(place.part as usize * PART)..end
    }
}

impl Source for HeapSource<'_> {
    type Place = Place;

    fn ids(&self) -> u32 {
        self.graph.slots()
    }

    fn groups(&self) -> u32 {
        self.groups.len
    }

    fn each_object(&self, take: &mut impl FnMut(u32, bool)) {
        self.each_place(&mut |id, leads, _| take(id, leads));
    }

    fn each_leading(&self, take: &mut impl FnMut(u32)) {
        for first in (0..self.ids()).step_by(64) {
            let first_word = u64::from(first);
            let mut bits =
                self.reachable.members().word(first_word) & self.edges().word(first_word);
            while bits != 0 {
                take(first + bits.trailing_zeros());
                bits &= bits - 1;
            }
        }
    }

    #[inline]
    fn each(&self, place: Place, take: &mut impl FnMut(Child<Place>)) {
        let Range { start, end } = self.range(place);
        let part = start..end.min(start.saturating_add(PART));
        for target in self.edges().targets(part) {
            let child = self.child(*target);
            if !place.guessed || child.place.guessed {
                take(child);
            }
        }
    }

    fn each_of_group(&self, group: u32, take: &mut impl FnMut(Child<Place>)) {
        for root in self.groups.roots_of(group) {
            if let Some(root) = self.graph.roots().get(*root as usize)
                && let Some(found) = self.graph.objects.slot_at(root.value.0)
                && (!root.kind.is_guess() || self.is_guessed(found.number))
            {
                take(self.child(found.number));
            }
        }
    }

    fn each_finalized(
        &self,
        is_reached: &impl Fn(u32) -> bool,
        take: &mut impl FnMut(Child<Place>),
    ) {
        for object in self.graph.finalized() {
            if is_reached(object.0) {
                continue;
            }
            for target in self.edges().of(object.0) {
                take(self.child(*target));
            }
        }
    }

    #[inline]
    fn rest(&self, place: Place) -> Option<Place> {
        let further = self.range(place).len() > PART;
        further.then(|| Place {
            part: place.part + 1,
            ..place
        })
    }

    #[inline]
    fn ask_place(&self, place: Place) {
        self.edges().ask_range(place.node);
    }

    #[inline]
    fn ask(&self, place: Place) {
        self.edges().ask_targets(self.range(place).start);
    }
}

/// Roots in groups.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    len: u32,
    /// Roots by group.
    order: Vec<u32>,
    /// Where each group starts in it.
    starts: Vec<u32>,
}

impl Groups {
    /// Of the group of each root; of none, each root is a group.
    pub(crate) fn of(roots: usize, groups: Option<&[u32]>) -> Groups {
        let roots = u32::try_from(roots).unwrap_or(u32::MAX);
        let Some(groups) = groups else {
            return Groups {
                len: roots,
                order: (0..roots).collect(),
                starts: Vec::new(),
            };
        };
        let group = |root: &u32| groups.get(*root as usize).copied();
        let mut order: Vec<u32> = (0..roots).filter(|root| group(root).is_some()).collect();
        order.sort_by_key(group);
        let len = order
            .last()
            .and_then(group)
            .map_or(0, |last| last.saturating_add(1));
        let mut starts = Vec::new();
        for (root, at) in order.iter().zip(0u32..) {
            while group(root).is_some_and(|group| starts.len() <= group as usize) {
                starts.push(at);
            }
        }
        Groups { len, order, starts }
    }

    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// The roots of a group.
    fn roots_of(&self, group: u32) -> &[u32] {
        let at = |group: usize| {
            self.starts
                .get(group)
                .map_or(self.order.len(), |at| *at as usize)
        };
        let group = group as usize;
        let range = if self.starts.is_empty() {
            group..group + 1
        } else {
            at(group)..at(group + 1)
        };
        self.order.get(range).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_root_is_a_group_or_as_the_caller_says() {
        let each = Groups::of(3, None);
        assert_eq!((each.len(), each.roots_of(2)), (3, &[2][..]));
        assert!(each.roots_of(3).is_empty());
        let groups = Groups::of(5, Some(&[3, 0, 3, 1, 0]));
        assert_eq!(groups.len(), 4);
        let roots: Vec<&[u32]> = (0..5).map(|group| groups.roots_of(group)).collect();
        assert_eq!(roots, [&[1, 4][..], &[3], &[], &[0, 2], &[]]);
        assert_eq!(Groups::of(0, Some(&[])).len(), 0);
    }
}
