//! [`Seeds`]: what is known of objects' types while they are read.
//!
//! The bytes of objects are in hand only then. Three things are told by them alone: the type that a
//! large object names, the type that an interface names beside what it holds, and the function that
//! a closure starts with.
//!
//! An interface is known by its words: the first is not among the pointers that the runtime
//! follows, the second is. A type in a word that is a pointer is no part of an interface.
//!
//! Does not follow pointers (see `pass`).
//!
//! Source: src/cmd/compile/internal/typebits/typebits.go, `SetTypeBits`; go1.19 to go1.27.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use letgo_goruntime::types::TypeTable;
use letgo_target::{Addr, AddrRange, Coverage};
use rustc_hash::FxHashMap;

use super::claims::{self, Claim, Claims, Strength};
use super::kinds::{Fit, Kind, Kinds, Lead, What};
use crate::bits::index;
use crate::objects::{FoundSlot, HeapSpan, Objects};
use crate::prefetch::prefetch;
use crate::program::Program;

/// Most words that a thread remembers, of what no module has.
const MOST_REMEMBERED: usize = 1 << 20;
/// Most looks at memory of the target, for itabs that no module has.
const MOST_LOOKS: u64 = 1 << 14;
/// Where the kernel maps what the runtime asks for besides its heap.
const MAPPED: std::ops::Range<u64> = 0x7000_0000_0000..0x8000_0000_0000;

/// What is known of types so far, by slot.
#[derive(Debug, Default)]
pub(crate) struct Seeds {
    pub(crate) claims: Claims,
    /// A bit a word of all spans that are read: it leads to an object.
    pub(crate) words: Vec<AtomicU64>,
    pub(crate) kinds: Mutex<Kinds>,
    /// Slots of goroutines' descriptors.
    pub(crate) goroutines: Vec<u32>,
    pub(crate) coverage: Coverage,
    /// Addresses that the program's own sections have.
    image: AddrRange,
    /// Those that its plugins' have.
    plugins: Vec<AddrRange>,
    looks: AtomicU64,
}

/// The kind of what an interface leads to.
type Held = (u32, Arc<Kind>);

/// What a thread remembers.
#[derive(Debug, Default)]
pub(crate) struct SeedHands {
    /// By first word of an interface: the kind of what the second leads to.
    held: FxHashMap<u64, Option<Held>>,
    /// By first word of an object: the kind of a closure.
    closures: FxHashMap<u64, Option<u32>>,
    /// By type: what a large object of it is.
    named: FxHashMap<u64, Option<(u32, u32, u64)>>,
}

