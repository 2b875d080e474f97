//! Looking for bytes in an image.

use letgo_target::{Addr, AddrRange, OS_PAGE, ReadMemory};
use memchr::memmem::Finder;

/// Bytes read at once.
const CHUNK: u64 = 1 << 20;

/// A bounded search for a byte pattern in memory.
pub(crate) struct Scan<'a> {
    memory: &'a dyn ReadMemory,
    finder: Finder<'a>,
    align: u64,
    budget: u64,
}

impl<'a> Scan<'a> {
    /// Searches for `needle` at multiples of `align` in at most `budget` bytes altogether.
    pub(crate) fn new(
        memory: &'a dyn ReadMemory,
        needle: &'a [u8],
        align: u64,
        budget: u64,
    ) -> Scan<'a> {
        Scan {
            memory,
            finder: Finder::new(needle),
            align: align.max(1),
            budget,
        }
    }

    /// Reads what can be had; os pages that cannot are zero.
    fn read(&self, at: Addr, chunk: &mut [u8]) {
        if self.memory.read(at, chunk).is_ok() {
            return;
        }
        let page = usize::try_from(OS_PAGE).unwrap_or(1);
        for (index, part) in (0u64..).zip(chunk.chunks_mut(page)) {
            if self.memory.read(at.add(index * OS_PAGE), part).is_err() {
                part.fill(0);
            }
        }
    }

    /// The first place in `range` that `accept` likes. Os pages that cannot be read are passed
    /// over.
    pub(crate) fn find<T>(
        &mut self,
        range: AddrRange,
        accept: &mut dyn FnMut(Addr) -> Option<T>,
    ) -> Option<T> {
        let overlap = (self.finder.needle().len() as u64).saturating_sub(1);
        let mut at = range.start();
        let mut chunk = Vec::new();
        while at < range.end() && self.budget > 0 {
            let want = range.end().since(at).min(CHUNK + overlap).min(self.budget);
            self.budget = self.budget.saturating_sub(want);
            chunk.resize(usize::try_from(want).unwrap_or(0), 0);
            self.read(at, &mut chunk);
            for offset in self.finder.find_iter(&chunk) {
                let place = at.add(offset as u64);
                if place.0.is_multiple_of(self.align)
                    && let Some(found) = accept(place)
                {
                    return Some(found);
                }
            }
            at = at.add(CHUNK);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use letgo_target::SliceMemory;

    #[test]
    fn a_pattern_across_chunks_is_found_once_and_the_budget_ends_the_search() {
        let mut bytes = vec![0; 3 << 20];
        bytes[(1 << 20) - 2..(1 << 20) + 2].copy_from_slice(b"abcd");
        let mut memory = SliceMemory::default();
        memory.map(Addr(0x1000), bytes);
        let range = AddrRange::sized(Addr(0x1000), 3 << 20);
        let mut places = Vec::new();
        let mut accept = |place| {
            places.push(place);
            None::<()>
        };
        Scan::new(&memory, b"abcd", 2, u64::MAX).find(range, &mut accept);
        assert_eq!(places, [Addr(0x1000 + (1 << 20) - 2)]);
        let mut accept = Some;
        let mut cut = Scan::new(&memory, b"abcd", 2, 1 << 20);
        assert_eq!(cut.find(range, &mut accept), None);
        let mut unaligned = Scan::new(&memory, b"abcd", 4, u64::MAX);
        assert_eq!(unaligned.find(range, &mut accept), None);
    }

    #[test]
    fn a_page_that_cannot_be_read_hides_only_itself() {
        let mut memory = SliceMemory::default();
        memory.map(Addr(0x3000), vec![b'x'; 0x1000]);
        let range = AddrRange::sized(Addr(0x1000), 0x4000);
        let found = Scan::new(&memory, b"xx", 1, u64::MAX).find(range, &mut Some);
        assert_eq!(found, Some(Addr(0x3000)));
    }
}
