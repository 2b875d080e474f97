//! Ways through made-up graphs against a plain search from each root.

#![allow(clippy::cast_possible_truncation, reason = "made-up graphs are small")]

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::*;
use crate::edges::Found as Listed;

/// A graph with roots; object 0 and up.
#[derive(Clone, Debug)]
struct Made {
    edges: Vec<Vec<u32>>,
    sure: Vec<u32>,
    finalizers: Vec<(u32, u32)>,
    guesses: Vec<u32>,
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

impl Made {
    fn of(seed: u64, most: u32) -> Made {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let len = 1 + dice.below(most);
        let dense = 1 + dice.below(5);
        let edges = (0..len).map(|id| {
            let mut own: Vec<u32> = (0..dice.below(dense)).map(|_| dice.below(len)).collect();
            if seed.is_multiple_of(3) && id + 1 < len {
                own.push(id + 1);
            }
            own
        });
        let edges = edges.collect();
        let mut some =
            |most: u32| -> Vec<u32> { (0..dice.below(most)).map(|_| dice.below(len)).collect() };
        let (sure, guesses, kept) = (some(5), some(3), some(3));
        Made {
            edges,
            sure,
            finalizers: kept.into_iter().map(|to| (len, to)).collect(),
            guesses,
        }
    }

    fn slots(&self) -> u32 {
        self.edges.len() as u32
    }

    fn edges(&self) -> Edges {
        let all = self.edges.iter().map(Vec::len).sum();
        let mut edges = Edges::new(self.slots(), self.edges.len(), all, u64::MAX);
        for (number, own) in self.edges.iter().enumerate() {
            let mut found = Listed::default();
            for target in own {
                found.push(number as u32, *target, 0);
            }
            assert!(edges.add(&found));
        }
        edges.finish();
        edges
    }

    fn starts(&self) -> Starts {
        let sure = self.sure.iter().enumerate();
        let base = self.sure.len() as u32;
        let guesses = self.guesses.iter().enumerate();
        let kept = self.finalizers.iter();
        Starts {
            rounds: [
                sure.map(|(at, to)| (*to, Start::Root(at as u32))).collect(),
                kept.map(|(own, to)| (*to, Start::Finalizer(ObjectId(*own))))
                    .collect(),
                guesses
                    .map(|(at, to)| (*to, Start::Root(base + at as u32)))
                    .collect(),
            ],
        }
    }

    /// How far each object is from one, by a plain search.
    fn from(&self, first: u32) -> HashMap<u32, u32> {
        let mut known = HashMap::from([(first, 0)]);
        let mut queue = VecDeque::from([first]);
        while let Some(at) = queue.pop_front() {
            let next = known[&at] + 1;
            for to in &self.edges[at as usize] {
                if !known.contains_key(to) {
                    known.insert(*to, next);
                    queue.push_back(*to);
                }
            }
        }
        known
    }
}

fn bounds() -> Bounds {
    Bounds {
        bytes: u64::MAX,
        until: Instant::now() + Duration::from_secs(600),
    }
}

/// The kind of an object, and the group of a start, in these tests.
const NAMING: Naming<'static> = Naming {
    group: &|start| match start {
        Start::Root(number) => number % 2,
        Start::Finalizer(_) => 7,
    },
    kind: &|object| object.0 % 3,
    shared: &|object| object.0.is_multiple_of(2),
};

/// A way goes along pointers, from where its start leads.
fn check_way(made: &Made, starts: &Starts, path: &Path, to: u32) {
    let first = path.objects[0].0;
    let all = starts.rounds.iter().flatten();
    let leads = all.filter(|(_, start)| *start == path.start);
    assert!(leads.map(|(to, _)| *to).any(|to| to == first), "{made:?}");
    for pair in path.objects.windows(2) {
        assert!(
            made.edges[pair[0].0 as usize].contains(&pair[1].0),
            "{made:?}"
        );
    }
    assert_eq!(path.objects.last(), Some(&ObjectId(to)));
}

/// The kinds of a way, those behind each other once.
fn kinds(path: &Path) -> Vec<u32> {
    let mut kinds: Vec<u32> = path.objects.iter().map(|id| (NAMING.kind)(*id)).collect();
    kinds.dedup();
    kinds
}

fn check_kind(kind: &PathKind) {
    assert_eq!(kind.group, (NAMING.group)(kind.shortest.start));
    let steps: Vec<u32> = kind.steps.iter().map(|step| step.kind.unwrap()).collect();
    assert_eq!(steps, kinds(&kind.shortest));
}

