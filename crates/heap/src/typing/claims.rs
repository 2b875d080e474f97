//! [`Claim`]: what something says of an object's type, and what becomes of two that differ.
//!
//! A claim is made of an object by what leads to it. It counts only if the object's slot is one
//! that the allocator would have chosen, and if the object has pointers or none as the type says.
//! Of two claims the one that holds the other wins (a structure over its first field, a row over
//! the first value); else the stronger one; of two equally strong ones neither is believed.
//!
//! A word a slot has what is known of the object, and which slots without pointers it is like: of
//! most objects that is all that has to be looked at.
//!
//! Does not follow pointers (see `pass`).
//!
//! Source: src/runtime/malloc.go, `mallocgc`; src/runtime/sizeclasses.go (1.27:
//! src/internal/runtime/gc), the same from go1.19 to go1.27.

use std::ops::Deref;
use std::sync::atomic::{AtomicU32, Ordering};

use super::kinds::{DISPUTED, Fit, Kind, MOST_KINDS, SMALL, TEXT, What};
use crate::objects::HeapSpan;
use crate::prefetch::prefetch;

/// Bytes of the slots of each size class.
const SIZES: [u16; 68] = [
    0, 8, 16, 24, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256, 288, 320,
    352, 384, 416, 448, 480, 512, 576, 640, 704, 768, 896, 1024, 1152, 1280, 1408, 1536, 1792,
    2048, 2304, 2688, 3072, 3200, 3456, 4096, 4864, 5376, 6144, 6528, 6784, 6912, 8192, 9472, 9728,
    10240, 10880, 12288, 13568, 14336, 16384, 18432, 19072, 20480, 21760, 24576, 27264, 28672,
    32768,
];
/// What large objects are rounded up to: a runtime page.
const LARGE: u64 = 8192;

/// A claim in a word: the kind, 3 bits at the end for the strength, and between them how the slot
/// is.
const KIND: u32 = MOST_KINDS - 1;
const STRENGTH: u32 = 29;
const SLOT: u32 = KIND.count_ones();
const SLOTS: u32 = (1 << (STRENGTH - SLOT)) - 1;

/// How much a claim is worth.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Strength {
    /// It looks so.
    Looks = 1,
    /// A slice leads into it, or it is a channel by its words.
    Within = 2,
    /// A string leads to it.
    String = 3,
    /// A slice leads to its start.
    Slice = 4,
    /// An interface holds it.
    Interface = 5,
    /// A pointer leads to it.
    Pointer = 6,
    /// It names its type itself.
    Named = 7,
}

impl Strength {
    fn of(number: u32) -> Strength {
        match number {
            7 => Strength::Named,
            6 => Strength::Pointer,
            5 => Strength::Interface,
            4 => Strength::Slice,
            3 => Strength::String,
            2 => Strength::Within,
            _ => Strength::Looks,
        }
    }
}

/// What something says of an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Claim {
    pub(crate) kind: u32,
    pub(crate) strength: Strength,
}

impl Claim {
    /// It instead of what a word has.
    #[inline]
    fn within(self, word: u32) -> u32 {
        (self.strength as u32) << STRENGTH | word & SLOTS << SLOT | self.kind & KIND
    }

    #[inline]
    fn of(word: u32) -> Option<Claim> {
        (word & KIND != 0).then(|| Claim {
            kind: word & KIND,
            strength: Strength::of(word >> STRENGTH),
        })
    }
}

/// What is known of all objects, by the number of their slot.
///
/// Threads that read objects make claims at the same time; then one thread does.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    words: Vec<AtomicU32>,
    /// Slots without pointers, one of each size; the numbers in `words` start at 1.
    leaves: Vec<HeapSpan>,
}

impl Claims {
    /// Nothing is known yet.
    pub(crate) fn new(spans: &[HeapSpan], slots: u32) -> Claims {
        let mut words: Vec<u32> = Vec::with_capacity(slots as usize);
        let mut leaves: Vec<HeapSpan> = Vec::new();
        for span in spans {
            let mut slot = 0;
            if span.noscan && span.elem_size <= 32768 {
                let same = |leaf: &HeapSpan| leaf.elem_size == span.elem_size;
                let known = leaves.iter().position(same);
                if known.is_none() {
                    leaves.push(*span);
                }
                let at = known.unwrap_or(leaves.len() - 1) + 1;
                let number = u32::try_from(at).ok().filter(|number| *number <= SLOTS);
                slot = number.unwrap_or(0) << SLOT;
            }
            words.extend(std::iter::repeat_n(slot, span.nelems as usize));
        }
        Claims {
            // In the same memory.
            words: words.into_iter().map(AtomicU32::new).collect(),
            leaves,
        }
    }

