//! The heap's address space, byte by byte: spans in use and the free pages between them.
//!
//! A span in use is split into objects, unswept garbage, free slots, tail and in-span bitmaps.
//! Whole resident swept spans are split by `mspan.allocCount`, without touching their bits; the
//! others wait for a second pass with bits (see [`crate::slots`]). Spans that the object graph
//! knows are split by its bits instead, into what is reachable and what is not (see
//! [`crate::reach`]). Free pages are split by the page allocator's bits, and those of the per-P
//! page caches.
//!
//! Memory outside of the heap is not looked at here (see [`crate::claims`]).

use letgo_goruntime::{CHUNK_PAGES, Census, Chunk, PageCache, RUNTIME_PAGE, Span, SpanUse};
use letgo_target::{Addr, AddrRange, Coverage, PageRun, Residency, ResidentBytes};

use crate::cursor::{Cover, Cursor};
use crate::reach::{Reach, Reached, SpanSlots, SpanSum, Verdict};
use crate::size_class::SizeClasses;
use crate::slots::{ByCounters, Slot, SlotBits, SlotSource};
use crate::stacks::OwnedStacks;
use crate::tally::Tallies;
use crate::{Error, Leaf, SizeClass, Sketch};

/// Spans asked for bits in one batch: bounds the memory of the second pass.
const BATCH: usize = 1 << 16;

/// More slots than a span of any size class has (10 runtime pages of 8-byte slots).
/// Source: src/runtime/sizeclasses.go.
const MOST_SLOTS: u32 = 1 << 14;

/// What the heap walk found.
pub(crate) struct Heap {
    pub(crate) tallies: Tallies,
    pub(crate) size_classes: Vec<SizeClass>,
    /// Where there is a graph.
    pub(crate) reached: Option<Reached>,
    pub(crate) coverage: Coverage,
}

/// The address space that the heap walk splits, for [`crate::claims`].
pub(crate) fn space(census: &Census) -> Vec<AddrRange> {
    let mut ranges: Vec<AddrRange> = census.pages.in_use.clone();
    for (_, span) in spans(census) {
        let range = span.range();
        match ranges.last_mut() {
            Some(last) if last.end() == range.start() => {
                *last = AddrRange::new(last.start(), range.end());
            }
            _ => ranges.push(range),
        }
    }
    ranges
}

/// The spans that hold memory, without any that starts inside of the one before, with their
/// numbers in the census.
fn spans(census: &Census) -> impl Iterator<Item = (u32, &Span)> {
    let mut floor = Addr::NULL;
    (0u32..).zip(&census.spans).filter(move |(_, span)| {
        let keep = is_heap(span) && span.base >= floor && !span.range().is_empty();
        if keep {
            floor = span.range().end();
        }
        keep
    })
}

/// `pageAlloc.inUse` by address and without overlap, whatever the target says.
fn disjoint(ranges: &[AddrRange]) -> Vec<AddrRange> {
    let mut ranges = ranges.to_vec();
    ranges.sort_unstable();
    let mut floor = Addr::NULL;
    for range in &mut ranges {
        *range = AddrRange::new(range.start().max(floor), range.end().max(floor));
        floor = range.end();
    }
    ranges.retain(|range| !range.is_empty());
    ranges
}

/// Whether a span's memory is the heap's: a user arena chunk that was set to fault has none.
///
/// Source: src/runtime/arena.go, `isUnusedUserArenaChunk`, go1.20 to go1.27.
fn is_heap(span: &Span) -> bool {
    !(span.user_arena && span.span_class == 1)
}

