//! [`Waits`]: what goroutines wait with: their g's, sudogs, and the queues of channels.
//!
//! Read with the graph, while the target stands still: the graph keeps who points to whom and not
//! the words themselves, and a channel whose elements hold no pointers holds none for the GC.
//!
//! A goroutine's sudogs hang on its g; up to 1.25 those for semaphores and conditions do not, and
//! are found by the word of its own stack that leads to an object which names it as its goroutine.
//!
//! Source: src/runtime/runtime2.go, `sudog`; chan.go, `hchan`; go1.19 to go1.27.

use letgo_goruntime::layout::Layout;
use letgo_goruntime::{Census, Goroutine};
use letgo_target::{Addr, gather};
use rustc_hash::{FxHashMap, FxHashSet};

use super::{is_channel, may_leak};
use crate::Error;
use crate::bits::index;
use crate::objects::Objects;
use crate::program::Program;
use crate::roots::{RootKind, Roots};

/// Most cases of a select, and so links of a list. Source: src/runtime/select.go: an array of
/// 1 << 16.
const MOST_SUDOGS: usize = 1 << 16;
/// First minor release whose sudogs name the condition that they wait for.
const FIRST_NAMED: u32 = 26;

/// How a goroutine rests: another one, or one that went on, differs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Rest {
    pub(super) goid: u64,
    status: u64,
    sp: u64,
    pub(super) waiting: u64,
    pub(super) param: u64,
    pub(super) select_done: u64,
}

impl Rest {
    pub(super) fn of(layout: &Layout, g: &[u8]) -> Rest {
        /// `_Gscan` and what is above the statuses.
        const STATUS_MASK: u64 = 0xfff;
        let fields = &layout.g;
        Rest {
            goid: fields.goid.get(g),
            status: fields.atomicstatus.get(g) & STATUS_MASK,
            sp: fields.sched_sp.get(g),
            waiting: fields.waiting.get(g),
            param: fields.param.get(g),
            select_done: fields.select_done.get(g),
        }
    }
}

/// What is known of a goroutine that waits.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(super) rest: Rest,
    pub(super) is_locked: bool,
    pub(super) is_in_bubble: bool,
    /// Its list of sudogs was read to its end.
    pub(super) is_whole: bool,
    sudogs: Vec<Addr>,
}

/// A sudog.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sudog {
    g: Addr,
    pub(crate) next: Addr,
    pub(super) elem: Addr,
    waitlink: Addr,
    pub(super) channel: Addr,
}

/// What goroutines wait with.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    /// By goroutine of the census.
    pub(crate) gs: FxHashMap<u32, Waiting>,
    pub(crate) sudogs: FxHashMap<Addr, Sudog>,
    /// The first that receives of a channel, and the first that sends.
    pub(crate) channels: FxHashMap<Addr, [Addr; 2]>,
    /// Whether a condition's sudog names it.
    pub(super) names_conditions: bool,
}

impl Waits {
    /// Reads all of it; what cannot be read is not in it.
    ///
    /// # Errors
    /// Only what makes the whole target unreadable.
    pub(crate) fn read(
        program: &Program<'_>,
        census: &Census,
        objects: &Objects,
        roots: &Roots,
    ) -> Result<Waits, Error> {
        let mut reader = Reader {
            program,
            objects,
            waits: Waits {
                names_conditions: program.runtime.version().minor >= FIRST_NAMED,
                ..Waits::default()
            },
        };
        let all = (0u32..).zip(&census.goroutines);
        let waiting: Vec<(u32, &Goroutine)> = all
            .filter(|(_, one)| may_leak(one.status, one.wait_reason))
            .collect();
        reader.gs(&waiting)?;
        reader.sudogs(&waiting, roots)?;
        reader.own(&waiting, roots);
        reader.channels()?;
        Ok(reader.waits)
    }

    /// The sudogs that a goroutine waits with.
    pub(crate) fn sudogs_of(&self, goroutine: u32) -> &[Addr] {
        self.gs.get(&goroutine).map_or(&[], |g| &g.sudogs)
    }
}

struct Reader<'a> {
    program: &'a Program<'a>,
    objects: &'a Objects,
    waits: Waits,
}

