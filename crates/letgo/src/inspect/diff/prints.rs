//! [`Prints`]: what the slots of a heap held, as a number each, so that two moments can be
//! compared without both memories at hand.
//!
//! All slots of spans in use are read, whether they are in use or not: which are reachable is not
//! known before the target is let go. A page that nobody ever touched reads as zeros; one that was
//! swapped out, or left out of a file, is not known, and neither are the slots on it.
//!
//! Types are learnt later, when what is reachable is known.
//!
//! Invariant: equal contents have equal prints, however they were read.

use std::hash::Hasher;

use letgo_goruntime::{Census, Span, SpanUse};
use letgo_heap::Reachable;
use letgo_target::{Addr, AddrRange, Fault, OS_PAGE, ReadMemory, Residency};
use twox_hash::XxHash3_64;

/// Prints that mean something else: contents that could not be had, and no reachable object.
pub(super) const UNKNOWN: u64 = 0;
pub(super) const ABSENT: u64 = 1;

/// Slots at most, of 8 bytes of ours each.
const MOST_SLOTS: u64 = 1 << 26;
/// Bytes that are read at once.
const PIECE: u64 = 256 << 10;

/// The prints of all slots of a heap.
#[derive(Debug, Default)]
pub struct Prints {
    /// By address.
    spans: Vec<SpanPrints>,
    hashes: Vec<u64>,
    /// By slot, as a number made of the type's name; empty before they are learnt.
    types: Vec<u32>,
}

/// No type is known.
pub(super) const NO_TYPE: u32 = 0;

/// A slot then and now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Pair {
    pub(super) own: u64,
    pub(super) was: u64,
    /// It is known of both what they are, and that is not the same.
    pub(super) other_type: bool,
}

/// A span's slots.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SpanPrints {
    /// Number of the span in the census.
    census: u32,
    base: Addr,
    elem_size: u64,
    nelems: u32,
    /// Of its first slot.
    first: usize,
}

impl Prints {
    /// Reads the slots of all heap spans. Nothing where there are too many.
    pub(crate) fn read(
        census: &Census,
        memory: &dyn ReadMemory,
        residency: &Residency,
    ) -> Option<Prints> {
        let heap = (0u32..).zip(&census.spans);
        let heap = heap.filter(|(_, span)| span.used_for == SpanUse::Heap && span.elem_size > 0);
        let slots: u64 = heap.clone().map(|(_, span)| u64::from(span.nelems)).sum();
        if slots > MOST_SLOTS {
            return None;
        }
        let mut prints = Prints::default();
        let source = Source { memory, residency };
        let mut buf = Vec::new();
        for (census, span) in heap {
            prints.spans.push(SpanPrints {
                census,
                base: span.base,
                elem_size: span.elem_size,
                nelems: span.nelems,
                first: prints.hashes.len(),
            });
            source.span(span, &mut buf, &mut prints.hashes);
        }
        Some(prints)
    }

    /// Forgets what is not reachable.
    pub(crate) fn only(&mut self, reachable: &Reachable) {
        for span in &self.spans {
            let own = span.first..span.first + span.nelems as usize;
            let Some(hashes) = self.hashes.get_mut(own) else {
                continue;
            };
            let mut words = reachable.words(span.census).into_iter().flatten();
            for part in hashes.chunks_mut(64) {
                let word = words.next().unwrap_or_default();
                for (bit, hash) in part.iter_mut().enumerate() {
                    if word.reachable >> bit & 1 == 0 {
                        *hash = ABSENT;
                    }
                }
            }
        }
    }

    /// Learns the types of reachable objects: `number` says one of each type, by its name, so that
    /// it is the same in another reading.
    pub(super) fn learn(&mut self, number: &dyn Fn(Addr) -> u32) {
        let mut types = vec![NO_TYPE; self.hashes.len()];
        for span in &self.spans {
            for slot in 0..span.nelems {
                if self.print(span, slot) == ABSENT {
                    continue;
                }
                let start = span
                    .base
                    .add(u64::from(slot).saturating_mul(span.elem_size));
                if let Some(own) = types.get_mut(span.first + slot as usize) {
                    *own = number(start);
                }
            }
        }
        self.types = types;
    }

