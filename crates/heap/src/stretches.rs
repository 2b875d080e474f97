//! [`Stretches`]: the spans that are read, cut into what a thread reads at a time.
//!
//! Large objects are cut as well, so that a slice of gigabytes takes no more memory and no more
//! time of one thread than anything else.
//!
//! Invariants: stretches come by address; every byte of a span that is followed is in one.

use letgo_goruntime::Span;
use letgo_target::AddrRange;

use crate::objects::{HeapSpan, Objects, Shape};

/// Bytes that a thread reads at a time.
const STRETCH: u64 = 2 << 20;

/// A span, or a part of the only object of one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Part {
    /// Which of our spans.
    pub(crate) own: usize,
    /// Offset of its first byte in the span.
    pub(crate) from: u64,
    /// Where it is in the target.
    pub(crate) range: AddrRange,
}

/// What is still to be read.
pub(crate) struct Stretches<'a> {
    objects: &'a Objects,
    spans: &'a [Span],
    own: usize,
    /// Bytes of that one that were handed out.
    from: u64,
    number: usize,
}

impl<'a> Stretches<'a> {
    pub(crate) fn new(objects: &'a Objects, spans: &'a [Span]) -> Stretches<'a> {
        Stretches {
            objects,
            spans,
            own: 0,
            from: 0,
            number: 0,
        }
    }

    /// The next part that is at most `room` bytes, or the first of a stretch.
    fn part(&mut self, room: u64) -> Option<Part> {
        while let Some(span) = self.objects.spans.get(self.own) {
            let at = self.objects.census.get(self.own);
            let range = at
                .and_then(|at| self.spans.get(*at as usize))
                .map_or_else(AddrRange::default, Span::range);
            let rest = range.len().saturating_sub(self.from);
            if span.is_opaque() || rest == 0 {
                (self.own, self.from) = (self.own + 1, 0);
                continue;
            }
            let len = if can_be_cut(span) {
                rest.min(room)
            } else {
                rest
            };
            if len == 0 || (len > room && room < STRETCH) {
                return None;
            }
            let part = Part {
                own: self.own,
                from: self.from,
                range: AddrRange::sized(range.start().add(self.from), len),
            };
            self.from += len;
            return Some(part);
        }
        None
    }
}

/// Whether the pointers of a part of a span can be found without the rest of it. Not those of an
/// object that names its type: some size classes have one slot a span as well.
fn can_be_cut(span: &HeapSpan) -> bool {
    span.nelems == 1 && matches!(span.shape, Shape::Typed | Shape::Plane(_))
}

impl Iterator for Stretches<'_> {
    type Item = (usize, Vec<Part>);

    fn next(&mut self) -> Option<Self::Item> {
        let mut parts = Vec::new();
        let mut room = STRETCH;
        while let Some(part) = self.part(room) {
            room = room.saturating_sub(part.range.len());
            parts.push(part);
        }
        let number = self.number;
        self.number += 1;
        (!parts.is_empty()).then_some((number, parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use letgo_target::Addr;

    #[test]
    fn every_followed_byte_is_handed_out_once_and_in_order() {
        let mut base = 0xc000_0000u64;
        let mut spans = Vec::new();
        for (npages, nelems) in [(1, 100), (4, 4), (700, 1), (1, 1), (1000, 3), (1, 1)] {
            spans.push(Span {
                base: Addr(base),
                npages,
                nelems,
                elem_size: u64::from(npages) * 8192 / u64::from(nelems) / 8 * 8,
                ..Span::default()
            });
            base += u64::from(npages) * 8192;
        }
        let mut objects = Objects::new(&spans).unwrap();
        for own in [0, 2, 3, 4, 5] {
            objects.spans[own].shape = Shape::Typed;
        }
        let mut next = vec![0; spans.len()];
        let mut last = 0;
        for (at, (number, parts)) in Stretches::new(&objects, &spans).enumerate() {
            assert_eq!(number, at);
            let bytes: u64 = parts.iter().map(|part| part.range.len()).sum();
            assert!(bytes <= STRETCH || parts.len() == 1);
            for part in parts {
                assert_eq!(part.from, next[part.own]);
                assert!(part.own >= last);
                let start = spans[part.own].base.add(part.from);
                assert_eq!(part.range.start(), start);
                assert_eq!(part.from % 512, 0);
                next[part.own] += part.range.len();
                last = part.own;
            }
        }
        let whole = |pages: u64| pages * 8192;
        let expected = [1, 0, 700, 1, 1000, 1].map(whole);
        assert_eq!(next, expected);
    }
    #[test]
    fn a_span_that_needs_its_first_word_or_its_last_is_never_cut() {
        let span = |at: u64| Span {
            base: Addr(0xc000_0000 + at * 3 * 8192),
            npages: 3,
            nelems: 1,
            elem_size: 3 * 8192,
            ..Span::default()
        };
        let spans: Vec<Span> = (0..1000).map(span).collect();
        let mut objects = Objects::new(&spans).unwrap();
        for (shape, is_cut) in [
            (Shape::Header, false),
            (Shape::Bits(3 * 8192 - 256), false),
            (Shape::Typed, true),
            (Shape::Plane(0), true),
        ] {
            for span in &mut objects.spans {
                span.shape = shape;
            }
            let stretches = Stretches::new(&objects, &spans);
            let parts: Vec<Part> = stretches.flat_map(|(_, parts)| parts).collect();
            let cut = parts.iter().any(|part| part.from > 0);
            assert_eq!(cut, is_cut, "{shape:?}");
            let bytes: u64 = parts.iter().map(|part| part.range.len()).sum();
            assert_eq!(bytes, 1000 * 3 * 8192, "{shape:?}");
        }
    }
}
