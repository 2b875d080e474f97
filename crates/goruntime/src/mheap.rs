//! Reading `runtime.mheap_`: its arenas and all its spans.
//!
//! `mheap_.allspans` holds every mspan structure ever made, in use or not. They lie densely in
//! their allocator's blocks, so their pointers are sorted and the structures gathered in batches.
//! This module does not decode one (see `mspan`) and does not read their bits (see `slots`).
//!
//! Invariants: spans are by base address and do not overlap; their count is bounded by
//! [`Limits::spans`](crate::Limits).
//!
//! Source: src/runtime/mheap.go, go1.19 to go1.27.

use letgo_target::{Addr, AddrRange, Coverage, gather};

use crate::mspan::{Context, Decoded, decode};
use crate::view::View;
use crate::{Error, Limits, Span};

/// Bytes of an arena on linux/amd64. Source: src/runtime/malloc.go, `heapArenaBytes`.
pub(crate) const ARENA: u64 = 64 << 20;
/// Address of arena 0 on amd64. Source: src/runtime/malloc.go, `arenaBaseOffset`.
pub(crate) const ARENA_BASE: u64 = 0xffff_8000_0000_0000;
/// The end of user space on amd64 with four levels of page tables.
pub(crate) const USER_END: u64 = 1 << 47;

/// How often spans that overlap are read once more.
const PASSES: usize = 3;

/// What a walk over `allspans` found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spans {
    /// In use or managed by hand, by address.
    pub(crate) spans: Vec<Span>,
    /// Structures in `allspans`.
    pub(crate) structures: u64,
}

/// Reads the indices of the heap's arenas, as ranges by address; neighbours are not joined.
///
/// # Errors
/// Where the lists cannot be read or make no sense.
pub(crate) fn arenas(view: View<'_>, limits: &Limits) -> Result<Vec<AddrRange>, Error> {
    let mheap = view.runtime.need_global("runtime.mheap_")?;
    let fields = &view.layout().mheap;
    let lists = [Some(fields.heap_arenas), fields.user_arena_arenas];
    let mut arenas = Vec::new();
    for list in lists.into_iter().flatten() {
        let slice = view.sane_slice("mheap_.heapArenas", list.at(mheap), limits.arenas)?;
        for index in view.words(slice.ptr, slice.len)? {
            let base = Addr(index.wrapping_mul(ARENA).wrapping_add(ARENA_BASE));
            if base.add(ARENA).0 > USER_END {
                let why = format!("arena {index} is no address of a program");
                return Err(Error::inconsistent("mheap_.heapArenas", slice.ptr, why));
            }
            arenas.push(AddrRange::sized(base, ARENA));
        }
    }
    arenas.sort_unstable();
    arenas.dedup();
    Ok(arenas)
}

/// Joins arenas that follow each other, since a span may cross from one into the next.
pub(crate) fn merged(arenas: &[AddrRange]) -> Vec<AddrRange> {
    let mut merged: Vec<AddrRange> = Vec::new();
    for arena in arenas {
        match merged.last_mut() {
            Some(last) if last.end() == arena.start() => {
                *last = AddrRange::new(last.start(), arena.end());
            }
            _ => merged.push(*arena),
        }
    }
    merged
}

/// `mheap_.sweepgen`
pub(crate) fn sweepgen(view: View<'_>) -> Result<u32, Error> {
    let mheap = view.runtime.need_global("runtime.mheap_")?;
    let value = view.field(mheap, view.layout().mheap.sweepgen)?;
    Ok(u32::try_from(value).unwrap_or(u32::MAX))
}

/// What decoding spans needs to know, read now.
pub(crate) fn context<'a>(view: View<'a>, arenas: &'a [AddrRange]) -> Result<Context<'a>, Error> {
    let work = view.layout().work.wbuf_spans;
    let work_bufs = view
        .runtime
        .global("runtime.work")
        .map(|global| AddrRange::sized(work.at(global), u64::from(work.size)));
    Ok(Context {
        layout: view.layout(),
        sweepgen: sweepgen(view)?,
        work_bufs: work_bufs.unwrap_or_default(),
        arenas,
        span_bitmaps: view.runtime.has_span_bitmaps(),
        inline_marks: view.runtime.has_inline_marks(),
    })
}

