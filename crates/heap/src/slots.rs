//! [`SpanSlots`]: what the slots of one span hold, as the graph has it.
//!
//! The bits of a span as they were when the graph was read: whoever needs them later need not ask
//! the target again.

use letgo_target::Addr;

use crate::Graph;

/// The slots of one span.
#[derive(Clone, Copy, Debug)]
pub struct SpanSlots<'a> {
    graph: &'a Graph,
    first: u32,
    nelems: u32,
}

impl SpanSlots<'_> {
    /// Slots.
    pub fn len(&self) -> u32 {
        self.nelems
    }

    /// Whether there are no slots.
    pub fn is_empty(&self) -> bool {
        self.nelems == 0
    }

    /// Whether slot `index` is in use.
    pub fn is_in_use(&self, index: u32) -> bool {
        let number = self.first.checked_add(index);
        let number = number.filter(|_| index < self.nelems);
        number.is_some_and(|number| self.graph.objects.in_use.has(number))
    }

    /// Whether slot `index` is in use, and the last GC found what is in it dead.
    pub fn is_dead(&self, index: u32) -> bool {
        let number = self.first.checked_add(index);
        let number = number.filter(|_| index < self.nelems);
        number.is_some_and(|number| {
            self.graph.objects.in_use.has(number) && self.graph.objects.dead.has(number)
        })
    }

    /// Slots in use, and of these the dead.
    pub fn counts(&self) -> (u32, u32) {
        let objects = &self.graph.objects;
        (
            objects.in_use.count(self.first, self.nelems),
            objects.dead.count(self.first, self.nelems),
        )
    }
}

impl Graph {
    /// The slots of the span that starts at `base`.
    pub fn slots_of(&self, base: Addr) -> Option<SpanSlots<'_>> {
        let own = self.objects.span_based_at(base)?;
        let span = self.objects.spans.get(own)?;
        Some(SpanSlots {
            graph: self,
            first: span.first,
            nelems: span.nelems,
        })
    }
}