/// Splits the heap.
///
/// # Errors
/// Only what makes the whole target unreadable.
pub(crate) fn walk(
    census: &Census,
    residency: &Residency,
    slots: &dyn SlotSource,
    reach: Option<&dyn Reach>,
    sketch: Option<Box<Sketch>>,
) -> Result<Heap, Error> {
    let in_use = disjoint(&census.pages.in_use);
    let mut walk = Walk::new(census, &in_use, residency);
    walk.reach = reach;
    walk.sums.tallies.sketch = sketch;
    let mut at = Addr::NULL;
    for (number, span) in spans(census) {
        walk.free_pages(AddrRange::new(at, span.base));
        walk.span(number, span);
        at = span.range().end();
    }
    walk.free_pages(AddrRange::new(at, Addr(u64::MAX)));
    walk.read_bits(residency, slots)?;
    walk.reached.unknown.resident = walk.sums.tallies.of(Leaf::HeapObjects).resident;
    Ok(Heap {
        reached: reach.map(|_| walk.reached.finish()),
        tallies: walk.sums.tallies,
        size_classes: walk.sums.size_classes.finish(),
        coverage: walk.coverage,
    })
}

struct Walk<'a> {
    cursor: Cursor<'a>,
    stacks: OwnedStacks,
    in_use: &'a [AddrRange],
    chunks: &'a [Chunk],
    caches: &'a [PageCache],
    /// Spans whose bits are needed.
    pending: Vec<Span>,
    reach: Option<&'a dyn Reach>,
    /// What the graph says of the span that is walked.
    slots: SpanSlots,
    reached: Reached,
    sums: Sums,
    coverage: Coverage,
}

/// Where bytes are counted.
#[derive(Default)]
struct Sums {
    tallies: Tallies,
    size_classes: SizeClasses,
    /// What is in the span that is walked.
    own: SpanSum,
}

impl Sums {
    /// Counts pages of a heap span.
    fn add(&mut self, span: &Span, kind: Kind, run: PageRun) {
        self.tallies.add_run(kind.leaf, run);
        if !run.kind.is_resident() {
            return;
        }
        let bytes = ResidentBytes(run.range.len());
        if let Some(class) = self.size_classes.of(span) {
            class.add(kind.leaf, bytes);
        }
        self.own.add(kind.leaf, kind.verdict, bytes);
    }
}

/// What a slot counts as, and why.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Kind {
    leaf: Leaf,
    verdict: Verdict,
}

impl From<Leaf> for Kind {
    fn from(leaf: Leaf) -> Kind {
        Kind {
            leaf,
            verdict: Verdict::default(),
        }
    }
}

impl From<Verdict> for Kind {
    fn from(verdict: Verdict) -> Kind {
        let leaf = match verdict {
            Verdict { in_use: false, .. } => Leaf::HeapFreeSlots,
            Verdict {
                reachable: true, ..
            } => Leaf::HeapReachable,
            _ => Leaf::HeapGarbage,
        };
        Kind { leaf, verdict }
    }
}

