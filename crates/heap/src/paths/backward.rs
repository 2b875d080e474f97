//! [`Backward`]: the shortest way to one object from everywhere.
//!
//! Pointers are turned around first; then the walk goes from the object to all that lead to it, an
//! object further in each turn.

use super::sequences::{Sequence, UNKNOWN};
use super::turned::{Arrows, Turned};
use super::{
    Bounds, Found, Gathered, Ground, LOOK, NONE, Naming, Path, Paths, Start, Starts, Told,
};
use crate::prefetch::prefetch;
use crate::{Error, ObjectId};

/// Objects ahead of which memory is asked for.
const AHEAD: usize = 12;

/// Shortest ways to one object.
pub(super) struct Backward {
    /// What comes next on each object's way: itself for the object that was asked for, [`NONE`]
    /// where no way leads there.
    nexts: Vec<u32>,
    /// How many objects come behind.
    distances: Vec<u32>,
}

/// Pointers between objects that are walked over.
struct Walked<'a> {
    ground: Ground<'a>,
    bounds: Bounds,
}

impl Arrows for Walked<'_> {
    /// Who points.
    type Item = u32;

    fn each(&self, take: &mut impl FnMut(u32, u32)) -> Result<(), Error> {
        let ground = self.ground;
        for number in 0..ground.slots {
            if (number as usize).is_multiple_of(LOOK) {
                self.bounds.time()?;
            }
            if !ground.within.has(number) {
                continue;
            }
            for target in ground.edges.of(number) {
                take(*target, number);
            }
        }
        Ok(())
    }
}

impl Backward {
    /// Walks from an object to all that lead to it.
    pub(super) fn from(ground: Ground<'_>, object: u32, bounds: Bounds) -> Result<Self, Error> {
        let arrows = Walked { ground, bounds };
        let sources = Turned::of(&arrows, ground.slots, bounds, u64::from(ground.slots) * 12)?;
        let slots = ground.slots as usize;
        let mut backward = Backward {
            nexts: vec![NONE; slots],
            distances: vec![NONE; slots],
        };
        backward.set(object, object, 0);
        let (mut turn, mut next) = (vec![object], Vec::new());
        let mut distance = 0;
        while !turn.is_empty() {
            distance += 1;
            for (at, number) in turn.iter().enumerate() {
                if at % LOOK == 0 {
                    bounds.time()?;
                }
                if let Some(ahead) = turn.get(at + AHEAD) {
                    prefetch(sources.starts(), *ahead as usize);
                }
                for source in sources.of_target(*number) {
                    if backward.nexts.get(*source as usize) == Some(&NONE) {
                        backward.set(*source, *number, distance);
                        next.push(*source);
                    }
                }
            }
            turn.clear();
            std::mem::swap(&mut turn, &mut next);
        }
        Ok(backward)
    }

    fn set(&mut self, number: u32, next: u32, distance: u32) {
        let at = number as usize;
        if let (Some(own), Some(far)) = (self.nexts.get_mut(at), self.distances.get_mut(at)) {
            (*own, *far) = (next, distance);
        }
    }

    fn next(&self, number: u32) -> Option<u32> {
        let next = *self.nexts.get(number as usize)?;
        (next != NONE).then_some(next)
    }

    /// The ways from all starts, by kind.
    pub(super) fn paths(
        &self,
        starts: &Starts,
        naming: &Naming<'_>,
        bounds: Bounds,
    ) -> Result<Paths, Error> {
        let mut told = Told::new(self.nexts.len());
        let mut gathered = Gathered::default();
        for (round, list) in starts.rounds.iter().enumerate() {
            for (at, (number, start)) in list.iter().enumerate() {
                if at % LOOK == 0 {
                    bounds.time()?;
                }
                if self.next(*number).is_none() {
                    continue;
                }
                let distance = self.distances.get(*number as usize).copied();
                gathered.add(Found {
                    group: (naming.group)(*start),
                    sequence: self.tell(*number, &mut told, naming),
                    ways: 1,
                    bytes: 0,
                    shared: 0,
                    rank: (round, distance.unwrap_or(NONE)),
                    at: *number,
                    start: Some(*start),
                });
            }
        }
        let path = |found: &Found| self.path(found.start?, found.at);
        Ok(gathered.paths(&told.sequences, path))
    }

    fn path(&self, start: Start, first: u32) -> Option<Path> {
        let mut objects = vec![ObjectId(first)];
        let mut at = first;
        loop {
            let next = self.next(at)?;
            if next == at {
                return Some(Path { start, objects });
            }
            objects.push(ObjectId(next));
            at = next;
        }
    }

    /// The sequence of kinds from the object that was asked for up to this one.
    fn tell(&self, number: u32, told: &mut Told, naming: &Naming<'_>) -> Sequence {
        told.steps.clear();
        let mut at = number;
        let mut known = loop {
            match told.of.get(at as usize) {
                Some(&UNKNOWN) => told.steps.push(at),
                Some(known) => break *known,
                None => break UNKNOWN,
            }
            match self.next(at) {
                Some(next) if next != at => at = next,
                _ => break told.sequences.first(NONE),
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
