//! The memory of a core: what it holds, what attached files answer for, and what was lost.
//!
//! Invariant: what was left out is never taken for zeros.

use letgo_target::{Addr, AddrRange, Fault, ReadMemory};

use crate::headers::Segment;
use crate::{CoreFile, files};

impl CoreFile {
    /// The ranges whose bytes the core holds, by address.
    pub fn present(&self) -> Vec<AddrRange> {
        let kept = self.segments.iter().map(Segment::kept_range);
        joined(kept.filter(|range| !range.is_empty()))
    }

    /// The parts of [`CoreFile::present`] that are more than a hole of the file, which reads as
    /// zeros. In a core that the kernel wrote (or that we decompressed) a hole is memory that was
    /// never touched, or zero; in gdb's also what it could not read. Where the file system does
    /// not tell, all of it.
    pub fn written(&self) -> Vec<AddrRange> {
        let parts = self.segments.iter().flat_map(|segment| {
            let end = segment.offset.saturating_add(segment.kept);
            let parts = self.source.written(segment.offset..end);
            parts.into_iter().map(|part| {
                let start = segment.range.start().add(part.start - segment.offset);
                AddrRange::sized(start, part.end - part.start)
            })
        });
        joined(parts)
    }

    /// All ranges that can be read, by address: what the core holds, and what attached files
    /// answer for.
    pub fn readable(&self) -> Vec<AddrRange> {
        let parts = self.segments.iter().flat_map(|segment| {
            let mut parts = vec![segment.kept_range()];
            let left_out = AddrRange::new(segment.kept_range().end(), segment.range.end());
            if !segment.write {
                parts.extend(files::answered(self.files(), &self.attached, left_out));
            }
            parts
        });
        joined(parts.filter(|range| !range.is_empty()))
    }

    /// The ranges that the core should hold and does not, since it was cut.
    pub fn lost(&self) -> Vec<AddrRange> {
        let lost = self.segments.iter().map(|segment| {
            let start = segment.range.start();
            AddrRange::new(start.add(segment.kept), start.add(segment.promised))
        });
        joined(lost.filter(|range| !range.is_empty()))
    }

    fn segment_at(&self, addr: Addr) -> Option<&Segment> {
        let index = self
            .segments
            .partition_point(|segment| segment.range.end() <= addr);
        self.segments
            .get(index)
            .filter(|segment| segment.range.contains(addr))
    }

    /// Reads what the core itself holds; false where it is not all there.
    pub(crate) fn read_kept(&self, addr: Addr, buf: &mut [u8]) -> bool {
        let Some(segment) = self.segment_at(addr) else {
            return false;
        };
        let inside = addr.since(segment.range.start());
        let end = inside.checked_add(buf.len() as u64);
        end.is_some_and(|end| end <= segment.kept)
            && self
                .source
                .read_at(segment.offset.saturating_add(inside), buf)
                .is_ok()
    }

    /// Reads a part of one segment.
    fn read_segment(&self, segment: &Segment, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        let len = buf.len() as u64;
        let inside = addr.since(segment.range.start());
        let kept = segment.kept.saturating_sub(inside);
        let kept = usize::try_from(kept).unwrap_or(usize::MAX).min(buf.len());
        let not_kept = Fault::NotKept { addr, len };
        let Some((head, rest)) = buf.split_at_mut_checked(kept) else {
            return Err(not_kept);
        };
        if !head.is_empty() {
            let offset = segment.offset.saturating_add(inside);
            let read = self.source.read_at(offset, head);
            read.map_err(|error| Fault::Corrupt {
                addr,
                len,
                why: error.to_string(),
            })?;
        }
        let behind = addr.add(kept as u64);
        let answered = rest.is_empty()
            || !segment.write && files::read(self.files(), &self.attached, behind, rest);
        if answered { Ok(()) } else { Err(not_kept) }
    }
}

impl Segment {
    /// The memory whose bytes the file holds.
    fn kept_range(&self) -> AddrRange {
        AddrRange::sized(self.range.start(), self.kept)
    }
}

impl ReadMemory for CoreFile {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        let (mut at, mut rest) = (addr, buf);
        while !rest.is_empty() {
            let unmapped = Fault::Unmapped {
                addr: at,
                len: rest.len() as u64,
            };
            let segment = self.segment_at(at).ok_or_else(|| unmapped.clone())?;
            let left = segment.range.end().since(at);
            let len = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
            let (head, tail) = rest.split_at_mut_checked(len).ok_or(unmapped)?;
            self.read_segment(segment, at, head)?;
            at = at.add(len as u64);
            rest = tail;
        }
        Ok(())
    }
}

/// Ranges, by address and disjoint, with neighbours joined.
fn joined(ranges: impl Iterator<Item = AddrRange>) -> Vec<AddrRange> {
    let mut all: Vec<AddrRange> = Vec::new();
    for range in ranges {
        match all.last_mut() {
            Some(last) if last.end() == range.start() => {
                *last = AddrRange::new(last.start(), range.end());
            }
            _ => all.push(range),
        }
    }
    all
}
