//! [`tree`]: who holds the heap, as tiles within tiles: the tree of dominators, pruned.
//!
//! The first level is owners: variables, goroutines by the function that they began with, what
//! several of them hold together. Below are objects, a level at a time, each level one look at all
//! objects. What is too small to be seen is summed as the rest of what holds it.
//!
//! Invariant: the parts of a tile, with its own slot, sum to its bytes; the tiles of the first
//! level to all that is reachable.

use std::cmp::Reverse;

use letgo_heap::{Count, Dominators, Graph, GraphOptions, Held, Holder, Limits, Reachable};
use letgo_report as out;
use letgo_target::AddrRange;

use super::super::owners::{OwnerKind, Owners};

/// Tiles at most, and levels of objects.
const MOST_TILES: usize = 3000;
const MOST_LEVELS: usize = 24;
/// Parts of one tile that are listed.
const MOST_PARTS: usize = 40;
/// What is listed is at least this part of the whole.
const LEAST_PART: u64 = 6000;

/// Slot bytes.
fn slot(range: AddrRange) -> u64 {
    range.len()
}

/// The tree of what is reachable, found within `limits`.
pub(super) fn tree(
    graph: &Graph,
    reachable: &Reachable,
    owners: &Owners,
    limits: Limits,
) -> Result<out::Tile, letgo_heap::Error> {
    let options = GraphOptions {
        limits,
        ..GraphOptions::default()
    };
    let groups = Some(owners.of_root.as_slice());
    let dominators = Dominators::of(graph, reachable, &options, groups, &slot)?;
    let mut growing = Growing {
        graph,
        dominators: &dominators,
        nodes: Vec::new(),
        least: reachable.all.bytes / LEAST_PART,
    };
    growing.plant(owners, reachable.all);
    for _ in 0..MOST_LEVELS {
        if !growing.level() {
            break;
        }
    }
    Ok(growing.finish())
}

/// A tile in the making.
struct Node {
    tile: out::Tile,
    /// What it is, where its parts are still to be looked for.
    holder: Option<Holder>,
    /// Numbers of its parts.
    parts: Vec<usize>,
}

struct Growing<'a> {
    graph: &'a Graph,
    dominators: &'a Dominators<'a>,
    /// Parts come behind what they are part of.
    nodes: Vec<Node>,
    least: u64,
}