/// Reads all spans.
///
/// # Errors
/// Where `allspans` cannot be read at all.
///
/// # Consistency
/// Of a running target: when a GC cycle begins to sweep meanwhile, all spans are read once more.
/// A span that makes no sense, or that overlaps another, is read once more by itself; both count
/// as torn. What stays bad is skipped. Arenas that the heap grew by meanwhile are added to
/// `arenas`.
pub(crate) fn spans(
    view: View<'_>,
    arenas: &mut Vec<AddrRange>,
    limits: &Limits,
    coverage: &mut Coverage,
) -> Result<Spans, Error> {
    let mut known = merged(arenas);
    let mut attempt = Attempt::read(view, &known, limits)?;
    if attempt.moved && !view.is_late() {
        coverage.torn += 1;
        attempt = Attempt::read(view, &known, limits)?;
    }
    if !attempt.bad.is_empty() {
        // They may lie in an arena that is newer than our list.
        *arenas = self::arenas(view, limits)?;
        known = merged(arenas);
    }
    let context = context(view, &known)?;
    let mut spans = attempt.spans;
    for mspan in attempt.bad {
        coverage.torn += 1;
        match reread(view, &context, mspan)? {
            Decoded::Span(span) => spans.push(span),
            Decoded::Dead => {}
            Decoded::Bad(why) => coverage.skip("mspan", why),
        }
    }
    if attempt.left_out > 0 {
        coverage.skip(
            "mspan",
            format!("{} of them are beyond the limit", attempt.left_out),
        );
    }
    if attempt.twice > 0 {
        coverage.skip("mspan", format!("{} are listed twice", attempt.twice));
    }
    if attempt.late > 0 {
        let why = format!("there was no time to read {} of them", attempt.late);
        coverage.skip("mspan", why);
    }
    // By keys of their own: a span is too large to be moved about while sorting.
    spans.sort_by_cached_key(|span| span.base);
    let spans = without_overlaps(view, &context, spans, coverage)?;
    Ok(Spans {
        spans,
        structures: attempt.structures,
    })
}

/// One walk over `allspans`.
#[derive(Default)]
struct Attempt {
    spans: Vec<Span>,
    /// Structures that made no sense or could not be read.
    bad: Vec<Addr>,
    structures: u64,
    left_out: u64,
    /// Structures that there was no time for.
    late: u64,
    /// Pointers that came more than once: then as many spans are missing.
    twice: u64,
    /// The heap's sweep generation changed meanwhile.
    moved: bool,
}

impl Attempt {
    fn read(view: View<'_>, arenas: &[AddrRange], limits: &Limits) -> Result<Attempt, Error> {
        let mheap = view.runtime.need_global("runtime.mheap_")?;
        let fields = &view.layout().mheap;
        let context = context(view, arenas)?;
        let all = fields.allspans.at(mheap);
        let header = view.sane_slice("mheap_.allspans", all, u64::MAX >> 8)?;
        let count = header.len.min(limits.spans);
        let mut attempt = Attempt {
            structures: header.len,
            left_out: header.len - count,
            ..Attempt::default()
        };
        let mut pointers = view.words(header.ptr, count)?;
        pointers.sort_unstable();
        pointers.dedup();
        // Nearly all of them are in use; where so much cannot be had at once, the list grows.
        let _ = attempt.spans.try_reserve_exact(pointers.len());
        attempt.twice = count.saturating_sub(pointers.len() as u64);
        let size = u64::from(view.layout().mspan.size).max(1);
        let batch = usize::try_from(limits.batch_bytes / size).unwrap_or(1);
        for pointers in pointers.chunks(batch.max(1)) {
            if view.is_late() {
                attempt.late += pointers.len() as u64;
                continue;
            }
            attempt.batch(view, &context, pointers, size)?;
        }
        attempt.moved = sweepgen(view)? != context.sweepgen;
        Ok(attempt)
    }

