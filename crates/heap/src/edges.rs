//! [`Edges`]: which objects each object points to, as numbers of slots.
//!
//! An object that points to another one is a *node*; nodes are numbered in the order of their
//! objects. What a node points to lies in one stretch of `targets`, in the order of its words, once
//! for each pointer. Objects without pointers take a bit each and nothing else.
//!
//! Does not know addresses (see `objects`) and does not read objects (see `copy`).
//!
//! Invariants: objects are added by rising number; `starts` has one entry more than there are
//! nodes; targets are fewer than 2^32.

use std::ops::Range;

use crate::bits::{BitSet, index};
use crate::prefetch::prefetch;

/// What a stretch of spans points to, before it has its place among all.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Numbers of slots that hold pointers to others, and where theirs start in `targets`.
    nodes: Vec<(u32, u32)>,
    targets: Vec<u32>,
    /// Targets that are not led to at their start: which of `targets`, and the offset.
    inside: Vec<(u32, u32)>,
}

impl Found {
    pub(crate) fn clear(&mut self) {
        self.nodes.clear();
        self.targets.clear();
        self.inside.clear();
    }

    /// Adds a pointer of the object in the slot `number`: to another slot, so many bytes behind its
    /// start. Those of one object come one after the other.
    #[inline]
    pub(crate) fn push(&mut self, number: u32, target: u32, offset: u64) {
        let at = u32::try_from(self.targets.len()).unwrap_or(u32::MAX);
        if self.nodes.last().is_none_or(|last| last.0 != number) {
            self.nodes.push((number, at));
        }
        if offset != 0 {
            let offset = u32::try_from(offset).unwrap_or(u32::MAX);
            self.inside.push((at, offset));
        }
        self.targets.push(target);
    }
}

/// Which of 64 slots are nodes, and how many nodes come before.
#[derive(Clone, Copy, Debug, Default)]
struct Nodes {
    bits: u64,
    before: u32,
}

/// What every object points to.
#[derive(Debug, Default)]
pub(crate) struct Edges {
    nodes: Vec<Nodes>,
    /// Where each node's targets start, and where the last one's end.
    starts: Vec<u32>,
    targets: Vec<u32>,
    /// Targets that are not led to at their start, by rising number, and the offset.
    inside: Vec<(u32, u32)>,
    /// The first of these, as a bit of each target.
    is_inside: BitSet,
    /// How many of them come before each 64 targets.
    inside_before: Vec<u32>,
    last: Option<u32>,
    most: usize,
}

impl Edges {
    /// None, for so many slots. `nodes` and `targets` are how many there may become: memory is
    /// taken for those that are added.
    pub(crate) fn new(slots: u32, nodes: usize, targets: usize, most: u64) -> Edges {
        let mut edges = Edges {
            nodes: vec![Nodes::default(); (slots as usize).div_ceil(64)],
            most: index(most.min(u64::from(u32::MAX))),
            ..Edges::default()
        };
        // Where so much cannot be had at once, they grow.
        let _ = edges.starts.try_reserve_exact(nodes + 1);
        let _ = edges.targets.try_reserve_exact(targets);
        edges
    }

    /// Adds what comes next; says whether there was room for it. Where there was none, none is left
    /// for what follows: of a large object there are the first pointers, without a gap.
    pub(crate) fn add(&mut self, found: &Found) -> bool {
        if self.targets.len() + found.targets.len() > self.most {
            self.most = self.targets.len();
            return false;
        }
        let base = u32::try_from(self.targets.len()).unwrap_or(u32::MAX);
        for (number, start) in &found.nodes {
            // A large object comes in parts.
            if self.last == Some(*number) {
                continue;
            }
            self.last = Some(*number);
            if let Some(nodes) = self.nodes.get_mut((number / 64) as usize) {
                nodes.bits |= 1 << (number % 64);
                self.starts.push(base.saturating_add(*start));
            }
        }
        self.targets.extend_from_slice(&found.targets);
        let inside = found.inside.iter();
        let inside = inside.map(|(at, offset)| (base.saturating_add(*at), *offset));
        self.inside.extend(inside);
        true
    }