impl Reader<'_> {
    fn gs(&mut self, waiting: &[(u32, &Goroutine)]) -> Result<(), Error> {
        let layout = self.program.layout();
        let size = u64::from(layout.g.size);
        let items = waiting.iter().map(|(_, one)| (one.g, size));
        let gathered = gather(self.program.memory, items)?;
        for (number, one) in waiting {
            if let Some(g) = gathered.get(one.g, index(size)) {
                let bubble = layout.g.bubble.map_or(0, |bubble| bubble.get(g));
                let known = Waiting {
                    rest: Rest::of(layout, g),
                    is_locked: layout.g.lockedm.get(g) != 0,
                    is_in_bubble: bubble != 0,
                    is_whole: false,
                    sudogs: Vec::new(),
                };
                self.waits.gs.insert(*number, known);
            }
        }
        Ok(())
    }

    /// Every sudog that a g or, where none hangs on it, a stack leads to, and those linked to it.
    fn sudogs(&mut self, waiting: &[(u32, &Goroutine)], roots: &Roots) -> Result<(), Error> {
        let fields = self.program.layout().sudog;
        let size = u64::from(fields.size);
        let mut next: FxHashSet<Addr> = FxHashSet::default();
        for (number, one) in waiting {
            let known = self.waits.gs.get(number);
            match known.map_or(0, |g| g.rest.waiting) {
                0 if is_channel(one.wait_reason) => {}
                0 => next.extend(self.on_stack(*number, roots)),
                first => next.extend(Some(Addr(first)).filter(|at| self.may_be(*at))),
            }
        }
        for _ in 0..MOST_SUDOGS {
            if next.is_empty() {
                break;
            }
            let items = next.iter().map(|at| (*at, size));
            let gathered = gather(self.program.memory, items)?;
            let mut linked = FxHashSet::default();
            for at in next {
                let Some(bytes) = gathered.get(at, index(size)) else {
                    continue;
                };
                let sudog = Sudog {
                    g: fields.g.addr(bytes),
                    next: fields.next.addr(bytes),
                    elem: fields.elem.addr(bytes),
                    waitlink: fields.waitlink.addr(bytes),
                    channel: fields.c.addr(bytes),
                };
                self.waits.sudogs.insert(at, sudog);
                linked.extend([sudog.next, sudog.waitlink]);
            }
            linked.retain(|at| self.may_be(*at) && !self.waits.sudogs.contains_key(at));
            next = linked;
        }
        Ok(())
    }

    /// Whether a sudog may lie there: an object of that size starts there.
    fn may_be(&self, at: Addr) -> bool {
        let size = u64::from(self.program.layout().sudog.size);
        let place = self.objects.object_at(at);
        let place = place.and_then(|object| self.objects.place(object));
        place.is_some_and(|(slot, span)| {
            let offset = u64::from(slot.slot).saturating_mul(span.elem_size);
            (size..size + 32).contains(&span.elem_size) && span.base.wrapping_add(offset) == at.0
        })
    }

    /// What may be a sudog on a goroutine's stack.
    fn on_stack(&self, number: u32, roots: &Roots) -> Vec<Addr> {
        let own = roots.of(number).iter();
        let named = own.filter(|root| root.kind == RootKind::Stack);
        let mut found: Vec<Addr> = named.map(|root| root.value).collect();
        found.retain(|at| self.may_be(*at));
        found.sort();
        found.dedup();
        found
    }

    /// Gives each goroutine its sudogs.
    fn own(&mut self, waiting: &[(u32, &Goroutine)], roots: &Roots) {
        for (number, one) in waiting {
            let first = self.waits.gs.get(number).map_or(0, |g| g.rest.waiting);
            let is_own = |at: &Addr| {
                let sudog = self.waits.sudogs.get(at);
                sudog.is_some_and(|sudog| sudog.g == one.g)
            };
            let mut own = Vec::new();
            if first == 0 && !is_channel(one.wait_reason) {
                own = self.on_stack(*number, roots);
                own.retain(is_own);
            }
            // Of a semaphore's, the links lead to other goroutines that wait for the same.
            let mut at = Addr(first);
            while is_own(&at) && own.len() < MOST_SUDOGS && own.last() != Some(&at) {
                own.push(at);
                let sudog = self.waits.sudogs.get(&at);
                at = sudog.map_or(Addr::NULL, |sudog| sudog.waitlink);
            }
            if let Some(g) = self.waits.gs.get_mut(number) {
                g.is_whole = at.is_null();
                g.sudogs = own;
            }
        }
    }

    fn channels(&mut self) -> Result<(), Error> {
        let fields = self.program.layout().hchan;
        let size = u64::from(fields.size);
        let sudogs = self.waits.sudogs.values();
        let mut all: Vec<Addr> = sudogs.map(|sudog| sudog.channel).collect();
        all.sort();
        all.dedup();
        all.retain(|at| !at.is_null());
        let gathered = gather(self.program.memory, all.iter().map(|at| (*at, size)))?;
        for at in all {
            if let Some(bytes) = gathered.get(at, index(size)) {
                let firsts = [fields.recvq_first, fields.sendq_first];
                let firsts = firsts.map(|field| field.addr(bytes));
                self.waits.channels.insert(at, firsts);
            }
        }
        Ok(())
    }
}
