//! [`Candidates`]: goroutines that wait, what each waits for, and what speaks against a proof.
//!
//! A goroutine's sudogs hang on its g; up to 1.25 those for semaphores and conditions do not, and
//! are found by the word of its own stack that leads to an object which names it as its goroutine.
//!
//! Source: src/runtime/chan.go, `chansend`, `chanrecv`; select.go, `selectgo`; sema.go,
//! `semacquire1`, `dequeue`, `notifyListWait`; go1.19 to go1.27.

use letgo_goruntime::layout::Layout;
use letgo_goruntime::{Census, Goroutine, Runtime};
use letgo_target::{Addr, AddrRange};
use rustc_hash::{FxHashMap, FxHashSet};

use super::{Doubt, is_channel, is_for_ever, may_leak};
use crate::Graph;
use crate::objects::ObjectId;
use crate::roots::{BlockedIn, Root, RootKind, Walk};

/// `main.main`'s goroutine.
const MAIN: u64 = 1;
/// First minor release whose sudogs name the condition that they wait for.
const FIRST_NAMED: u32 = 26;
/// Most cases of a select. Source: src/runtime/select.go: an array of 1 << 16.
const MOST_SUDOGS: usize = 1 << 16;

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
    pub(super) fn of(graph: &Graph, runtime: &Runtime, census: &Census) -> Candidates {
        let (layout, minor) = (runtime.layout(), runtime.version().minor);
        let mut finder = Finder {
            graph,
            layout,
            channels: FxHashSet::default(),
            queued: FxHashSet::default(),
            in_hand: FxHashMap::default(),
            is_named: minor >= FIRST_NAMED,
        };
        for (object, owner) in &graph.roots.in_hand {
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

    /// The words of each candidate's g that change when it goes on.
    pub(super) fn rests(
        &self,
        graph: &Graph,
        layout: &Layout,
        census: &Census,
    ) -> Vec<(u32, [u64; 5])> {
        let of = |candidate: &Candidate| {
            let one = census.goroutines.get(candidate.goroutine as usize)?;
            let bytes = graph.bytes(one.g)?;
            Some((candidate.goroutine, rest(layout, bytes)))
        };
        self.list.iter().filter_map(of).collect()
    }
}

/// What changes when a goroutine goes on.
pub(super) fn rest(layout: &Layout, g: &[u8]) -> [u64; 5] {
    let fields = &layout.g;
    [
        fields.goid.get(g),
        fields.atomicstatus.get(g) & 0xfff,
        fields.sched_sp.get(g),
        fields.waiting.get(g),
        fields.param.get(g) | fields.select_done.get(g),
    ]
}

struct Finder<'a> {
    graph: &'a Graph,
    layout: &'a Layout,
    /// Channels whose queues were walked, and what is in them.
    channels: FxHashSet<Addr>,
    queued: FxHashSet<Addr>,
    /// What threads have in hand, and who alone.
    in_hand: FxHashMap<ObjectId, Option<u32>>,
    /// Whether a condition's sudog names it: from 1.26.
    is_named: bool,
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
        let g = self.graph.bytes(one.g).ok_or(Doubt::Stack)?;
        let (graph, layout) = (self.graph, self.layout);
        let sudogs = Sudogs { graph, layout }.of(one, g, walk);
        let objects = sudogs.iter().filter_map(|at| self.graph.object_at(*at));
        candidate.cut.extend(objects);
        let fields = &self.layout.g;
        if fields.goid.get(g) != one.goid || !walk.is_whole {
            return Err(Doubt::Stack);
        }
        if walk.is_called_by_c && fields.lockedm.get(g) != 0 {
            return Err(Doubt::CalledByC);
        }
        if fields.bubble.is_some_and(|bubble| bubble.get(g) != 0) {
            return Err(Doubt::Bubble);
        }
        let is_select = one.wait_reason == "select";
        if fields.param.get(g) != 0 || is_select && fields.select_done.get(g) != 0 {
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
        let is_empty = is_select && fields.waiting.get(g) == 0;
        if is_for_ever(one.wait_reason) || is_empty {
            return Ok(());
        }
        candidate.waits_for = match (is_channel(one.wait_reason), walk.blocked_in) {
            (true, _) => self.channels(&sudogs)?,
            (false, BlockedIn::Cond(frame)) if one.wait_reason == "sync.Cond.Wait" => {
                self.condition(&sudogs, walk, frame)?
            }
            _ => self.semaphores(&sudogs)?,
        };
        Ok(())
    }

    /// The channels of these sudogs, each of which has its sudog in a queue.
    fn channels(&mut self, sudogs: &[Addr]) -> Result<Vec<ObjectId>, Doubt> {
        let mut found = Vec::new();
        for at in sudogs {
            let sudog = self.graph.bytes(*at).ok_or(Doubt::Unknown)?;
            let channel = self.layout.sudog.c.addr(sudog);
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
        let next = self.layout.sudog.next;
        let firsts = self.graph.roots.channels.get(&channel);
        for first in firsts.into_iter().flatten() {
            let mut at = *first;
            while !at.is_null() && self.queued.insert(at) {
                let Some(sudog) = self.graph.bytes(at) else {
                    break;
                };
                at = next.addr(sudog);
            }
        }
    }

    /// The objects that hold the semaphores of these sudogs.
    fn semaphores(&self, sudogs: &[Addr]) -> Result<Vec<ObjectId>, Doubt> {
        let mut found = Vec::new();
        for at in sudogs {
            let sudog = self.graph.bytes(*at).ok_or(Doubt::Unknown)?;
            let elem = self.layout.sudog.elem.addr(sudog);
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
        if self.is_named {
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

/// Finding sudogs.
#[derive(Clone, Copy)]
pub(super) struct Sudogs<'a> {
    pub(super) graph: &'a Graph,
    pub(super) layout: &'a Layout,
}

impl<'a> Sudogs<'a> {
    /// The sudogs that a goroutine waits with.
    fn of(&self, one: &Goroutine, g: &[u8], walk: &Walk) -> Vec<Addr> {
        let mut found = self.listed(one, g);
        if found.is_empty() && !is_channel(one.wait_reason) {
            let own = self.graph.roots_of(walk.goroutine).iter();
            let on_stack = own.filter(|root| root.kind == RootKind::Stack);
            let is_own = |root: &&Root| self.sudog(root.value, one).is_some();
            found.extend(on_stack.filter(is_own).map(|root| root.value));
            found.sort();
            found.dedup();
        }
        found
    }

    /// Those that hang on its g.
    pub(super) fn listed(&self, one: &Goroutine, g: &[u8]) -> Vec<Addr> {
        let mut found = Vec::new();
        let mut next = self.layout.g.waiting.addr(g);
        while let Some(bytes) = self.sudog(next, one) {
            if found.len() >= MOST_SUDOGS || found.last() == Some(&next) {
                break;
            }
            found.push(next);
            // Of a semaphore's this links other goroutines that wait for the same.
            next = self.layout.sudog.waitlink.addr(bytes);
        }
        found
    }

    /// The bytes of a sudog of this goroutine; nothing where there is none at `at`.
    fn sudog(&self, at: Addr, one: &Goroutine) -> Option<&'a [u8]> {
        if at.is_null() {
            return None;
        }
        let (_, span) = self.graph.objects.place(self.graph.object_at(at)?)?;
        let size = u64::from(self.layout.sudog.size);
        let fits = (size..size + 32).contains(&span.elem_size);
        self.graph.bytes(at).filter(|bytes| {
            fits && bytes.len() as u64 >= size && self.layout.sudog.g.addr(bytes) == one.g
        })
    }
}
