//! Where the runtime keeps its own memory, outside of the heap's spans.
//!
//! Finds, by walking, every byte that `MSpanSys`, `MCacheSys`, `BuckHashSys`, `GCSys` and
//! `OtherSys` count. None of these counters is read here, so that they are a second source.
//!
//! Most small structures come out of *persistent chunks*, 256 KiB each, that are counted in
//! `OtherSys`; what is handed out for another purpose moves to that purpose's counter. So the
//! walk finds the chunks, then everything in them that has another counter; the rest is
//! `OtherSys`. Large ones are mapped alone.
//!
//! Does not look at spans (stacks and GC work buffers are spans, see [`crate::Span`]), and does
//! not find the buffers of a running execution trace, nor outgrown arrays that were so large as
//! to be mapped alone (64 KiB; a heap of terabytes).
//!
//! Invariants: what is returned is sorted by address and does not overlap, whatever the target
//! says; each walk is bounded.
//!
//! Source: src/runtime/malloc.go, `persistentalloc1`, and all its callers, go1.19 to go1.27; told
//! in docs/formats/runtime-memory.md.

mod arenas;
mod fixed;
mod found;
mod list;
mod outgrown;
mod page_index;
mod profiles;
mod queues;
mod span_sets;

use letgo_target::{AddrRange, Coverage};

use self::found::Found;
use self::outgrown::Outgrown;
use crate::view::View;
use crate::{Error, Limits, Metadata, ProfileBuckets, Span};

/// What other walks have found already.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'a> {
    /// Spans in use.
    pub(crate) spans: &'a [Span],
    /// `pageAlloc.inUse`.
    pub(crate) in_use: &'a [AddrRange],
    /// The profiles' buckets.
    pub(crate) buckets: &'a ProfileBuckets,
}

/// Finds the runtime's memory outside of spans.
///
/// # Errors
/// Only what makes the whole target unreadable; everything else goes into `coverage`.
///
/// # Consistency
/// Of a running target, a structure that is made or moved meanwhile may be missed or counted at
/// its old place.
pub(crate) fn walk(
    view: View<'_>,
    known: Known<'_>,
    limits: &Limits,
    coverage: &mut Coverage,
) -> Result<Vec<Metadata>, Error> {
    let mut walk = Walk {
        view,
        known,
        limits,
        found: Found::default(),
        outgrown: Outgrown::default(),
        coverage,
    };
    walk.part("runtime.persistentChunks", Walk::persistent_chunks)?;
    walk.part("mheap.arenas", Walk::arenas)?;
    walk.part("pageAlloc", Walk::page_index)?;
    walk.part("mheap.allspans", Walk::mspans)?;
    walk.part("runtime.allp", Walk::processors)?;
    walk.part("mheap.specialWeakHandleAlloc", Walk::weak_handles)?;
    walk.part("work.spanSPMCs", Walk::span_queues)?;
    walk.part("runtime.gcBitsArenas", Walk::gc_bits)?;
    walk.part("runtime.allfin", Walk::finalizer_blocks)?;
    walk.part("runtime.gcCleanups", Walk::cleanup_blocks)?;
    walk.part("mheap.immortalWeakHandles", Walk::immortal_handles)?;
    walk.part("runtime.buckhash", Walk::profile_buckets)?;
    walk.part("moduledata.gcdatamask", Walk::pointer_masks)?;
    walk.part("mheap.central", Walk::span_sets)?;
    walk.part("outgrown arrays", Walk::find_outgrown)?;
    let (metadata, overlaps) = walk.found.finish();
    if overlaps > 0 {
        let why = format!("{overlaps} of them lie in others");
        coverage.skip("structures outside of spans", why);
    }
    Ok(metadata)
}

/// The walk under way.
struct Walk<'a> {
    view: View<'a>,
    known: Known<'a>,
    limits: &'a Limits,
    found: Found,
    outgrown: Outgrown,
    coverage: &'a mut Coverage,
}

impl Walk<'_> {
    /// Runs one part; what fails is left out, unless nothing can be read any more.
    fn part(
        &mut self,
        what: &str,
        walk: impl FnOnce(&mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        match walk(self) {
            Err(error) if error.is_fatal() => Err(error),
            Err(error) => {
                self.coverage.skip(what, error.to_string());
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// `persistentChunks`: each chunk starts with a pointer to the one before.
    fn persistent_chunks(&mut self) -> Result<(), Error> {
        /// Source: src/runtime/malloc.go, `persistentChunkSize`.
        const CHUNK: u64 = 256 << 10;
        let head = self.view.runtime.need_global("runtime.persistentChunks")?;
        let head = self.pointer(head)?;
        for chunk in self.list("runtime.persistentChunks", head, 0)? {
            self.found.add_chunk(AddrRange::sized(chunk, CHUNK));
        }
        Ok(())
    }
}