impl Growing<'_> {
    fn push(&mut self, into: Option<usize>, tile: out::Tile, holder: Option<Holder>) -> usize {
        let number = self.nodes.len();
        self.nodes.push(Node {
            tile,
            holder,
            parts: Vec::new(),
        });
        if let Some(into) = into.and_then(|into| self.nodes.get_mut(into)) {
            into.parts.push(number);
        }
        number
    }

    /// The whole and its owners.
    fn plant(&mut self, owners: &Owners, all: Count) {
        let whole = self.push(None, tile("heap", all), None);
        let mut several = all;
        let mut beside = (0, Count::default());
        let mut own: Vec<(Holder, Count)> = (0..owners.all.len())
            .map(|number| Holder::Group(u32::try_from(number).unwrap_or(u32::MAX)))
            .chain([Holder::Finalizers])
            .filter_map(|holder| Some((holder, self.dominators.retained(holder)?)))
            .filter(|(_, retained)| retained.objects > 0)
            .collect();
        own.sort_by_key(|(holder, retained)| (Reverse(retained.bytes), *holder));
        for (holder, retained) in own {
            several = less(several, retained);
            if retained.bytes >= self.least && self.nodes.len() < MOST_TILES / 4 {
                self.push(Some(whole), named(owners, holder, retained), Some(holder));
            } else {
                beside = (beside.0 + 1, more(beside.1, retained));
            }
        }
        if several.objects > 0 {
            let mut tile = tile("several", several);
            tile.name = Some("held by several together".into());
            self.push(Some(whole), tile, Some(Holder::Top));
        }
        if beside.0 > 0 {
            self.push(Some(whole), rest(beside.0, beside.1), None);
        }
    }

    /// Looks for the parts of all tiles that have not been looked at, the largest first; whether
    /// there were any.
    fn level(&mut self) -> bool {
        let mut open: Vec<(usize, Holder)> = Vec::new();
        for (number, node) in self.nodes.iter_mut().enumerate() {
            let parts = node.tile.objects > 1 || node.tile.kind != "object";
            let holder = node.holder.take();
            open.extend(holder.filter(|_| parts).map(|holder| (number, holder)));
        }
        let size = |number: usize| self.nodes.get(number).map(|node| node.tile.bytes);
        open.sort_by_key(|(number, _)| Reverse(size(*number)));
        if open.is_empty() || self.nodes.len() >= MOST_TILES {
            return false;
        }
        let holders: Vec<Holder> = open.iter().map(|(_, holder)| *holder).collect();
        // Of the top also groups are found, which are there already.
        let most = MOST_PARTS * 4;
        let found = self.dominators.largest_of_each(&holders, most);
        for ((number, _), (largest, count)) in open.iter().zip(found) {
            self.enter(*number, &largest, count);
        }
        true
    }

    /// Enters the largest of the `count` parts of a tile, and what is beside them.
    fn enter(&mut self, number: usize, largest: &[Held], count: u64) {
        let Some(node) = self.nodes.get(number) else {
            return;
        };
        let own = node.tile.own;
        let whole = Count {
            objects: node.tile.objects,
            bytes: node.tile.bytes,
        };
        let mut left = match own {
            Some(bytes) => less(whole, Count { objects: 1, bytes }),
            None => whole,
        };
        let objects = largest.iter().filter_map(|held| match held.holder {
            Holder::Object(object) => Some((object, held)),
            _ => None,
        });
        for (object, held) in objects.take(MOST_PARTS) {
            let Some(range) = self.graph.range_of(object) else {
                continue;
            };
            if held.retained.bytes < self.least || self.nodes.len() >= MOST_TILES {
                break;
            }
            left = less(left, held.retained);
            let tile = out::Tile {
                own: Some(range.len()),
                at: Some(range.start().to_string()),
                ..tile("object", held.retained)
            };
            self.push(Some(number), tile, Some(held.holder));
        }
        let listed = self
            .nodes
            .get(number)
            .map_or(0, |node| node.parts.len() as u64);
        // What is not made of tiles at all says its number of objects itself.
        if listed > 0 && left.objects > 0 {
            let beside = count.saturating_sub(listed).clamp(1, left.objects);
            self.push(Some(number), rest(beside, left), None);
        }
    }

    /// Puts all tiles together, from the last.
    fn finish(mut self) -> out::Tile {
        let mut done: Vec<Option<out::Tile>> = self.nodes.iter().map(|_| None).collect();
        while let Some(node) = self.nodes.pop() {
            let parts = node.parts.iter();
            let parts = parts.filter_map(|part| done.get_mut(*part)?.take());
            let tile = out::Tile {
                parts: parts.collect(),
                ..node.tile
            };
            if let Some(place) = done.get_mut(self.nodes.len()) {
                *place = Some(tile);
            }
        }
        done.into_iter().next().flatten().unwrap_or_default()
    }
}

fn tile(kind: &'static str, retained: Count) -> out::Tile {
    out::Tile {
        kind,
        bytes: retained.bytes,
        objects: retained.objects,
        ..out::Tile::default()
    }
}

/// What is not listed: so many of them.
fn rest(count: u64, retained: Count) -> out::Tile {
    out::Tile {
        count: Some(count),
        ..tile("rest", retained)
    }
}

/// An owner's tile.
fn named(owners: &Owners, holder: Holder, retained: Count) -> out::Tile {
    let Holder::Group(number) = holder else {
        return out::Tile {
            name: Some("finalizers of objects that nothing else leads to".into()),
            ..tile("finalizer", retained)
        };
    };
    let number = number as usize;
    let Some(owner) = owners.all.get(number) else {
        return tile("several", retained);
    };
    let kind = match owner.kind {
        OwnerKind::Variable => "variable",
        OwnerKind::Goroutines => "goroutines",
        OwnerKind::Special => "finalizer",
        OwnerKind::Guess => "guess",
        OwnerKind::Several => "several",
    };
    let goroutines = owners.goroutines.get(number).filter(|count| **count > 0);
    out::Tile {
        name: Some(match owner.place {
            // A variable without a name.
            Some(_) => format!("variable {}", owner.name),
            None => owner.name.clone(),
        }),
        place: owner.place.clone(),
        count: goroutines.copied(),
        ..tile(kind, retained)
    }
}

fn less(from: Count, by: Count) -> Count {
    Count {
        objects: from.objects.saturating_sub(by.objects),
        bytes: from.bytes.saturating_sub(by.bytes),
    }
}

fn more(to: Count, by: Count) -> Count {
    Count {
        objects: to.objects + by.objects,
        bytes: to.bytes + by.bytes,
    }
}
