//! [`HeapSource`]: the reachable objects of a graph, as what a walk goes over; ids are numbers of
//! slots.
//!
//! Large objects are walked in parts, so that a slice of millions does not put all it leads to on
//! the stack at once.

use letgo_goruntime::RUNTIME_PAGE;
use letgo_target::{Addr, AddrRange};

use super::walk::{Child, Source};
use crate::bits::{index, low};
use crate::objects::{HeapSpan, Slot};
use crate::prefetch::prefetch;
use crate::{Graph, Reachable};

/// Bytes of a large object that are walked over at once.
const PART: u64 = 2 * RUNTIME_PAGE;

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
                let start = next;
                next = next.add(64 * span.elem_size);
                while bits != 0 {
                    let bit = bits.trailing_zeros();
                    bits &= bits - 1;
                    let at = start.add(u64::from(bit) * span.elem_size);
                    let id = span.first + u32::try_from(done).unwrap_or(0) + bit;
                    take(id, !span.is_opaque(), AddrRange::sized(at, span.elem_size));
                }
            }
        }
    }

    /// The object that an address leads to.
    #[inline]
    fn child(&self, addr: u64) -> Option<Child<Slot>> {
        let found = self.graph.objects.slot_at(addr)?;
        Some(Child {
            place: found.place,
            id: found.number,
            leads: found.is_followed,
        })
    }

    fn span(&self, place: Slot) -> Option<&HeapSpan> {
        self.graph.objects.spans.get(place.span as usize)
    }

    /// The span of an object that is walked over in parts: `slot` of a place in it is the part.
    #[inline]
    fn large(&self, place: Slot) -> Option<&HeapSpan> {
        self.span(place)
            .filter(|span| span.nelems == 1 && span.elem_size > PART)
    }
}

impl Source for HeapSource<'_> {
    type Place = Slot;

    fn ids(&self) -> u32 {
        self.graph.slots()
    }

    fn groups(&self) -> u32 {
        self.groups.len
    }

    fn each_object(&self, take: &mut impl FnMut(u32, bool)) {
        self.each_place(&mut |id, leads, _| take(id, leads));
    }

    #[inline]
    fn each(&self, place: Slot, take: &mut impl FnMut(Child<Slot>)) {
        let mut found = |value| {
            if let Some(child) = self.child(value) {
                take(child);
            }
        };
        let contents = &self.graph.contents;
        if let Some(span) = self.large(place) {
            let from = u64::from(place.slot) * PART;
            let to = from.saturating_add(PART).min(span.elem_size);
            contents.each_within(span, 0, from, to, &mut found);
        } else if let Some(span) = self.span(place) {
            contents.each(span, place.slot, &mut found);
        }
    }

    fn each_of_group(&self, group: u32, take: &mut impl FnMut(Child<Slot>)) {
        for root in self.groups.roots_of(group) {
            if let Some(root) = self.graph.roots().get(*root as usize)
                && let Some(child) = self.child(root.value.0)
            {
                take(child);
            }
        }
    }

    fn each_finalized(
        &self,
        is_reached: &impl Fn(u32) -> bool,
        take: &mut impl FnMut(Child<Slot>),
    ) {
        for object in self.graph.finalized() {
            if is_reached(object.0) {
                continue;
            }
            if let Some((place, span)) = self.graph.objects.place(*object) {
                let mut found = |value| self.child(value).into_iter().for_each(&mut *take);
                self.graph.contents.each(span, place.slot, &mut found);
            }
        }
    }

    #[inline]
    fn rest(&self, place: Slot) -> Option<Slot> {
        let span = self.large(place)?;
        let next = u64::from(place.slot) + 1;
        (next * PART < span.elem_size).then(|| Slot {
            slot: place.slot + 1,
            ..place
        })
    }

    #[inline]
    fn ask(&self, place: Slot) {
        let at = match self.large(place) {
            Some(span) => span.at(0) + index(u64::from(place.slot) * PART),
            None => self.span(place).map_or(0, |span| span.at(place.slot)),
        };
        prefetch(&self.graph.contents.data, at);
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
