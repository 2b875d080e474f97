//! [`tree`]: who holds the heap, as tiles within tiles: the tree of dominators, pruned.
//!
//! The first level is owners: variables, goroutines by the function that they began with, what
//! several of them hold together. Below are objects, a level at a time, each level one look at all
//! objects. What is too small to be seen is summed by what it is (see `groups`), and what is left
//! as the rest of what holds it.
//!
//! Invariant: the parts of a tile, with its own slot, sum to its bytes; the tiles of the first
//! level to all that is reachable.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use letgo_heap::{Count, Dominators, Graph, Held, Holder, ObjectId, Reachable, Root};
use letgo_report as out;

use super::super::contents::Inside;
use super::super::kinds::{Kind, Kinds};
use super::super::owners::{OwnerKind, Owners};
use super::super::roots::RootNames;
use super::groups::{Group, groups};

/// Tiles at most, and levels of objects.
const MOST_TILES: usize = 3000;
const MOST_LEVELS: usize = 24;
/// Tiles beside, of many objects each.
const MOST_GROUPED: usize = 1000;
/// Maps and channels that are looked into: each is read as a whole.
const MOST_COUNTED: usize = 300;
/// Parts of one tile that are listed.
const MOST_PARTS: usize = 40;
/// What is listed is at least this part of the whole.
const LEAST_PART: u64 = 6000;

/// What tiles are told from.
#[derive(Clone, Copy)]
pub(super) struct Told<'a> {
    pub(super) graph: &'a Graph,
    /// Those of slot bytes, with owners as groups.
    pub(super) dominators: &'a Dominators<'a>,
    pub(super) kinds: &'a Kinds<'a>,
    pub(super) names: &'a RootNames<'a>,
    /// The first root of each owner, and how many it has.
    pub(super) firsts: &'a HashMap<u32, (&'a Root, u64)>,
    /// What says how much is in containers, where that can be read.
    pub(super) inside: Option<Inside<'a>>,
}

/// The tree of what is reachable.
pub(super) fn tree(told: Told<'_>, reachable: &Reachable, owners: &Owners) -> out::Tile {
    let mut growing = Growing {
        told,
        nodes: Vec::new(),
        listed: HashSet::new(),
        groups: 0,
        counted: 0,
        least: reachable.all.bytes / LEAST_PART,
    };
    growing.plant(owners, reachable.all);
    for _ in 0..MOST_LEVELS {
        if !growing.level() {
            break;
        }
    }
    growing.group(reachable);
    growing.finish()
}

/// A tile in the making.
struct Node {
    tile: out::Tile,
    /// What it is, where it has parts.
    holder: Option<Holder>,
    /// Its parts were looked for.
    is_open: bool,
    /// What it retains beside its own slot and the tiles in it.
    left: Count,
    /// Numbers of its parts.
    parts: Vec<usize>,
}

struct Growing<'a> {
    told: Told<'a>,
    /// Objects that have tiles.
    listed: HashSet<ObjectId>,
    /// Tiles of many objects.
    groups: usize,
    /// Containers that were looked into.
    counted: usize,
    /// Parts come behind what they are part of.
    nodes: Vec<Node>,
    least: u64,
}

