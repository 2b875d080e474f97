//! [`Objects`]: from an address to the object that holds it.
//!
//! Every slot of every span of the heap has a number; the slots in use are the objects. A table by
//! runtime page leads to the span, a multiplication to the slot, as in the runtime itself. Nothing
//! of the objects' contents is known here (see `pointers`).
//!
//! Invariants: spans are by address and do not overlap; slots are numbered in that order, fewer
//! than 2^32; a number of a slot in use is an [`ObjectId`].
//!
//! Source: src/runtime/mbitmap.go, `findObject`, `objIndex`; mheap.go, `divMagic`; go1.19 to
//! go1.27.

use letgo_goruntime::{RUNTIME_PAGE, Span, SpanUse};
use letgo_target::Addr;

use crate::Error;
use crate::bits::{BitSet, index};
use crate::prefetch::prefetch;

/// Runtime pages of one block of the table: 64 MiB, an arena.
const BLOCK: u64 = 8192;
/// Most ways to divide spans: size classes are fewer than 70.
const MOST_DIVISIONS: usize = 1024;
/// Most slots: numbers have 32 bits, and the last stays free.
const MOST_SLOTS: u64 = u32::MAX as u64 - 1;
/// Slots of which it is noted where the first one's span is: about as many as a span has whose
/// objects are large, so that few spans are looked at.
const HINT: u32 = 16;
/// No span, no block.
const NONE: u32 = u32::MAX;

/// The number of an object: of its slot, counted over all spans by address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ObjectId(pub u32);

/// Where the pointers of a span's objects are written down.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Shape {
    /// Its objects hold no pointers, or were not copied.
    #[default]
    Opaque,
    /// A bit a word, in the copied span itself; at this offset of it.
    Bits(u32),
    /// A bit a word, in the plane made of the arenas' bitmaps, from this word on.
    Plane(u32),
    /// The type's address is the first word of each object.
    Header,
    /// One object of the span's type.
    Typed,
}

/// One span of the heap.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HeapSpan {
    pub(crate) base: u64,
    pub(crate) elem_size: u64,
    pub(crate) nelems: u32,
    /// Number of the first slot.
    pub(crate) first: u32,
    pub(crate) shape: Shape,
    /// Where its words are among those of all spans that are read, in lots of 64.
    pub(crate) words: u32,
    /// Its objects hold no pointers.
    pub(crate) noscan: bool,
}

impl HeapSpan {
    /// Whether objects name their types in front of themselves.
    #[inline]
    pub(crate) fn has_headers(&self) -> bool {
        self.shape == Shape::Header
    }

    /// Bytes of an object that are the program's.
    #[inline]
    pub(crate) fn usable(&self) -> u64 {
        let header = if self.has_headers() { 8 } else { 0 };
        self.elem_size.saturating_sub(header)
    }

    /// Whether a slot may hold several small values. Source: src/runtime/malloc.go, `mallocgc`.
    #[inline]
    pub(crate) fn is_tiny(&self) -> bool {
        self.noscan && self.elem_size == 16
    }

    /// Whether its objects are followed.
    #[inline]
    pub(crate) fn is_opaque(&self) -> bool {
        self.shape == Shape::Opaque
    }
}

/// A slot: of which span, and which of that.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Slot {
    pub(crate) span: u32,
    pub(crate) slot: u32,
}

/// A slot that an address was found in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FoundSlot {
    pub(crate) place: Slot,
    /// The number of the slot.
    pub(crate) number: u32,
    /// Bytes from the start of the slot.
    pub(crate) offset: u64,
}

/// What the table has of a runtime page: all that a look-up needs, in one line of memory.
#[derive(Clone, Copy, Debug)]
struct Page {
    span: u32,
    /// Number of the span's first slot.
    first: u32,
    /// Runtime pages from the span's base.
    back: u32,
    /// Which of `divisions`.
    division: u16,
}

/// No span has this page.
const NO_PAGE: Page = Page {
    span: NONE,
    first: 0,
    back: 0,
    division: 0,
};

/// How spans with slots of one size are divided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Division {
    /// 2^32 / slot size, rounded up; 0 for a span of one slot.
    magic: u32,
    nelems: u32,
    /// Bytes of a slot.
    size: u64,
}

