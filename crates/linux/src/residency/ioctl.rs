//! Reading the page table by `PAGEMAP_SCAN`.
//!
//! A call ends after [`CHUNK_PAGES`] pages, or when our vector is full, or at the end of the range.
//! In the last case `walk_end` is stale if the kernel had handed out more than 512 regions (seen
//! on 6.18): whether there is more is told by the counts alone, and the next call starts behind
//! the last region at least. Otherwise pages would be counted twice.
//!
//! Asking whether a page is a file's makes the kernel look at each page's own structure, which
//! costs ten times the rest of the walk; anonymous mappings are scanned without that question.

use std::fs::File;

use letgo_target::{Addr, AddrRange, OS_PAGE, PageKind};
use nix::errno::Errno;

use super::{Counted, Found, Method, Scan};
use crate::sys::pagemap::{
    FILE, GUARD, HUGE, PFNZERO, PRESENT, Query, Region, SWAPPED, scan as call,
};
use crate::{Error, Process};

/// Os pages after which a call ends: 256 MiB, about a millisecond of `mmap_lock`.
const CHUNK_PAGES: u64 = 1 << 16;
/// Regions of one call. The kernel drops the lock every 512 of them anyway.
const REGIONS: usize = 8192;
/// Ranges with less than this between them are scanned in one go: a hole without page tables costs
/// the kernel nothing, a call costs a microsecond.
const BRIDGE: u64 = 1 << 30;

const REPORT: u64 = PRESENT | SWAPPED | PFNZERO | HUGE;

/// Scans `ranges`, which are sorted and disjoint.
pub(super) fn scan(process: &Process, pagemap: &File, ranges: &[Counted]) -> Result<Scan, Error> {
    let mut scanner = Scanner {
        process,
        pagemap,
        regions: vec![Region::default(); REGIONS],
        guard: GUARD,
        found: Found::new(),
    };
    let mut rest = ranges;
    while !rest.is_empty() {
        let joined = joinable(rest);
        let (now, later) = rest.split_at_checked(joined).unwrap_or((rest, &[]));
        scanner.scan_span(now)?;
        rest = later;
    }
    Ok(scanner.found.by(Method::Scan))
}

/// How many ranges from the front lie close to each other and are of one kind; at least one.
fn joinable(ranges: &[Counted]) -> usize {
    let close = |pair: &[Counted]| match pair {
        [before, after] => {
            after.range.start().since(before.range.end()) < BRIDGE
                && after.anonymous == before.anonymous
        }
        _ => false,
    };
    1 + ranges.windows(2).take_while(|pair| close(pair)).count()
}

struct Scanner<'a> {
    process: &'a Process,
    pagemap: &'a File,
    regions: Vec<Region>,
    /// [`GUARD`], or 0 where this kernel does not know it.
    guard: u64,
    found: Found,
}

impl Scanner<'_> {
    /// Scans from the first of `ranges` to the last, all of one kind, and keeps what lies in one
    /// of them.
    fn scan_span(&mut self, ranges: &[Counted]) -> Result<(), Error> {
        let (Some(first), Some(last)) = (ranges.first(), ranges.last()) else {
            return Ok(());
        };
        let (mut start, end, mut ranges) = (first.range.start().0, last.range.end().0, ranges);
        let file = if first.anonymous { 0 } else { FILE };
        while start < end {
            let query = Query {
                start,
                end,
                max_pages: CHUNK_PAGES,
                any_of: PRESENT | SWAPPED,
                report: REPORT | file | self.guard,
            };
            let (filled, walk_end) = match call(self.pagemap, query, &mut self.regions) {
                Err(Errno::EINVAL) if self.guard != 0 => {
                    self.guard = 0;
                    continue;
                }
                answer => answer.map_err(|errno| self.refused(errno))?,
            };
            let regions = self.regions.get(..filled).unwrap_or_default();
            let pages: u64 = regions.iter().map(|r| (r.end - r.start) / OS_PAGE).sum();
            let last = regions.last().map_or(start, |region| region.end);
            for region in regions {
                ranges = take(&mut self.found, region, ranges);
            }
            let next = walk_end.max(last);
            if (filled < REGIONS && pages < CHUNK_PAGES) || next <= start {
                break;
            }
            start = next;
        }
        Ok(())
    }

    fn refused(&self, errno: Errno) -> Error {
        match errno {
            Errno::ENOTTY | Errno::EINVAL => Error::Unsupported {
                what: "the PAGEMAP_SCAN ioctl".to_owned(),
                needs: "Linux 6.7 or later".to_owned(),
            },
            errno => Error::from_errno(self.process.pid(), "scanning the page table", errno),
        }
    }
}

