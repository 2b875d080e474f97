//! [`Reach`]: what the object graph says of the slots of spans, and [`Reached`]: the same weighed
//! by what is resident.
//!
//! A slot in use is reachable or garbage, by the graph's own bits, which are of one moment with
//! its verdict. A span that the graph does not know is split as if there were no graph: its slots
//! in use stay `heap.objects`, and are counted in [`Reached::unknown`].
//!
//! Spans of a class are sorted by their share of reachable slots, since whether a span goes back
//! depends on its last object: see [`Shares`].

use letgo_goruntime::{RUNTIME_PAGE, Span};
use letgo_heap::{Reachable, SlotWord};
use letgo_target::{PageKind, ResidentBytes};

use crate::Leaf;

/// What the object graph knows of the census's spans, each by its number in the census.
pub trait Reach {
    /// Replaces `words` by the slots of a span, 64 a word. `false` where the graph does not know
    /// the span.
    fn words(&self, span: u32, words: &mut Vec<SlotWord>) -> bool;

    /// Whether the next GC keeps the span for an unreachable object that has a finalizer.
    fn awaits_finalizer(&self, span: u32) -> bool;
}

impl Reach for Reachable {
    fn words(&self, span: u32, words: &mut Vec<SlotWord>) -> bool {
        words.clear();
        match Reachable::words(self, span) {
            Some(found) => words.extend(found),
            None => return false,
        }
        true
    }

    fn awaits_finalizer(&self, span: u32) -> bool {
        self.span(span).is_some_and(|span| span.awaits_finalizer)
    }
}

/// Shares that [`ReachClass::shares`] tells apart: spans with nothing reachable, then by eighths.
pub const SHARES: usize = 9;

/// Objects, counted and weighed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Held {
    /// Objects.
    pub objects: u64,
    /// Bytes of their slots, touched or not.
    pub slot_bytes: u64,
    /// What of that is resident.
    pub resident: ResidentBytes,
}

impl Held {
    pub(crate) fn count(&mut self, objects: u32, elem_size: u64) {
        self.objects += u64::from(objects);
        let bytes = u64::from(objects).saturating_mul(elem_size);
        self.slot_bytes = self.slot_bytes.saturating_add(bytes);
    }

    fn add(&mut self, other: Held) {
        self.objects += other.objects;
        self.slot_bytes = self.slot_bytes.saturating_add(other.slot_bytes);
        self.resident += other.resident;
    }
}

/// Spans that have something in common, with what is in them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Shares {
    /// Spans.
    pub spans: u64,
    /// Bytes of these spans, touched or not.
    pub span_bytes: u64,
    /// What of that is resident.
    pub resident: ResidentBytes,
    /// Slots, in use or not.
    pub slots: u64,
    /// Reachable objects.
    pub reachable: Held,
    /// Objects in use that are not reachable: the next GC takes them.
    pub garbage: Held,
    /// Free slots, resident.
    pub free: ResidentBytes,
}

impl Shares {
    /// Adds others to these.
    pub fn add(&mut self, other: &Shares) {
        self.spans += other.spans;
        self.span_bytes = self.span_bytes.saturating_add(other.span_bytes);
        self.resident += other.resident;
        self.slots += other.slots;
        self.free += other.free;
        self.reachable.add(other.reachable);
        self.garbage.add(other.garbage);
    }
}

/// The spans of one size class that the graph knows, pointerful or not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ReachClass {
    /// Number of the size class; 0 holds the large objects, one a span.
    pub class: u8,
    /// Whether its objects hold no pointers.
    pub noscan: bool,
    /// Bytes a slot; 0 for large objects, which have each their own size.
    pub elem_size: u64,
    /// Spans by the share of their slots that is reachable: none (the next GC frees the whole
    /// span), up to 1/8, up to 2/8, and so on.
    pub shares: [Shares; SHARES],
    /// Spans without a reachable object that stay all the same, for a finalizer.
    pub awaiting_finalizer: Shares,
}

impl ReachClass {
    /// The spans that are there after the next GC.
    pub fn staying(&self) -> Shares {
        let mut sum = self.awaiting_finalizer;
        self.shares.iter().skip(1).for_each(|part| sum.add(part));
        sum
    }

    /// The spans that the next GC frees as a whole.
    pub fn going(&self) -> Shares {
        self.shares.first().copied().unwrap_or_default()
    }

    /// All spans.
    pub fn all(&self) -> Shares {
        let mut sum = self.going();
        sum.add(&self.staying());
        sum
    }
}

/// What the graph adds to an account.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reached {
    /// Reachable objects; their resident bytes are those of the leaf `heap.reachable`.
    pub reachable: Held,
    /// Objects that are not reachable.
    pub garbage: Held,
    /// Of the reachable ones, those that only guessed roots lead to.
    pub guessed: Held,
    /// Of the reachable ones, those that the last GC had found dead.
    pub dead: Held,
    /// Objects of spans that the graph does not know, unswept garbage included: they are in
    /// `heap.objects` and `heap.garbage` as without a graph.
    pub unknown: Held,
    /// The size classes that have spans, by class and then pointerful before noscan.
    pub classes: Vec<ReachClass>,
}

