//! Dominators of made-up graphs against the definition: what cannot be reached without an object
//! is dominated by it.

#![allow(clippy::cast_possible_truncation, reason = "made-up graphs are small")]

use std::time::{Duration, Instant};

use super::holders::Holders;
use super::walk::{Bounds, Child, Source};
use super::*;

/// A graph: objects that lead on, then leaves.
#[derive(Clone, Debug, Default)]
struct Made {
    followed: u32,
    objects: u32,
    edges: Vec<Vec<u32>>,
    groups: Vec<Vec<u32>>,
    /// Objects with a finalizer: their number, nothing where they are not reachable; what they
    /// hold.
    finalized: Vec<(Option<u32>, Vec<u32>)>,
    /// Edges that are walked at once.
    part: usize,
}

impl Source for Made {
    /// An object, and how many of its edges are done.
    type Place = (u32, usize);

    fn ids(&self) -> u32 {
        self.objects
    }

    fn each_object(&self, take: &mut impl FnMut(u32, bool)) {
        (0..self.objects).for_each(|id| take(id, id < self.followed));
    }

    fn groups(&self) -> u32 {
        self.groups.len() as u32
    }

    fn each(&self, (id, done): (u32, usize), take: &mut impl FnMut(Child<(u32, usize)>)) {
        let edges = self.edges[id as usize].iter();
        edges
            .skip(done)
            .take(self.part)
            .for_each(|id| take(self.child(*id)));
    }

    fn each_of_group(&self, group: u32, take: &mut impl FnMut(Child<(u32, usize)>)) {
        let edges = self.groups[group as usize].iter();
        edges.for_each(|id| take(self.child(*id)));
    }

    fn each_finalized(
        &self,
        is_reached: &impl Fn(u32) -> bool,
        take: &mut impl FnMut(Child<(u32, usize)>),
    ) {
        for (own, held) in &self.finalized {
            if !own.is_some_and(is_reached) {
                held.iter().for_each(|id| take(self.child(*id)));
            }
        }
    }

    fn rest(&self, (id, done): (u32, usize)) -> Option<(u32, usize)> {
        let next = done + self.part;
        (next < self.edges[id as usize].len()).then_some((id, next))
    }

    fn ask_place(&self, _: (u32, usize)) {}

    fn ask(&self, _: (u32, usize)) {}
}

impl Made {
    fn child(&self, id: u32) -> Child<(u32, usize)> {
        Child {
            place: (id, 0),
            id,
            leads: id < self.followed,
        }
    }

    /// Ids: objects, groups, what finalizers keep, the top.
    fn len(&self) -> usize {
        self.objects as usize + self.groups.len() + 2
    }

    /// Where each id leads.
    fn all_edges(&self) -> Vec<Vec<u32>> {
        let mut edges = self.edges.clone();
        edges.resize(self.objects as usize, Vec::new());
        edges.extend(self.groups.iter().cloned());
        let groups = self.objects..self.objects + self.groups.len() as u32;
        edges.push(Vec::new());
        edges.push(groups.chain([self.len() as u32 - 2]).collect());
        let reached = reached(&edges, None);
        let kept = self.finalized.iter();
        let kept = kept.filter(|(own, _)| !own.is_some_and(|own| reached[own as usize]));
        let kept = kept.flat_map(|(_, held)| held.clone()).collect();
        let finalizers = self.len() - 2;
        edges[finalizers] = kept;
        edges
    }

    fn size(id: u32) -> u64 {
        u64::from(id) * 8 + 16
    }

    fn bounds() -> Bounds {
        Bounds {
            bytes: MOST_BYTES,
            until: Instant::now() + Duration::from_secs(600),
        }
    }

    fn holders(&self, bounds: Bounds) -> Result<Holders, Error> {
        Holders::of(self, bounds, |add| {
            (0..self.objects).for_each(|id| add(id, id < self.followed, Made::size(id)));
        })
    }
}

