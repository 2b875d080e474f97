//! [`Cursor`]: page runs visited in address order, each range asked for at or behind the last.
//!
//! The account's sweep: linear in runs and ranges together, without a search for each range.

use letgo_target::{Addr, AddrRange, PageRun, Residency};

/// A place in a [`Residency`].
pub(crate) struct Cursor<'a> {
    runs: &'a [PageRun],
    next: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(residency: &'a Residency) -> Cursor<'a> {
        Cursor {
            runs: residency.runs(),
            next: 0,
        }
    }

    /// A cursor for ranges that do not start before `addr`.
    pub(crate) fn new_at(residency: &'a Residency, addr: Addr) -> Cursor<'a> {
        let runs = residency.runs();
        Cursor {
            runs,
            next: runs.partition_point(|run| run.range.end() <= addr),
        }
    }

    /// Calls `each` with the runs that overlap `range`, cut to it.
    ///
    /// `range` must not start before the start of an earlier call's range.
    pub(crate) fn visit(&mut self, range: AddrRange, mut each: impl FnMut(PageRun)) {
        let behind = |run: &PageRun| run.range.end() <= range.start();
        while self.runs.get(self.next).is_some_and(behind) {
            self.next += 1;
        }
        for run in self.runs.get(self.next..).unwrap_or_default() {
            if run.range.start() >= range.end() {
                break;
            }
            let cut = run.range.intersect(range);
            if !cut.is_empty() {
                each(PageRun {
                    range: cut,
                    kind: run.kind,
                });
            }
        }
    }

    /// The run that covers `range` whole, or whether none touches it.
    pub(crate) fn cover(&mut self, range: AddrRange) -> Cover {
        let mut cover = Cover::Nothing;
        let mut count = 0;
        self.visit(range, |run| {
            count += 1;
            cover = Cover::Whole(run);
        });
        match cover {
            Cover::Whole(run) if count > 1 || run.range != range => Cover::Partly,
            other => other,
        }
    }
}

/// How present a range is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cover {
    /// No page of it is present or swapped.
    Nothing,
    /// One run of pages of one kind covers it.
    Whole(PageRun),
    /// Some of it, or of several kinds.
    Partly,
}

#[cfg(test)]
mod tests {
    use super::*;
    use letgo_target::PageKind;

    fn residency(runs: &[(u64, u64, PageKind)]) -> Residency {
        let mut residency = Residency::default();
        for &(start, len, kind) in runs {
            let range = AddrRange::sized(Addr(start), len);
            residency.push(PageRun { range, kind });
        }
        residency
    }

    #[test]
    fn covers_whole_partly_and_nothing() {
        let pages = residency(&[
            (0x1000, 0x3000, PageKind::Anon),
            (0x4000, 0x1000, PageKind::AnonHuge),
        ]);
        let mut cursor = Cursor::new(&pages);
        let range = |start, len| AddrRange::sized(Addr(start), len);
        assert_eq!(cursor.cover(range(0, 0x1000)), Cover::Nothing);
        assert!(matches!(
            cursor.cover(range(0x1000, 0x1000)),
            Cover::Whole(_)
        ));
        assert_eq!(cursor.cover(range(0x3000, 0x2000)), Cover::Partly);
        assert_eq!(cursor.cover(range(0x4800, 0x1000)), Cover::Partly);
        assert_eq!(cursor.cover(range(0x9000, 0x1000)), Cover::Nothing);
    }
}