/// Keeps what of `region` lies in `ranges`; answers the ranges that do not end before it.
fn take<'r>(found: &mut Found, region: &Region, ranges: &'r [Counted]) -> &'r [Counted] {
    let whole = AddrRange::new(Addr(region.start), Addr(region.end));
    let passed = ranges.partition_point(|counted| counted.range.end() <= whole.start());
    let ranges = ranges.get(passed..).unwrap_or_default();
    for counted in ranges {
        if counted.range.start() >= whole.end() {
            break;
        }
        let part = whole.intersect(counted.range);
        match kind(region.categories) {
            Some(kind) => found.push(part, kind),
            None if region.categories & PFNZERO != 0 => found.zero_bytes += part.len(),
            None => {}
        }
    }
    ranges
}

/// The kind of a page; nothing for one that is neither in `Rss` nor swapped.
fn kind(categories: u64) -> Option<PageKind> {
    let is = |bit: u64| categories & bit != 0;
    if is(PFNZERO) || is(GUARD) {
        None
    } else if is(PRESENT) && is(FILE) {
        Some(PageKind::File)
    } else if is(PRESENT) && is(HUGE) {
        Some(PageKind::AnonHuge)
    } else if is(PRESENT) {
        Some(PageKind::Anon)
    } else {
        Some(PageKind::Swapped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u64, end: u64) -> Counted {
        Counted {
            range: AddrRange::new(Addr(start * OS_PAGE), Addr(end * OS_PAGE)),
            anonymous: false,
        }
    }

    #[test]
    fn distant_ranges_and_those_of_two_kinds_are_scanned_apart() {
        let far = 1 << 30;
        let mut ranges = [range(1, 2), range(9, 10), range(far, far + 1)];
        assert_eq!(joinable(&ranges), 2);
        assert_eq!(joinable(&ranges[2..]), 1);
        ranges[1].anonymous = true;
        assert_eq!(joinable(&ranges), 1);
    }

    #[test]
    fn regions_are_cut_to_the_ranges() {
        let mut found = Found::new();
        let ranges = [range(1, 3), range(5, 9)];
        let region = |start, end, categories| Region {
            start: start * OS_PAGE,
            end: end * OS_PAGE,
            categories,
        };
        let mut rest = &ranges[..];
        for region in [
            region(0, 2, PRESENT),
            region(2, 6, PRESENT | FILE),
            region(6, 7, PRESENT | PFNZERO),
            region(7, 8, SWAPPED),
            region(8, 20, PRESENT | HUGE),
        ] {
            rest = take(&mut found, &region, rest);
        }
        let kinds: Vec<(u64, PageKind)> = found
            .residency
            .runs()
            .iter()
            .map(|run| (run.range.len() / OS_PAGE, run.kind))
            .collect();
        assert_eq!(
            kinds,
            [
                (1, PageKind::Anon),
                (1, PageKind::File),
                (1, PageKind::File),
                (1, PageKind::Swapped),
                (1, PageKind::AnonHuge)
            ]
        );
        assert_eq!(found.zero_bytes, OS_PAGE);
    }

    #[test]
    fn a_guard_region_is_nothing() {
        assert_eq!(kind(SWAPPED | GUARD), None);
    }
}
