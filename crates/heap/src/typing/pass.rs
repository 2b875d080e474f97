//! [`Pass`]: following types from objects of a known one to all that they lead to.
//!
//! Objects whose type became known are on a stack. A claim counts only if the words of the object
//! that lead somewhere are all such as the type has pointers at.
//!
//! What is less sure waits until all else was followed: slices that lead into an object, and
//! pointers to the first field of something larger.
//!
//! Invariants: an object is followed once for each type that it is found to have; claims only get
//! stronger or larger, so that this ends; only reachable objects are followed.

mod later;
mod leads;

use std::ops::Range;

use rustc_hash::FxHashMap;

use super::ahead::{Ahead, Led, NEAR, Near, PLACES};
use super::claims::{self, Claim, Outcome, Strength};
use super::kinds::{CLOSURE, DISPUTED, Fit, Kind, Lead, TEXT, What, Words};
use super::seeds::Seeds;
use super::taken::TakenKinds;
use crate::Reachable;
use crate::bits::{index, low};
use crate::edges::Edges;
use crate::objects::{HeapSpan, Objects};

/// Objects that are followed together.
const BATCH: usize = 32;
/// Words of an object that are followed before what these lead to is: while that is at hand.
const MANY: u32 = 256;
/// Slots that are looked through at a time, for objects of known types.
const LOT: u32 = 1 << 14;
/// Answers that are remembered, of which kinds fit which slots.
const FITS: usize = 32;
/// Most less sure claims that are kept.
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
    /// It is a channel of this kind by its words.
    Alone(u32, u32),
    /// A pointer to a value of this kind leads to its start, and the object is no such value.
    First(u32, u32),
}

/// What is gone over.
pub(super) struct Pass<'a> {
    objects: &'a Objects,
    edges: &'a Edges,
    seeds: &'a Seeds,
    reachable: &'a Reachable,
    kinds: TakenKinds,
}

/// What was found beside types.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) conflicts: Conflicts,
    pub(super) later: Vec<Later>,
    /// Objects that only look so before anything was followed.
    pub(super) looks: Vec<u32>,
}

/// An object whose words from one on are to be followed.
#[derive(Clone, Copy)]
pub(super) struct Entry<'a> {
    number: u32,
    /// Which 64 of its words come next.
    lot: u32,
    /// How many of its pointers are in those before.
    edge: u32,
    span: &'a HeapSpan,
}

impl<'a> Entry<'a> {
    /// All of an object.
    fn whole(number: u32, span: &'a HeapSpan) -> Entry<'a> {
        let (lot, edge) = (0, 0);
        Entry {
            number,
            lot,
            edge,
            span,
        }
    }
}

/// What is under way.
#[derive(Default)]
struct Hands<'a> {
    stack: Vec<Entry<'a>>,
    /// What pointers say that is not looked at yet.
    near: Near,
    /// The same of objects that are not known by their slot alone.
    ahead: Ahead<'a>,
    /// Kinds and slots, and whether they fit.
    fits: [(u64, bool); FITS],
    /// Objects and nodes.
    batch: Vec<(Entry<'a>, u32)>,
    done: Done,
}

impl<'a> Pass<'a> {
    pub(super) fn new(
        objects: &'a Objects,
        edges: &'a Edges,
        seeds: &'a Seeds,
        reachable: &'a Reachable,
    ) -> Pass<'a> {
        Pass {
            objects,
            edges,
            seeds,
            reachable,
            kinds: TakenKinds::new(),
        }
    }

    /// Follows what is known, from all objects of a known type if so asked, then from `first`.
    pub(super) fn run(&self, first: Vec<Entry<'a>>, all: bool) -> Done {
        let mut hands = Hands::default();
        if all {
            let slots = self.objects.slots();
            for lot in (0..slots).step_by(LOT as usize) {
                self.lot(lot..lot.saturating_add(LOT).min(slots), &mut hands);
                self.drain(&mut hands);
            }
        }
        hands.stack = first;
        self.drain(&mut hands);
        hands.done
    }

