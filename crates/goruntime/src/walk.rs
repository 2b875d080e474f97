//! [`Runtime::census`]: all readings, one after the other, into one [`Census`].
//!
//! A part whose variable was not found, or that makes no sense, is skipped and listed; only what
//! makes the whole target unreadable, or a heap that cannot be read at all, is an error.

use letgo_gobin::FunctionTable;
use letgo_target::{Addr, Coverage, ReadMemory};

use crate::counters::Counters;
use crate::processors::{Unflushed, processors, unflushed};
use crate::view::View;
use crate::{
    Census, Debug, Error, Limits, Runtime, RuntimeStats, SpanUse, buckets, goroutines, metadata,
    mheap, modules, pages,
};

/// How often the heap is read where its spans and its counters do not go together.
const TRIES: usize = 3;
/// How far they may be apart: a 64th of the heap, since a census takes some hundredths of a
/// second a GiB, ...
const APART_PART: u64 = 64;
/// ... and at least this, since a large object comes or goes at once.
const APART_BYTES: u64 = 8 << 20;

/// How a census is taken.
#[derive(Clone, Copy, Debug, Default)]
pub struct CensusOptions<'a> {
    /// How much it may take.
    pub limits: Limits,
    /// The program's functions, to tell the runtime's own goroutines; without them none is.
    pub functions: Option<&'a FunctionTable>,
}

impl Runtime {
    /// Reads everything that the runtime knows of its own memory.
    ///
    /// # Errors
    /// Where the target cannot be read any more, or `mheap_` makes no sense.
    ///
    /// # Consistency
    /// A running target changes meanwhile: what was seen to change is read once more and counted
    /// in `coverage.torn`, what stays bad is left out and listed in `coverage.skipped`.
    pub fn census(
        &self,
        memory: &dyn ReadMemory,
        options: &CensusOptions<'_>,
    ) -> Result<Census, Error> {
        let limits = &options.limits;
        let view = View::new(self, memory).within(limits.time);
        let mut coverage = self.unrecognised.clone();
        let mut census = Census::default();
        let ps = part(&mut coverage, "allp", processors(view, limits))?;
        census.arenas = mheap::arenas(view, limits)?;
        self.heap(view, ps.as_deref(), limits, &mut census, &mut coverage)?;
        let ps = ps.unwrap_or_default();
        census.pages = pages::read(view, &ps, limits, &mut coverage)?;
        let found = goroutines::goroutines(view, options.functions, limits, &mut coverage);
        if let Some(found) = part(&mut coverage, "allgs", found)? {
            census.goroutines = found.alive;
            census.dead_goroutines = found.dead;
            census.dead_stack_bytes = found.dead_stack_bytes;
        }
        let threads = goroutines::threads(view, limits, &mut coverage);
        census.threads = part(&mut coverage, "allm", threads)?.unwrap_or_default();
        census.buckets = buckets::read(view, limits, &mut coverage)?;
        let known = metadata::Known {
            spans: &census.spans,
            in_use: &census.pages.in_use,
            buckets: &census.buckets,
        };
        census.metadata = metadata::walk(view, known, limits, &mut coverage)?;
        census.module_data = modules::data(view, &mut coverage)?;
        census.debug = Debug::read(view);
        census.coverage = coverage;
        Ok(census)
    }
}

impl Runtime {
    /// The spans, and the counters right behind them, so that the two differ by little where the
    /// target runs; both once more where they differ by much.
    fn heap(
        &self,
        view: View<'_>,
        processors: Option<&[Addr]>,
        limits: &Limits,
        census: &mut Census,
        coverage: &mut Coverage,
    ) -> Result<(), Error> {
        for attempt in 1..=TRIES {
            let mut seen = Coverage::default();
            let spans = mheap::spans(view, &mut census.arenas, limits, &mut seen)?;
            census.spans = spans.spans;
            census.mspans = spans.structures;
            census.stats = self.stats(view, processors, &mut seen)?;
            if attempt == TRIES || view.is_late() || !apart(census) {
                coverage.merge(seen);
                break;
            }
            coverage.torn += 1;
            census.arenas = mheap::arenas(view, limits)?;
        }
        Ok(())
    }

    /// The counters, and what lies in the processors' caches.
    fn stats(
        &self,
        view: View<'_>,
        processors: Option<&[Addr]>,
        coverage: &mut Coverage,
    ) -> Result<RuntimeStats, Error> {
        let pending = match processors {
            Some(processors) => unflushed(view, processors, coverage)?,
            None => Unflushed::default(),
        };
        Ok(Counters::read(self, &self.plan, view.memory)?.stats(pending))
    }
}

/// Whether the heap's spans and the runtime's counter differ by more than what a program does
/// while we read.
fn apart(census: &Census) -> bool {
    let heap = census
        .spans
        .iter()
        .filter(|span| span.used_for == SpanUse::Heap);
    let walked: u64 = heap.map(|span| span.range().len()).sum();
    let counted = census.stats.heap_inuse;
    walked.abs_diff(counted) > (counted / APART_PART).max(APART_BYTES)
}

/// A part that can be done without: its error is listed, unless nothing can be read any more.
fn part<T>(
    coverage: &mut Coverage,
    what: &str,
    result: Result<T, Error>,
) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_fatal() => Err(error),
        // Listed when attaching.
        Err(Error::Unsupported { .. }) => Ok(None),
        Err(error) => {
            coverage.skip(what, error.to_string());
            Ok(None)
        }
    }
}
