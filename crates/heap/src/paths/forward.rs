//! [`Forward`]: the shortest way to every object at once.
//!
//! All starts of a round are walked from side by side, an object further in each turn, so that who
//! first comes to an object has come by a shortest way. What a round has reached, a later one does
//! not walk to.

use std::cmp::Reverse;

use rustc_hash::FxHashMap;

use super::sequences::{Sequence, UNKNOWN};
use super::{
    Bounds, Found, Gathered, Ground, LOOK, NONE, Naming, Path, PathKind, Paths, Start, Starts, Told,
};
use crate::prefetch::prefetch;
use crate::{Count, Error, ObjectId};

/// Objects ahead of which memory is asked for: where their pointers are listed, these, and what
/// they lead to.
const AHEAD: [usize; 4] = [28, 20, 12, 4];
/// Of an object ahead, how many of those that it leads to are asked for.
const SOME: usize = 8;

/// Shortest ways to all objects.
pub(super) struct Forward<'a> {
    ground: Ground<'a>,
    /// Who leads to each object on its shortest way: itself where a start does, [`NONE`] where
    /// nothing does.
    parents: Vec<u32>,
    /// Where starts lead, and the first of those that lead there.
    starts: FxHashMap<u32, Start>,
}

impl<'a> Forward<'a> {
    /// Walks from all starts.
    pub(super) fn from(
        ground: Ground<'a>,
        starts: &Starts,
        bounds: Bounds,
    ) -> Result<Forward<'a>, Error> {
        bounds.room(u64::from(ground.slots) * 12)?;
        let mut forward = Forward {
            ground,
            parents: vec![NONE; ground.slots as usize],
            starts: FxHashMap::default(),
        };
        for list in &starts.rounds {
            let mut turn = Vec::new();
            for (number, start) in list {
                if forward.is_new(*number) {
                    forward.set(*number, *number);
                    forward.starts.insert(*number, *start);
                    turn.push(*number);
                }
            }
            forward.walk(turn, bounds)?;
        }
        Ok(forward)
    }

    fn is_new(&self, number: u32) -> bool {
        self.parents.get(number as usize) == Some(&NONE) && self.ground.within.has(number)
    }

    fn set(&mut self, number: u32, parent: u32) {
        if let Some(own) = self.parents.get_mut(number as usize) {
            *own = parent;
        }
    }

    fn walk(&mut self, mut turn: Vec<u32>, bounds: Bounds) -> Result<(), Error> {
        let edges = self.ground.edges;
        let mut next = Vec::new();
        let mut until_look = LOOK;
        while !turn.is_empty() {
            for (at, number) in turn.iter().enumerate() {
                self.ask(&turn, at);
                for target in edges.of(*number) {
                    if self.is_new(*target) {
                        self.set(*target, *number);
                        next.push(*target);
                    }
                }
                until_look -= 1;
                if until_look == 0 {
                    until_look = LOOK;
                    bounds.time()?;
                }
            }
            turn.clear();
            std::mem::swap(&mut turn, &mut next);
        }
        Ok(())
    }

    /// Asks for the memory of those that come next in a turn.
    #[inline]
    fn ask(&self, turn: &[u32], at: usize) {
        let edges = self.ground.edges;
        let node = |ahead: usize| edges.node(*turn.get(at + ahead)?);
        if let Some(number) = turn.get(at + AHEAD[0]) {
            edges.ask(*number);
        }
        if let Some(node) = node(AHEAD[1]) {
            edges.ask_range(node);
        }
        if let Some(node) = node(AHEAD[2]) {
            edges.ask_targets(edges.range(node).start);
        }
        if let Some(node) = node(AHEAD[3]) {
            for target in edges.targets(edges.range(node)).iter().take(SOME) {
                prefetch(&self.parents, *target as usize);
            }
        }
    }

    fn parent(&self, number: u32) -> Option<u32> {
        let parent = self.parents.get(number as usize)?;
        (*parent != NONE).then_some(*parent)
    }

    /// The way to an object that was reached.
    fn path(&self, number: u32) -> Option<Path> {
        let mut objects = vec![ObjectId(number)];
        let mut at = number;
        loop {
            let parent = self.parent(at)?;
            if parent == at {
                break;
            }
            objects.push(ObjectId(parent));
            at = parent;
        }
        objects.reverse();
        let start = *self.starts.get(&at)?;
        Some(Path { start, objects })
    }

    /// How far each is from its start, in objects between; [`NONE`] for what was not reached.
    pub(super) fn distances(&self) -> Vec<u32> {
        let mut distances = vec![NONE; self.parents.len()];
        let mut above = Vec::new();
        for number in 0..self.ground.slots {
            let mut at = number;
            let mut known = loop {
                match (distances.get(at as usize), self.parent(at)) {
                    (_, None) => break NONE,
                    (Some(&NONE), Some(parent)) => {
                        above.push(at);
                        if parent == at {
                            break NONE;
                        }
                        at = parent;
                    }
                    (known, _) => break known.copied().unwrap_or(NONE),
                }
            };
            for own in above.drain(..).rev() {
                known = known.wrapping_add(1);
                if let Some(distance) = distances.get_mut(own as usize) {
                    *distance = known;
                }
            }
        }
        distances
    }

    /// The ways to all that is wanted, by kind.
    pub(super) fn paths(
        &self,
        wanted: &dyn Fn(u32) -> bool,
        bytes: &dyn Fn(u32) -> u64,
        naming: &Naming<'_>,
        bounds: Bounds,
    ) -> Result<Paths, Error> {
        let mut told = Told::new(self.parents.len());
        let distances = self.distances();
        let (mut gathered, mut found) = (Gathered::default(), Count::default());
        for number in 0..self.ground.slots {
            if (number as usize).is_multiple_of(LOOK) {
                bounds.time()?;
            }
            if self.parent(number).is_none() || !wanted(number) {
                continue;
            }
            let own = bytes(number);
            found.objects += 1;
            found.bytes = found.bytes.saturating_add(own);
            let sequence = self.tell(number, &mut told, naming);
            gathered.add(Found {
                group: told.sequences.group(sequence),
                sequence,
                ways: 1,
                bytes: own,
                shared: u64::from((naming.shared)(ObjectId(number))),
                rank: (0, distances.get(number as usize).copied().unwrap_or(NONE)),
                at: number,
                start: None,
            });
        }
        let mut paths = gathered.paths(&told.sequences, |found| self.path(found.at));
        paths.found = found;
        paths.kinds.iter_mut().for_each(|kind| kind.steps.reverse());
        let size = |kind: &PathKind| Reverse((kind.bytes, kind.ways));
        paths.kinds.sort_by_key(size);
        Ok(paths)
    }

    /// The sequence of kinds to an object that was reached.
    fn tell(&self, number: u32, told: &mut Told, naming: &Naming<'_>) -> Sequence {
        told.steps.clear();
        let mut at = number;
        let mut known = loop {
            match told.of.get(at as usize) {
                Some(&UNKNOWN) => told.steps.push(at),
                Some(known) => break *known,
                None => break UNKNOWN,
            }
            match self.parent(at) {
                Some(parent) if parent != at => at = parent,
                _ => {
                    let group = self.starts.get(&at).map(|start| (naming.group)(*start));
                    break told.sequences.first(group.unwrap_or(NONE));
                }
            }
        };
        for step in told.steps.iter().rev() {
            known = told.sequences.with(known, (naming.kind)(ObjectId(*step)));
            if let Some(own) = told.of.get_mut(*step as usize) {
                *own = known;
            }
        }
        known
    }
}
