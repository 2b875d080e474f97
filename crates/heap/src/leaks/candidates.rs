//! [`Candidates`]: goroutines that wait, what each waits for, and what speaks against a proof.
//!
//! A goroutine's sudogs hang on its g; up to 1.25 those for semaphores and conditions do not, and
//! are found by the word of its own stack that leads to an object which names it as its goroutine.
//!
//! Source: src/runtime/chan.go, `chansend`, `chanrecv`; select.go, `selectgo`; sema.go,
//! `semacquire1`, `dequeue`, `notifyListWait`; go1.19 to go1.27.

use letgo_goruntime::{Census, Goroutine};
use letgo_target::{Addr, AddrRange};
use rustc_hash::{FxHashMap, FxHashSet};

use super::waits::Rest;
use super::{Doubt, is_channel, is_for_ever, may_leak};
use crate::Graph;
use crate::objects::ObjectId;
use crate::roots::{BlockedIn, Walk};

/// `main.main`'s goroutine.
const MAIN: u64 = 1;

/// A goroutine that waits.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    /// Which of the census's goroutines.
    pub(super) goroutine: u32,
    pub(super) is_main: bool,
    pub(super) doubt: Option<Doubt>,
    /// Its g and its sudogs: what is not followed until it joins.
    pub(super) cut: Vec<ObjectId>,
    /// Objects that it waits for, each of which wakes it.
    pub(super) waits_for: Vec<ObjectId>,
}

/// All of them, in the census's order.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    pub(super) list: Vec<Candidate>,
}

impl Candidates {
    pub(super) fn of(graph: &Graph, census: &Census) -> Candidates {
        let mut finder = Finder {
            graph,
            channels: FxHashSet::default(),
            queued: FxHashSet::default(),
            in_hand: FxHashMap::default(),
        };
        for (object, owner) in &graph.roots.in_hand.objects {
            let owners = finder.in_hand.entry(*object).or_insert(*owner);
            // Of two owners neither is its own.
            if *owners != *owner {
                *owners = None;
            }
        }
        let goroutines = (0u32..).zip(&census.goroutines);
        let waiting = goroutines.filter(|(_, one)| may_leak(one.status, one.wait_reason));
        Candidates {
            list: waiting
                .filter_map(|(number, one)| finder.candidate(number, one))
                .collect(),
        }
    }

    /// How each rests.
    pub(super) fn rests(&self, graph: &Graph) -> Vec<(u32, Rest)> {
        let of = |one: &Candidate| Some((one.goroutine, graph.waits.gs.get(&one.goroutine)?.rest));
        self.list.iter().filter_map(of).collect()
    }
}

struct Finder<'a> {
    graph: &'a Graph,
    /// Channels whose queues were walked, and what is in them.
    channels: FxHashSet<Addr>,
    queued: FxHashSet<Addr>,
    /// What threads have in hand, and who alone.
    in_hand: FxHashMap<ObjectId, Option<u32>>,
}

