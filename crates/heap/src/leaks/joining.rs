//! Joining: marking in rounds, until no goroutine that waits joins any more.
//!
//! The first rounds are marked on all threads. A long chain of goroutines, each of which is held by
//! the one before, would take as many rounds as it is long: so after a few the rest is followed by
//! one thread, which looks at each object that it reaches whether anyone waits for it.

use std::time::Instant;

use rustc_hash::FxHashMap;

use super::{Candidate, Candidates};
use crate::mark::{Item, Marking};
use crate::objects::ObjectId;
use crate::{Graph, GraphOptions};

/// Rounds on all threads.
const ROUNDS: u32 = 16;

/// Which candidates joined; and whether there was no time to find out.
pub(super) fn joined(
    graph: &Graph,
    candidates: &Candidates,
    options: &GraphOptions<'_>,
) -> (Vec<bool>, bool) {
    let now = Instant::now();
    let until = now.checked_add(options.limits.mark_time).unwrap_or(now);
    let marking = Marking::new(
        &graph.objects,
        &graph.copied.edges,
        options.threads(),
        until,
    );
    let mut join = Join {
        graph,
        candidates: &candidates.list,
        marking,
        joined: vec![false; candidates.list.len()],
    };
    join.cut();
    let mut items = join.first();
    let mut rounds = 0;
    while !items.is_empty() || rounds == 0 {
        rounds += 1;
        join.marking.follow(items);
        if rounds > ROUNDS {
            join.one_by_one();
            break;
        }
        items = join.round();
    }
    let late = join.marking.is_late();
    (join.joined, late)
}

struct Join<'a> {
    graph: &'a Graph,
    candidates: &'a [Candidate],
    marking: Marking<'a>,
    joined: Vec<bool>,
}

impl Join<'_> {
    /// Takes what is cut out of what can be reached.
    fn cut(&self) {
        for object in self.candidates.iter().flat_map(|one| &one.cut) {
            self.marking.left.take(object.0);
        }
    }

    /// What all but the candidates' stacks lead to; those in doubt join at once.
    fn first(&mut self) -> Vec<Item> {
        let mut items = Vec::new();
        let roots = &self.graph.roots;
        let mut own = vec![false; roots.roots.len()];
        for candidate in self.candidates {
            if let Some(walk) = roots.walks.of(candidate.goroutine) {
                let range = walk.roots.start as usize..walk.roots.end as usize;
                if let Some(own) = own.get_mut(range) {
                    own.fill(true);
                }
            }
        }
        for (root, _) in roots.roots.iter().zip(own).filter(|(_, own)| !own) {
            self.marking.reach(root.value.0, &mut items);
        }
        for object in &roots.finalized {
            self.graph
                .pointers(*object, &mut |to| self.marking.reach_slot(to.0, &mut items));
        }
        for object in &roots.weak {
            self.marking.reach_slot(object.0, &mut items);
        }
        for number in 0..self.candidates.len() {
            if self
                .candidates
                .get(number)
                .is_some_and(|one| one.doubt.is_some())
            {
                self.join(number, &mut items);
            }
        }
        items
    }

    /// Lets those join whose objects were reached.
    fn round(&mut self) -> Vec<Item> {
        let mut items = Vec::new();
        for number in 0..self.candidates.len() {
            let is_reached = self.candidates.get(number).is_some_and(|one| {
                let reached = |object: &ObjectId| !self.marking.left.has(object.0);
                one.waits_for.iter().any(reached)
            });
            if is_reached {
                self.join(number, &mut items);
            }
        }
        items
    }

    /// Adds what a candidate holds.
    fn join(&mut self, number: usize, items: &mut Vec<Item>) {
        let mut held = Vec::new();
        self.join_with(number, &mut |object| held.push(object));
        for object in held {
            self.marking.reach_slot(object.0, items);
        }
    }

    /// Hands over what a candidate holds, once: of its g, its sudogs, its stack.
    fn join_with(&mut self, number: usize, take: &mut dyn FnMut(ObjectId)) {
        let (Some(joined), Some(one)) = (self.joined.get_mut(number), self.candidates.get(number))
        else {
            return;
        };
        if std::mem::replace(joined, true) {
            return;
        }
        for object in &one.cut {
            self.graph.pointers(*object, take);
        }
        for root in self.graph.roots_of(one.goroutine) {
            self.graph
                .object_at(root.value)
                .into_iter()
                .for_each(&mut *take);
        }
    }

    /// Follows the rest on one thread, and lets join on the way.
    fn one_by_one(&mut self) {
        let mut waiters: FxHashMap<u32, Vec<usize>> = FxHashMap::default();
        let mut joining = Vec::new();
        for (number, one) in self.candidates.iter().enumerate() {
            for object in &one.waits_for {
                match self.marking.left.has(object.0) {
                    true => waiters.entry(object.0).or_default().push(number),
                    false => joining.push(number),
                }
            }
        }
        let mut held: Vec<ObjectId> = Vec::new();
        loop {
            let mut found = Vec::new();
            if let Some(object) = held.pop() {
                self.graph.pointers(object, &mut |to| found.push(to));
            } else if let Some(number) = joining.pop() {
                self.join_with(number, &mut |to| found.push(to));
            } else {
                return;
            }
            for object in found {
                if self.marking.left.take(object.0) {
                    joining.extend(waiters.remove(&object.0).unwrap_or_default());
                    held.push(object);
                }
            }
        }
    }
}