    /// Every slot that holds a reachable object: where it starts and its size, and what it is
    /// beside the slot of the same size at the same place in `before`.
    pub(super) fn beside(&self, before: &Prints, each: &mut dyn FnMut(AddrRange, Pair)) {
        for span in &self.spans {
            let other = before.at(span);
            for slot in 0..span.nelems {
                let own = self.print(span, slot);
                if own == ABSENT {
                    continue;
                }
                let offset = u64::from(slot).saturating_mul(span.elem_size);
                let range = AddrRange::sized(span.base.add(offset), span.elem_size);
                let was = other.map_or(ABSENT, |other| before.print(&other, slot));
                let old = other.map_or(NO_TYPE, |other| before.type_of(&other, slot));
                let new = self.type_of(span, slot);
                let known = old != NO_TYPE && new != NO_TYPE;
                let other_type = known && old != new;
                each(
                    range,
                    Pair {
                        own,
                        was,
                        other_type,
                    },
                );
            }
        }
    }

    /// The span of the same slots.
    fn at(&self, span: &SpanPrints) -> Option<SpanPrints> {
        let at = self.spans.binary_search_by_key(&span.base, |own| own.base);
        let found = self.spans.get(at.ok()?)?;
        (found.elem_size == span.elem_size).then_some(*found)
    }

    fn type_of(&self, span: &SpanPrints, slot: u32) -> u32 {
        let known = self.types.get(span.first + slot as usize);
        known.copied().unwrap_or(NO_TYPE)
    }

    fn print(&self, span: &SpanPrints, slot: u32) -> u64 {
        let number = span.first + slot as usize;
        let print = self.hashes.get(number).filter(|_| slot < span.nelems);
        print.copied().unwrap_or(ABSENT)
    }
}

/// What is read.
struct Source<'a> {
    memory: &'a dyn ReadMemory,
    residency: &'a Residency,
}

impl Source<'_> {
    fn span(&self, span: &Span, buf: &mut Vec<u8>, hashes: &mut Vec<u64>) {
        let slots = (0..u64::from(span.nelems)).map(|slot| {
            let start = span.base.add(slot.saturating_mul(span.elem_size));
            AddrRange::sized(start, span.elem_size)
        });
        let len = usize::try_from(span.slots_len()).unwrap_or(usize::MAX);
        let size = usize::try_from(span.elem_size).unwrap_or(usize::MAX);
        if span.slots_len() <= PIECE {
            buf.resize(len, 0);
            if self.memory.read(span.base, buf).is_ok() {
                let parts = buf.chunks_exact(size);
                hashes.extend(parts.map(|part| print_of(&mut |hash| hash.write(part))));
                return;
            }
        }
        hashes.extend(slots.map(|slot| self.slot(slot, buf).unwrap_or(UNKNOWN)));
    }

    /// A slot in pieces, and in os pages where a piece is not there as a whole.
    fn slot(&self, slot: AddrRange, buf: &mut Vec<u8>) -> Option<u64> {
        let mut whole = true;
        let print = print_of(&mut |hash| {
            let mut at = slot.start();
            while whole && at < slot.end() {
                let end = at.add(1).align_up(PIECE).min(slot.end());
                whole = self.piece(AddrRange::new(at, end), PIECE, buf, hash);
                at = end;
            }
        });
        whole.then_some(print)
    }

    fn piece(&self, piece: AddrRange, size: u64, buf: &mut Vec<u8>, hash: &mut XxHash3_64) -> bool {
        buf.resize(usize::try_from(piece.len()).unwrap_or(usize::MAX), 0);
        match self.memory.read(piece.start(), buf) {
            Ok(()) => {
                hash.write(buf);
                true
            }
            Err(_) if size > OS_PAGE => {
                let mut at = piece.start();
                while at < piece.end() {
                    let end = at.add(1).align_up(OS_PAGE).min(piece.end());
                    if !self.piece(AddrRange::new(at, end), OS_PAGE, buf, hash) {
                        return false;
                    }
                    at = end;
                }
                true
            }
            // Never touched: nothing is there, and the target would read zeros.
            Err(Fault::NotResident { .. }) if self.residency.within(piece).next().is_none() => {
                buf.fill(0);
                hash.write(buf);
                true
            }
            Err(_) => false,
        }
    }
}

