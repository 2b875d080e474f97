//! Reading `runtime.allp`: the scheduler's processors and their caches of spans.
//!
//! A P allocates from spans that it holds in its mcache, and counts what it took only when it
//! gives a span back. `runtime.ReadMemStats` flushes the caches first; [`unflushed`] computes what
//! that flush would add.
//!
//! Source: src/runtime/mcache.go, `releaseAll`, `refill`; go1.19 to go1.27.

use letgo_target::{Addr, Coverage, gather};

use crate::view::View;
use crate::{Error, Limits};

/// What the Ps' mcaches hold and have not counted yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Unflushed {
    /// Bytes of small objects.
    pub(crate) bytes: u64,
    /// Small objects.
    pub(crate) objects: u64,
    /// Allocations that share a slot.
    pub(crate) tiny: u64,
}

/// The addresses of `allp`'s Ps.
///
/// # Errors
/// Where `allp` was not found, cannot be read or makes no sense.
pub(crate) fn processors(view: View<'_>, limits: &Limits) -> Result<Vec<Addr>, Error> {
    let allp = view.runtime.need_global("runtime.allp")?;
    let slice = view.sane_slice("allp", allp, limits.processors)?;
    let pointers = view.words(slice.ptr, slice.len)?;
    let sane = |p: &u64| *p != 0 && p.is_multiple_of(8);
    if slice.len == 0 || !pointers.iter().all(sane) {
        return Err(Error::inconsistent("allp", allp, "it holds no Ps"));
    }
    Ok(pointers.into_iter().map(Addr).collect())
}

/// What flushing the mcaches of `processors` would add to the counters.
///
/// # Errors
/// Only what makes the whole target unreadable.
///
/// # Consistency
/// Of a running target a count may be behind by what was allocated since.
pub(crate) fn unflushed(
    view: View<'_>,
    processors: &[Addr],
    coverage: &mut Coverage,
) -> Result<Unflushed, Error> {
    let layout = view.layout();
    let size = u64::from(layout.mcache.size);
    let len = usize::try_from(size).unwrap_or(0);
    let holders = processors.iter().map(|p| (layout.p.mcache.at(*p), 8));
    let pointers = gather(view.memory, holders.clone())?;
    let mcaches: Vec<Addr> = holders
        .filter_map(|(addr, _)| pointers.get(addr, 8)?.first_chunk().copied())
        .map(|bytes| Addr(u64::from_le_bytes(bytes)))
        .filter(|mcache| !mcache.is_null())
        .collect();
    let gathered = gather(view.memory, mcaches.iter().map(|mcache| (*mcache, size)))?;
    let mut sum = Unflushed::default();
    let mut cached = Vec::new();
    for mcache in mcaches {
        let Some(bytes) = gathered.get(mcache, len) else {
            coverage.skip("mcache", "it cannot be read");
            continue;
        };
        sum.tiny = sum
            .tiny
            .saturating_add(layout.mcache.tiny_allocs.get(bytes));
        let alloc = layout.mcache.alloc;
        let spans = bytes
            .get(alloc.offset as usize..)
            .and_then(|rest| rest.get(..alloc.size as usize))
            .unwrap_or_default();
        cached.extend(
            spans
                .chunks_exact(8)
                .filter_map(|word| word.first_chunk().copied())
                .map(|word| Addr(u64::from_le_bytes(word)))
                .filter(|span| !span.is_null()),
        );
    }
    cached.sort_unstable();
    cached.dedup();
    add_spans(view, &cached, &mut sum)?;
    Ok(sum)
}

/// Adds what was taken from each span since its P got it. The one that stands for none
/// (`emptymspan`) is all zeroes and adds nothing.
fn add_spans(view: View<'_>, spans: &[Addr], sum: &mut Unflushed) -> Result<(), Error> {
    let fields = &view.layout().mspan;
    let size = u64::from(fields.size);
    let len = usize::try_from(size).unwrap_or(0);
    let gathered = gather(view.memory, spans.iter().map(|span| (*span, size)))?;
    for bytes in spans.iter().filter_map(|span| gathered.get(*span, len)) {
        let before = fields.alloc_count_before_cache.get(bytes);
        let used = fields.alloc_count.get(bytes).saturating_sub(before);
        let bytes = used.saturating_mul(fields.elemsize.get(bytes));
        sum.objects = sum.objects.saturating_add(used);
        sum.bytes = sum.bytes.saturating_add(bytes);
    }
    Ok(())
}