/// All objects, by address.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    pub(crate) spans: Vec<HeapSpan>,
    /// Where each is in the census.
    pub(crate) census: Vec<u32>,
    /// Slots in use.
    pub(crate) in_use: BitSet,
    /// Of these, those that the last GC found dead and that are not swept yet.
    pub(crate) dead: BitSet,
    slots: u32,
    /// Of every [`HINT`] slots, the span of the first.
    hints: Vec<u32>,
    /// The first block's number by address, and which block of `pages` each is, by address.
    first_block: u64,
    blocks: Vec<u32>,
    pages: Vec<Page>,
    /// One for spans of one slot, then one for each size class and number of slots.
    divisions: Vec<Division>,
}

impl Objects {
    /// Numbers the slots of the heap's spans; none is in use so far.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub(crate) fn new(spans: &[Span]) -> Result<Objects, Error> {
        let mut objects = Objects {
            spans: Vec::with_capacity(spans.len()),
            census: Vec::with_capacity(spans.len()),
            ..Objects::default()
        };
        let mut first = 0u64;
        for (span, at) in spans.iter().zip(0u32..) {
            if span.used_for != SpanUse::Heap || span.nelems == 0 || span.elem_size == 0 {
                continue;
            }
            let slots = first + u64::from(span.nelems);
            if slots > MOST_SLOTS {
                return Err(Error::TooLarge {
                    slots: spans.iter().map(|span| u64::from(span.nelems)).sum(),
                    limit: MOST_SLOTS,
                });
            }
            objects.spans.push(HeapSpan {
                base: span.base.0,
                elem_size: span.elem_size,
                nelems: span.nelems,
                first: u32::try_from(first).unwrap_or(NONE),
                noscan: span.is_noscan(),
                ..HeapSpan::default()
            });
            objects.census.push(at);
            first = slots;
        }
        objects.slots = u32::try_from(first).unwrap_or(NONE);
        objects.in_use = BitSet::new(objects.slots as usize);
        objects.dead = BitSet::new(objects.slots as usize);
        objects.map(spans);
        objects.hint();
        Ok(objects)
    }

    /// Enters each span's runtime pages into the table.
    fn map(&mut self, spans: &[Span]) {
        let block = |base: u64| base / RUNTIME_PAGE / BLOCK;
        self.pages.clear();
        self.divisions = vec![Division {
            magic: 0,
            nelems: 1,
            size: 0,
        }];
        // Lent out, so that the table can be filled meanwhile.
        let own = std::mem::take(&mut self.spans);
        let census = std::mem::take(&mut self.census);
        let of = |at: Option<&u32>| spans.get(*at? as usize);
        if let (Some(first), Some(last)) = (of(census.first()), of(census.last())) {
            self.first_block = block(first.base.0);
            let last = block(last.range().end().0.saturating_sub(1));
            self.blocks = vec![NONE; index(last - self.first_block + 1)];
        }
        for ((number, own), at) in (0u32..).zip(&own).zip(&census) {
            if let Some(span) = of(Some(at)) {
                self.map_span(number, own, span);
            }
        }
        (self.spans, self.census) = (own, census);
    }

    fn map_span(&mut self, number: u32, own: &HeapSpan, span: &Span) {
        let Some(division) = self.division(span) else {
            return;
        };
        for back in 0..span.npages {
            let page = span.base.0 / RUNTIME_PAGE + u64::from(back);
            self.enter(
                page,
                Page {
                    span: number,
                    first: own.first,
                    back,
                    division,
                },
            );
        }
    }

    /// How a span is divided; nothing where there are more ways than a program can have.
    fn division(&mut self, span: &Span) -> Option<u16> {
        let several = span.nelems > 1;
        let division = Division {
            magic: magic(span),
            nelems: span.nelems,
            size: if several { span.elem_size } else { 0 },
        };
        let known = self.divisions.iter().position(|known| *known == division);
        let at = known.unwrap_or(self.divisions.len());
        if known.is_none() && at < MOST_DIVISIONS {
            self.divisions.push(division);
        }
        u16::try_from(at).ok().filter(|_| at < MOST_DIVISIONS)
    }

    fn enter(&mut self, page: u64, entry: Page) {
        let block = (page / BLOCK).wrapping_sub(self.first_block);
        let Some(block) = self.blocks.get_mut(index(block)) else {
            return;
        };
        if *block == NONE {
            *block = u32::try_from(self.pages.len() as u64 / BLOCK).unwrap_or(NONE);
            let len = self.pages.len() + index(BLOCK);
            self.pages.resize(len, NO_PAGE);
        }
        let at = u64::from(*block) * BLOCK + page % BLOCK;
        if let Some(known) = self.pages.get_mut(index(at)) {
            *known = entry;
        }
    }

    /// Notes the span of every slot that is a multiple of [`HINT`].
    fn hint(&mut self) {
        self.hints = Vec::with_capacity((self.slots as usize).div_ceil(HINT as usize));
        for (at, span) in (0u32..).zip(&self.spans) {
            let behind = u64::from(span.first) + u64::from(span.nelems);
            while (self.hints.len() as u64) * u64::from(HINT) < behind {
                self.hints.push(at);
            }
        }
    }

    /// The span of a slot.
    #[inline]
    pub(crate) fn span_of_slot(&self, number: u32) -> Option<&HeapSpan> {
        let mut at = *self.hints.get((number / HINT) as usize)? as usize;
        loop {
            let span = self.spans.get(at)?;
            if number.wrapping_sub(span.first) < span.nelems {
                return Some(span);
            }
            if span.first > number {
                return None;
            }
            at += 1;
        }
    }

    /// Asks for the memory that [`Objects::ask_span`] will read.
    #[inline]
    pub(crate) fn ask_hint(&self, number: u32) {
        prefetch(&self.hints, (number / HINT) as usize);
    }

    /// Asks for the memory that [`Objects::span_of_slot`] will read.
    #[inline]
    pub(crate) fn ask_span(&self, number: u32) {
        if let Some(at) = self.hints.get((number / HINT) as usize) {
            prefetch(&self.spans, *at as usize);
            prefetch(&self.spans, (*at as usize).saturating_add(1));
        }
    }

    /// Slots, in use or not.
    pub(crate) fn slots(&self) -> u32 {
        self.slots
    }

    /// Where an address's runtime page is in the table.
    #[inline]
    fn page_at(&self, addr: u64) -> Option<usize> {
        let page = addr / RUNTIME_PAGE;
        let block = (page / BLOCK).wrapping_sub(self.first_block);
        let block = *self.blocks.get(index(block))?;
        Some(index(u64::from(block) * BLOCK + page % BLOCK))
    }

    /// Asks for the memory that [`Objects::slot_at`] will read.
    #[inline]
    pub(crate) fn ask_page(&self, addr: u64) {
        if let Some(at) = self.page_at(addr) {
            prefetch(&self.pages, at);
        }
    }

    /// The slot that an address lies in, in use or not.
    #[inline]
    pub(crate) fn slot_at(&self, addr: u64) -> Option<FoundSlot> {
        let page = self.pages.get(self.page_at(addr)?);
        let page = page.filter(|page| page.span != NONE)?;
        let division = self.divisions.get(usize::from(page.division))?;
        let offset = u64::from(page.back) * RUNTIME_PAGE + addr % RUNTIME_PAGE;
        let slot = offset.wrapping_mul(u64::from(division.magic)) >> 32;
        let slot = u32::try_from(slot).ok()?;
        (slot < division.nelems).then_some(FoundSlot {
            place: Slot {
                span: page.span,
                slot,
            },
            number: page.first.wrapping_add(slot),
            offset: offset.wrapping_sub(u64::from(slot).wrapping_mul(division.size)),
        })
    }

    /// The object that an address points to or into.
    pub(crate) fn object_at(&self, addr: Addr) -> Option<ObjectId> {
        let found = self.slot_at(addr.0)?;
        let in_use = self.in_use.has(found.number);
        in_use.then_some(ObjectId(found.number))
    }

    /// The span and slot of an object.
    pub(crate) fn place(&self, object: ObjectId) -> Option<(Slot, &HeapSpan)> {
        let next = self.spans.partition_point(|span| span.first <= object.0);
        let own = next.checked_sub(1)?;
        let span = self.spans.get(own)?;
        let slot = object.0.checked_sub(span.first)?;
        let place = Slot {
            span: u32::try_from(own).ok()?,
            slot,
        };
        (slot < span.nelems).then_some((place, span))
    }
}