/// A number for the name of a type.
pub(super) fn number_of(name: &str) -> u32 {
    let hash = XxHash3_64::oneshot(name.as_bytes());
    u32::try_from(hash >> 32).map_or(1, |number| number.max(1))
}

/// The print of what `write` writes.
fn print_of(write: &mut dyn FnMut(&mut XxHash3_64)) -> u64 {
    let mut hash = XxHash3_64::with_seed(0);
    write(&mut hash);
    match hash.finish() {
        UNKNOWN | ABSENT => 2,
        print => print,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use letgo_target::{PageKind, PageRun};

    /// Two pages, of which the second is not resident.
    struct Half;

    impl ReadMemory for Half {
        fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
            let len = buf.len() as u64;
            if addr.0 + len > 0x2000 {
                return Err(Fault::NotResident { addr, len });
            }
            buf.fill(7);
            Ok(())
        }
    }

    fn census(elem_size: u64, nelems: u32) -> Census {
        Census {
            spans: vec![Span {
                base: Addr(0x1000),
                npages: 1,
                nelems,
                elem_size,
                used_for: SpanUse::Heap,
                ..Span::default()
            }],
            ..Census::default()
        }
    }

    fn residency(kind: PageKind) -> Residency {
        let mut residency = Residency::default();
        let run = |start, kind| PageRun {
            range: AddrRange::sized(Addr(start), OS_PAGE),
            kind,
        };
        residency.push(run(0x1000, PageKind::Anon));
        if kind == PageKind::Swapped {
            residency.push(run(0x2000, kind));
        }
        residency
    }

    #[test]
    fn an_untouched_page_is_zeros_and_a_swapped_one_is_not_known() {
        let census = census(4096, 2);
        let touched = Prints::read(&census, &Half, &residency(PageKind::Anon)).unwrap();
        let zeros = print_of(&mut |hash| hash.write(&[0; 4096]));
        let sevens = print_of(&mut |hash| hash.write(&[7; 4096]));
        assert_eq!(touched.hashes, [sevens, zeros]);
        let swapped = Prints::read(&census, &Half, &residency(PageKind::Swapped)).unwrap();
        assert_eq!(swapped.hashes, [sevens, UNKNOWN]);
    }

    #[test]
    fn a_slot_of_another_size_at_the_same_place_is_no_match() {
        let residency = residency(PageKind::Anon);
        let before = Prints::read(&census(2048, 2), &Half, &residency).unwrap();
        let after = Prints::read(&census(1024, 4), &Half, &residency).unwrap();
        let mut seen = Vec::new();
        after.beside(&before, &mut |range, pair| {
            seen.push((range.len(), pair.was))
        });
        assert_eq!(seen, [(1024, ABSENT); 4]);
        let mut same = Vec::new();
        before.beside(&before, &mut |_, pair| same.push(pair.own == pair.was));
        assert_eq!(same, [true; 2]);
    }

    #[test]
    fn the_same_contents_of_another_type_are_told_where_both_are_known() {
        let residency = residency(PageKind::Anon);
        let read = || Prints::read(&census(2048, 2), &Half, &residency).unwrap();
        let (mut before, mut after) = (read(), read());
        let others = |before: &Prints, after: &Prints| {
            let mut others = Vec::new();
            after.beside(before, &mut |_, pair| {
                assert_eq!(pair.own, pair.was);
                others.push(pair.other_type);
            });
            others
        };
        before.learn(&|_| 7);
        assert_eq!(
            others(&before, &after),
            [false, false],
            "one side knows none"
        );
        after.learn(&|start| if start == Addr(0x1000) { 8 } else { NO_TYPE });
        assert_eq!(others(&before, &after), [true, false]);
    }
}
