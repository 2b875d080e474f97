//! [`Pointing`]: the pointers of one object, and where they lie in it.
//!
//! Which words of an object lead to others was noted while it was read, a bit a word; the object
//! that the bit number k leads to is the target number k (see `edges`). The target is not read
//! again.
//!
//! Does not say how far behind its start a target is led to.
//!
//! Invariants: pointers come in the order of their words; targets that are not in use are left out,
//! as [`Graph::pointers`] does.

use std::ops::Range;

use crate::objects::HeapSpan;
use crate::{Graph, ObjectId};

/// A pointer of an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pointer {
    /// Bytes from the start of the object's slot; what names its type lies in front of the object
    /// and counts.
    pub offset: u64,
    /// The object that it leads to, or into.
    pub target: ObjectId,
}

/// Goes over the pointers of an object, a step at a time; does not hold on to the graph.
#[derive(Clone, Debug, Default)]
pub struct Pointing {
    span: HeapSpan,
    /// The object's first word among those of its span, and how many it has.
    first: u64,
    words: u64,
    /// Words that were looked at, in lots of 64; what is left of the last lot, and where it began.
    done: u64,
    bits: u64,
    lot: u64,
    /// Targets to come.
    edges: Range<usize>,
}

impl Pointing {
    /// Before the first pointer of an object.
    pub fn new(graph: &Graph, object: ObjectId) -> Pointing {
        let edges = &graph.copied.edges;
        let node = edges.node(object.0);
        let span = graph.objects.span_of_slot(object.0);
        let (Some(node), Some(span)) = (node, span) else {
            return Pointing::default();
        };
        let slot = u64::from(object.0.wrapping_sub(span.first));
        Pointing {
            span: *span,
            first: slot.wrapping_mul(span.elem_size) / 8,
            words: span.elem_size / 8,
            edges: edges.range(node),
            ..Pointing::default()
        }
    }

    /// The next one, of the same graph.
    #[inline]
    pub fn next(&mut self, graph: &Graph) -> Option<Pointer> {
        loop {
            let target = *graph.copied.edges.all().get(self.edges.next()?)?;
            while self.bits == 0 {
                if self.done >= self.words {
                    return None;
                }
                let part = (self.words - self.done).min(64);
                let first = self.first.wrapping_add(self.done);
                self.bits = graph.copied.seeds.bits(&self.span, first, part);
                self.lot = self.done;
                self.done += part;
            }
            let word = self.lot + u64::from(self.bits.trailing_zeros());
            self.bits &= self.bits - 1;
            if graph.objects.in_use.has(target) {
                return Some(Pointer {
                    offset: word * 8,
                    target: ObjectId(target),
                });
            }
        }
    }
}
