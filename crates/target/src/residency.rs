//! [`Residency`]: which os pages of a target are present, and of what kind.
//!
//! The kernel's page table as sorted runs. It does not know whom a page belongs to (see the
//! `account` crate).
//!
//! Invariants: runs are sorted by address, do not overlap, start and end on os pages, are not
//! empty; neighbours of one kind are joined.

use serde::{Deserialize, Serialize};

use crate::{Addr, AddrRange, OS_PAGE, ResidentBytes};

/// What the kernel says of a present or swapped page.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum PageKind {
    /// Present, anonymous, counted in `Rss`.
    Anon,
    /// Present, anonymous, mapped by a huge page (2 MiB), counted in `Rss`.
    AnonHuge,
    /// Present, of a file or shared memory, counted in `Rss`.
    File,
    /// Swapped out: not in `Rss`.
    Swapped,
}

impl PageKind {
    /// Whether such a page counts in `Rss`.
    pub fn is_resident(self) -> bool {
        self != PageKind::Swapped
    }
}

/// Neighbouring os pages of one kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PageRun {
    /// Where they lie.
    pub range: AddrRange,
    /// Their kind.
    pub kind: PageKind,
}

/// All present and swapped os pages of a target. The shared zero page is left out: it is not
/// counted in `Rss`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Residency {
    runs: Vec<PageRun>,
}

impl Residency {
    /// Adds a run behind all others; one that starts before the last one's end is cut to what is
    /// new.
    pub fn push(&mut self, run: PageRun) {
        let floor = self.runs.last().map_or(Addr::NULL, |last| last.range.end());
        let range = AddrRange::new(run.range.start().max(floor), run.range.end());
        if range.is_empty() {
            return;
        }
        match self.runs.last_mut() {
            Some(last) if last.range.end() == range.start() && last.kind == run.kind => {
                last.range = AddrRange::new(last.range.start(), range.end());
            }
            _ => self.runs.push(PageRun {
                range,
                kind: run.kind,
            }),
        }
    }

    /// All runs, by address.
    pub fn runs(&self) -> &[PageRun] {
        &self.runs
    }

    /// The runs that overlap `range`, each cut to it, by address.
    pub fn within(&self, range: AddrRange) -> impl Iterator<Item = PageRun> + '_ {
        let first = self
            .runs
            .partition_point(|run| run.range.end() <= range.start());
        self.runs
            .get(first..)
            .unwrap_or_default()
            .iter()
            .take_while(move |run| run.range.start() < range.end())
            .map(move |run| PageRun {
                range: run.range.intersect(range),
                kind: run.kind,
            })
            .filter(|run| !run.range.is_empty())
    }

    /// Bytes of `range` that are resident, byte by byte (a page that `range` cuts counts in part).
    pub fn resident_in(&self, range: AddrRange) -> ResidentBytes {
        let resident = self.within(range).filter(|run| run.kind.is_resident());
        ResidentBytes(resident.map(|run| run.range.len()).sum())
    }

    /// The run that an address lies in, and all of it.
    pub fn run_at(&self, addr: Addr) -> Option<PageRun> {
        let next = self.runs.partition_point(|run| run.range.end() <= addr);
        let run = self.runs.get(next)?;
        run.range.contains(addr).then_some(*run)
    }

    /// Bytes of `range` that are swapped out, byte by byte.
    pub fn swapped_in(&self, range: AddrRange) -> u64 {
        let swapped = self
            .within(range)
            .filter(|run| run.kind == PageKind::Swapped);
        swapped.map(|run| run.range.len()).sum()
    }

    /// Whether every byte of `range` is resident.
    pub fn is_resident(&self, range: AddrRange) -> bool {
        self.resident_in(range).0 == range.len()
    }

    /// Bytes that are resident: what `Rss` should be.
    pub fn resident(&self) -> ResidentBytes {
        let resident = self.runs.iter().filter(|run| run.kind.is_resident());
        ResidentBytes(resident.map(|run| run.range.len()).sum())
    }

    /// Resident os pages.
    pub fn os_pages(&self) -> u64 {
        self.resident().0 / OS_PAGE
    }

    /// Bytes that are swapped out.
    pub fn swapped(&self) -> u64 {
        let swapped = self.runs.iter().filter(|run| run.kind == PageKind::Swapped);
        swapped.map(|run| run.range.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(page: u64, pages: u64, kind: PageKind) -> PageRun {
        PageRun {
            range: AddrRange::sized(Addr(page * OS_PAGE), pages * OS_PAGE),
            kind,
        }
    }

    #[test]
    fn neighbours_of_one_kind_join_and_overlaps_are_cut() {
        let mut residency = Residency::default();
        residency.push(run(1, 2, PageKind::Anon));
        residency.push(run(3, 1, PageKind::Anon));
        residency.push(run(2, 4, PageKind::File));
        assert_eq!(
            residency.runs(),
            [run(1, 3, PageKind::Anon), run(4, 2, PageKind::File)]
        );
    }

    #[test]
    fn a_cut_page_counts_in_part_and_swap_does_not_count() {
        let mut residency = Residency::default();
        residency.push(run(1, 1, PageKind::Anon));
        residency.push(run(2, 1, PageKind::Swapped));
        let range = AddrRange::new(Addr(OS_PAGE + 96), Addr(3 * OS_PAGE));
        assert_eq!(residency.resident_in(range), ResidentBytes(OS_PAGE - 96));
        assert_eq!(residency.swapped_in(range), OS_PAGE);
        assert_eq!(residency.resident(), ResidentBytes(OS_PAGE));
    }
}
