//! [`Pass`]: following types from objects of a known one to all that they lead to.
//!
//! Each thread has a stack of objects whose type became known, and gives half of it away when
//! another has nothing to do. A claim counts only if the words of the object that lead somewhere
//! are all such as the type has pointers at.
//!
//! What is less sure waits until all else was followed: slices that lead into an object, and
//! pointers to the first field of something larger.
//!
//! Invariants: an object is followed once for each type that it is found to have; claims only get
//! stronger or larger, so that this ends; only reachable objects are followed.

mod later;
mod leads;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;

use super::ahead::{Ahead, Led};
use super::claims::{self, Claim, Outcome, Strength};
use super::kinds::{CLOSURE, DISPUTED, Fit, Kind, Lead, TEXT, What, Words};
use super::seeds::Seeds;
use super::shared::SharedKinds;
use crate::Reachable;
use crate::bits::{index, low};
use crate::edges::Edges;
use crate::objects::{HeapSpan, Objects};
use crate::prefetch::prefetch;

/// Objects that a thread keeps for itself.
const KEEP: usize = 32;
/// Objects that are followed together.
const BATCH: usize = 32;
/// Targets of an object that is followed for so long that others may be waiting.
const MANY: usize = 4096;
/// Slots that a thread looks through at a time, for objects of known types.
const LOT: u32 = 1 << 14;
/// Answers that a thread remembers, of which kinds fit which slots.
const FITS: usize = 32;
/// Most less sure claims that a thread keeps.
const MOST_LATER: usize = 1 << 22;

/// Claims that were not believed, by cause.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Conflicts {
    /// The slot is not one that the allocator would have chosen, or holds pointers where the type
    /// has none, or none where it has.
    pub slot: u64,
    /// The object has a pointer where the type has none.
    pub pointers: u64,
    /// Another claim was stronger.
    pub weaker: u64,
    /// Two claims were as strong: the object has no type.
    pub disputed: u64,
}

impl Conflicts {
    /// These and others.
    #[must_use]
    pub(super) fn and(mut self, other: Conflicts) -> Conflicts {
        self.add(other);
        self
    }

    fn add(&mut self, other: Conflicts) {
        self.slot += other.slot;
        self.pointers += other.pointers;
        self.weaker += other.weaker;
        self.disputed += other.disputed;
    }

    /// All of them.
    pub fn all(&self) -> u64 {
        self.slot + self.pointers + self.weaker + self.disputed
    }
}

/// What is claimed when all that is sure was followed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Later {
    /// A slice of this kind leads into the object.
    Within(u32, u32),
    /// A pointer to a value of this kind leads to its start, and the object is no such value.
    First(u32, u32),
}

/// What threads share.
pub(super) struct Pass<'a> {
    objects: &'a Objects,
    edges: &'a Edges,
    seeds: &'a Seeds,
    reachable: &'a Reachable,
    kinds: SharedKinds,
    threads: usize,
    next_lot: AtomicUsize,
    queue: Mutex<Queue>,
    wake: Condvar,
    hungry: AtomicUsize,
    done: Mutex<Done>,
}

#[derive(Debug, Default)]
struct Queue {
    shares: Vec<Vec<u32>>,
    waiting: usize,
    done: bool,
}

/// What threads found.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) conflicts: Conflicts,
    pub(super) later: Vec<Later>,
}