impl Seeds {
    /// Nothing is known yet but `claims`; `bytes` are those of spans that will be read.
    pub(crate) fn new(
        program: &Program<'_>,
        claims: Claims,
        bytes: u64,
    ) -> Result<Seeds, crate::Error> {
        let mut coverage = Coverage::default();
        let image = &program.binary.image;
        let table = TypeTable::read(program.runtime, image, program.memory, &mut coverage)?;
        let bounds = image.segments().iter().map(|segment| segment.range);
        let start = bounds.clone().map(AddrRange::start).min();
        let end = bounds.map(AddrRange::end).max();
        let bias = program.runtime.bias();
        let at = |addr: Option<Addr>| addr.unwrap_or_default().biased(bias);
        let hchan = u64::from(program.layout().hchan.size);
        Ok(Seeds {
            claims,
            words: (0..index(bytes / 512)).map(|_| AtomicU64::new(0)).collect(),
            kinds: Mutex::new(Kinds::new(table, hchan)),
            coverage,
            image: AddrRange::new(at(start), at(end)),
            plugins: program
                .runtime
                .plugins()
                .iter()
                .map(|one| one.range)
                .collect(),
            ..Seeds::default()
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Kinds> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a word of a span leads to an object; threads note words of different spans, or
    /// of different os pages of one.
    #[inline]
    pub(crate) fn leads(&self, span: &HeapSpan, word: u64) {
        let at = u64::from(span.words) + word / 64;
        if let Some(bits) = self.words.get(index(at)) {
            let old = bits.load(Ordering::Relaxed);
            bits.store(old | 1 << (word % 64), Ordering::Relaxed);
        }
    }

    /// Asks for the memory that [`Seeds::bits`] will read.
    #[inline]
    pub(crate) fn ask_bits(&self, span: &HeapSpan, first: u64) {
        prefetch(&self.words, index(u64::from(span.words) + first / 64));
    }

    /// Bits of `count` words of a span from `first` on, at most 64.
    #[inline]
    pub(crate) fn bits(&self, span: &HeapSpan, first: u64, count: u64) -> u64 {
        let at = index(u64::from(span.words) + first / 64);
        let part = |at: usize| {
            let word = self.words.get(at);
            word.map_or(0, |word| word.load(Ordering::Relaxed))
        };
        let shift = first % 64;
        let mut bits = part(at) >> shift;
        if shift + count > 64 {
            bits |= part(at + 1) << (64 - shift);
        }
        bits & crate::bits::low(count)
    }

    /// Takes two words of which the second leads to an object and the first is no pointer: an
    /// interface, if the first names a type.
    #[inline]
    pub(crate) fn pair(
        &self,
        program: &Program<'_>,
        hands: &mut SeedHands,
        first: u64,
        found: FoundSlot,
        objects: &Objects,
    ) {
        if !first.is_multiple_of(8) || first < 1 << 16 {
            return;
        }
        // Types that `reflect` made lie in the heap.
        let here = self.image.contains(Addr(first))
            || MAPPED.contains(&first)
            || objects.slot_at(first).is_some();
        if !here {
            return;
        }
        if hands.held.len() >= MOST_REMEMBERED {
            hands.held.clear();
        }
        let held = hands.held.entry(first);
        let held = held.or_insert_with(|| self.held(program, Addr(first)));
        if let (Some((kind, own)), Some(span)) =
            (held, objects.spans.get(found.place.span as usize))
        {
            self.claim(*kind, own, found, span);
        }
    }

    /// Where the second word of an interface leads whose first is this.
    fn held(&self, program: &Program<'_>, first: Addr) -> Option<Held> {
        let mut kinds = self.lock();
        let own = kinds.table.head(first).map(|head| head.addr);
        let own = own.or_else(|| kinds.table.itab(first));
        let found = own.or_else(|| {
            if !self.image.contains(first) && !MAPPED.contains(&first.0) {
                return kinds.table.learn(program.memory, first).then_some(first);
            }
            let room = self.looks.load(Ordering::Relaxed) < MOST_LOOKS;
            if !room && !self.image.contains(first) {
                return None;
            }
            self.looks.fetch_add(1, Ordering::Relaxed);
            let bytes = program.constant(first, 24, 24).ok()?;
            kinds.table.decode_itab(&bytes)
        });
        let Lead::Whole(kind) = kinds.held_by_interface(found?) else {
            return None;
        };
        Some((kind, kinds.get(kind)?.clone()))
    }

    /// Claims that an object is of the kind that an interface says, where its slot fits.
    fn claim(&self, kind: u32, own: &Kind, found: FoundSlot, span: &HeapSpan) {
        let start = if span.has_headers() { 8 } else { 0 };
        if found.offset != start && !span.is_tiny() {
            return;
        }
        if claims::fits(own, span) {
            let strength = Strength::Interface;
            let claim = Claim { kind, strength };
            let kind = |number| self.lock().get(number).cloned();
            self.claims.make(found.number, claim, span, kind);
        }
    }

    /// Takes the type that a large object names.
    pub(crate) fn named(
        &self,
        program: &Program<'_>,
        hands: &mut SeedHands,
        addr: u64,
        number: u32,
        span: &HeapSpan,
    ) {
        let known = *hands.named.entry(addr).or_insert_with(|| {
            let mut kinds = self.lock();
            if !kinds.table.covers(Addr(addr)) && !kinds.table.learn(program.memory, Addr(addr)) {
                return None;
            }
            let value = kinds.number(What::Value(Addr(addr)))?;
            let row = kinds.number(What::Row(Addr(addr)))?;
            match kinds.get(value)?.fit {
                Fit::Once(size) => Some((value, row, size)),
                _ => None,
            }
        });
        let Some((value, row, size)) = known else {
            return;
        };
        let several = size.saturating_mul(2) <= span.usable();
        let claim = Claim {
            kind: if several { row } else { value },
            strength: Strength::Named,
        };
        self.claims.put(number, claim);
    }

    /// Takes the first word of an object that is no pointer: a closure, if a function starts there.
    #[inline]
    pub(crate) fn first_word(
        &self,
        program: &Program<'_>,
        hands: &mut SeedHands,
        word: u64,
        number: u32,
    ) {
        let plugins = || self.plugins.iter().any(|image| image.contains(Addr(word)));
        if !self.image.contains(Addr(word)) && !plugins() {
            return;
        }
        let known = hands.closures.entry(word).or_insert_with(|| {
            let module = program.module(Addr(word));
            let link_time = module.link_time(Addr(word));
            if !module.text.contains(link_time) {
                return None;
            }
            let function = module.functions.function_at(link_time).ok()??;
            let starts = function.entry == link_time;
            starts.then(|| self.lock().number(What::Closure(Addr(word))))?
        });
        if let Some(kind) = *known {
            let strength = Strength::Looks;
            self.claims.make_first(number, Claim { kind, strength });
        }
    }
}