fn check(made: &Made) {
    let (edges, starts) = (made.edges(), made.starts());
    let mut within = BitSet::new(made.slots() as usize);
    let lists = starts.rounds.each_ref();
    let far: Vec<Vec<HashMap<u32, u32>>> = lists
        .map(|list| list.iter().map(|(to, _)| made.from(*to)).collect())
        .to_vec();
    for number in 0..made.slots() {
        if far.iter().flatten().any(|far| far.contains_key(&number)) {
            within.insert_word(u64::from(number), 1);
        }
    }
    let ground = Ground {
        edges: &edges,
        slots: made.slots(),
        within: &within,
    };
    let forward = Forward::from(ground, &starts, bounds()).unwrap();
    let distances = forward.distances();
    for number in 0..made.slots() {
        let best = far.iter().find_map(|round| {
            let known = round.iter().filter_map(|far| far.get(&number));
            known.min().copied()
        });
        // Of a later round only what an earlier one has not reached is walked over, which is no
        // detour: who leads on to an object of an earlier round is of that round.
        assert_eq!(distances[number as usize], best.unwrap_or(NONE), "{made:?}");
        let all = forward.paths(&|wanted| wanted == number, &|_| 8, &NAMING, bounds());
        let all = all.unwrap();
        assert_eq!(all.found.objects, u64::from(best.is_some()));
        let Some(best) = best else {
            assert!(all.shortest.is_none());
            continue;
        };
        let shortest = all.shortest.unwrap();
        assert_eq!(shortest.objects.len() as u32, best + 1);
        check_way(made, &starts, &shortest, number);
        all.kinds.iter().for_each(check_kind);
        let back = Backward::from(ground, number, bounds()).unwrap();
        let paths = back.paths(&starts, &NAMING, bounds()).unwrap();
        let shortest = paths.shortest.unwrap();
        assert_eq!(shortest.objects.len() as u32, best + 1, "{made:?}");
        let leading = far.iter().flatten().filter(|far| far.contains_key(&number));
        let ways: u64 = paths.kinds.iter().map(|kind| kind.ways).sum();
        assert_eq!(ways, leading.count() as u64, "{made:?}");
        for kind in &paths.kinds {
            check_way(made, &starts, &kind.shortest, number);
            check_kind(kind);
        }
    }
    let all = forward.paths(&|_| true, &|_| 8, &NAMING, bounds()).unwrap();
    let reached = (0..made.slots()).filter(|number| within.has(*number));
    assert_eq!(all.found.objects, reached.count() as u64);
    let sum: u64 = all.kinds.iter().map(|kind| kind.bytes).sum();
    assert_eq!(sum, all.found.bytes);
    let reached = (0..made.slots()).filter(|number| within.has(*number));
    let even = reached.filter(|number| number.is_multiple_of(2)).count();
    let shared: u64 = all.kinds.iter().map(|kind| kind.shared).sum();
    assert_eq!(shared, even as u64);
    all.kinds.iter().for_each(check_kind);
}

#[test]
fn ways_of_small_graphs_are_those_of_a_plain_search() {
    for seed in 0..6000 {
        check(&Made::of(seed, 10));
    }
}

#[test]
fn ways_of_larger_graphs_are_those_of_a_plain_search() {
    for seed in 0..20 {
        check(&Made::of(seed, 24));
    }
}

/// Every element of a long list is told its way in turn, and none walks up the whole list.
#[test]
fn a_long_list_is_no_trap() {
    let len = 400_000;
    let made = Made {
        edges: (0..len)
            .map(|id| {
                if id + 1 < len {
                    vec![id + 1]
                } else {
                    Vec::new()
                }
            })
            .collect(),
        sure: vec![0],
        finalizers: Vec::new(),
        guesses: Vec::new(),
    };
    let (edges, starts) = (made.edges(), made.starts());
    let mut within = BitSet::new(len as usize);
    (0..u64::from(len / 64)).for_each(|word| within.insert_word(word * 64, u64::MAX));
    let ground = Ground {
        edges: &edges,
        slots: len,
        within: &within,
    };
    let naming = Naming {
        kind: &|_| 1,
        ..NAMING
    };
    let forward = Forward::from(ground, &starts, bounds()).unwrap();
    let all = forward.paths(&|_| true, &|_| 1, &naming, bounds()).unwrap();
    assert_eq!(all.kinds.len(), 1);
    let step = Step {
        kind: Some(1),
        repeated: true,
    };
    assert_eq!(all.kinds[0].steps, [step]);
    assert_eq!(all.kinds[0].ways, u64::from(len));
    let last = Backward::from(ground, len - 1, bounds()).unwrap();
    let paths = last.paths(&starts, &naming, bounds()).unwrap();
    assert_eq!(paths.shortest.unwrap().objects.len(), len as usize);
}

#[test]
fn limits_that_are_hit_are_errors() {
    let made = Made::of(3, 24);
    let (edges, starts) = (made.edges(), made.starts());
    let within = BitSet::new(24);
    let ground = Ground {
        edges: &edges,
        slots: made.slots(),
        within: &within,
    };
    let little = Bounds {
        bytes: 8,
        ..bounds()
    };
    let error = Forward::from(ground, &starts, little).err();
    assert_eq!(error, Some(Error::PathBytes { limit: 8 }));
    let late = Bounds {
        until: Instant::now() - Duration::from_secs(1),
        ..bounds()
    };
    assert_eq!(Backward::from(ground, 0, late).err(), Some(Error::PathTime));
}