    /// What is known of an object.
    #[inline]
    pub(crate) fn get(&self, number: u32) -> Option<Claim> {
        let word = self.words.get(number as usize)?;
        Claim::of(word.load(Ordering::Relaxed))
    }

    /// That of all objects.
    pub(crate) fn all(&self) -> impl Iterator<Item = (u32, Claim)> + '_ {
        let words = (0u32..).zip(&self.words);
        words.filter_map(|(number, word)| Some((number, Claim::of(word.load(Ordering::Relaxed))?)))
    }

    /// Asks for the memory that [`Claims::get`] will read.
    #[inline]
    pub(crate) fn ask(&self, number: u32) {
        prefetch(&self.words, number as usize);
    }

    /// Of an object without pointers, a span with slots such as its own, and what is known of the
    /// object. Nothing where its own span has to be looked at.
    #[inline]
    pub(crate) fn leaf(&self, number: u32) -> Option<(&HeapSpan, Option<Claim>)> {
        let word = self.words.get(number as usize)?.load(Ordering::Relaxed);
        let leaf = (word >> SLOT & SLOTS).checked_sub(1)?;
        Some((self.leaves.get(leaf as usize)?, Claim::of(word)))
    }

    /// Makes a claim, while other threads may.
    pub(crate) fn make<K: Deref<Target = Kind>>(
        &self,
        number: u32,
        claim: Claim,
        span: &HeapSpan,
        kind: impl Fn(u32) -> Option<K>,
    ) {
        if let Some(own) = self.words.get(number as usize) {
            let next = |word| {
                let (_, next) = meet(Claim::of(word), claim, span, &kind);
                Some(next.within(word))
            };
            let _ = own.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        }
    }

    /// Makes a claim where nothing is known, while other threads may.
    pub(crate) fn make_first(&self, number: u32, claim: Claim) {
        if let Some(own) = self.words.get(number as usize) {
            let next = |word| Claim::of(word).is_none().then(|| claim.within(word));
            let _ = own.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        }
    }

    /// Makes a claim as the only thread that does.
    #[inline]
    pub(crate) fn make_alone<K: Deref<Target = Kind>>(
        &self,
        number: u32,
        claim: Claim,
        span: &HeapSpan,
        kind: impl Fn(u32) -> Option<K>,
    ) -> Outcome {
        let Some(own) = self.words.get(number as usize) else {
            return Outcome::Known;
        };
        let word = own.load(Ordering::Relaxed);
        let (outcome, next) = meet(Claim::of(word), claim, span, kind);
        own.store(next.within(word), Ordering::Relaxed);
        outcome
    }

    /// Takes a claim whatever was known.
    #[inline]
    pub(crate) fn put(&self, number: u32, claim: Claim) {
        if let Some(own) = self.words.get(number as usize) {
            let word = own.load(Ordering::Relaxed);
            own.store(claim.within(word), Ordering::Relaxed);
        }
    }

    /// Drops what is known.
    pub(crate) fn forget(&self, number: u32) {
        if let Some(own) = self.words.get(number as usize) {
            own.fetch_and(SLOTS << SLOT, Ordering::Relaxed);
        }
    }
}

/// What became of a claim.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// It is what is known of the object now.
    New,
    /// What was known says as much or more.
    Known,
    /// It differs from what was known, which stands.
    Against,
    /// It differs from what was known, and replaced it.
    Instead,
    /// It differs, and now neither is believed.
    Disputed,
}

/// The bytes below which an object would have a smaller slot.
#[inline]
fn below(span: &HeapSpan) -> u64 {
    if span.nelems == 1 && span.elem_size > 32768 {
        return span.elem_size.saturating_sub(LARGE);
    }
    let at = SIZES.partition_point(|size| u64::from(*size) < span.elem_size);
    let before = at.checked_sub(1).and_then(|at| SIZES.get(at));
    before.map_or(0, |size| u64::from(*size))
}

/// Whether the allocator would have put an object of this kind into such a slot.
pub(crate) fn fits(kind: &Kind, span: &HeapSpan) -> bool {
    if kind
        .pointers
        .is_some_and(|pointers| pointers == span.noscan)
    {
        return false;
    }
    let usable = span.usable();
    let header = span.elem_size - usable;
    let exact = |size: u64| {
        let tiny = span.is_tiny() && size < 16;
        size <= usable && (tiny || size + header > below(span))
    };
    match kind.fit {
        Fit::Any => true,
        Fit::Once(size) => exact(size),
        Fit::Rows(size) => size <= usable && exact(usable / size * size),
        Fit::Chan(size) if span.noscan => size <= usable,
        Fit::Chan(size) => exact(size),
    }
}

