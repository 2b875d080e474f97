//! [`Reachable`]: what marking found, of each span and altogether.
//!
//! Does not know residency: callers join spans with the pages that are resident.

use letgo_goruntime::Span;
use letgo_target::Coverage;

use crate::ObjectId;
use crate::bits::{BitSet, low};
use crate::objects::Objects;

/// How much of a span is reachable.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SpanReach {
    /// Which of the census's spans.
    pub census: u32,
    /// Slots in use.
    pub in_use: u32,
    /// Of these, slots whose objects are reachable.
    pub reachable: u32,
    /// It holds an unreachable object with a finalizer, which the next GC keeps for that.
    pub awaits_finalizer: bool,
}

impl SpanReach {
    /// Whether the next GC frees the whole span.
    pub fn is_free_after_gc(&self) -> bool {
        self.reachable == 0 && !self.awaits_finalizer
    }
}

/// 64 slots of a span, a bit each, the first slot lowest.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SlotWord {
    /// Slots in use.
    pub in_use: u64,
    /// Of these, the reachable ones.
    pub reachable: u64,
    /// Of the reachable ones, those that only guessed roots lead to.
    pub guessed: u64,
    /// Slots in use that the last GC found dead.
    pub dead: u64,
}

/// What the spans of one class will be after the next GC.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ClassReach {
    /// `mspan.spanclass`: size class * 2 + noscan.
    pub span_class: u8,
    /// Bytes a slot; 0 for large objects, which have one each.
    pub elem_size: u64,
    /// Spans that stay.
    pub spans: u64,
    /// Their slots.
    pub slots: u64,
    /// Of these, free ones.
    pub free_slots: u64,
}

/// Counts of objects.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Count {
    /// Objects.
    pub objects: u64,
    /// Bytes of their slots.
    pub bytes: u64,
}

/// What is reachable.
#[derive(Clone, Debug, Default)]
pub struct Reachable {
    /// Everything that is reachable.
    pub all: Count,
    /// Of it, what is reachable through guessed roots only.
    pub guessed: Count,
    /// Reachable for sure, though the last GC found it dead: 0 in a target at rest.
    pub dead: Count,
    /// The same of what is reachable through guessed roots only.
    pub dead_guessed: Count,
    /// In use.
    pub in_use: Count,
    /// Pointers to objects that were followed.
    pub pointers: u64,
    /// Each span of the heap, by address.
    pub spans: Vec<SpanReach>,
    /// What was left out, of the graph and of marking.
    pub coverage: Coverage,
    set: BitSet,
    only_guessed: BitSet,
    used: BitSet,
    found_dead: BitSet,
    /// First slot and number of slots of each of `spans`.
    slots: Vec<(u32, u32)>,
    /// By number in the census: which of `spans`, plus 1; 0 for none.
    numbers: Vec<u32>,
}

impl Reachable {
    /// Puts together what is reachable `for_sure` and by `guess`, which has all of the first.
    pub(crate) fn of(
        objects: &Objects,
        finalized: &[ObjectId],
        for_sure: &BitSet,
        guess: BitSet,
    ) -> Reachable {
        let mut reachable = Reachable::default();
        let only_guessed = guess.without(for_sure);
        for (span, census) in objects.spans.iter().zip(&objects.census) {
            let count = |set: &BitSet| set.count(span.first, span.nelems);
            let (in_use, found) = (count(&objects.in_use), count(&guess));
            reachable.slots.push((span.first, span.nelems));
            reachable.spans.push(SpanReach {
                census: *census,
                in_use,
                reachable: found,
                awaits_finalizer: false,
            });
            let add = |to: &mut Count, count: u32| {
                to.objects += u64::from(count);
                to.bytes += u64::from(count) * span.elem_size;
            };
            add(&mut reachable.in_use, in_use);
            add(&mut reachable.all, found);
            add(&mut reachable.guessed, count(&only_guessed));
        }
        let last = objects.census.last().map_or(0, |last| *last as usize + 1);
        reachable.numbers = vec![0; last];
        for (census, own) in objects.census.iter().zip(1u32..) {
            if let Some(number) = reachable.numbers.get_mut(*census as usize) {
                *number = own;
            }
        }
        for object in finalized.iter().filter(|object| !guess.has(object.0)) {
            let own = objects.place(*object).map(|(slot, _)| slot.span as usize);
            if let Some(span) = own.and_then(|own| reachable.spans.get_mut(own)) {
                span.awaits_finalizer = true;
            }
        }
        reachable.dead = dead(objects, for_sure);
        reachable.dead_guessed = dead(objects, &only_guessed);
        reachable.set = guess;
        reachable.only_guessed = only_guessed;
        reachable.used = objects.in_use.clone();
        reachable.found_dead = objects.dead.clone();
        reachable
    }

