//! [`Paths`]: why objects are alive: the ways that lead to them from roots, the shortest first.
//!
//! A *way* starts at a root, or at an unreachable object whose finalizer keeps what it holds, and
//! goes from object to object, each of which points to the next. To one object there is a shortest
//! way from each root ([`Graph::paths_to`]); to each of many objects there is a shortest way
//! ([`Graph::paths_to_all`]). Ways of one *kind* start at roots of one group and go through objects
//! of the same kinds in the same order; objects of one kind behind each other count as one step, so
//! that a list is the same kind of way however long it is.
//!
//! Roots that are pointers for sure come first, then finalizers, then guesses: an object that is
//! reachable for sure is told a way that is one for sure.
//!
//! The parts: `forward` walks from all roots at once, `backward` from one object against its
//! pointers, which `turned` turns around; `referrers` does so for whoever asks; `sequences` tells
//! kinds of ways apart. Does not know names of roots or types: whoever
//! asks numbers them ([`Naming`]).
//!
//! Invariants: four bytes a slot for each way's next step, as much for its kind; `backward` takes
//! four bytes a pointer and eight a slot more. Limits are checked before and while walking.

mod backward;
mod forward;
mod referrers;
pub(crate) mod sequences;
#[cfg(test)]
mod tests;
mod turned;

use std::time::Instant;

use rustc_hash::FxHashMap;

use crate::bits::BitSet;
use crate::edges::Edges;
use crate::{Count, Error, Graph, GraphOptions, ObjectId, Reachable, RootKind};
use backward::Backward;
use forward::Forward;
pub use referrers::Referrers;
use sequences::{Sequence, Sequences, UNKNOWN};

/// Nobody, nothing: no slot has this number.
const NONE: u32 = u32::MAX;
/// Objects between two looks at the clock.
const LOOK: usize = 4096;

/// Where a way starts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Start {
    /// Which of [`Graph::roots`].
    Root(u32),
    /// An object that is not reachable, whose finalizer keeps what it holds.
    Finalizer(ObjectId),
}

/// A way from a start to an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Path {
    /// Where it starts.
    pub start: Start,
    /// The objects, from the one that the start leads to, to the one that was asked for.
    pub objects: Vec<ObjectId>,
}

/// A step of a kind of ways.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Step {
    /// Objects of which kind; nothing where further ones are not told apart.
    pub kind: Option<u32>,
    /// Some of these ways go through several such objects behind each other.
    pub repeated: bool,
}

/// Ways that are alike.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PathKind {
    /// The group of their roots.
    pub group: u32,
    /// What they go through, from the root on; last what was asked for.
    pub steps: Vec<Step>,
    /// How many ways: roots that lead to the one object, or objects that are led to.
    pub ways: u64,
    /// Bytes of the objects that they lead to, each counted for its own way.
    pub bytes: u64,
    /// Of the objects that they lead to, how many [`Naming::shared`] is true of; none of ways to
    /// one object.
    pub shared: u64,
    /// The shortest of them.
    pub shortest: Path,
}

/// Why objects are alive.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Paths {
    /// The shortest way of all; nothing where none leads to any.
    pub shortest: Option<Path>,
    /// Ways by kind. To one object: those for sure first, then the shortest first. To many: those
    /// that lead to most bytes first.
    pub kinds: Vec<PathKind>,
    /// Objects that were asked for and are reachable.
    pub found: Count,
}

/// How roots and objects are called: by numbers of whoever asks.
pub struct Naming<'a> {
    /// The group of a start.
    pub group: &'a dyn Fn(Start) -> u32,
    /// The kind of an object: its type, or its size.
    pub kind: &'a dyn Fn(ObjectId) -> u32,
    /// Whether something else leads to an object than the group of its shortest way.
    pub shared: &'a dyn Fn(ObjectId) -> bool,
}

/// What is walked over.
#[derive(Clone, Copy)]
pub(crate) struct Ground<'a> {
    pub(crate) edges: &'a Edges,
    /// All numbers are below.
    pub(crate) slots: u32,
    /// Only these are walked to.
    pub(crate) within: &'a BitSet,
}

/// What a walk may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) bytes: u64,
    pub(crate) until: Instant,
}

impl Bounds {
    fn room(&self, bytes: u64) -> Result<(), Error> {
        match bytes > self.bytes {
            true => Err(Error::PathBytes { limit: self.bytes }),
            false => Ok(()),
        }
    }

    fn time(&self) -> Result<(), Error> {
        match Instant::now() > self.until {
            true => Err(Error::PathTime),
            false => Ok(()),
        }
    }
}

/// Starts in the order in which they are believed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Starts {
    /// The slot that each leads to: for sure, by finalizers, by guesses.
    pub(crate) rounds: [Vec<(u32, Start)>; 3],
}

impl Starts {
    fn of(graph: &Graph, reachable: &Reachable) -> Starts {
        let mut starts = Starts::default();
        let [sure, finalizers, guesses] = &mut starts.rounds;
        for (number, root) in (0u32..).zip(graph.roots()) {
            if let Some(object) = graph.object_at(root.value) {
                let round = match root.kind.is_guess() {
                    true => &mut *guesses,
                    false => &mut *sure,
                };
                round.push((object.0, Start::Root(number)));
            }
        }
        let kept = graph.finalized().iter();
        for object in kept.filter(|object| !reachable.has(**object)) {
            graph.pointers(*object, &mut |to| {
                finalizers.push((to.0, Start::Finalizer(*object)));
            });
        }
        starts
    }
}