/// Whether the allocator may put several values of this kind into one slot.
pub(crate) fn is_tiny(kind: &Kind) -> bool {
    kind.pointers == Some(false) && matches!(kind.fit, Fit::Once(1..16))
}

/// Whether a value of `one` starts with one of `other`, or is one.
fn holds(one: &Kind, other: &Kind) -> bool {
    other.elem.is_some_and(|elem| one.firsts.contains(&elem))
}

/// What is to be known of an object of which `old` was, and `new` is said.
fn between(
    old: Claim,
    new: Claim,
    span: &HeapSpan,
    old_kind: &Kind,
    new_kind: &Kind,
) -> (Outcome, Claim) {
    let strength = old.strength.max(new.strength);
    let keep = (Outcome::Known, Claim { strength, ..old });
    let take = (Outcome::New, Claim { strength, ..new });
    if old.kind == new.kind {
        return keep;
    }
    let is_closure = |kind: &Kind| matches!(kind.what, What::Closure(_));
    if is_closure(old_kind) && is_closure(new_kind) {
        let known = old_kind.what != What::Closure(letgo_target::Addr::NULL);
        return if known { keep } else { take };
    }
    if old_kind.internal && !new_kind.internal {
        return take;
    }
    if new_kind.internal && !old_kind.internal {
        return keep;
    }
    match (holds(old_kind, new_kind), holds(new_kind, old_kind)) {
        (true, true) if new_kind.what.rank() > old_kind.what.rank() => return take,
        (true, _) => return keep,
        (false, true) if old.strength != Strength::Named => return take,
        _ => {}
    }
    if span.is_tiny() {
        let kind = SMALL;
        return match old.kind {
            SMALL => keep,
            _ => (Outcome::New, Claim { kind, strength }),
        };
    }
    // A string is a look at bytes, whatever these are.
    if new.kind == TEXT || new.strength == Strength::Within {
        return (Outcome::Known, old);
    }
    if old.kind == TEXT || old.strength <= Strength::Within {
        return (Outcome::New, new);
    }
    if old.strength > new.strength {
        return (Outcome::Against, old);
    }
    if new.strength > old.strength {
        return (Outcome::Instead, new);
    }
    let kind = DISPUTED;
    (Outcome::Disputed, Claim { kind, strength })
}