impl<'a> Walk<'a> {
    fn new(census: &'a Census, in_use: &'a [AddrRange], residency: &'a Residency) -> Walk<'a> {
        Walk {
            cursor: Cursor::new(residency),
            stacks: OwnedStacks::new(census),
            in_use,
            chunks: &census.pages.chunks,
            caches: &census.pages.caches,
            pending: Vec::new(),
            reach: None,
            slots: SpanSlots::default(),
            reached: Reached::default(),
            sums: Sums::default(),
            coverage: Coverage::default(),
        }
    }

    /// Adds `range` to `leaf`, with its pages.
    fn take(&mut self, leaf: Leaf, range: AddrRange) {
        self.sums.tallies.add_virt(leaf, range.len());
        let tallies = &mut self.sums.tallies;
        self.cursor.visit(range, |run| tallies.add_run(leaf, run));
    }

    fn span(&mut self, number: u32, span: &Span) {
        match span.used_for {
            SpanUse::Heap => {
                self.sums.size_classes.add_span(span);
                if !self.reached_span(number, span) {
                    self.heap_span(span);
                }
            }
            SpanUse::Stack => self.stack_span(span),
            SpanUse::WorkBuf | SpanUse::PtrScalarBits => self.take(Leaf::RuntimeGc, span.range()),
        }
    }

    fn stack_span(&mut self, span: &Span) {
        let (cursor, tallies) = (&mut self.cursor, &mut self.sums.tallies);
        self.stacks.split(span.range(), |part, owned| {
            let leaf = if owned {
                Leaf::StacksGoroutine
            } else {
                Leaf::StacksFree
            };
            tallies.add_virt(leaf, part.len());
            cursor.visit(part, |run| tallies.add_run(leaf, run));
        });
    }

    /// Splits a span by the graph; `false` where the graph does not know it.
    fn reached_span(&mut self, number: u32, span: &Span) -> bool {
        let Some(reach) = self.reach else {
            return false;
        };
        let mut slots = std::mem::take(&mut self.slots);
        let known = slots.read(reach, number, span);
        if known {
            let own = slots.sum(span);
            let counts = [
                (Leaf::HeapReachable, own.shares.reachable.objects),
                (Leaf::HeapGarbage, own.shares.garbage.objects),
            ];
            self.sums.own = own;
            match self.cursor.cover(span.range()) {
                Cover::Whole(run) => {
                    self.count_slots(span, Some(run), counts);
                    self.sums.own.fill(run.kind);
                }
                Cover::Nothing => self.count_slots(span, None, counts),
                Cover::Partly => self.split_slots(span, &|slot| slots.verdict(slot).into()),
            }
            let awaits_finalizer = reach.awaits_finalizer(number);
            self.reached
                .add_span(span, awaits_finalizer, &self.sums.own);
        } else {
            let objects = span.alloc_count.min(span.nelems);
            self.reached.unknown.count(objects, span.elem_size);
        }
        self.slots = slots;
        known
    }

    fn heap_span(&mut self, span: &Span) {
        let uniform = span.alloc_count == 0 || span.alloc_count >= span.nelems;
        if span.needs_sweep && span.nelems > 0 {
            self.pending.push(*span);
            return;
        }
        let leaf = if span.alloc_count == 0 {
            Leaf::HeapFreeSlots
        } else {
            Leaf::HeapObjects
        };
        match self.cursor.cover(span.range()) {
            Cover::Whole(run) => self.count_slots(span, Some(run), counts(&ByCounters(span))),
            Cover::Nothing => self.count_slots(span, None, counts(&ByCounters(span))),
            Cover::Partly if uniform => {
                let parts = Parts::of(span);
                self.add_part(span, leaf.into(), parts.slots);
                self.add_part(span, Leaf::HeapSpanTail.into(), parts.tail);
                self.add_part(span, Leaf::HeapSpanBitmap.into(), parts.bitmap);
            }
            Cover::Partly => self.pending.push(*span),
        }
    }

    /// Splits a span that is of one piece by its counts; `run` is its pages, if any.
    fn count_slots(&mut self, span: &Span, run: Option<PageRun>, counts: [(Leaf, u64); 2]) {
        let parts = Parts::of(span);
        let mut left = parts.slots.len();
        let slots = counts.map(|(leaf, count)| {
            let len = count.saturating_mul(span.elem_size).min(left);
            left -= len;
            (leaf, len)
        });
        let mut at = span.base;
        let rest = [
            (Leaf::HeapFreeSlots, left),
            (Leaf::HeapSpanTail, parts.tail.len()),
            (Leaf::HeapSpanBitmap, parts.bitmap.len()),
        ];
        for (leaf, len) in slots.into_iter().chain(rest) {
            self.sums.tallies.add_virt(leaf, len);
            let Some(run) = run else { continue };
            let range = AddrRange::sized(at, len);
            at = range.end();
            self.sums.add(span, leaf.into(), PageRun { range, ..run });
        }
    }

    fn add_part(&mut self, span: &Span, kind: Kind, part: AddrRange) {
        self.sums.tallies.add_virt(kind.leaf, part.len());
        let sums = &mut self.sums;
        self.cursor.visit(part, |run| sums.add(span, kind, run));
    }

    /// The second pass: spans that need their bits.
    fn read_bits(&mut self, residency: &'a Residency, slots: &dyn SlotSource) -> Result<(), Error> {
        let pending = std::mem::take(&mut self.pending);
        for batch in pending.chunks(BATCH) {
            let mut done = vec![false; batch.len()];
            let coverage = slots.slots(batch, &mut |span, bits| {
                let index = batch.partition_point(|other| other.base < span.base);
                let asked = batch.get(index).map(Span::range);
                match done.get_mut(index) {
                    Some(done @ false) if asked == Some(span.range()) => {
                        *done = true;
                        self.with_bits(residency, span, bits);
                    }
                    _ => {}
                }
            })?;
            self.coverage.merge(coverage);
            for (span, _) in batch.iter().zip(done).filter(|(_, done)| !done) {
                // Whoever reads bits says why there are none.
                self.with_bits(residency, span, &ByCounters(span));
            }
        }
        Ok(())
    }

    fn with_bits(&mut self, residency: &'a Residency, span: &Span, bits: &dyn SlotBits) {
        self.cursor = Cursor::new_at(residency, span.base);
        match self.cursor.cover(span.range()) {
            Cover::Whole(run) => self.count_slots(span, Some(run), counts(bits)),
            Cover::Nothing => self.count_slots(span, None, counts(bits)),
            Cover::Partly => self.split_slots(span, &|slot| bits.slot(slot).leaf().into()),
        }
    }

    /// Splits a span slot by slot, joining neighbours of one kind.
    fn split_slots(&mut self, span: &Span, kind_of: &dyn Fn(u32) -> Kind) {
        let slots_end = Parts::of(span).slots.end();
        let nelems = span.nelems.min(MOST_SLOTS);
        if nelems < span.nelems {
            self.coverage
                .skip("mspan", "it has more slots than any size class");
        }
        let mut first = 0;
        let mut at = span.base;
        while first < nelems {
            let kind = kind_of(first);
            let mut next = first + 1;
            while next < nelems && kind_of(next) == kind {
                next += 1;
            }
            let len = u64::from(next).saturating_mul(span.elem_size);
            let end = if next == span.nelems {
                slots_end
            } else {
                span.base.add(len).min(slots_end)
            };
            self.add_part(span, kind, AddrRange::new(at, end));
            (first, at) = (next, end.max(at));
        }
        let parts = Parts::of(span);
        self.add_part(
            span,
            Leaf::HeapObjects.into(),
            AddrRange::new(at, slots_end),
        );
        self.add_part(span, Leaf::HeapSpanTail.into(), parts.tail);
        self.add_part(span, Leaf::HeapSpanBitmap.into(), parts.bitmap);
    }

    /// Splits what the page allocator owns of `range`, in which no span lies.
    fn free_pages(&mut self, range: AddrRange) {
        while let Some(owned) = self.in_use.first() {
            let part = owned.intersect(range);
            if !part.is_empty() {
                self.free_part(part);
            }
            if owned.end() > range.end() {
                break;
            }
            self.in_use = self.in_use.get(1..).unwrap_or_default();
        }
    }

    /// Splits free memory into idle and returned, run by run.
    fn free_part(&mut self, part: AddrRange) {
        let mut at = part.start();
        while at < part.end() {
            let (chunk, next_chunk) = self.chunk_of(at);
            let (cache, next_cache) = self.cache_of(at);
            let leaf = page_leaf(chunk, cache, at);
            let end = if chunk.is_none() && cache.is_none() {
                next_chunk.min(next_cache).min(part.end())
            } else {
                let limit = page_limit(at).min(part.end());
                let mut end = at.align_down(RUNTIME_PAGE).add(RUNTIME_PAGE);
                while end < limit && page_leaf(chunk, cache, end) == leaf {
                    end = end.add(RUNTIME_PAGE);
                }
                end.min(part.end())
            };
            self.take(leaf, AddrRange::new(at, end));
            at = end;
        }
    }

    /// The chunk that holds `addr`, and where the next one after `addr` starts.
    fn chunk_of(&mut self, addr: Addr) -> (Option<Chunk>, Addr) {
        while let Some(chunk) = self.chunks.first() {
            if chunk.base > addr {
                return (None, chunk.base);
            }
            if chunk.base.add(CHUNK_PAGES * RUNTIME_PAGE) > addr {
                return (Some(*chunk), addr);
            }
            self.chunks = self.chunks.get(1..).unwrap_or_default();
        }
        (None, Addr(u64::MAX))
    }

    /// The page cache that holds `addr`, and where the next one after `addr` starts.
    fn cache_of(&mut self, addr: Addr) -> (Option<PageCache>, Addr) {
        while let Some(cache) = self.caches.first() {
            if cache.base > addr {
                return (None, cache.base);
            }
            if cache.base.add(64 * RUNTIME_PAGE) > addr {
                return (Some(*cache), addr);
            }
            self.caches = self.caches.get(1..).unwrap_or_default();
        }
        (None, Addr(u64::MAX))
    }
}

/// The end of the 64 runtime pages around `addr`: chunk and page cache are the same until there.
fn page_limit(addr: Addr) -> Addr {
    let len = 64 * RUNTIME_PAGE;
    addr.align_down(len).add(len)
}

/// Whether the free runtime page at `addr` was returned.
///
/// A page that is allocated, lies in no span and in no page cache is on its way from one to the
/// other; it is idle.
fn page_leaf(chunk: Option<Chunk>, cache: Option<PageCache>, addr: Addr) -> Leaf {
    let page = addr.0 / RUNTIME_PAGE;
    if let Some(cache) = cache {
        let bit = 1u64 << (page % 64);
        if cache.cache & bit != 0 {
            let returned = cache.scavenged & bit != 0;
            return free_leaf(returned);
        }
    }
    let Some(chunk) = chunk else {
        return Leaf::HeapIdle;
    };
    let index = page % CHUNK_PAGES;
    let bit = |words: &[u64; 8]| {
        let word = usize::try_from(index / 64)
            .ok()
            .and_then(|word| words.get(word));
        word.is_some_and(|word| word >> (index % 64) & 1 == 1)
    };
    free_leaf(bit(&chunk.scavenged))
}

fn free_leaf(returned: bool) -> Leaf {
    if returned {
        Leaf::HeapReturnedResident
    } else {
        Leaf::HeapIdle
    }
}

/// Objects and garbage, by bits.
fn counts(bits: &dyn SlotBits) -> [(Leaf, u64); 2] {
    let (objects, garbage) = bits.counts();
    [
        (Leaf::HeapObjects, objects.into()),
        (Leaf::HeapGarbage, garbage.into()),
    ]
}

impl Slot {
    fn leaf(self) -> Leaf {
        match self {
            Slot::Object => Leaf::HeapObjects,
            Slot::Garbage => Leaf::HeapGarbage,
            Slot::Free => Leaf::HeapFreeSlots,
        }
    }
}

/// A heap span's slots, tail and bitmaps; together they are the span, whatever its fields say.
struct Parts {
    slots: AddrRange,
    tail: AddrRange,
    bitmap: AddrRange,
}

impl Parts {
    fn of(span: &Span) -> Parts {
        let range = span.range();
        let slots = AddrRange::sized(span.base, span.slots_len()).intersect(range);
        let bitmap_start = Addr(range.end().0.saturating_sub(u64::from(span.bitmap_bytes)));
        let bitmap_start = bitmap_start.max(slots.end());
        Parts {
            slots,
            tail: AddrRange::new(slots.end(), bitmap_start),
            bitmap: AddrRange::new(bitmap_start, range.end()),
        }
    }
}