    /// What is known of a span, by its number in the census; nothing of one that is not the heap's.
    pub fn span(&self, census: u32) -> Option<&SpanReach> {
        self.spans.get(self.number(census)?)
    }

    /// The slots of a span, 64 at a time, by its number in the census.
    pub fn words(&self, census: u32) -> Option<impl Iterator<Item = SlotWord> + '_> {
        let own = *self.slots.get(self.number(census)?)?;
        let words = own.1.div_ceil(64);
        Some((0..words).map(move |word| self.word_of(own, word)))
    }

    /// The slots `64 * word` to `64 * word + 63` of a span, by its number in the census.
    pub fn word(&self, census: u32, word: u32) -> Option<SlotWord> {
        let own = *self.slots.get(self.number(census)?)?;
        Some(self.word_of(own, word))
    }

    /// The same of a span that has this first slot and so many.
    fn word_of(&self, (first, nelems): (u32, u32), word: u32) -> SlotWord {
        let done = u64::from(word) * 64;
        let own = low(u64::from(nelems).saturating_sub(done));
        let of = |set: &BitSet| set.word(u64::from(first) + done) & own;
        SlotWord {
            in_use: of(&self.used),
            reachable: of(&self.set),
            guessed: of(&self.only_guessed),
            dead: of(&self.found_dead),
        }
    }

    /// Which of `spans` has this number in the census.
    fn number(&self, census: u32) -> Option<usize> {
        let own = *self.numbers.get(census as usize)?;
        (own as usize).checked_sub(1)
    }

    /// Whether an object is reachable.
    pub fn has(&self, object: ObjectId) -> bool {
        self.set.has(object.0)
    }

    /// Whether only guessed roots lead to an object.
    #[inline]
    pub fn is_guessed(&self, object: ObjectId) -> bool {
        self.only_guessed.has(object.0)
    }

    /// The slots whose objects are reachable.
    pub(crate) fn members(&self) -> &BitSet {
        &self.set
    }

    /// What each class of spans will be after the next GC, by class; `spans` are the census's.
    pub fn classes(&self, spans: &[Span]) -> Vec<ClassReach> {
        let mut classes = vec![ClassReach::default(); 256];
        for reach in self.spans.iter().filter(|reach| !reach.is_free_after_gc()) {
            let Some(span) = spans.get(reach.census as usize) else {
                continue;
            };
            let Some(class) = classes.get_mut(usize::from(span.span_class)) else {
                continue;
            };
            class.span_class = span.span_class;
            class.elem_size = if span.size_class() == 0 {
                0
            } else {
                span.elem_size
            };
            class.spans += 1;
            class.slots += u64::from(span.nelems);
            class.free_slots += u64::from(span.nelems.saturating_sub(reach.reachable));
        }
        classes.retain(|class| class.spans > 0);
        classes
    }
}

/// Objects of `set` that the last GC found dead.
fn dead(objects: &Objects, set: &BitSet) -> Count {
    let mut count = Count::default();
    for number in set.common(&objects.dead) {
        if let Some((_, span)) = objects.place(ObjectId(number)) {
            count.objects += 1;
            count.bytes += span.elem_size;
        }
    }
    count
}