/// What is to be known of an object of which `known` was, and `claim` is said.
#[inline]
fn meet<K: Deref<Target = Kind>>(
    known: Option<Claim>,
    claim: Claim,
    span: &HeapSpan,
    kind: impl Fn(u32) -> Option<K>,
) -> (Outcome, Claim) {
    let Some(old) = known else {
        return (Outcome::New, claim);
    };
    if old.kind == claim.kind {
        let strength = old.strength.max(claim.strength);
        // Nobody follows what only looks so.
        let outcome = match old.strength == Strength::Looks && strength > old.strength {
            true => Outcome::New,
            false => Outcome::Known,
        };
        return (outcome, Claim { strength, ..old });
    }
    let (Some(old_kind), Some(new_kind)) = (kind(old.kind), kind(claim.kind)) else {
        return (Outcome::Known, old);
    };
    if old.kind == DISPUTED && old.strength >= claim.strength {
        return (Outcome::Known, old);
    }
    between(old, claim, span, &old_kind, &new_kind)
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use letgo_target::Addr;

    use super::*;
    use crate::objects::{Objects, Shape};

    fn span(elem_size: u64, noscan: bool) -> HeapSpan {
        HeapSpan {
            elem_size,
            nelems: 8,
            noscan,
            ..HeapSpan::default()
        }
    }

    fn kind(what: What, fit: Fit, firsts: &[u64]) -> Kind {
        Kind {
            what,
            fit,
            pointers: Some(true),
            elem: firsts.first().map(|at| Addr(*at)),
            firsts: firsts.iter().map(|at| Addr(*at)).collect(),
            internal: false,
            words: OnceLock::new(),
        }
    }

    #[test]
    fn a_type_fits_the_slot_that_the_allocator_takes_for_it() {
        let value = |size| kind(What::Value(Addr(1)), Fit::Once(size), &[1]);
        let fits = |size: u64, elem_size: u64| fits(&value(size), &span(elem_size, false));
        assert!(fits(48, 48) && fits(33, 48));
        assert!(!fits(32, 48), "there is a smaller slot");
        assert!(!fits(49, 48));
        assert!(!super::fits(&value(48), &span(48, true)), "it has pointers");
        let headed = HeapSpan {
            shape: Shape::Header,
            ..span(576, false)
        };
        assert!(super::fits(&value(568), &headed));
        assert!(!super::fits(&value(570), &headed), "no room for its header");
        let rows = kind(What::Row(Addr(1)), Fit::Rows(48), &[1]);
        assert!(super::fits(&rows, &span(96, false)));
        assert!(!super::fits(&rows, &span(128, false)), "two take 96");
        let large = HeapSpan {
            nelems: 1,
            ..span(40960, false)
        };
        assert!(super::fits(&value(40000), &large));
        assert!(!super::fits(&value(32768), &large));
    }

    fn kinds(number: u32) -> Option<&'static Kind> {
        static KIND: OnceLock<Kind> = OnceLock::new();
        let fit = Fit::Once(48);
        (number == 9).then(|| KIND.get_or_init(|| kind(What::Closure(Addr(1)), fit, &[1])))
    }

    #[test]
    fn what_only_looks_so_is_followed_once_something_leads_to_it() {
        let claims = Claims {
            words: vec![AtomicU32::new(0)],
            leaves: Vec::new(),
        };
        let claim = |strength| Claim { kind: 9, strength };
        let span = span(48, false);
        let make = |strength| claims.make_alone(0, claim(strength), &span, kinds);
        claims.make_first(0, claim(Strength::Looks));
        assert_eq!(make(Strength::Looks), Outcome::Known);
        assert_eq!(make(Strength::Pointer), Outcome::New);
        assert_eq!(make(Strength::Pointer), Outcome::Known);
    }

    #[test]
    fn slots_without_pointers_are_known_by_their_word_and_stay_so() {
        let sized = |base: u64, elem_size, noscan| letgo_goruntime::Span {
            base: Addr(base),
            npages: 1,
            elem_size,
            nelems: 2,
            span_class: u8::from(noscan),
            ..letgo_goruntime::Span::default()
        };
        let spans = [
            sized(0xc000_0000, 48, true),
            sized(0xc000_2000, 48, false),
            sized(0xc000_4000, 64, true),
            sized(0xc000_6000, 48, true),
        ];
        let objects = Objects::new(&spans).unwrap();
        let claims = Claims::new(&objects.spans, objects.slots());
        let size = |number| claims.leaf(number).map(|(span, _)| span.elem_size);
        let sizes = [48, 48, 0, 0, 64, 64, 48, 48].map(|size| Some(size).filter(|size| *size > 0));
        assert_eq!([0, 1, 2, 3, 4, 5, 6, 7].map(size), sizes);
        let claim = Claim {
            kind: KIND,
            strength: Strength::Named,
        };
        claims.put(4, claim);
        assert_eq!((claims.get(4), size(4)), (Some(claim), Some(64)));
        assert_eq!(claims.all().collect::<Vec<_>>(), [(4, claim)]);
        claims.forget(4);
        assert_eq!((claims.get(4), size(4)), (None, Some(64)));
        assert_eq!(claims.get(8), None);
    }

    #[test]
    fn the_larger_of_two_that_start_alike_is_right_and_of_two_others_neither() {
        let outer = kind(What::Value(Addr(1)), Fit::Once(48), &[1, 2]);
        let inner = kind(What::Value(Addr(2)), Fit::Once(48), &[2]);
        let row = kind(What::Row(Addr(2)), Fit::Rows(48), &[2]);
        let other = kind(What::Value(Addr(3)), Fit::Once(48), &[3]);
        let claim = |kind, strength| Claim { kind, strength };
        let meet = |old: (u32, Strength, &Kind), new: (u32, Strength, &Kind)| {
            let (outcome, left) = between(
                claim(old.0, old.1),
                claim(new.0, new.1),
                &span(48, false),
                old.2,
                new.2,
            );
            (outcome, left.kind)
        };
        let (pointer, slice) = (Strength::Pointer, Strength::Slice);
        for (a, b) in [(pointer, pointer), (pointer, slice), (slice, pointer)] {
            let (outer, inner) = ((11, a, &outer), (12, b, &inner));
            assert_eq!(meet(inner, outer), (Outcome::New, 11));
            assert_eq!(meet(outer, inner), (Outcome::Known, 11));
        }
        let (row, inner) = ((13, slice, &row), (12, pointer, &inner));
        assert_eq!(meet(inner, row), (Outcome::New, 13));
        assert_eq!(meet(row, inner), (Outcome::Known, 13));
        let outer = (11, pointer, &outer);
        assert_eq!(meet(outer, (14, slice, &other)), (Outcome::Against, 11));
        let both = meet(outer, (14, pointer, &other));
        assert_eq!(both, (Outcome::Disputed, DISPUTED));
        let named = (14, Strength::Named, &other);
        assert_eq!(meet(outer, named), (Outcome::Instead, 14));
    }
}
