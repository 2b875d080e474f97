//! What was resident in the target, joined of what its copy has and what it has itself.
//!
//! A copy gets the page table entries of anonymous memory only: pages of files and of shared memory
//! are for the child to find again, which never runs. So anonymous and swapped pages are taken from
//! the copy, and pages of files from the target where the copy has nothing.
//!
//! Must be asked before the copy's memory is read: reading faults pages of files in.
//!
//! # Consistency
//! Anonymous memory is as it was at the pause; pages of files are as they are now.
//!
//! Source: mm/memory.c `vma_needs_copy`.

use letgo_target::{AddrRange, Mapping, PageKind, PageRun, Residency};

use crate::process::{Smaps, Use};
use crate::{Error, Process, Scan, residency};

/// The page table that `target` had when `copy` was made of it. `mappings` are the copy's.
///
/// # Errors
/// As [`residency()`].
pub fn joined_residency(
    copy: &Process,
    target: &Process,
    mappings: &[Mapping],
) -> Result<Scan, Error> {
    let mut scan = residency(copy, mappings)?;
    let now = residency(target, mappings)?;
    scan.residency = join(&scan.residency, &now.residency);
    Ok(scan)
}

fn join(copy: &Residency, target: &Residency) -> Residency {
    let mut all: Vec<PageRun> = copy.runs().to_vec();
    let files = |run: &&PageRun| run.kind == PageKind::File;
    for run in target.runs().iter().filter(files) {
        let mut from = run.range.start();
        for known in copy.within(run.range) {
            all.push(file(AddrRange::new(from, known.range.start())));
            from = known.range.end();
        }
        all.push(file(AddrRange::new(from, run.range.end())));
    }
    all.retain(|run| !run.range.is_empty());
    all.sort_by_key(|run| run.range.start());
    let mut joined = Residency::default();
    all.into_iter().for_each(|run| joined.push(run));
    joined
}

fn file(range: AddrRange) -> PageRun {
    PageRun {
        range,
        kind: PageKind::File,
    }
}

/// What the mappings took when the copy was made: anonymous memory and swap as the copy has them,
/// the rest as the target has it. Mappings that the target no longer has are the copy's alone.
pub fn joined_smaps(copy: &Smaps, target: &Smaps) -> Smaps {
    let mut joined = copy.clone();
    joined.total = Use::default();
    for mapping in &mut joined.mappings {
        let range = mapping.mapping.range;
        let theirs = target
            .mappings
            .binary_search_by_key(&range.start(), |theirs| theirs.mapping.range.start());
        let theirs = theirs.ok().and_then(|at| target.mappings.get(at));
        if let Some(theirs) = theirs.filter(|theirs| theirs.mapping.range == range) {
            let files = theirs.bytes.rss.saturating_sub(theirs.bytes.anonymous);
            mapping.bytes.rss = mapping.bytes.anonymous + files;
        }
        joined.total.add(&mapping.bytes);
    }
    joined
}

#[cfg(test)]
mod tests {
    use letgo_target::Addr;

    use super::*;

    fn residency(runs: &[(u64, u64, PageKind)]) -> Residency {
        let mut residency = Residency::default();
        for (start, end, kind) in runs {
            let range = AddrRange::new(Addr(start << 12), Addr(end << 12));
            residency.push(PageRun { range, kind: *kind });
        }
        residency
    }

    #[test]
    fn files_fill_what_the_copy_lacks() {
        use PageKind::{Anon, AnonHuge, File, Swapped};
        let copy = residency(&[(2, 4, Anon), (6, 7, Swapped), (9, 11, AnonHuge)]);
        let target = residency(&[(1, 8, File), (8, 12, Anon), (20, 21, File)]);
        let expected = [
            (1, 2, File),
            (2, 4, Anon),
            (4, 6, File),
            (6, 7, Swapped),
            (7, 8, File),
            (9, 11, AnonHuge),
            (20, 21, File),
        ];
        assert_eq!(join(&copy, &target), residency(&expected));
    }
}
