//! [`SizeClass`]: how well the spans of each size class are used.

use letgo_goruntime::{RUNTIME_PAGE, Span};
use letgo_target::ResidentBytes;

use crate::Leaf;

/// All spans in use of one size class, pointerful or not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SizeClass {
    /// Number of the size class; 0 holds the large objects, one a span.
    pub class: u8,
    /// Whether its objects hold no pointers.
    pub noscan: bool,
    /// Bytes a slot; 0 for large objects, which have each their own size.
    pub elem_size: u64,
    /// Spans.
    pub spans: u64,
    /// Bytes of these spans, touched or not.
    pub span_bytes: u64,
    /// Slots.
    pub slots: u64,
    /// Slots in use, dead ones that were not swept included.
    pub used: u64,
    /// Bytes of objects, resident; with the graph, of those that are reachable.
    pub object_bytes: ResidentBytes,
    /// Bytes of dead objects that were not swept, resident; with the graph, of all that are not
    /// reachable.
    pub garbage_bytes: ResidentBytes,
    /// Bytes of free slots, resident.
    pub free_bytes: ResidentBytes,
    /// Bytes behind the last slot (without bitmaps), resident.
    pub tail_bytes: ResidentBytes,
}

impl SizeClass {
    /// Counts resident bytes of a leaf.
    pub(crate) fn add(&mut self, leaf: Leaf, bytes: ResidentBytes) {
        match leaf {
            Leaf::HeapReachable | Leaf::HeapObjects => self.object_bytes += bytes,
            Leaf::HeapGarbage => self.garbage_bytes += bytes,
            Leaf::HeapFreeSlots => self.free_bytes += bytes,
            Leaf::HeapSpanTail => self.tail_bytes += bytes,
            _ => {}
        }
    }
}

/// Every size class that has spans, by class and then pointerful before noscan.
#[derive(Debug)]
pub(crate) struct SizeClasses(Vec<SizeClass>);

impl Default for SizeClasses {
    fn default() -> SizeClasses {
        SizeClasses(vec![SizeClass::default(); usize::from(u8::MAX) + 1])
    }
}

impl SizeClasses {
    /// The class of `span`.
    pub(crate) fn of(&mut self, span: &Span) -> Option<&mut SizeClass> {
        self.0.get_mut(usize::from(span.span_class))
    }

    /// Counts a span itself.
    pub(crate) fn add_span(&mut self, span: &Span) {
        let Some(class) = self.of(span) else { return };
        class.class = span.size_class();
        class.noscan = span.is_noscan();
        if class.class != 0 {
            class.elem_size = span.elem_size;
        }
        class.spans += 1;
        class.span_bytes += u64::from(span.npages) * RUNTIME_PAGE;
        class.slots += u64::from(span.nelems);
        class.used += u64::from(span.alloc_count.min(span.nelems));
    }

    /// The classes that have spans.
    pub(crate) fn finish(self) -> Vec<SizeClass> {
        let used = self.0.into_iter().filter(|class| class.spans > 0);
        used.collect()
    }
}