impl Reached {
    /// Enters a span of the graph.
    pub(crate) fn add_span(&mut self, span: &Span, awaits_finalizer: bool, own: &SpanSum) {
        self.reachable.add(own.shares.reachable);
        self.garbage.add(own.shares.garbage);
        self.guessed.add(own.guessed);
        self.dead.add(own.dead);
        let number = usize::from(span.span_class);
        if self.classes.is_empty() {
            self.classes = vec![ReachClass::default(); usize::from(u8::MAX) + 1];
        }
        let Some(class) = self.classes.get_mut(number) else {
            return;
        };
        (class.class, class.noscan) = (span.size_class(), span.is_noscan());
        if class.class != 0 {
            class.elem_size = span.elem_size;
        }
        let reachable = own.shares.reachable.objects;
        let share = share(reachable, own.shares.slots);
        match class.shares.get_mut(share) {
            Some(_) if reachable == 0 && awaits_finalizer => {
                class.awaiting_finalizer.add(&own.shares);
            }
            Some(shares) => shares.add(&own.shares),
            None => {}
        }
    }

    /// Leaves the classes out that have no spans.
    pub(crate) fn finish(mut self) -> Reached {
        self.classes.retain(|class| class.all().spans > 0);
        self
    }
}

/// Which of [`ReachClass::shares`]: eighths, rounded up.
fn share(reachable: u64, slots: u64) -> usize {
    let eighths = reachable.saturating_mul(8).div_ceil(slots.max(1)).min(8);
    usize::try_from(eighths).unwrap_or_default()
}

/// What a slot is by the graph.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) in_use: bool,
    pub(crate) reachable: bool,
    pub(crate) guessed: bool,
    pub(crate) dead: bool,
}

/// One span's slots by the graph.
#[derive(Debug, Default)]
pub(crate) struct SpanSlots {
    pub(crate) words: Vec<SlotWord>,
}

impl SpanSlots {
    /// Fills in a span of the census; `false` where the graph does not know what is in use there.
    pub(crate) fn read(&mut self, reach: &dyn Reach, number: u32, span: &Span) -> bool {
        if !reach.words(number, &mut self.words) {
            return false;
        }
        // Whatever a graph says: what is not in use is not reachable, and a span has an end.
        self.words.truncate(span.nelems.div_ceil(64) as usize);
        for (word, first) in self.words.iter_mut().zip((0..span.nelems).step_by(64)) {
            word.in_use &= lowest(span.nelems - first);
            word.reachable &= word.in_use;
            word.guessed &= word.reachable;
            word.dead &= word.in_use;
        }
        // A span whose bits could not be read has none in use.
        span.alloc_count == 0 || self.words.iter().any(|word| word.in_use != 0)
    }

    /// What a slot is.
    pub(crate) fn verdict(&self, slot: u32) -> Verdict {
        let word = self.words.get((slot / 64) as usize);
        let word = word.copied().unwrap_or_default();
        let has = |bits: u64| bits >> (slot % 64) & 1 == 1;
        let reachable = has(word.reachable);
        Verdict {
            in_use: has(word.in_use),
            reachable,
            guessed: has(word.guessed),
            dead: reachable && has(word.dead),
        }
    }

    /// The span's sums, so far without resident bytes.
    pub(crate) fn sum(&self, span: &Span) -> SpanSum {
        let mut sum = SpanSum::default();
        sum.shares.spans = 1;
        sum.shares.span_bytes = u64::from(span.npages) * RUNTIME_PAGE;
        sum.shares.slots = u64::from(span.nelems);
        for word in &self.words {
            let count = |held: &mut Held, bits: u64| held.count(bits.count_ones(), span.elem_size);
            count(&mut sum.shares.reachable, word.reachable);
            count(&mut sum.shares.garbage, word.in_use & !word.reachable);
            count(&mut sum.guessed, word.guessed);
            count(&mut sum.dead, word.reachable & word.dead);
        }
        sum
    }
}

/// The lowest `count` bits, all of them from 64 on.
fn lowest(count: u32) -> u64 {
    match count {
        0 => 0,
        1..=63 => u64::MAX >> (64 - count),
        _ => u64::MAX,
    }
}

/// What is in one span.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SpanSum {
    pub(crate) shares: Shares,
    pub(crate) guessed: Held,
    pub(crate) dead: Held,
}

impl SpanSum {
    /// Counts resident bytes of a slot, or of what is beside the slots.
    pub(crate) fn add(&mut self, leaf: Leaf, verdict: Verdict, bytes: ResidentBytes) {
        self.shares.resident += bytes;
        match leaf {
            Leaf::HeapReachable => self.shares.reachable.resident += bytes,
            Leaf::HeapGarbage => self.shares.garbage.resident += bytes,
            Leaf::HeapFreeSlots => self.shares.free += bytes,
            _ => {}
        }
        if verdict.guessed {
            self.guessed.resident += bytes;
        }
        if verdict.dead {
            self.dead.resident += bytes;
        }
    }

    /// The same for a span that is of pages of one kind, and so was counted without verdicts.
    pub(crate) fn fill(&mut self, kind: PageKind) {
        if kind.is_resident() {
            let most = self.shares.reachable.resident.0;
            let all = |held: &Held| ResidentBytes(held.slot_bytes.min(most));
            self.guessed.resident = all(&self.guessed);
            self.dead.resident = all(&self.dead);
        }
    }
}