    /// How many there are.
    pub(crate) fn len(&self) -> u64 {
        self.targets.len() as u64
    }

    /// To be called when all were added.
    pub(crate) fn finish(&mut self) {
        let end = u32::try_from(self.targets.len()).unwrap_or(u32::MAX);
        self.starts.push(end);
        self.is_inside = BitSet::new(self.targets.len());
        for (at, _) in &self.inside {
            self.is_inside.insert_word(u64::from(*at), 1);
        }
        let mut inside = 0u32;
        self.inside_before = Vec::with_capacity(self.targets.len().div_ceil(64));
        for first in (0..end).step_by(64) {
            self.inside_before.push(inside);
            inside = inside.saturating_add(self.is_inside.count(first, 64));
        }
        let mut before = 0u32;
        for nodes in &mut self.nodes {
            nodes.before = before;
            before = before.saturating_add(nodes.bits.count_ones());
        }
    }

    /// The node of a slot's object; nothing where it points to nothing.
    #[inline]
    pub(crate) fn node(&self, number: u32) -> Option<u32> {
        let nodes = self.nodes.get((number / 64) as usize)?;
        let bit = 1u64 << (number % 64);
        let below = (nodes.bits & (bit - 1)).count_ones();
        (nodes.bits & bit != 0).then(|| nodes.before.wrapping_add(below))
    }

    /// Which of the slots from `first` on are nodes: 64 of them, a bit each.
    #[inline]
    pub(crate) fn word(&self, first: u64) -> u64 {
        let (at, shift) = (index(first / 64), first % 64);
        let part = |at: usize| self.nodes.get(at).map_or(0, |nodes| nodes.bits);
        match shift {
            0 => part(at),
            _ => part(at) >> shift | part(at + 1) << (64 - shift),
        }
    }

    /// Asks for the memory that [`Edges::node`] will read.
    #[inline]
    pub(crate) fn ask(&self, number: u32) {
        prefetch(&self.nodes, (number / 64) as usize);
    }

    /// Asks for the memory that [`Edges::range`] will read.
    #[inline]
    pub(crate) fn ask_range(&self, node: u32) {
        prefetch(&self.starts, node as usize);
    }

    /// Where a node's targets are.
    #[inline]
    pub(crate) fn range(&self, node: u32) -> Range<usize> {
        let at = |node: usize| self.starts.get(node).map_or(0, |start| *start as usize);
        at(node as usize)..at((node as usize).saturating_add(1))
    }

    /// Asks for the memory of the targets from here on.
    #[inline]
    pub(crate) fn ask_targets(&self, at: usize) {
        prefetch(&self.targets, at);
    }

    /// These targets.
    #[inline]
    pub(crate) fn targets(&self, range: Range<usize>) -> &[u32] {
        self.targets.get(range).unwrap_or_default()
    }

    /// All targets.
    pub(crate) fn all(&self) -> &[u32] {
        &self.targets
    }

    /// Asks for the memory that [`Edges::offset`] will read.
    #[inline]
    pub(crate) fn ask_offset(&self, at: usize) {
        self.is_inside.ask(u32::try_from(at).unwrap_or(u32::MAX));
    }

    /// How many bytes behind the start of its slot a target is led to.
    #[inline]
    pub(crate) fn offset(&self, at: u32) -> u32 {
        if !self.is_inside.has(at) {
            return 0;
        }
        let before = self.inside_before.get((at / 64) as usize);
        let own = self.is_inside.count(at & !63, at % 64);
        let found = before.map(|before| before.saturating_add(own) as usize);
        let found = found.and_then(|at| self.inside.get(at));
        found.map_or(0, |inside| inside.1)
    }

