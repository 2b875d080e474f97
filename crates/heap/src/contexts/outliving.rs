//! [`Outliving`]: goroutines that hold contexts of requests that have ended, and what hangs on
//! them.
//!
//! A goroutine has in hand what its stack leads to over few links: more would lead anybody to
//! anything, by way of a server or a hub. A request whose context a goroutine of the server itself
//! has in hand still runs, though its client may be gone.
//!
//! Does not say whether they need them, nor for how long they will.

use letgo_goruntime::{Census, Goroutine};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::leaks::{Alone, Cut};
use crate::objects::ObjectId;
use crate::{Graph, GraphOptions, Reachable};

/// Links from a stack to a context: closure, request, context.
const LINKS: u32 = 3;
/// Links from the stack of a server's own goroutine: response, request, context, one to spare.
const OWN_LINKS: u32 = 4;
/// Objects that one goroutine may have in hand.
const IN_HAND: usize = 512;
/// And of these, how many any one object leads to: a table's would leave no room for the others.
const OF_ONE: usize = 64;
/// Goroutines of which each started the next, as far as that is followed.
const MOST_STARTERS: u32 = 64;
/// `main.main`'s goroutine.
const MAIN: u64 = 1;

/// What one goroutine holds of requests that have ended.
#[derive(Clone, Debug, Default)]
struct Held {
    /// Contexts of the requests themselves.
    requests: Vec<ObjectId>,
    /// The contexts that it has in hand.
    contexts: Vec<ObjectId>,
    /// It was started for a request: without that it would not be here.
    is_born: bool,
}

/// Goroutines that hold contexts of requests that have ended.
#[derive(Debug, Default)]
pub struct Outliving {
    /// By number of a goroutine of the census.
    held: FxHashMap<u32, Held>,
}

impl Outliving {
    /// Nobody does.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether one of the census's goroutines does.
    pub fn has(&self, goroutine: u32) -> bool {
        self.held.contains_key(&goroutine)
    }

    /// How many requests have ended whose contexts these goroutines hold.
    pub fn requests(&self, goroutines: impl Iterator<Item = u32>) -> u64 {
        let held = goroutines.filter_map(|number| self.held.get(&number));
        let requests: FxHashSet<ObjectId> = held.flat_map(|held| held.requests.clone()).collect();
        requests.len() as u64
    }
}

impl Graph {
    /// Finds the goroutines that hold contexts of requests that have ended. `serves` says which
    /// are a server's own. Nobody where the reading is not whole: a request may run that a
    /// goroutine has in hand which was not read.
    pub fn outliving(
        &self,
        census: &Census,
        reachable: &Reachable,
        serves: &dyn Fn(&Goroutine) -> bool,
    ) -> Outliving {
        let nodes = self.contexts.nodes.keys();
        let alive = nodes.filter(|object| reachable.has(**object));
        let mut over: FxHashMap<ObjectId, ObjectId> = alive
            .filter_map(|object| Some((*object, self.contexts.ended_request(*object)?)))
            .collect();
        let mut outliving = Outliving::default();
        let is_whole = census.coverage.is_complete()
            && census.coverage.torn == 0
            && self.coverage.is_complete()
            && self.coverage.torn == 0;
        if over.is_empty() || !is_whole {
            return outliving;
        }
        let gs = census.goroutines.iter();
        let gs: FxHashSet<ObjectId> = gs.filter_map(|one| self.object_at(one.g)).collect();
        let own: Vec<bool> = census.goroutines.iter().map(serves).collect();
        let mut running = FxHashSet::default();
        for (number, _) in (0u32..).zip(&own).filter(|(_, own)| **own) {
            let found = self.in_hand(number, OWN_LINKS, true, &gs, &over);
            running.extend(
                found
                    .iter()
                    .filter_map(|context| over.get(context).copied()),
            );
        }
        over.retain(|_, request| !running.contains(request));
        let born = born(census, &own);
        let goroutines = (0u32..).zip(&census.goroutines).zip(own).zip(born);
        for (((number, one), own), is_born) in goroutines {
            if own || one.system || one.goid == MAIN || over.is_empty() {
                continue;
            }
            let contexts = self.in_hand(number, LINKS, false, &gs, &over);
            let mut requests: Vec<ObjectId> = contexts
                .iter()
                .filter_map(|context| over.get(context).copied())
                .collect();
            requests.sort_unstable();
            requests.dedup();
            let held = Held {
                requests,
                contexts,
                is_born,
            };
            if !held.requests.is_empty() {
                outliving.held.insert(number, held);
            }
        }
        outliving
    }