impl Finder<'_> {
    /// What speaks for and against a goroutine; nothing of one that waits for something else.
    fn candidate(&mut self, number: u32, one: &Goroutine) -> Option<Candidate> {
        let walk = self.graph.roots.walks.of(number);
        let blocked_in = walk.map_or(BlockedIn::Other, |walk| walk.blocked_in);
        if one.wait_reason == "semacquire"
            && !matches!(blocked_in, BlockedIn::Mutex | BlockedIn::WaitGroup)
        {
            return None;
        }
        let mut candidate = Candidate {
            goroutine: number,
            is_main: one.goid == MAIN,
            doubt: None,
            cut: self.graph.object_at(one.g).into_iter().collect(),
            waits_for: Vec::new(),
        };
        candidate.doubt = self.judge(number, one, walk, &mut candidate).err();
        Some(candidate)
    }

    fn judge(
        &mut self,
        number: u32,
        one: &Goroutine,
        walk: Option<&Walk>,
        candidate: &mut Candidate,
    ) -> Result<(), Doubt> {
        let walk = walk.ok_or(Doubt::Stack)?;
        let g = self.graph.waits.gs.get(&number).ok_or(Doubt::Stack)?;
        let sudogs = self.graph.waits.sudogs_of(number);
        let objects = sudogs.iter().filter_map(|at| self.graph.object_at(*at));
        candidate.cut.extend(objects);
        if g.rest.goid != one.goid || !walk.is_whole {
            return Err(Doubt::Stack);
        }
        if walk.is_called_by_c && g.is_locked {
            return Err(Doubt::CalledByC);
        }
        if g.is_in_bubble {
            return Err(Doubt::Bubble);
        }
        let is_select = one.wait_reason == "select";
        if g.rest.param != 0 || is_select && g.rest.select_done != 0 {
            return Err(Doubt::Waking);
        }
        let others = |object: &ObjectId| {
            self.in_hand
                .get(object)
                .is_some_and(|owner| *owner != Some(number))
        };
        if candidate.cut.iter().any(others) {
            return Err(Doubt::InHand);
        }
        // A select whose channels are all nil waits with nothing.
        let is_empty = is_select && g.rest.waiting == 0;
        if is_for_ever(one.wait_reason) || is_empty {
            return Ok(());
        }
        candidate.waits_for = match (is_channel(one.wait_reason), walk.blocked_in) {
            // Any of a select's channels may wake it: all have to be known.
            (true, _) if !g.is_whole => return Err(Doubt::Unknown),
            (true, _) => self.channels(sudogs)?,
            (false, BlockedIn::Cond(frame)) if one.wait_reason == "sync.Cond.Wait" => {
                self.condition(sudogs, walk, frame)?
            }
            _ => self.semaphores(sudogs)?,
        };
        Ok(())
    }

    /// The channels of these sudogs, each of which has its sudog in a queue.
    fn channels(&mut self, sudogs: &[Addr]) -> Result<Vec<ObjectId>, Doubt> {
        let mut found = Vec::new();
        for at in sudogs {
            let sudog = self.graph.waits.sudogs.get(at).ok_or(Doubt::Unknown)?;
            let channel = sudog.channel;
            if channel.is_null() {
                return Err(Doubt::Waking);
            }
            found.push(self.graph.object_at(channel).ok_or(Doubt::Variable)?);
            if self.channels.insert(channel) {
                self.walk_queues(channel);
            }
            if !self.queued.contains(at) {
                return Err(Doubt::Waking);
            }
        }
        (!found.is_empty()).then_some(found).ok_or(Doubt::Unknown)
    }

    fn walk_queues(&mut self, channel: Addr) {
        let waits = &self.graph.waits;
        let firsts = waits.channels.get(&channel);
        for first in firsts.into_iter().flatten() {
            let mut at = *first;
            while !at.is_null() && self.queued.insert(at) {
                at = waits.sudogs.get(&at).map_or(Addr::NULL, |sudog| sudog.next);
            }
        }
    }

    /// The objects that hold the semaphores of these sudogs.
    fn semaphores(&self, sudogs: &[Addr]) -> Result<Vec<ObjectId>, Doubt> {
        let mut found = Vec::new();
        for at in sudogs {
            let sudog = self.graph.waits.sudogs.get(at).ok_or(Doubt::Unknown)?;
            let elem = sudog.elem;
            if elem.is_null() {
                return Err(Doubt::Waking);
            }
            found.push(self.graph.object_at(elem).ok_or(Doubt::Variable)?);
        }
        (!found.is_empty()).then_some(found).ok_or(Doubt::Unknown)
    }

    /// The condition that a goroutine waits for: from 1.26 its sudog says; before, it is among
    /// what the frame of `Wait` holds, any of which is taken for it.
    fn condition(
        &self,
        sudogs: &[Addr],
        walk: &Walk,
        frame: AddrRange,
    ) -> Result<Vec<ObjectId>, Doubt> {
        if sudogs.is_empty() {
            return Err(Doubt::Waking);
        }
        let named = self.semaphores(sudogs);
        if !matches!(named, Err(Doubt::Waking)) {
            return named;
        }
        if self.graph.waits.names_conditions {
            return named;
        }
        let held = self
            .graph
            .roots_of(walk.goroutine)
            .iter()
            .filter(|root| frame.contains(root.at));
        let found: Vec<ObjectId> = held
            .filter_map(|root| self.graph.object_at(root.value))
            .collect();
        (!found.is_empty()).then_some(found).ok_or(Doubt::Variable)
    }
}
