//! [`Holders`]: the largest holders of a heap, with what leads to them and what they hold.
//!
//! A goroutine's stack is one group of roots: an object that only one goroutine leads to is held
//! by it, through however many words. Every other root is a group of its own.

use std::cmp::Reverse;
use std::collections::HashMap;

use letgo_heap::{Count, Dominators, Graph, Held, Holder, Limits, ObjectId, Reachable, Root};
use letgo_report as out;
use letgo_target::AddrRange;

use super::contents::Inside;
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
    roots: HashMap<ObjectId, (usize, u64)>,
    reachable: Count,
    depth: Depth,
}

/// Slot bytes.
fn slot(range: AddrRange) -> u64 {
    range.len()
}

/// The holders of a heap, and what is beside those that are listed.
pub(super) fn holders(
    (graph, reachable): (&Graph, &Reachable),
    names: &RootNames<'_>,
    types: &dyn Fn(ObjectId) -> Option<String>,
    inside: Option<Inside<'_>>,
    depth: Depth,
    limits: Limits,
) -> Result<(Vec<out::Holder>, out::Rest), letgo_heap::Error> {
    let groups = groups(graph.roots(), names);
    let options = room::options(limits);
    let dominators = Dominators::of(graph, reachable, &options, Some(&groups), &slot)?;
    let mut roots = HashMap::new();
    for (number, root) in graph.roots().iter().enumerate() {
        if let Some(object) = graph.object_at(root.value) {
            roots.entry(object).or_insert((number, 0)).1 += 1;
        }
    }
    let mut holders = Holders {
        graph,
        names,
        types,
        inside,
        dominators,
        children: HashMap::new(),
        roots,
        reachable: reachable.all,
        depth,
    };
    let (mut top, mut count) = holders.dominators.largest(Holder::Top, depth.most * 4);
    let mut objects = Vec::new();
    top.retain(|held| {
        matches!(
            held.holder,
            Holder::Group(_) | Holder::Finalizers | Holder::Object(_)
        )
    });
    let (held_alone, groups): (Vec<Held>, Vec<Held>) = top
        .into_iter()
        .partition(|held| matches!(held.holder, Holder::Object(_)));
    objects.extend(held_alone);
    let groups: Vec<Holder> = groups.iter().map(|group| group.holder).collect();
    for (own, within) in holders.dominators.largest_of_each(&groups, depth.most) {
        objects.extend(own);
        count = count.saturating_add(within).saturating_sub(1);
    }
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

/// The group of each root: a number for each goroutine, then one for each other root.
pub(super) fn groups(roots: &[Root], names: &RootNames<'_>) -> Vec<u32> {
    let mut known = HashMap::new();
    let mut next = 0u32;
    let mut fresh = || {
        let own = next;
        next = next.saturating_add(1);
        own
    };
    let group = |root: &Root| match names.goroutine_at(root.at) {
        Some(goroutine) => *known.entry(goroutine).or_insert_with(&mut fresh),
        None => fresh(),
    };
    roots.iter().map(group).collect()
}

/// What leads to an object that no root leads to alone, nor any directly.
fn several() -> out::HolderRoot {
    out::HolderRoot {
        kind: out::HolderKind::Several,
        name: None,
        place: None,
        goroutine: None,
        function: None,
        type_name: None,
        stored_by: Vec::new(),
        elements: None,
    }
}

impl Holders<'_> {
    fn holder(&self, held: &Held, level: usize) -> Option<out::Holder> {
        let Holder::Object(object) = held.holder else {
            return None;
        };
        let range = self.graph.range_of(object)?;
        let (root, roots) = match self.roots.get(&object) {
            Some((root, count)) => (self.graph.roots().get(*root), *count),
            None => (None, 0),
        };
        let (children, children_rest) = self.children(held, level, range);
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
            retained_bytes: held.retained.bytes,
            retained_objects: held.retained.objects,
            retained_resident_bytes: None,
            share: held.retained.bytes as f64 / self.reachable.bytes.max(1) as f64,
            children,
            children_rest,
        })
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
        own: AddrRange,
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
            retained_bytes: held.retained.bytes.saturating_sub(bytes + own.len()),
            retained_objects: held.retained.objects.saturating_sub(objects + 1),
        });
        (listed, rest)
    }
}
