//! What of a program goes into a snapshot: [`ranges`] and [`Redaction`].
//!
//! Kept is what is resident and what letgo may read: the runtime's structures, spans whose objects
//! hold pointers, stacks, variables, libraries, C memory. Left out are free pages of the heap, and
//! spans without pointers unless their contents are asked for; of these only the marks that the
//! collector keeps at their end are needed, in those releases that do.

use std::sync::{Arc, Mutex, PoisonError};

use letgo_goruntime::{Census, RUNTIME_PAGE, Span, SpanUse};
use letgo_target::{Addr, AddrRange, Fault, Mapping, OS_PAGE, ReadMemory, Registers, Residency};

use super::{Program, plugins};

/// A slot of at least this size that the runtime's structures were read from is one of them.
const LARGE_SLOT: u64 = 4096;

/// What of `residency` is kept, by address.
/// The os pages of `channels` are kept wherever they lie: who waits for one is in its queues.
pub(super) fn ranges(
    census: &Census,
    residency: &Residency,
    channels: Vec<AddrRange>,
    contents: bool,
) -> Vec<AddrRange> {
    let mut all = Vec::new();
    let mut arenas = census.arenas.clone();
    arenas.sort();
    let mut outside = |range: AddrRange| {
        if !range.is_empty() {
            all.push(range);
        }
    };
    for run in residency.runs().iter().filter(|run| run.kind.is_resident()) {
        let mut from = run.range.start();
        for arena in arenas
            .iter()
            .filter(|arena| !arena.intersect(run.range).is_empty())
        {
            outside(AddrRange::new(from, arena.start().max(from)));
            from = arena.end().max(from);
        }
        outside(AddrRange::new(from, run.range.end().max(from)));
    }
    let spans = census.spans.iter();
    let spans = spans.map(|span| match is_left_out(span, contents) {
        false => span.range(),
        true => bitmaps(span),
    });
    let pages = channels.into_iter().map(|range| {
        let first = range.start().0 / OS_PAGE * OS_PAGE;
        AddrRange::new(Addr(first), range.end().align_up(OS_PAGE))
    });
    for kept in spans.chain(pages) {
        let resident = residency.within(kept).filter(|run| run.kind.is_resident());
        all.extend(resident.map(|run| run.range));
    }
    union(all)
}

/// What the collector keeps at the end of a span: pointer bitmaps and marks.
fn bitmaps(span: &Span) -> AddrRange {
    let end = span.range().end();
    let start = Addr(end.0.saturating_sub(span.bitmap_bytes.into()));
    AddrRange::new(start, end)
}

fn is_left_out(span: &Span, contents: bool) -> bool {
    !contents && span.used_for == SpanUse::Heap && span.is_noscan()
}

/// Reads of a target's memory, and where they were; of those of whole os pages, what of them was
/// asked for: beside it lies what is the program's.
pub(super) struct Recording<'a> {
    memory: &'a dyn ReadMemory,
    read: Mutex<Vec<AddrRange>>,
}

impl<'a> Recording<'a> {
    pub(super) fn new(memory: &'a dyn ReadMemory) -> Recording<'a> {
        Recording {
            memory,
            read: Mutex::default(),
        }
    }

    fn note(&self, range: AddrRange) {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.push(range);
    }

    /// All that was read.
    pub(super) fn into_ranges(self) -> Vec<AddrRange> {
        self.read
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReadMemory for Recording<'_> {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        let len = buf.len() as u64;
        if !addr.0.is_multiple_of(OS_PAGE) || !len.is_multiple_of(OS_PAGE) {
            self.note(AddrRange::sized(addr, len));
        }
        self.memory.read(addr, buf)
    }

    fn asked(&self, addr: Addr, len: u64) {
        self.note(AddrRange::sized(addr, len));
    }
}

/// What makes zero of every word that is no address, but for what the runtime counts with.
#[derive(Clone, Debug)]
pub(super) struct Redaction {
    /// What stays as it is, by address, disjoint.
    kept: Arc<Vec<AddrRange>>,
    /// Where addresses lead, by address, disjoint.
    mapped: Arc<Vec<AddrRange>>,
}

impl Redaction {
    /// Of what was `read` to find the runtime's structures, and of words that are `marks`.
    pub(super) fn new(
        program: &Program,
        census: &Census,
        mappings: &[Mapping],
        read: &[AddrRange],
        marks: &[AddrRange],
    ) -> Redaction {
        let mut kept = constants(program, mappings);
        kept.extend(marks);
        kept.extend(census.metadata.iter().map(|part| part.range));
        let slot = |addr: Addr| {
            let span = census.span_of(addr)?;
            let within = addr.since(span.base) / span.elem_size.max(1) * span.elem_size;
            Some(AddrRange::sized(span.base.add(within), span.elem_size))
        };
        kept.extend(census.goroutines.iter().filter_map(|one| slot(one.g)));
        kept.extend(census.threads.iter().filter_map(|one| slot(one.m)));
        for range in read {
            kept.extend(structures(census, *range));
        }
        let heap = census.spans.iter();
        let heap = heap.filter(|span| span.used_for == SpanUse::Heap);
        kept.extend(heap.map(bitmaps).filter(|range| !range.is_empty()));
        Redaction {
            kept: Arc::new(union(kept)),
            mapped: Arc::new(union(
                mappings.iter().map(|mapping| mapping.range).collect(),
            )),
        }
    }

