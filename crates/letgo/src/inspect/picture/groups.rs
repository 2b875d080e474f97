//! What is held and not listed one by one, grouped by what it is: `119,960 x main.Session`.
//!
//! One look at all objects, for all tiles at once.

use std::cmp::Reverse;
use std::collections::HashMap;

use letgo_heap::{Count, Dominators, Graph, Holder, ObjectId, Reachable};

use super::super::kinds::Kinds;

/// Groups of one tile.
const MOST_GROUPS: usize = 12;

/// Objects that a tile holds directly, of one kind: how many, and what they retain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    /// Number of the kind.
    pub(super) kind: u32,
    pub(super) count: u64,
    pub(super) retained: Count,
}

/// The groups of each of `tiles`, largest first, those of `least` bytes or more. What is a tile of
/// its own (`listed`) is in none.
pub(super) fn groups(
    graph: &Graph,
    reachable: &Reachable,
    dominators: &Dominators<'_>,
    kinds: &Kinds<'_>,
    tiles: &HashMap<Holder, usize>,
    listed: &dyn Fn(ObjectId) -> bool,
    least: u64,
) -> HashMap<usize, Vec<Group>> {
    let mut sums: HashMap<(usize, u32), (u64, Count)> = HashMap::new();
    for object in (0..graph.slots()).map(ObjectId) {
        if !reachable.has(object) {
            continue;
        }
        let tile = dominators.holder(object).and_then(|own| tiles.get(&own));
        let Some(tile) = tile.filter(|_| !listed(object)) else {
            continue;
        };
        let retained = dominators.retained(Holder::Object(object));
        let retained = retained.unwrap_or_default();
        let sum = sums.entry((*tile, kinds.number(object))).or_default();
        sum.0 += 1;
        sum.1.objects += retained.objects;
        sum.1.bytes += retained.bytes;
    }
    let mut groups: HashMap<usize, Vec<Group>> = HashMap::new();
    for ((tile, kind), (count, retained)) in sums {
        if retained.bytes >= least {
            let group = Group {
                kind,
                count,
                retained,
            };
            groups.entry(tile).or_default().push(group);
        }
    }
    for own in groups.values_mut() {
        own.sort_by_key(|group| (Reverse(group.retained.bytes), group.kind));
        own.truncate(MOST_GROUPS);
    }
    groups
}