/// What is reached from the top without `avoiding`.
fn reached(edges: &[Vec<u32>], avoiding: Option<usize>) -> Vec<bool> {
    let mut found = vec![false; edges.len()];
    let mut stack = vec![edges.len() - 1];
    while let Some(at) = stack.pop() {
        if Some(at) != avoiding && !std::mem::replace(&mut found[at], true) {
            stack.extend(edges[at].iter().map(|to| *to as usize));
        }
    }
    found
}

/// Compares everything with the definition.
fn check(made: &Made) {
    let holders = made.holders(Made::bounds()).unwrap();
    let edges = made.all_edges();
    let all = reached(&edges, None);
    let without: Vec<Vec<bool>> = (0..made.len())
        .map(|id| reached(&edges, Some(id)))
        .collect();
    let dominates = |a: usize, b: usize| !all[b] || !without[a][b];
    let top = made.len() - 1;
    for id in (0..made.len()).filter(|id| all[*id] && *id != top) {
        let above = holders.above(id as u32).unwrap() as usize;
        assert!(above != id && dominates(above, id), "{id} {above} {made:?}");
        // Whatever else dominates it dominates its holder.
        for other in (0..made.len()).filter(|other| *other != id && dominates(*other, id)) {
            let further = other == above || dominates(other, above);
            assert!(further, "{id}: {above}, {other}: {made:?}");
        }
    }
    for id in (0..made.len()).filter(|id| *id == top || all[*id]) {
        let retained = holders.retained(id as u32);
        if (made.followed..made.objects).contains(&(id as u32)) {
            assert_eq!(retained, Count::default());
            continue;
        }
        let own = (0..made.objects).filter(|other| all[*other as usize]);
        let own: Vec<u32> = own
            .filter(|other| id == top || dominates(id, *other as usize))
            .collect();
        let unreached = (0..made.objects).filter(|other| id == top && !all[*other as usize]);
        let own: Vec<u32> = own.into_iter().chain(unreached).collect();
        assert_eq!(retained.objects, own.len() as u64, "{id}: {made:?}");
        let bytes: u64 = own.iter().map(|id| Made::size(*id)).sum();
        assert_eq!(retained.bytes, bytes, "{id}: {made:?}");
    }
    let children = (0..made.len() as u32).map(|id| {
        holders
            .below(id..=id)
            .filter(|(_, above)| *above == id)
            .count()
    });
    assert_eq!(children.sum::<usize>(), made.len() - 1);
}

/// Numbers that look random (xorshift64*).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        (high % u64::from(bound.max(1))) as u32
    }
}

/// How objects lead to each other.
const SHAPES: usize = 8;

/// A graph of one shape; `most` objects at most.
fn made(shape: usize, seed: u64, most: u32) -> Made {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let followed = 1 + dice.below(most);
    let objects = followed + dice.below(most);
    let mut edges = vec![Vec::new(); followed as usize];
    for id in 0..followed {
        let own = &mut edges[id as usize];
        match shape {
            // Few edges anywhere.
            0 => own.extend((0..dice.below(3)).map(|_| dice.below(objects))),
            // Many.
            1 => own.extend((0..dice.below(9)).map(|_| dice.below(objects))),
            // A list, whose elements hold things that others hold too.
            2 => own.extend([id + 1, followed + dice.below(objects), dice.below(objects)]),
            // A list both ways.
            3 => own.extend([id + 1, id.saturating_sub(1), followed + id]),
            // A tree, with ways up.
            4 => own.extend([2 * id + 1, 2 * id + 2, id / 2, followed + id]),
            // Forward only.
            5 => own.extend((0..dice.below(5)).map(|_| id + 1 + dice.below(objects))),
            // One large object that leads to all, and a list through them.
            6 if id == 0 => own.extend(0..objects),
            6 => own.extend([(id + 1) % followed, followed + id / 3]),
            // Objects with leaves only, below few others.
            _ if id < 6 => own.extend((0..9).map(|_| dice.below(followed))),
            _ => own.extend((0..3).map(|_| followed + dice.below(objects))),
        }
        own.retain(|to| *to < objects);
        if dice.below(20) == 0 {
            own.push(id);
        }
    }
    let groups = (0..dice.below(4)).map(|_| {
        let roots = (0..dice.below(4)).map(|_| dice.below(objects));
        roots.collect()
    });
    let mut groups: Vec<Vec<u32>> = groups.collect();
    groups.push(vec![0]);
    let finalized = (0..dice.below(3)).map(|_| {
        let own = dice.below(followed);
        (Some(own), edges[own as usize].clone())
    });
    let mut finalized: Vec<_> = finalized.collect();
    finalized.extend((0..dice.below(2)).map(|_| (None, vec![dice.below(objects)])));
    Made {
        followed,
        objects,
        edges,
        groups,
        finalized,
        part: [1, 2, 3, 1000][dice.below(4) as usize],
    }
}

