//! [`Found`]: the ranges found so far, and how they become one sorted list.

use letgo_target::{Addr, AddrRange};

use crate::{Metadata, Sys};

/// Ranges in the order in which they were found.
#[derive(Debug, Default)]
pub(super) struct Found {
    ranges: Vec<Metadata>,
    /// Persistent chunks; what nobody else has of them is `OtherSys`.
    chunks: Vec<AddrRange>,
}

impl Found {
    /// Adds `len` bytes at `addr`; nothing where `addr` is null.
    pub(super) fn add(&mut self, addr: Addr, len: u64, sys: Sys, what: &'static str) {
        let range = AddrRange::sized(addr, len);
        if !addr.is_null() && !range.is_empty() {
            self.ranges.push(Metadata { range, sys, what });
        }
    }

    pub(super) fn add_chunk(&mut self, chunk: AddrRange) {
        self.chunks.push(chunk);
    }

    /// Whether `addr` lies in a persistent chunk.
    pub(super) fn in_chunk(&self, addr: Addr) -> bool {
        self.chunks.iter().any(|chunk| chunk.contains(addr))
    }

    /// The parts of persistent chunks that nothing found so far lies in, by address.
    pub(super) fn gaps(&self) -> Vec<AddrRange> {
        let mut ranges: Vec<AddrRange> = self.ranges.iter().map(|found| found.range).collect();
        ranges.sort_unstable();
        let mut chunks = self.chunks.clone();
        chunks.sort_unstable();
        chunks.dedup();
        let mut gaps = Vec::new();
        for chunk in chunks {
            let first = ranges.partition_point(|range| range.end() <= chunk.start());
            let mut at = chunk.start();
            for range in ranges.get(first..).unwrap_or_default() {
                if range.start() >= chunk.end() {
                    break;
                }
                push(&mut gaps, AddrRange::new(at, range.start()));
                at = at.max(range.end());
            }
            push(&mut gaps, AddrRange::new(at, chunk.end()));
        }
        gaps
    }

    /// All ranges by address, the rest of the chunks among them; where two overlap, the one that
    /// starts later is cut. Also says how many were.
    pub(super) fn finish(mut self) -> (Vec<Metadata>, u64) {
        let mut overlaps = cut(&mut self.ranges);
        for gap in self.gaps() {
            self.ranges.push(Metadata {
                range: gap,
                sys: Sys::Other,
                what: "persistentalloc",
            });
        }
        overlaps += cut(&mut self.ranges);
        (self.ranges, overlaps)
    }
}

fn push(gaps: &mut Vec<AddrRange>, gap: AddrRange) {
    if !gap.is_empty() {
        gaps.push(gap);
    }
}

/// Sorts, joins what lies side by side and is alike, and cuts what overlaps.
fn cut(ranges: &mut Vec<Metadata>) -> u64 {
    ranges.sort_unstable();
    ranges.dedup();
    let mut overlaps = 0;
    let mut kept: Vec<Metadata> = Vec::with_capacity(ranges.len());
    for mut found in ranges.drain(..) {
        let floor = kept.last().map_or(Addr::NULL, |last| last.range.end());
        if found.range.start() < floor {
            overlaps += 1;
            let end = found.range.end().max(floor);
            found.range = AddrRange::new(floor, end);
            if found.range.is_empty() {
                continue;
            }
        }
        match kept.last_mut() {
            Some(last)
                if last.range.end() == found.range.start()
                    && (last.sys, last.what) == (found.sys, found.what) =>
            {
                last.range = AddrRange::new(last.range.start(), found.range.end());
            }
            _ => kept.push(found),
        }
    }
    *ranges = kept;
    overlaps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_a_chunk_is_other() {
        let mut found = Found::default();
        found.add_chunk(AddrRange::sized(Addr(0x10000), 0x1000));
        found.add(Addr(0x10100), 0x100, Sys::Mspan, "mspan");
        found.add(Addr(0x10200), 0x100, Sys::Mspan, "mspan");
        found.add(Addr(0x40000), 0x80, Sys::Gc, "heapArena");
        let (metadata, overlaps) = found.finish();
        let shape: Vec<_> = metadata
            .iter()
            .map(|found| (found.range.start().0, found.range.len(), found.sys))
            .collect();
        assert_eq!(overlaps, 0);
        assert_eq!(
            shape,
            [
                (0x10000, 0x100, Sys::Other),
                (0x10100, 0x200, Sys::Mspan),
                (0x10300, 0xd00, Sys::Other),
                (0x40000, 0x80, Sys::Gc),
            ]
        );
    }

    #[test]
    fn what_overlaps_is_cut_and_counted() {
        let mut found = Found::default();
        found.add(Addr(0x1000), 0x1000, Sys::Gc, "a");
        found.add(Addr(0x1800), 0x1000, Sys::Mspan, "b");
        found.add(Addr(0x1900), 0x10, Sys::Mcache, "c");
        found.add_chunk(AddrRange::sized(Addr(0x1000), 0x3000));
        found.add_chunk(AddrRange::sized(Addr(0x2000), 0x3000));
        found.add(Addr(u64::MAX - 5), u64::MAX, Sys::Gc, "end");
        let (metadata, overlaps) = found.finish();
        assert!(overlaps >= 2);
        for pair in metadata.windows(2) {
            assert!(pair[0].range.end() <= pair[1].range.start(), "{pair:?}");
        }
    }
}
