//! The page allocator's summaries, bitmaps and scavenge index.
//!
//! Summaries and the scavenge index are huge reservations, of which the runtime maps the os pages
//! that the heap's address ranges need. Which these are is computed from the ranges, as
//! `sysGrow` did.
//!
//! Source: src/runtime/mpagealloc_64bit.go, `sysGrow`; mpagealloc.go; mranges.go;
//! go1.19 to go1.27.

use std::collections::BTreeSet;

use letgo_target::{Addr, AddrRange, OS_PAGE, read_u64};

use super::Walk;
use crate::{Error, Sys};

/// Address where the page allocator's indices start.
const BASE: u64 = 0xffff_8000_0000_0000;
/// Bits of an address that each level's index leaves out, the root first: `levelShift`.
const LEVEL_SHIFT: [u32; 5] = [34, 31, 28, 25, 22];
/// Bits of index that a level adds: `levelBits`.
const LEVEL_BITS: [u32; 5] = [14, 3, 3, 3, 3];
/// Bytes of a summary.
const SUMMARY: u64 = 8;
/// Blocks of chunk bitmaps: `pallocChunksL1Bits`.
const BLOCKS: u64 = 1 << 13;
/// Chunk bitmaps in a block: `pallocChunksL2Bits`.
const CHUNKS_A_BLOCK: u64 = 1 << 13;
/// Address space that a block describes: chunks of 4 MiB.
const BLOCK_BYTES: u64 = CHUNKS_A_BLOCK << 22;

impl Walk<'_> {
    pub(super) fn page_index(&mut self) -> Result<(), Error> {
        let mheap = self.view.runtime.need_global("runtime.mheap_")?;
        let pages = self.view.layout().mheap.pages.at(mheap);
        self.summaries(pages)?;
        self.chunk_bitmaps(pages)?;
        self.scavenge_index(pages)?;
        self.address_ranges(pages)
    }

    /// The array of address ranges, those that it outgrew, and the copy that was left behind.
    fn address_ranges(&mut self, pages: Addr) -> Result<(), Error> {
        /// Bytes of an `addrRange`, and how many a new array has room for.
        const RANGE: u64 = 16;
        const FIRST: u64 = 16;
        let layout = self.view.layout().page_alloc;
        let at = layout.in_use.at(pages);
        let slice = self
            .view
            .sane_slice("pageAlloc.inUse", at, self.limits.ranges)?;
        let cap = slice.cap.min(self.limits.ranges);
        self.found
            .add(slice.ptr, cap * RANGE, Sys::Gc, "pageAlloc.inUse");
        let mut old = FIRST;
        while old < cap {
            self.outgrown.ranges(old * RANGE);
            old *= 2;
        }
        if let Some(member) = layout.chunk_huge_pages
            && self.view.field(pages, member)? != 0
        {
            // It was copied with the room that the array had then: nearly always what it has now.
            self.outgrown.ranges(cap * RANGE);
        }
        Ok(())
    }

    fn summaries(&mut self, pages: Addr) -> Result<(), Error> {
        let summary = self.view.layout().page_alloc.summary.at(pages);
        for (level, (shift, bits)) in (0u64..).zip(LEVEL_SHIFT.into_iter().zip(LEVEL_BITS)) {
            let array = self.view.slice(summary.add(level * 24))?.ptr;
            if array.is_null() {
                continue;
            }
            let mut mapped: Vec<AddrRange> = self
                .known
                .in_use
                .iter()
                .map(|range| summaries_of(array, *range, shift, bits))
                .collect();
            mapped.sort_unstable();
            let mut floor = Addr::NULL;
            for range in mapped {
                let fresh = AddrRange::new(range.start().max(floor), range.end());
                floor = floor.max(range.end());
                self.found
                    .add(fresh.start(), fresh.len(), Sys::Gc, "pageAlloc.summary");
            }
        }
        Ok(())
    }

    /// The blocks of chunk bitmaps that the heap's address ranges need.
    ///
    /// The array of pointers to them lies among the zeroed variables and is resident in part, so
    /// only the entries that are in use are read.
    fn chunk_bitmaps(&mut self, pages: Addr) -> Result<(), Error> {
        let layout = self.view.layout();
        let len = CHUNKS_A_BLOCK * u64::from(layout.palloc_data.size);
        let blocks = layout.page_alloc.chunks.at(pages);
        let block = |addr: Addr| addr.0.wrapping_sub(BASE) / BLOCK_BYTES;
        let ranges = self.known.in_use.iter().filter(|range| !range.is_empty());
        let numbers: BTreeSet<u64> = ranges
            .flat_map(|range| block(range.start())..=block(Addr(range.end().0 - 1)))
            .filter(|number| *number < BLOCKS)
            .collect();
        for number in numbers {
            let entry = blocks.add(number * 8);
            let block = Addr(read_u64(self.view.memory, entry)?);
            self.found.add(block, len, Sys::Gc, "pageAlloc.chunks");
        }
        Ok(())
    }

    fn scavenge_index(&mut self, pages: Addr) -> Result<(), Error> {
        let layout = self.view.layout().page_alloc;
        let (Some(chunks), Some(min), Some(max)) =
            (layout.scav_chunks, layout.scav_min, layout.scav_max)
        else {
            return Ok(());
        };
        let array = self.view.slice(chunks.at(pages))?.ptr;
        let (min_index, max_index) = (self.view.field(pages, min)?, self.view.field(pages, max)?);
        // Up to 1.20 an element is a byte of bits, and the first growth maps everything from the
        // array's start, whatever `min` says later.
        let bytes = min.size == 4;
        let (first, last, element) = if bytes {
            (0, max_index, 1)
        } else {
            (min_index, max_index, 8)
        };
        let most = CHUNKS_A_BLOCK * BLOCKS;
        if last > most || first > last {
            let why = format!("{first} to {last} are no elements");
            return Err(Error::inconsistent("scavengeIndex", min.at(pages), why));
        }
        let start = array.add(first * element);
        self.found.add(
            start,
            (last - first) * element,
            Sys::Gc,
            "pageAlloc.scav.index",
        );
        Ok(())
    }
}

/// The os pages of one level that hold the summaries of `heap`.
fn summaries_of(array: Addr, heap: AddrRange, shift: u32, bits: u32) -> AddrRange {
    let block = 1u64 << bits;
    let index = |addr: u64| addr.wrapping_sub(BASE) >> shift;
    let first = index(heap.start().0) & !(block - 1);
    let last = index(heap.end().0.saturating_sub(1)) + 1;
    let last = last.next_multiple_of(block);
    let first = (first * SUMMARY) & !(OS_PAGE - 1);
    let last = (last * SUMMARY).next_multiple_of(OS_PAGE);
    AddrRange::new(array.add(first), array.add(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_heap_needs_one_os_page_of_most_levels() {
        let heap = AddrRange::sized(Addr(0xc0_0000_0000), 4 << 20);
        let array = Addr(0x7f00_0000_0000);
        let pages = |level: usize| {
            let range = summaries_of(array, heap, LEVEL_SHIFT[level], LEVEL_BITS[level]);
            range.len() / OS_PAGE
        };
        // The root level is one block of 2^14 summaries, mapped whole.
        assert_eq!(pages(0), 32);
        assert_eq!([pages(1), pages(2), pages(3), pages(4)], [1, 1, 1, 1]);
    }
}
