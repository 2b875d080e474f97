//! [`Claims`]: who claims which part of the address space, in layers.
//!
//! Each layer takes what the layers above it left over, so that no byte has two owners whatever
//! a hostile target says. The heap's address space is one claim without a leaf: its bytes are
//! split by the heap walk (see [`crate::heap`]).
//!
//! Invariants: claims are sorted by address, not empty, and do not overlap.

use letgo_target::{Addr, AddrRange};

use crate::Leaf;

/// A part of the address space and its owner.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Claim {
    pub(crate) range: AddrRange,
    /// `None` where the heap walk decides.
    pub(crate) leaf: Option<Leaf>,
    /// Whether its bytes count as virtual bytes of the leaf.
    pub(crate) counted: bool,
    /// The mapping that it was made from, by index.
    pub(crate) mapping: Option<usize>,
}

impl Claim {
    /// A claim that counts.
    pub(crate) fn new(range: AddrRange, leaf: Leaf) -> Claim {
        Claim {
            range,
            leaf: Some(leaf),
            counted: true,
            mapping: None,
        }
    }

    /// The same claim, made from the mapping with this index.
    pub(crate) fn of_mapping(self, index: usize) -> Claim {
        Claim {
            mapping: Some(index),
            ..self
        }
    }
}

/// All claims so far.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    claims: Vec<Claim>,
}

impl Claims {
    /// Adds a layer below: each of `layer` gets what nobody above it, nor an earlier one of the
    /// same layer, has.
    pub(crate) fn add_layer(&mut self, mut layer: Vec<Claim>) {
        layer.retain(|claim| !claim.range.is_empty());
        layer.sort_by_key(|claim| claim.range.start());
        let mut left = Vec::with_capacity(layer.len());
        let mut floor = Addr::NULL;
        let mut above = self.claims.iter().peekable();
        for claim in layer {
            let mut at = claim.range.start().max(floor);
            while above.peek().is_some_and(|taken| taken.range.end() <= at) {
                above.next();
            }
            for taken in above.clone() {
                if taken.range.start() >= claim.range.end() {
                    break;
                }
                push(&mut left, claim, AddrRange::new(at, taken.range.start()));
                at = at.max(taken.range.end());
            }
            push(&mut left, claim, AddrRange::new(at, claim.range.end()));
            floor = floor.max(claim.range.end());
        }
        self.claims.append(&mut left);
        self.claims.sort_by_key(|claim| claim.range.start());
    }

    /// All claims by address.
    pub(crate) fn as_slice(&self) -> &[Claim] {
        &self.claims
    }

    /// The parts of `range` that nobody claims yet.
    pub(crate) fn gaps(&self, range: AddrRange) -> Vec<AddrRange> {
        let first = self
            .claims
            .partition_point(|claim| claim.range.end() <= range.start());
        let mut gaps = Vec::new();
        let mut at = range.start();
        for claim in self.claims.get(first..).unwrap_or_default() {
            if claim.range.start() >= range.end() {
                break;
            }
            let gap = AddrRange::new(at, claim.range.start());
            if !gap.is_empty() {
                gaps.push(gap);
            }
            at = at.max(claim.range.end());
        }
        let rest = AddrRange::new(at, range.end());
        if !rest.is_empty() {
            gaps.push(rest);
        }
        gaps
    }

    /// Whether any byte of `range` is claimed.
    pub(crate) fn touches(&self, range: AddrRange) -> bool {
        let first = self
            .claims
            .partition_point(|claim| claim.range.end() <= range.start());
        self.claims
            .get(first)
            .is_some_and(|claim| claim.range.start() < range.end())
    }
}

fn push(left: &mut Vec<Claim>, claim: Claim, range: AddrRange) {
    let range = range.intersect(claim.range);
    if !range.is_empty() {
        left.push(Claim { range, ..claim });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(start: u64, end: u64, leaf: Leaf) -> Claim {
        Claim::new(AddrRange::new(Addr(start), Addr(end)), leaf)
    }

    fn shape(claims: &Claims) -> Vec<(u64, u64, Leaf)> {
        let each = |claim: &Claim| {
            let leaf = claim.leaf.unwrap();
            (claim.range.start().0, claim.range.end().0, leaf)
        };
        claims.as_slice().iter().map(each).collect()
    }

    #[test]
    fn a_lower_layer_gets_what_the_upper_left() {
        let mut claims = Claims::default();
        claims.add_layer(vec![
            claim(10, 20, Leaf::RuntimeGc),
            claim(30, 40, Leaf::RuntimeGc),
        ]);
        claims.add_layer(vec![claim(0, 50, Leaf::MapsAnon)]);
        assert_eq!(
            shape(&claims),
            [
                (0, 10, Leaf::MapsAnon),
                (10, 20, Leaf::RuntimeGc),
                (20, 30, Leaf::MapsAnon),
                (30, 40, Leaf::RuntimeGc),
                (40, 50, Leaf::MapsAnon)
            ]
        );
    }

    #[test]
    fn overlap_within_a_layer_goes_to_the_earlier_one() {
        let mut claims = Claims::default();
        claims.add_layer(vec![claim(15, 16, Leaf::RuntimeMspan)]);
        claims.add_layer(vec![
            claim(0, 30, Leaf::RuntimeGc),
            claim(10, 20, Leaf::RuntimeOther),
            claim(25, 40, Leaf::RuntimeOther),
        ]);
        assert_eq!(
            shape(&claims),
            [
                (0, 15, Leaf::RuntimeGc),
                (15, 16, Leaf::RuntimeMspan),
                (16, 30, Leaf::RuntimeGc),
                (30, 40, Leaf::RuntimeOther)
            ]
        );
    }

    #[test]
    fn gaps_are_what_is_left() {
        let mut claims = Claims::default();
        claims.add_layer(vec![claim(10, 20, Leaf::RuntimeGc)]);
        let range = |start, end| AddrRange::new(Addr(start), Addr(end));
        assert_eq!(claims.gaps(range(0, 30)), [range(0, 10), range(20, 30)]);
        assert_eq!(claims.gaps(range(12, 18)), []);
        assert!(claims.touches(range(19, 30)));
        assert!(!claims.touches(range(20, 30)));
    }
}