/// What a thread has of its own.
#[derive(Default)]
struct Hands<'a> {
    stack: Vec<u32>,
    /// What pointers say that is not looked at yet.
    ahead: Ahead<'a>,
    /// Kinds and slots, and whether they fit.
    fits: [(u64, bool); FITS],
    /// Slots and nodes.
    batch: Vec<(u32, u32)>,
    done: Done,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Pass<'a> {
    pub(super) fn new(
        objects: &'a Objects,
        edges: &'a Edges,
        seeds: &'a Seeds,
        reachable: &'a Reachable,
        threads: usize,
    ) -> Pass<'a> {
        Pass {
            objects,
            edges,
            seeds,
            reachable,
            kinds: SharedKinds::new(),
            threads: threads.max(1),
            next_lot: AtomicUsize::new(0),
            queue: Mutex::new(Queue::default()),
            wake: Condvar::new(),
            hungry: AtomicUsize::new(0),
            done: Mutex::new(Done::default()),
        }
    }

    /// Follows what is known, from `first` and from all objects of a known type if so asked.
    pub(super) fn run(&self, first: Vec<u32>, all: bool) -> Done {
        *lock(&self.queue) = Queue {
            shares: vec![first],
            ..Queue::default()
        };
        self.hungry.store(0, Ordering::Relaxed);
        let lots = if all { 0 } else { usize::MAX / 2 };
        self.next_lot.store(lots, Ordering::Relaxed);
        std::thread::scope(|scope| {
            for _ in 1..self.threads {
                scope.spawn(|| self.work());
            }
            self.work();
        });
        std::mem::take(&mut lock(&self.done))
    }

    fn work(&self) {
        let mut hands = Hands::default();
        while self.lot(&mut hands) {
            self.drain(&mut hands);
        }
        while let Some(share) = self.next() {
            hands.stack = share;
            self.drain(&mut hands);
        }
        let mut done = lock(&self.done);
        done.conflicts.add(hands.done.conflicts);
        done.later.append(&mut hands.done.later);
    }

    /// Takes the reachable objects of a known type out of the next slots, and drops what is known
    /// of those that it cannot be right of. Says whether there were any slots.
    fn lot(&self, hands: &mut Hands<'a>) -> bool {
        let lot = self.next_lot.fetch_add(1, Ordering::Relaxed);
        let slots = self.objects.slots();
        let Some(first) = u32::try_from(lot).ok().and_then(|lot| lot.checked_mul(LOT)) else {
            return false;
        };
        if first >= slots {
            return false;
        }
        for number in first..first.saturating_add(LOT).min(slots) {
            let Some(claim) = self.known(number) else {
                continue;
            };
            if !self.reachable.members().has(number) {
                // Nobody follows garbage: what was only seen beside a pointer to it is not checked.
                if claim.strength != Strength::Named {
                    self.forget(number);
                }
                continue;
            }
            if claim.strength == Strength::Looks {
                continue;
            }
            let kind = self.kind(claim.kind);
            let right = kind.is_some_and(|kind| {
                let span = self.objects.span_of_slot(number);
                span.is_some_and(|span| span.noscan || self.agrees(kind, number, span))
            });
            if right {
                if kind.is_some_and(Kind::is_leading) {
                    hands.stack.push(number);
                }
            } else if claim.strength != Strength::Named {
                hands.done.conflicts.pointers += 1;
                self.forget(number);
            }
        }
        true
    }

    /// Drops closures that only look so: no function value led to them.
    pub(super) fn forget_looks(&self) {
        for number in 0..self.objects.slots() {
            let looks = self
                .known(number)
                .filter(|claim| claim.strength == Strength::Looks);
            let kind = looks.and_then(|claim| self.kind(claim.kind));
            if kind.is_some_and(|kind| matches!(kind.what, What::Closure(_))) {
                self.forget(number);
            }
        }
    }

    fn forget(&self, number: u32) {
        if let Some(own) = self.seeds.claims.get(number as usize) {
            own.store(0, Ordering::Relaxed);
        }
    }

    #[inline]
    fn known(&self, number: u32) -> Option<Claim> {
        let own = self.seeds.claims.get(number as usize)?;
        Claim::unpacked(own.load(Ordering::Relaxed))
    }

    /// The next share; nothing where no thread has any left.
    fn next(&self) -> Option<Vec<u32>> {
        let mut queue = lock(&self.queue);
        queue.waiting += 1;
        self.hungry.fetch_add(1, Ordering::Relaxed);
        loop {
            if let Some(share) = queue.shares.pop() {
                queue.waiting -= 1;
                self.hungry.fetch_sub(1, Ordering::Relaxed);
                return Some(share);
            }
            if queue.waiting == self.threads || queue.done {
                queue.done = true;
                self.wake.notify_all();
                return None;
            }
            let woken = self.wake.wait(queue);
            queue = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn drain(&self, hands: &mut Hands<'a>) {
        while !hands.stack.is_empty() || hands.ahead.len > 0 {
            if hands.stack.is_empty() {
                self.led(Led::default(), hands);
                continue;
            }
            // What several objects need is asked for before any is followed.
            let from = hands.stack.len().saturating_sub(BATCH);
            let mut batch = std::mem::take(&mut hands.batch);
            batch.clear();
            for number in hands.stack.drain(from..) {
                if let Some(node) = self.edges.node(number) {
                    self.edges.ask_range(node);
                    self.objects.ask_hint(number);
                    prefetch(&self.seeds.claims, number as usize);
                    batch.push((number, node));
                }
            }
            for (number, node) in &batch {
                let start = self.edges.range(*node).start;
                self.edges.ask_targets(start);
                self.edges.ask_offset(start);
                self.objects.ask_span(*number);
            }
            for (number, _) in &batch {
                if let Some(span) = self.objects.span_of_slot(*number) {
                    self.seeds.ask_bits(span, Pass::words_of(*number, span).0);
                }
            }
            for (number, node) in &batch {
                self.follow(*number, *node, hands);
            }
            hands.batch = batch;
            self.share(hands);
        }
    }

    /// Gives half of what is to be followed away, where somebody has nothing to do.
    fn share(&self, hands: &mut Hands<'a>) {
        if hands.stack.len() > KEEP && self.hungry.load(Ordering::Relaxed) > 0 {
            let rest = hands.stack.split_off(hands.stack.len() / 2);
            let share = std::mem::replace(&mut hands.stack, rest);
            lock(&self.queue).shares.push(share);
            self.wake.notify_one();
        }
    }

    /// A kind, its words worked out.
    #[inline]
    fn kind(&self, number: u32) -> Option<&Kind> {
        self.kinds.get(number, self.seeds)
    }

    /// First word of an object among those of its span, and how many it has.
    fn words_of(number: u32, span: &HeapSpan) -> (u64, u64) {
        let slot = u64::from(number.wrapping_sub(span.first));
        let header = (span.elem_size - span.usable()) / 8;
        let first = slot.wrapping_mul(span.elem_size) / 8 + header;
        (first, span.usable() / 8)
    }

    /// Whether every word of an object that leads somewhere is a pointer of its kind.
    fn agrees(&self, kind: &Kind, object: u32, span: &HeapSpan) -> bool {
        let Some(words) = kind.words.get() else {
            return true;
        };
        if words.open || words.full {
            return true;
        }
        let (first, count) = Pass::words_of(object, span);
        if self.seeds.bits(span, first, count.min(64)) & !words.mask != 0 {
            return false;
        }
        let len = words.leads.len() as u64;
        let mut done = 64;
        while done < count {
            let part = (count - done).min(64);
            let mut bits = self.seeds.bits(span, first + done, part);
            while bits != 0 {
                let word = done + u64::from(bits.trailing_zeros());
                bits &= bits - 1;
                let place = match words.repeats {
                    true => word % len.max(1),
                    false => word,
                };
                if words.leads.get(index(place)).is_none_or(|lead| *lead == 0) {
                    return false;
                }
            }
            done += part;
        }
        true
    }

    /// Claims what an object of a known kind says of those that it leads to.
    fn follow(&self, number: u32, node: u32, hands: &mut Hands<'a>) {
        let (Some(claim), Some(span)) = (self.known(number), self.objects.span_of_slot(number))
        else {
            return;
        };
        let Some(kind) = self.kind(claim.kind) else {
            return;
        };
        let Some(words) = kind.words.get().filter(|words| !words.open) else {
            return;
        };
        match words.leads.as_slice() {
            [lead] if words.full => self.follow_all(*lead, node, hands),
            _ if words.leading => self.follow_words(number, span, node, words, hands),
            _ => {}
        }
    }

    /// The same of a row of pointers.
    fn follow_all(&self, lead: u32, node: u32, hands: &mut Hands<'a>) {
        let range = self.edges.range(node);
        let targets = self.edges.targets(range.clone());
        for (target, at) in targets.iter().zip(range.start..) {
            self.edge(lead, *target, at, hands);
            if targets.len() > MANY && at % 64 == 0 {
                self.share(hands);
            }
        }
    }

    fn follow_words(
        &self,
        number: u32,
        span: &HeapSpan,
        node: u32,
        words: &Words,
        hands: &mut Hands<'a>,
    ) {
        let range = self.edges.range(node);
        let targets = self.edges.targets(range.clone());
        let (first, count) = Pass::words_of(number, span);
        let len = words.leads.len() as u64;
        let mut edges = targets.iter().zip(range.start..);
        // Where the value starts that the word is of.
        let (mut done, mut value) = (0, 0);
        while done < count {
            let part = (count - done).min(64);
            let mut bits = self.seeds.bits(span, first + done, part) & low(part);
            while bits != 0 {
                let word = done + u64::from(bits.trailing_zeros());
                bits &= bits - 1;
                if words.repeats && word - value >= len {
                    value = word - word % len.max(1);
                }
                let Some((target, at)) = edges.next() else {
                    return;
                };
                if let Some(lead) = words.leads.get(index(word - value)) {
                    self.edge(*lead, *target, at, hands);
                }
            }
            done += part;
            if targets.len() > MANY {
                self.share(hands);
            }
        }
    }

    /// Takes what a pointer says.
    #[inline]
    fn edge(&self, lead: u32, target: u32, at: usize, hands: &mut Hands<'a>) {
        if Lead::leads_on(lead) {
            let led = Led {
                lead,
                target,
                edge: u32::try_from(at).unwrap_or(u32::MAX),
                span: None,
            };
            prefetch(&self.seeds.claims, target as usize);
            self.objects.ask_hint(target);
            self.led(led, hands);
        }
    }

    /// Puts in what a pointer says, and goes one step on with those that came before.
    #[inline]
    fn led(&self, led: Led<'a>, hands: &mut Hands<'a>) {
        hands.ahead.put(led);
        if let Some(led) = hands.ahead.before(1) {
            match self.says_nothing(led) {
                true => hands.ahead.drop(1),
                false => self.objects.ask_span(led.target),
            }
        }
        if let Some(led) = hands.ahead.before(2) {
            led.span = self.objects.span_of_slot(led.target);
            if let Some(span) = led.span.filter(|span| !span.noscan) {
                let (first, _) = Pass::words_of(led.target, span);
                self.seeds.ask_bits(span, first);
            }
        }
        if let Some(led) = hands.ahead.take() {
            self.lead(led, hands);
        }
    }

    /// Whether as much is known of a target as a pointer says.
    #[inline]
    fn says_nothing(&self, led: &Led<'a>) -> bool {
        let Some(known) = self.known(led.target) else {
            return false;
        };
        match Lead::unpacked(led.lead) {
            Lead::Text => known.kind == TEXT,
            Lead::Whole(kind) => known.kind == kind && known.strength >= Strength::Pointer,
            Lead::Row(kind) => known.kind == kind && known.strength >= Strength::Slice,
            _ => false,
        }
    }

    /// Whether a kind fits a slot.
    #[inline]
    fn fits_slot(&self, number: u32, span: &HeapSpan, hands: &mut Hands<'a>) -> bool {
        let fits = || {
            self.kind(number)
                .is_some_and(|kind| claims::fits(kind, span))
        };
        if span.elem_size > 32768 {
            return fits();
        }
        // All that it hangs on, where slots are not large.
        let size = u64::from(number) << 32 | span.elem_size << 2;
        let asked = size | u64::from(span.noscan) << 1 | u64::from(span.has_headers());
        let place = index(asked.wrapping_mul(0x9E37_79B9_7F4A_7C15)) >> 59;
        let Some(place) = hands.fits.get_mut(place) else {
            return fits();
        };
        if place.0 != asked {
            *place = (asked, fits());
        }
        place.1
    }

    /// Makes a claim; says whether it could be true.
    #[inline]
    fn claim(
        &self,
        target: u32,
        span: &HeapSpan,
        number: u32,
        strength: Strength,
        hands: &mut Hands<'a>,
    ) -> bool {
        let Some(kind) = self.kind(number) else {
            return false;
        };
        if !self.fits_slot(number, span, hands) {
            // A pointer may lead to the first field of something larger, and a string anywhere.
            let expected = matches!(strength, Strength::Pointer | Strength::String);
            hands.done.conflicts.slot += u64::from(!expected);
            return false;
        }
        if !span.noscan && !self.agrees(kind, target, span) {
            hands.done.conflicts.pointers += 1;
            return false;
        }
        let claim = Claim {
            kind: number,
            strength,
        };
        let outcome = claims::make(&self.seeds.claims, target, claim, span, |number| {
            self.kind(number)
        });
        match outcome {
            Outcome::Known => {}
            Outcome::New => self.push(target, span, kind, hands),
            Outcome::Against => hands.done.conflicts.weaker += 1,
            Outcome::Instead => {
                hands.done.conflicts.weaker += 1;
                self.push(target, span, kind, hands);
            }
            Outcome::Disputed => hands.done.conflicts.disputed += 1,
        }
        true
    }

    #[inline]
    fn push(&self, target: u32, span: &HeapSpan, kind: &Kind, hands: &mut Hands<'a>) {
        if !span.noscan && kind.is_leading() {
            self.edges.ask(target);
            hands.stack.push(target);
        }
    }

    /// Whether a number says nothing.
    pub(super) fn is_disputed(claim: Claim) -> bool {
        claim.kind == DISPUTED
    }
}
