//! [`SlotSource`]: where the account gets the allocation and mark bits of single spans from.
//!
//! Most spans need no bits: `mspan.allocCount` says enough of a span that is wholly resident and
//! swept. The others are asked for here, in one batch.

use letgo_goruntime::{Limits, Runtime, Span};
use letgo_target::{Coverage, ReadMemory};

use crate::Error;

/// What one slot of a span holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Slot {
    /// An allocated object.
    Object,
    /// An object that the last GC found dead and the sweeper has not reached.
    Garbage,
    /// Nothing.
    Free,
}

/// The bits of one span.
pub trait SlotBits {
    /// What the slot with this index holds.
    fn slot(&self, index: u32) -> Slot;

    /// Slots with an object, and slots with garbage.
    fn counts(&self) -> (u32, u32);
}

/// Reads slots of spans from a target.
pub trait SlotSource {
    /// Calls `each` once for every span of `spans` whose bits could be read, in any order, with
    /// the span as it is now.
    ///
    /// # Errors
    /// Only what makes the whole target unreadable. What could not be read of single spans goes
    /// into the coverage.
    ///
    /// # Consistency
    /// The bits of a running target are of slightly different moments than the census.
    fn slots(
        &self,
        spans: &[Span],
        each: &mut dyn FnMut(&Span, &dyn SlotBits),
    ) -> Result<Coverage, Error>;
}

/// Slots of a Go program, read from its memory.
#[derive(Clone, Copy)]
pub struct RuntimeSlots<'a> {
    /// The program's runtime.
    pub runtime: &'a Runtime,
    /// Its memory.
    pub memory: &'a dyn ReadMemory,
    /// How much a batch may hold.
    pub limits: Limits,
}

impl SlotSource for RuntimeSlots<'_> {
    fn slots(
        &self,
        spans: &[Span],
        each: &mut dyn FnMut(&Span, &dyn SlotBits),
    ) -> Result<Coverage, Error> {
        let coverage =
            self.runtime
                .slots(self.memory, spans, &self.limits, &mut |span, bits| {
                    each(span, &bits);
                })?;
        Ok(coverage)
    }
}

impl SlotBits for letgo_goruntime::SlotBits<'_> {
    fn slot(&self, index: u32) -> Slot {
        if !self.is_allocated(index) {
            Slot::Free
        } else if self.is_garbage(index) {
            Slot::Garbage
        } else {
            Slot::Object
        }
    }

    fn counts(&self) -> (u32, u32) {
        let counts = letgo_goruntime::SlotBits::counts(self);
        let objects = counts.allocated.saturating_sub(counts.garbage);
        (objects, counts.garbage)
    }
}

/// No bits at all: spans that need them are split by their counters.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSlots;

impl SlotSource for NoSlots {
    fn slots(
        &self,
        spans: &[Span],
        _: &mut dyn FnMut(&Span, &dyn SlotBits),
    ) -> Result<Coverage, Error> {
        let mut coverage = Coverage::default();
        for _ in spans {
            coverage.skip("mspan.allocBits", "nothing reads them");
        }
        Ok(coverage)
    }
}

/// What the slots of a span probably hold, by its counters alone: the objects first.
pub(crate) struct ByCounters<'a>(pub(crate) &'a Span);

impl SlotBits for ByCounters<'_> {
    fn slot(&self, index: u32) -> Slot {
        if index < self.0.alloc_count {
            Slot::Object
        } else {
            Slot::Free
        }
    }

    fn counts(&self) -> (u32, u32) {
        (self.0.alloc_count.min(self.0.nelems), 0)
    }
}