    /// Redacts what a thread has in its registers; where it is stays.
    pub(super) fn registers(&self, own: &mut Registers) {
        let words = [
            &mut own.rax,
            &mut own.rbx,
            &mut own.rcx,
            &mut own.rdx,
            &mut own.rsi,
            &mut own.rdi,
            &mut own.rbp,
            &mut own.r8,
            &mut own.r9,
            &mut own.r10,
            &mut own.r11,
            &mut own.r12,
            &mut own.r13,
            &mut own.r14,
            &mut own.r15,
        ];
        for word in words {
            if !holds(&self.mapped, Addr(*word)) {
                *word = 0;
            }
        }
    }

    /// Redacts the bytes at `addr`.
    pub(super) fn apply(&self, addr: Addr, bytes: &mut [u8]) {
        for (index, word) in bytes.chunks_mut(8).enumerate() {
            let at = addr.add(index as u64 * 8);
            let value = word
                .first_chunk()
                .map_or(0, |bytes| u64::from_le_bytes(*bytes));
            if !holds(&self.kept, at) && !holds(&self.mapped, Addr(value)) {
                word.fill(0);
            }
        }
    }
}

/// What is as it was linked, but for addresses that the loader made whole: descriptors of types.
fn constants(program: &Program, mappings: &[Mapping]) -> Vec<AddrRange> {
    let own = program.segments();
    let fixed = mappings
        .iter()
        .filter(|mapping| mapping.is_file() && !mapping.permissions.write);
    let loaded = fixed.flat_map(|mapping| {
        own.iter()
            .map(|segment| segment.range.intersect(mapping.range))
    });
    // Where no loader has made them so, they are in a segment that may be written to.
    let sections = program.binary.image.sections().iter();
    let relocated = sections.filter(|section| section.name.starts_with(".data.rel.ro"));
    let placed =
        relocated.map(|section| AddrRange::sized(section.addr.biased(program.bias), section.len));
    let of_plugins = program.plugins.iter().flat_map(plugins::constants);
    let all = loaded.chain(placed).chain(of_plugins);
    all.filter(|range| !range.is_empty()).collect()
}

/// The parts of a read that are the runtime's own: outside of the heap all of it; inside, slots so
/// large that no others share their pages.
fn structures(census: &Census, range: AddrRange) -> Vec<AddrRange> {
    let mut parts = Vec::new();
    let mut at = range.start();
    while at < range.end() {
        let in_arena = census.arenas.iter().find(|arena| arena.contains(at));
        let Some(arena) = in_arena else {
            let next = census.arenas.iter().map(|arena| arena.start());
            let next = next.filter(|start| *start > at).min();
            let end = next.unwrap_or(range.end()).min(range.end());
            parts.push(AddrRange::new(at, end));
            at = end;
            continue;
        };
        let end = at
            .add(1)
            .align_up(RUNTIME_PAGE)
            .min(arena.end())
            .min(range.end());
        let span = census.span_of(at);
        if span.is_some_and(|span| span.used_for == SpanUse::Heap && span.elem_size >= LARGE_SLOT) {
            parts.push(AddrRange::new(at, end));
        }
        at = end;
    }
    parts
}

/// Ranges, by address and disjoint.
fn union(mut ranges: Vec<AddrRange>) -> Vec<AddrRange> {
    ranges.sort();
    let mut all: Vec<AddrRange> = Vec::new();
    for range in ranges {
        match all.last_mut() {
            Some(last) if last.end() >= range.start() => {
                *last = AddrRange::new(last.start(), last.end().max(range.end()));
            }
            _ => all.push(range),
        }
    }
    all
}

fn holds(ranges: &[AddrRange], addr: Addr) -> bool {
    let next = ranges.partition_point(|range| range.end() <= addr);
    ranges.get(next).is_some_and(|range| range.contains(addr))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_zero_but_for_what_is_kept() {
        let range = |start, end| AddrRange::new(Addr(start), Addr(end));
        let redaction = Redaction {
            kept: Arc::new(vec![range(0x5010, 0x5018)]),
            mapped: Arc::new(union(vec![range(0x5000, 0x6000), range(0x6000, 0x7000)])),
        };
        let words = [0x5008u64, 42, 42, 0x7000, 0x6fff];
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        redaction.apply(Addr(0x5000), &mut bytes);
        let left = bytes
            .chunks(8)
            .map(|word| u64::from_le_bytes(word.try_into().unwrap()));
        assert_eq!(left.collect::<Vec<_>>(), [0x5008, 0, 42, 0, 0x6fff]);
    }
}