#[test]
fn holders_of_small_graphs_are_those_of_the_definition() {
    for seed in 0..2000 {
        for shape in 0..SHAPES {
            check(&made(shape, seed, 12));
        }
    }
}

#[test]
fn holders_of_larger_graphs_are_those_of_the_definition() {
    for seed in 0..10 {
        for shape in 0..SHAPES {
            check(&made(shape, seed, 120));
        }
    }
}

#[test]
fn every_way_through_few_objects_is_right() {
    // All graphs of three objects with up to one edge each way, and three roots.
    for bits in 0..1u32 << 12 {
        let bit = |at: u32| bits >> at & 1 == 1;
        let edges = |from: u32| (0..3).filter(|to| bit(from * 3 + to)).collect();
        check(&Made {
            followed: 3,
            objects: 3,
            edges: (0..3).map(edges).collect(),
            groups: (0..3).filter(|at| bit(9 + at)).map(|at| vec![at]).collect(),
            finalized: Vec::new(),
            part: 1000,
        });
    }
}

/// A list whose every element holds a job that an index holds as well: the search for a job's
/// dominator must not walk up the whole list each time.
#[test]
fn long_lists_with_shared_elements_are_no_trap() {
    let len = 300_000;
    // Elements, jobs, what each job holds, the index; leaves.
    let list = (0..len).map(|id| vec![len + id, (id + 1) % len]);
    let jobs = (0..len).map(|id| vec![2 * len + id]);
    let own = (0..len).map(|id| vec![3 * len + 1 + id]);
    let mut edges: Vec<Vec<u32>> = list.chain(jobs).chain(own).collect();
    edges.push((len..2 * len).collect());
    let made = Made {
        followed: 3 * len + 1,
        objects: 4 * len + 1,
        edges,
        groups: vec![vec![0], vec![3 * len]],
        finalized: Vec::new(),
        part: 1000,
    };
    let holders = made.holders(Made::bounds()).unwrap();
    let top = holders.top();
    assert_eq!(holders.above(len + 7), Some(top), "a job");
    assert_eq!(holders.above(7), Some(6), "an element");
    assert_eq!(holders.above(2 * len + 7), Some(len + 7));
    let all: u64 = (0..made.objects).map(Made::size).sum();
    assert_eq!(holders.retained(top).bytes, all);
}

#[test]
fn limits_that_are_hit_are_errors() {
    let made = made(1, 7, 100);
    let bytes = Bounds {
        bytes: 100,
        ..Made::bounds()
    };
    let error = made.holders(bytes).unwrap_err();
    assert_eq!(error, Error::DominatorBytes { limit: 100 });
    let until = Bounds {
        until: Instant::now(),
        ..Made::bounds()
    };
    std::thread::yield_now();
    assert_eq!(made.holders(until).unwrap_err(), Error::DominatorTime);
}

#[test]
fn nothing_at_all_is_a_graph_too() {
    let made = Made {
        part: 1,
        ..Made::default()
    };
    let holders = made.holders(Made::bounds()).unwrap();
    assert_eq!(holders.retained(holders.top()), Count::default());
}