    /// The contexts among `over` that a goroutine's stack leads to over so many links; by words
    /// that are guessed to be pointers as well, where that is asked for. What hangs on a context
    /// that goes on is not in hand: those that it was detached from, or that were derived from it.
    fn in_hand(
        &self,
        goroutine: u32,
        links: u32,
        guess: bool,
        gs: &FxHashSet<ObjectId>,
        over: &FxHashMap<ObjectId, ObjectId>,
    ) -> Vec<ObjectId> {
        let mut seen: FxHashSet<ObjectId> = FxHashSet::default();
        let mut found = Vec::new();
        let roots = self.roots_of(goroutine).iter();
        let roots = roots.filter(|root| guess || !root.kind.is_guess());
        let mut now: Vec<ObjectId> = roots
            .filter_map(|root| self.object_at(root.value))
            .collect();
        for left in (0..=links).rev() {
            let mut next = Vec::new();
            for object in now {
                if seen.len() >= IN_HAND || gs.contains(&object) || !seen.insert(object) {
                    continue;
                }
                if over.contains_key(&object) {
                    found.push(object);
                } else if left > 0 && !self.contexts.nodes.contains_key(&object) {
                    let most = IN_HAND.min(next.len() + OF_ONE);
                    self.pointers(object, &mut |to| {
                        if next.len() < most {
                            next.push(to);
                        }
                    });
                }
            }
            now = next;
        }
        found
    }

    /// What each group of goroutines that hold contexts of ended requests keeps that nothing else
    /// does: what hangs on these contexts, and all that the goroutines hold if they were started
    /// for a request. `groups` has the group of each goroutine of the census.
    ///
    /// Nothing where there was no time to follow all pointers.
    pub fn held_past_requests(
        &self,
        census: &Census,
        outliving: &Outliving,
        groups: &[u32],
        options: &GraphOptions<'_>,
    ) -> Option<Alone> {
        let held = outliving.held.iter();
        let mut cuts: Vec<Cut> = held
            .filter_map(|(number, held)| {
                Some(Cut {
                    goroutine: *number,
                    group: *groups.get(*number as usize)?,
                    is_whole: held.is_born,
                    objects: held.contexts.clone(),
                })
            })
            .collect();
        cuts.sort_by_key(|cut| cut.goroutine);
        self.held_by(census, &cuts, options)
    }
}

/// Of each goroutine, whether it was started by one that serves requests, or by one that was; where
/// the one that started it has ended, it is taken to have been one.
///
/// Up to 1.20 who started a goroutine is not known.
fn born(census: &Census, own: &[bool]) -> Vec<bool> {
    let goroutines = || (0usize..).zip(&census.goroutines);
    let alive: FxHashMap<u64, usize> = goroutines().map(|(at, one)| (one.goid, at)).collect();
    let starter = |at: usize| {
        let goid = census.goroutines.get(at).map_or(0, |one| one.parent_goid);
        (goid > MAIN).then(|| alive.get(&goid).copied())
    };
    let is_born = |first: usize| {
        let mut at = first;
        for _ in 0..MOST_STARTERS {
            match starter(at) {
                None => return false,
                Some(None) => return true,
                Some(Some(next)) if own.get(next) == Some(&true) => return true,
                Some(Some(next)) => at = next,
            }
        }
        false
    };
    goroutines().map(|(at, _)| is_born(at)).collect()
}