    /// Takes the reachable objects of a known type out of these slots, and drops what is known of
    /// those that it cannot be right of.
    fn lot(&self, slots: Range<u32>, hands: &mut Hands<'a>) {
        for number in slots {
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
                hands.done.looks.push(number);
                continue;
            }
            let kind = self.kind(claim.kind);
            let span = self.objects.span_of_slot(number);
            if let (Some(kind), Some(span)) = (kind, span)
                && (span.noscan || self.agrees(kind, number, span))
            {
                if kind.is_leading() {
                    hands.stack.push(Entry::whole(number, span));
                }
            } else if claim.strength != Strength::Named {
                hands.done.conflicts.pointers += 1;
                self.forget(number);
            }
        }
    }

    /// Drops closures that only look so: no function value led to them.
    pub(super) fn forget_looks(&self, looks: &[u32]) {
        for number in looks.iter().copied() {
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
        self.seeds.claims.forget(number);
    }

    #[inline]
    fn known(&self, number: u32) -> Option<Claim> {
        self.seeds.claims.get(number)
    }

    fn drain(&self, hands: &mut Hands<'a>) {
        loop {
            if hands.stack.is_empty() && !self.go_on(hands) {
                return;
            }
            // What several objects need is asked for before any is followed.
            let from = hands.stack.len().saturating_sub(BATCH);
            let mut batch = std::mem::take(&mut hands.batch);
            batch.clear();
            for entry in hands.stack.drain(from..) {
                if let Some(node) = self.edges.node(entry.number) {
                    self.edges.ask_range(node);
                    self.seeds.claims.ask(entry.number);
                    let (first, _) = Pass::words_of(entry.number, entry.span);
                    let next = first + u64::from(entry.lot) * 64;
                    self.seeds.ask_bits(entry.span, next);
                    batch.push((entry, node));
                }
            }
            for (entry, node) in &batch {
                let start = self.edges.range(*node).start;
                let next = start.saturating_add(entry.edge as usize);
                self.edges.ask_targets(next);
                self.edges.ask_offset(next);
            }
            for (entry, node) in &batch {
                self.follow(*entry, *node, hands);
            }
            hands.batch = batch;
        }
    }

    /// Goes on with what is under way until there is something to follow; says whether there is.
    fn go_on(&self, hands: &mut Hands<'a>) -> bool {
        for place in 0..NEAR + PLACES {
            match place < NEAR {
                true => self.led(Led::default(), hands),
                false => self.look(Led::default(), hands),
            }
            if !hands.stack.is_empty() {
                return true;
            }
        }
        false
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

    /// Claims what the next words of an object of a known kind say of those that it leads to.
    fn follow(&self, entry: Entry<'a>, node: u32, hands: &mut Hands<'a>) {
        let kind = self.known(entry.number);
        let kind = kind.and_then(|claim| self.kind(claim.kind));
        let words = kind.and_then(|kind| kind.words.get());
        let Some(words) = words.filter(|words| !words.open && words.leading) else {
            return;
        };
        match words.leads.as_slice() {
            [lead] if words.full => self.follow_all(*lead, entry, node, hands),
            _ => self.follow_words(words, entry, node, hands),
        }
    }

    /// The same of a row of pointers.
    fn follow_all(&self, lead: u32, entry: Entry<'a>, node: u32, hands: &mut Hands<'a>) {
        let range = self.edges.range(node);
        let first = range.start.saturating_add(entry.edge as usize);
        let targets = self.edges.targets(first..range.end);
        if targets.len() > MANY as usize {
            hands.stack.push(Entry {
                edge: entry.edge.saturating_add(MANY),
                ..entry
            });
        }
        for (target, at) in targets.iter().zip(first..).take(MANY as usize) {
            self.edge(lead, *target, at, hands);
        }
    }

    fn follow_words(&self, words: &Words, mut entry: Entry<'a>, node: u32, hands: &mut Hands<'a>) {
        let range = self.edges.range(node);
        let start = range.start.saturating_add(entry.edge as usize);
        let targets = self.edges.targets(start..range.end);
        let (first, count) = Pass::words_of(entry.number, entry.span);
        let len = words.leads.len() as u64;
        let mut edges = targets.iter().zip(start..);
        let mut done = u64::from(entry.lot) * 64;
        let end = count.min(done.saturating_add(MANY.into()));
        let rest = hands.stack.len();
        if end < count {
            hands.stack.push(entry);
        }
        // Where the value starts that the word is of.
        let mut value = 0;
        while done < end {
            let part = (end - done).min(64);
            let mut bits = self.seeds.bits(entry.span, first + done, part) & low(part);
            entry.edge = entry.edge.saturating_add(bits.count_ones());
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
        }
        // It lies below what was put on the stack meanwhile.
        if let Some(rest) = hands.stack.get_mut(rest).filter(|_| end < count) {
            rest.edge = entry.edge;
            rest.lot = u32::try_from(end / 64).unwrap_or(u32::MAX);
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
            self.seeds.claims.ask(target);
            self.led(led, hands);
        }
    }

    /// Puts in what a pointer says, and looks at one that came before: of most objects, their slot
    /// says all.
    #[inline]
    fn led(&self, led: Led<'a>, hands: &mut Hands<'a>) {
        let led = hands.near.put(led);
        if led.lead != 0 && !self.leaf(&led, hands) && !self.says_nothing(&led) {
            self.objects.ask_hint(led.target);
            self.look(led, hands);
        }
    }

    /// Puts in what a pointer says of an object that has to be looked at, and goes one step on with
    /// those that came before.
    #[inline]
    fn look(&self, led: Led<'a>, hands: &mut Hands<'a>) {
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
        span: &'a HeapSpan,
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
        let kinds = |number| self.kind(number);
        let outcome = self.seeds.claims.make_alone(target, claim, span, kinds);
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
    fn push(&self, target: u32, span: &'a HeapSpan, kind: &Kind, hands: &mut Hands<'a>) {
        if !span.noscan && kind.is_leading() {
            self.edges.ask(target);
            hands.stack.push(Entry::whole(target, span));
        }
    }

    /// Whether a number says nothing.
    pub(super) fn is_disputed(claim: Claim) -> bool {
        claim.kind == DISPUTED
    }
}