    fn batch(
        &mut self,
        view: View<'_>,
        context: &Context<'_>,
        pointers: &[u64],
        size: u64,
    ) -> Result<(), Error> {
        let items = pointers.iter().map(|pointer| (Addr(*pointer), size));
        let gathered = gather(view.memory, items)?;
        let len = usize::try_from(size).unwrap_or(0);
        for pointer in pointers {
            let mspan = Addr(*pointer);
            match gathered.get(mspan, len) {
                Some(bytes) => match decode(context, mspan, bytes) {
                    Decoded::Span(span) => self.spans.push(span),
                    Decoded::Dead => {}
                    Decoded::Bad(_) => self.bad.push(mspan),
                },
                None => self.bad.push(mspan),
            }
        }
        Ok(())
    }
}

/// Reads one mspan by itself; one that cannot be read is bad.
pub(crate) fn reread(view: View<'_>, context: &Context<'_>, mspan: Addr) -> Result<Decoded, Error> {
    match view.structure(mspan, context.layout.mspan.size) {
        Ok(bytes) => Ok(decode(context, mspan, &bytes)),
        Err(fault) => {
            let error = Error::from(fault);
            if error.is_fatal() {
                return Err(error);
            }
            Ok(Decoded::Bad("it cannot be read"))
        }
    }
}

/// Reads the mspans that these words of `allspans` point to; one that cannot be read is bad.
///
/// All at once: what is read may lie in a file whose parts take long to be had one by one.
pub(crate) fn sampled(
    view: View<'_>,
    context: &Context<'_>,
    places: &[Addr],
) -> Result<Vec<Decoded>, Error> {
    let words = gather(view.memory, places.iter().map(|place| (*place, 8)))?;
    let pointer = |place: &Addr| {
        let bytes = words.get(*place, 8)?.first_chunk()?;
        Some(Addr(u64::from_le_bytes(*bytes)))
    };
    let size = u64::from(context.layout.mspan.size);
    let mspans = places.iter().filter_map(pointer);
    let gathered = gather(view.memory, mspans.map(|mspan| (mspan, size)))?;
    let len = usize::try_from(size).unwrap_or(0);
    let decoded = places.iter().map(|place| {
        let found = pointer(place).and_then(|mspan| Some((mspan, gathered.get(mspan, len)?)));
        match found {
            Some((mspan, bytes)) => decode(context, mspan, bytes),
            None => Decoded::Bad("it cannot be read"),
        }
    });
    Ok(decoded.collect())
}

/// Reads spans that overlap each other once more, until none do.
///
/// Pages that move from one span to another between two batches show up in both; and a structure
/// may have been freed and used again for other pages.
fn without_overlaps(
    view: View<'_>,
    context: &Context<'_>,
    mut spans: Vec<Span>,
    coverage: &mut Coverage,
) -> Result<Vec<Span>, Error> {
    for _ in 0..PASSES {
        let clashing = clashing(&spans);
        if clashing.is_empty() {
            return Ok(spans);
        }
        coverage.torn += clashing.len() as u64;
        spans.retain(|span| clashing.binary_search(&span.mspan).is_err());
        for mspan in clashing {
            if let Decoded::Span(now) = reread(view, context, mspan)? {
                spans.push(now);
            }
        }
        spans.sort_unstable_by_key(|span| span.base);
    }
    let mut end = Addr::NULL;
    spans.retain(|span| {
        let free = end <= span.base;
        if free {
            end = span.range().end();
        } else {
            coverage.skip("mspan", "it overlaps another span");
        }
        free
    });
    Ok(spans)
}

/// The structures of spans that overlap a neighbour, sorted.
fn clashing(spans: &[Span]) -> Vec<Addr> {
    let mut clashing: Vec<Addr> = spans
        .windows(2)
        .filter_map(|pair| match pair {
            [a, b] if a.range().end() > b.base => Some([a.mspan, b.mspan]),
            _ => None,
        })
        .flatten()
        .collect();
    clashing.sort_unstable();
    clashing.dedup();
    clashing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arenas_that_follow_each_other_are_joined() {
        let arena = |n: u64| AddrRange::sized(Addr(n * ARENA), ARENA);
        let joined = merged(&[arena(1), arena(2), arena(4)]);
        let expected = [
            AddrRange::sized(Addr(ARENA), 2 * ARENA),
            AddrRange::sized(Addr(4 * ARENA), ARENA),
        ];
        assert_eq!(joined, expected);
    }
}