    /// Numbers of the slots that a slot's object points to.
    pub(crate) fn of(&self, number: u32) -> &[u32] {
        let node = self.node(number);
        node.map_or(&[], |node| self.targets(self.range(node)))
    }

    /// Bytes that are held.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&*self.nodes) + size_of_val(&*self.starts) + size_of_val(&*self.targets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(objects: &[(u32, &[u32])]) -> Found {
        let mut found = Found::default();
        for (number, targets) in objects {
            for target in *targets {
                found.push(*number, *target, 0);
            }
        }
        found
    }

    fn edges(most: u64) -> Edges {
        Edges::new(200, 4, 9, most)
    }

    #[test]
    fn objects_have_what_they_point_to() {
        let mut edges = edges(u64::MAX);
        assert!(edges.add(&found(&[(3, &[7, 7]), (63, &[]), (64, &[199])])));
        assert!(edges.add(&found(&[(130, &[1, 2])])));
        // Further parts of the same object.
        assert!(edges.add(&found(&[(130, &[3])])));
        assert!(edges.add(&found(&[(130, &[]), (131, &[3])])));
        edges.finish();
        assert_eq!(edges.of(3), [7, 7]);
        assert_eq!(edges.of(64), [199]);
        assert_eq!(edges.of(130), [1, 2, 3]);
        assert_eq!(edges.of(131), [3]);
        for number in [0, 2, 4, 63, 65, 199, 200, u32::MAX] {
            assert!(edges.of(number).is_empty(), "{number}");
        }
        for first in 0..210u32 {
            let is_node = |bit: &u64| edges.node(first + u32::try_from(*bit).unwrap()).is_some();
            let expected = (0..64).filter(is_node).map(|bit| 1 << bit).sum::<u64>();
            assert_eq!(edges.word(u64::from(first)), expected, "{first}");
        }
        let nodes = [3, 64, 130, 131].map(|number| edges.node(number).unwrap());
        assert_eq!(nodes, [0, 1, 2, 3]);
    }

    #[test]
    fn a_target_is_led_to_at_its_offset() {
        let mut edges = Edges::new(200, 4, 400, u64::MAX);
        let mut found = Found::default();
        let offset = |at: u64| if at.is_multiple_of(3) { at + 1 } else { 0 };
        for at in 0..300 {
            found.push(5, 7, offset(at));
        }
        assert!(edges.add(&found));
        edges.finish();
        for at in 0..310u32 {
            let expected = if at < 300 { offset(u64::from(at)) } else { 0 };
            assert_eq!(u64::from(edges.offset(at)), expected, "{at}");
        }
    }

    #[test]
    fn what_there_is_no_room_for_is_left_out() {
        let mut edges = edges(2);
        assert!(edges.add(&found(&[(3, &[7, 7])])));
        assert!(!edges.add(&found(&[(4, &[8])])));
        edges.finish();
        assert_eq!(edges.of(3), [7, 7]);
        assert_eq!(edges.node(4), None);
    }

    #[test]
    fn what_comes_behind_what_was_left_out_is_left_out() {
        let mut edges = edges(2);
        assert!(edges.add(&found(&[(3, &[7])])));
        assert!(!edges.add(&found(&[(3, &[8, 9])])));
        // It would be taken for what the second pointer leads to.
        assert!(!edges.add(&found(&[(3, &[10])])));
        assert!(edges.add(&found(&[(3, &[])])));
        edges.finish();
        assert_eq!(edges.of(3), [7]);
    }

    #[test]
    fn an_edge_takes_four_bytes_and_a_node_four() {
        let mut edges = Edges::new(6400, 64, 640, u64::MAX);
        let targets = [1u32; 10];
        for number in 0..64 {
            assert!(edges.add(&found(&[(number * 100, &targets)])));
        }
        edges.finish();
        let per_slot = 16 * 6400 / 64;
        assert_eq!(edges.bytes(), per_slot + (64 + 1) * 4 + 640 * 4);
    }
}
