//! [`Holders`]: the largest holders of a heap, with what leads to them and what they hold.
//!
//! Roots come in groups, those of `owners`. Where a group holds one object that is nearly all of
//! what it holds, that object is listed; else the group is, with what it holds below.

use std::cmp::Reverse;
use std::collections::HashMap;

use letgo_goruntime::Census;
use letgo_heap::{Count, Dominators, Graph, Held, Holder, Limits, ObjectId, Reachable, Root};
use letgo_report as out;
use letgo_target::AddrRange;

use super::contents::Inside;
use super::owners::{OwnerKind, Owners};
use super::roots::RootNames;
use crate::inspect::room;

/// How many holders are listed, and how many of what each holds.
#[derive(Clone, Copy, Debug)]
pub struct Depth {
    /// Holders.
    pub most: usize,
    /// Children of each.
    pub children: usize,
    /// Levels of children.
    pub levels: usize,
}

/// What dominators are asked for.
pub(super) struct Holders<'a> {
    graph: &'a Graph,
    names: &'a RootNames<'a>,
    /// The name of an object's type.
    types: &'a dyn Fn(ObjectId) -> Option<String>,
    /// What says how much is in containers, where that can be read.
    inside: Option<Inside<'a>>,
    dominators: Dominators<'a>,
    /// The largest of what each of those that are listed holds, and how many there are.
    children: HashMap<Holder, (Vec<Held>, u64)>,
    /// By object: its first root, and how many there are.
    roots: HashMap<ObjectId, (&'a Root, u64)>,
    /// The same by group.
    firsts: HashMap<u32, (&'a Root, u64)>,
    owners: Owners,
    reachable: Count,
    depth: Depth,
}

/// Slot bytes.
fn slot(range: AddrRange) -> u64 {
    range.len()
}

/// The holders of a heap, and what is beside those that are listed.
pub(super) fn holders(
    (graph, reachable, census): (&Graph, &Reachable, &Census),
    names: &RootNames<'_>,
    types: &dyn Fn(ObjectId) -> Option<String>,
    inside: Option<Inside<'_>>,
    depth: Depth,
    limits: Limits,
) -> Result<(Vec<out::Holder>, out::Rest), letgo_heap::Error> {
    let owners = Owners::of(graph.roots(), census, names);
    let options = room::options(limits);
    let groups = Some(owners.of_root.as_slice());
    let dominators = Dominators::of(graph, reachable, &options, groups, &slot)?;
    let mut holders = Holders {
        graph,
        names,
        types,
        inside,
        dominators,
        children: HashMap::new(),
        roots: leading(graph),
        firsts: owners.firsts(graph.roots()),
        owners,
        reachable: reachable.all,
        depth,
    };
    let (mut objects, count) = top(&holders.dominators, depth.most);
    objects.sort_by_key(|held| (Reverse(held.retained.bytes), held.holder));
    objects.truncate(depth.most);
    holders.find_children(&objects);
    let listed = objects.iter().filter_map(|held| holders.holder(held, 0));
    let listed: Vec<out::Holder> = listed.collect();
    let sum = |of: fn(&out::Holder) -> u64| listed.iter().map(of).sum::<u64>();
    let rest = out::Rest {
        count: count.saturating_sub(listed.len() as u64),
        retained_bytes: reachable
            .all
            .bytes
            .saturating_sub(sum(|one| one.retained_bytes)),
        retained_objects: reachable
            .all
            .objects
            .saturating_sub(sum(|one| one.retained_objects)),
    };
    Ok((listed, rest))
}

/// By object, the first root that leads there, and how many do.
fn leading(graph: &Graph) -> HashMap<ObjectId, (&Root, u64)> {
    let mut roots = HashMap::new();
    for root in graph.roots() {
        let Some(object) = graph.object_at(root.value) else {
            continue;
        };
        let first = roots.entry(object).or_insert((root, 0));
        first.1 += 1;
        // It is named by a guess only where nothing else leads to it.
        if first.0.kind.is_guess() && !root.kind.is_guess() {
            first.0 = root;
        }
    }
    roots
}

/// Objects and groups that hold most, and how many there are of them all.
fn top(dominators: &Dominators<'_>, most: usize) -> (Vec<Held>, u64) {
    let (top, mut count) = dominators.largest(Holder::Top, most * 4);
    let top = top.into_iter().filter(|held| held.holder != Holder::Top);
    let is_object = |held: &Held| matches!(held.holder, Holder::Object(_));
    let (mut objects, groups): (Vec<Held>, Vec<Held>) = top.partition(is_object);
    let each: Vec<Holder> = groups.iter().map(|group| group.holder).collect();
    let each = dominators.largest_of_each(&each, most);
    for (group, (own, within)) in groups.into_iter().zip(each) {
        // What is dropped by the way is below what is listed.
        let largest = own.first().map_or(0, |largest| largest.retained.bytes);
        let is_group = matches!(group.holder, Holder::Group(_));
        if is_group && within > 1 && largest / 9 < group.retained.bytes / 10 {
            objects.push(group);
        } else {
            objects.extend(own);
            count = count.saturating_add(within).saturating_sub(1);
        }
    }
    (objects, count)
}

/// What leads to an object that no root leads to alone, nor any directly.
fn several() -> out::HolderRoot {
    out::HolderRoot {
        kind: out::HolderKind::Several,
        name: None,
        place: None,
        goroutine: None,
        function: None,
        created_by: None,
        type_name: None,
        stored_by: Vec::new(),
        elements: None,
    }
}

impl Holders<'_> {
    fn holder(&self, held: &Held, level: usize) -> Option<out::Holder> {
        let object = match held.holder {
            Holder::Object(object) => object,
            Holder::Group(group) => return self.group(held, group),
            _ => return None,
        };
        let range = self.graph.range_of(object)?;
        let (root, roots) = match self.roots.get(&object) {
            Some((root, count)) => (Some(*root), *count),
            None => (None, 0),
        };
        Some(out::Holder {
            root: (level == 0).then(|| root.map_or_else(several, |root| self.root(root))),
            roots_more: if level == 0 {
                roots.saturating_sub(1)
            } else {
                0
            },
            object: out::HeldObject {
                address: range.start().to_string(),
                slot_bytes: range.len(),
                type_name: (self.types)(object),
                elements: self.inside.and_then(|inside| inside.of_object(object)),
            },
            ..self.held(held, level, range.len())
        })
    }

    /// A variable of several words, or goroutines, with what they hold together.
    fn group(&self, held: &Held, group: u32) -> Option<out::Holder> {
        let (root, roots) = *self.firsts.get(&group)?;
        let owner = self.owners.all.get(group as usize)?;
        let goroutines = self.owners.goroutines.get(group as usize).copied();
        let goroutines = goroutines.filter(|_| owner.kind == OwnerKind::Goroutines);
        let mut named = self.names.whole(root);
        if owner.kind != OwnerKind::Variable {
            // What holds only for the first of them is left out.
            named.place = None;
            named.goroutine = named.goroutine.filter(|_| goroutines == Some(1));
        }
        Some(out::Holder {
            root: Some(named),
            object: out::HeldObject {
                address: root.at.to_string(),
                ..out::HeldObject::default()
            },
            group: Some(out::HolderGroup { roots, goroutines }),
            ..self.held(held, 0, 0)
        })
    }

    /// What is said of every holder; `own` are bytes of the slot of its own.
    fn held(&self, held: &Held, level: usize, own: u64) -> out::Holder {
        let (children, children_rest) = self.children(held, level, own);
        out::Holder {
            retained_bytes: held.retained.bytes,
            retained_objects: held.retained.objects,
            share: held.retained.bytes as f64 / self.reachable.bytes.max(1) as f64,
            children,
            children_rest,
            ..out::Holder::default()
        }
    }

    fn root(&self, root: &Root) -> out::HolderRoot {
        out::HolderRoot {
            elements: self.inside.and_then(|inside| inside.of_root(root)),
            ..self.names.name(root)
        }
    }

    /// Finds what is listed of each of `objects`, a level at a time: each looks at all objects.
    fn find_children(&mut self, objects: &[Held]) {
        let mut level = objects.to_vec();
        for _ in 0..self.depth.levels {
            level.retain(|held| held.retained.objects > 1);
            let holders: Vec<Holder> = level.iter().map(|held| held.holder).collect();
            if holders.is_empty() {
                return;
            }
            let found = self
                .dominators
                .largest_of_each(&holders, self.depth.children);
            level = found.iter().flat_map(|(held, _)| held.clone()).collect();
            self.children.extend(holders.into_iter().zip(found));
        }
    }

    fn children(
        &self,
        held: &Held,
        level: usize,
        own: u64,
    ) -> (Vec<out::Holder>, Option<out::Rest>) {
        if level >= self.depth.levels || held.retained.objects < 2 {
            return (Vec::new(), None);
        }
        let Some((largest, count)) = self.children.get(&held.holder) else {
            return (Vec::new(), None);
        };
        let listed = largest
            .iter()
            .filter_map(|held| self.holder(held, level + 1));
        let listed: Vec<out::Holder> = listed.collect();
        let beside = count.saturating_sub(listed.len() as u64);
        let bytes: u64 = listed.iter().map(|one| one.retained_bytes).sum();
        let objects: u64 = listed.iter().map(|one| one.retained_objects).sum();
        let rest = (beside > 0).then(|| out::Rest {
            count: beside,
            retained_bytes: held.retained.bytes.saturating_sub(bytes + own),
            retained_objects: held
                .retained
                .objects
                .saturating_sub(objects + u64::from(own > 0)),
        });
        (listed, rest)
    }
}