/// `divMagic`, 0 for spans of one slot: every offset is in that.
fn magic(span: &Span) -> u32 {
    match u32::try_from(span.elem_size) {
        Ok(size) if span.nelems > 1 => (u32::MAX / size.max(1)).saturating_add(1),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(base: u64, npages: u32, elem_size: u64, nelems: u32) -> Span {
        Span {
            base: Addr(base),
            npages,
            elem_size,
            nelems,
            ..Span::default()
        }
    }

    fn objects() -> Objects {
        let spans = [
            span(0xc000_0000, 1, 48, 165),
            Span {
                used_for: SpanUse::Stack,
                ..span(0xc000_2000, 1, 2048, 0)
            },
            span(0xc3ff_e000, 20_000, 163_840_000, 1),
            span(0x7f00_0000_0000, 1, 1024, 8),
        ];
        let mut objects = Objects::new(&spans).unwrap();
        objects.in_use.insert_word(0, u64::MAX);
        objects.in_use.insert_word(165, 0b10_0001);
        objects
    }

    #[test]
    fn addresses_inside_of_objects_find_them() {
        let objects = objects();
        let at = |addr| objects.object_at(Addr(addr)).map(|object| object.0);
        assert_eq!(at(0xc000_0000), Some(0));
        assert_eq!(at(0xc000_0000 + 47), Some(0));
        assert_eq!(at(0xc000_0000 + 48 * 63), Some(63));
        assert_eq!(at(0xc000_0000 + 48 * 64), None, "not in use");
        assert_eq!(at(0xc000_0000 + 165 * 48), None, "behind the last slot");
        assert_eq!(at(0xc000_2000), None, "a stack");
        assert_eq!(at(0xc3ff_e000), Some(165));
        assert_eq!(at(0xc3ff_e000 + 163_839_999), Some(165), "two blocks on");
        assert_eq!(at(0x7f00_0000_0000 + 4096), Some(170));
        assert_eq!(at(0x7f00_0000_0000), None);
    }

    #[test]
    fn addresses_elsewhere_find_nothing() {
        let objects = objects();
        for addr in [0, 1, 0xbfff_ffff, 0xd000_0000_0000, 1 << 47, u64::MAX] {
            assert_eq!(objects.object_at(Addr(addr)), None, "{addr:#x}");
        }
        assert_eq!(Objects::default().object_at(Addr(0xc000_0000)), None);
    }

    #[test]
    fn every_object_knows_its_place() {
        let objects = objects();
        let place = |number| objects.place(ObjectId(number)).map(|(slot, _)| slot);
        assert_eq!(place(164), Some(Slot { span: 0, slot: 164 }));
        assert_eq!(place(165), Some(Slot { span: 1, slot: 0 }));
        assert_eq!(place(166), Some(Slot { span: 2, slot: 0 }));
        assert_eq!(place(173), Some(Slot { span: 2, slot: 7 }));
        assert_eq!(place(174), None);
    }

    #[test]
    fn more_slots_than_numbers_are_refused() {
        let many = [
            span(0xc000_0000, 1, 8, u32::MAX),
            span(0xd000_0000, 1, 8, 9),
        ];
        assert!(matches!(Objects::new(&many), Err(Error::TooLarge { .. })));
    }

    #[test]
    fn divisions_are_right_for_every_size_class() {
        for size in (8..=32_768u64).step_by(8) {
            let len = 8 * 8192;
            let nelems = u32::try_from(len / size).unwrap();
            let objects = Objects::new(&[span(0xc000_0000, 8, size, nelems)]).unwrap();
            for slot in 0..nelems {
                let start = 0xc000_0000 + u64::from(slot) * size;
                for addr in [start, start + size - 1] {
                    let found = objects.slot_at(addr).unwrap().place.slot;
                    assert_eq!(found, slot, "{size}");
                }
            }
        }
    }
}