impl Growing<'_> {
    fn push(&mut self, into: Option<usize>, tile: out::Tile, holder: Option<Holder>) -> usize {
        let number = self.nodes.len();
        let whole = Count {
            objects: tile.objects,
            bytes: tile.bytes,
        };
        let left = match tile.own {
            Some(bytes) => less(whole, Count { objects: 1, bytes }),
            None => whole,
        };
        self.nodes.push(Node {
            tile,
            holder,
            is_open: false,
            left,
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
            .filter_map(|holder| Some((holder, self.told.dominators.retained(holder)?)))
            .filter(|(_, retained)| retained.objects > 0)
            .collect();
        own.sort_by_key(|(holder, retained)| (Reverse(retained.bytes), *holder));
        for (holder, retained) in own {
            several = less(several, retained);
            if retained.bytes >= self.least && self.nodes.len() < MOST_TILES / 4 {
                self.push(
                    Some(whole),
                    named(&self.told, owners, holder, retained),
                    Some(holder),
                );
            } else {
                beside = (beside.0 + 1, more(beside.1, retained));
            }
        }
        if several.objects > 0 {
            let mut tile = tile("several", several);
            tile.name = Some("several roots together".into());
            self.push(Some(whole), tile, Some(Holder::Top));
        }
        if beside.0 > 0 {
            self.push(Some(whole), rest(beside.0, beside.1), None);
        }
    }

    /// Looks for the parts of all tiles that have not been looked at, the largest first; whether
    /// there were any.
    fn level(&mut self) -> bool {
        let mut open: Vec<(u64, usize, Holder)> = Vec::new();
        for (number, node) in self.nodes.iter_mut().enumerate() {
            let wanted = !node.is_open && node.left.objects > 0;
            if let Some(holder) = node.holder.filter(|_| wanted) {
                node.is_open = true;
                open.push((node.tile.bytes, number, holder));
            }
        }
        open.sort_by_key(|(bytes, number, _)| (Reverse(*bytes), *number));
        if open.is_empty() || self.nodes.len() >= MOST_TILES {
            return false;
        }
        let holders: Vec<Holder> = open.iter().map(|(_, _, holder)| *holder).collect();
        // Of the top also groups are found, which are there already.
        let found = self
            .told
            .dominators
            .largest_of_each(&holders, MOST_PARTS * 4);
        for ((_, number, _), (largest, _)) in open.iter().zip(found) {
            self.enter(*number, &largest);
        }
        true
    }

    /// Enters the largest of the parts of a tile.
    fn enter(&mut self, number: usize, largest: &[Held]) {
        let objects = largest.iter().filter_map(|held| match held.holder {
            Holder::Object(object) => Some((object, held)),
            _ => None,
        });
        for (object, held) in objects.take(MOST_PARTS) {
            let Some(range) = self.told.graph.range_of(object) else {
                continue;
            };
            if held.retained.bytes < self.least || self.nodes.len() >= MOST_TILES {
                break;
            }
            if let Some(node) = self.nodes.get_mut(number) {
                node.left = less(node.left, held.retained);
            }
            self.listed.insert(object);
            let inside = self.told.inside.filter(|_| self.counted < MOST_COUNTED);
            let elements = inside.and_then(|inside| inside.of_object(object));
            self.counted += usize::from(elements.is_some());
            let tile = out::Tile {
                elements,
                own: Some(range.len()),
                at: Some(range.start().to_string()),
                type_name: self.told.kinds.type_of(object).map(str::to_owned),
                ..tile("object", held.retained)
            };
            self.push(Some(number), tile, Some(held.holder));
        }
    }

    /// Sums up what tiles hold beside the tiles in them.
    fn group(&mut self, reachable: &Reachable) {
        let nodes = self.nodes.iter().enumerate();
        let wanted = nodes.filter(|(_, node)| node.left.bytes >= self.least.max(1));
        let tiles: HashMap<Holder, usize> = wanted
            .filter_map(|(number, node)| Some((node.holder?, number)))
            .collect();
        let listed = &self.listed;
        let mut found = groups(
            self.told.graph,
            reachable,
            self.told.dominators,
            self.told.kinds,
            &tiles,
            &|object| listed.contains(&object),
            self.least,
        );
        for number in 0..self.nodes.len() {
            let own = found.remove(&number).unwrap_or_default();
            self.enter_groups(number, &own);
        }
    }

    fn enter_groups(&mut self, number: usize, own: &[Group]) {
        for group in own {
            if self.groups >= MOST_GROUPED {
                break;
            }
            let Some(node) = self.nodes.get_mut(number) else {
                return;
            };
            node.left = less(node.left, group.retained);
            let name = self.told.kinds.kind(group.kind).map(|kind| many(&kind));
            let tile = rest(group.count, group.retained);
            self.push(Some(number), out::Tile { name, ..tile }, None);
            self.groups += 1;
        }
        let node = self.nodes.get(number);
        let Some(left) = node
            .filter(|node| !node.parts.is_empty())
            .map(|node| node.left)
        else {
            return;
        };
        let whole = node.is_some_and(|node| node.tile.kind == "heap");
        if left.objects > 0 && !whole {
            self.push(Some(number), rest(left.objects, left), None);
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

/// What there are many of.
fn many(kind: &Kind) -> String {
    let size = || format!("object of {}", out::units::bytes(kind.slot_bytes));
    kind.type_name.clone().unwrap_or_else(size)
}

/// An owner's tile.
fn named(told: &Told<'_>, owners: &Owners, holder: Holder, retained: Count) -> out::Tile {
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
    // Of one word among several neither type nor count is the variable's.
    let first = told.firsts.get(&u32::try_from(number).unwrap_or(u32::MAX));
    let root = first.filter(|(_, words)| *words == 1 && owner.kind == OwnerKind::Variable);
    let root = root.map(|(root, _)| *root);
    let goroutines = owners.goroutines.get(number).filter(|count| **count > 0);
    out::Tile {
        name: Some(match owner.place {
            // A variable without a name.
            Some(_) => format!("variable {}", owner.name),
            None => owner.name.clone(),
        }),
        place: owner.place.clone(),
        type_name: root.and_then(|root| told.names.name(root).type_name),
        elements: root.and_then(|root| told.inside?.of_root(root)),
        started: owners.started.get(number).cloned().flatten(),
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