impl Graph {
    /// The ways that lead to one object: from each root the shortest one.
    ///
    /// # Errors
    /// [`Error::PathBytes`], [`Error::PathTime`]: there is no partial answer.
    pub fn paths_to(
        &self,
        object: ObjectId,
        reachable: &Reachable,
        naming: &Naming<'_>,
        options: &GraphOptions<'_>,
    ) -> Result<Paths, Error> {
        let ground = self.ground(reachable);
        let bounds = self.bounds(options);
        let starts = Starts::of(self, reachable);
        if !reachable.has(object) {
            return Ok(Paths::default());
        }
        let backward = Backward::from(ground, object.0, bounds)?;
        let mut paths = backward.paths(&starts, naming, bounds)?;
        let bytes = self.range_of(object).map_or(0, |range| range.len());
        paths.found = Count { objects: 1, bytes };
        for kind in &mut paths.kinds {
            kind.bytes = bytes;
        }
        Ok(paths)
    }

    /// The shortest way to each of many objects: all that are `wanted`.
    ///
    /// # Errors
    /// As [`Graph::paths_to`].
    pub fn paths_to_all(
        &self,
        wanted: &dyn Fn(ObjectId) -> bool,
        reachable: &Reachable,
        naming: &Naming<'_>,
        options: &GraphOptions<'_>,
    ) -> Result<Paths, Error> {
        let bounds = self.bounds(options);
        let starts = Starts::of(self, reachable);
        let forward = Forward::from(self.ground(reachable), &starts, bounds)?;
        let bytes = |number| {
            let range = self.range_of(ObjectId(number));
            range.map_or(0, |range| range.len())
        };
        forward.paths(&|number| wanted(ObjectId(number)), &bytes, naming, bounds)
    }

    /// How far each reachable object is from the nearest root, by number: 0 where a root leads to
    /// it; nothing for others. Those that only guesses lead to are as far as the guesses say.
    ///
    /// # Errors
    /// As [`Graph::paths_to`].
    pub fn distances(
        &self,
        reachable: &Reachable,
        options: &GraphOptions<'_>,
    ) -> Result<Vec<u32>, Error> {
        let starts = Starts::of(self, reachable);
        let forward = Forward::from(self.ground(reachable), &starts, self.bounds(options))?;
        Ok(forward.distances())
    }

    fn ground<'a>(&'a self, reachable: &'a Reachable) -> Ground<'a> {
        Ground {
            edges: &self.copied.edges,
            slots: self.slots(),
            within: reachable.members(),
        }
    }

    fn bounds(&self, options: &GraphOptions<'_>) -> Bounds {
        let now = Instant::now();
        let limits = &options.limits;
        Bounds {
            bytes: limits.path_bytes,
            until: now.checked_add(limits.path_time).unwrap_or(now),
        }
    }

    /// Whether a start may be no pointer at all.
    pub fn is_guess(&self, start: Start) -> bool {
        let Start::Root(number) = start else {
            return false;
        };
        let root = self.roots().get(number as usize);
        root.is_some_and(|root| RootKind::is_guess(root.kind))
    }
}

/// Sequences of those objects whose ways were told, by number.
struct Told {
    sequences: Sequences,
    of: Vec<Sequence>,
    /// Objects whose sequences are not known yet.
    steps: Vec<u32>,
}

impl Told {
    fn new(slots: usize) -> Told {
        Told {
            sequences: Sequences::default(),
            of: vec![UNKNOWN; slots],
            steps: Vec::new(),
        }
    }
}

/// Kinds of ways in the making.
#[derive(Default)]
struct Gathered {
    known: FxHashMap<(u32, Sequence), usize>,
    kinds: Vec<Found>,
}

/// A kind of ways, and where its shortest one so far is.
#[derive(Clone, Copy)]
struct Found {
    group: u32,
    sequence: Sequence,
    ways: u64,
    bytes: u64,
    shared: u64,
    /// Which round it is of, and how many objects are between.
    rank: (usize, u32),
    /// The end of the way that is not the same for all.
    at: u32,
    start: Option<Start>,
}

impl Gathered {
    /// Enters a way.
    fn add(&mut self, way: Found) {
        let next = self.kinds.len();
        let own = *self.known.entry((way.group, way.sequence)).or_insert(next);
        let Some(known) = self.kinds.get_mut(own) else {
            return self.kinds.push(way);
        };
        let (ways, bytes) = (known.ways + way.ways, known.bytes.saturating_add(way.bytes));
        let shared = known.shared + way.shared;
        if way.rank < known.rank {
            *known = way;
        }
        (known.ways, known.bytes, known.shared) = (ways, bytes, shared);
    }

    /// All of them by rank, their steps last first.
    fn paths(mut self, sequences: &Sequences, path: impl Fn(&Found) -> Option<Path>) -> Paths {
        self.kinds.sort_by_key(|found| found.rank);
        let kind = |found: &Found| {
            Some(PathKind {
                group: found.group,
                steps: sequences.backwards(found.sequence),
                ways: found.ways,
                bytes: found.bytes,
                shared: found.shared,
                shortest: path(found)?,
            })
        };
        let kinds: Vec<PathKind> = self.kinds.iter().filter_map(kind).collect();
        Paths {
            shortest: kinds.first().map(|kind| kind.shortest.clone()),
            kinds,
            found: Count::default(),
        }
    }
}
