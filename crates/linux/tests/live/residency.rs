//! The page table of a stopped child against the kernel's own sums.

use std::time::Duration;

use letgo_linux::process::Smaps;
use letgo_linux::residency::residency_by;
use letgo_linux::{Error, Method, Scan, Stop};
use letgo_target::PageKind;

use crate::child::Child;
use crate::{is_root, skipped};

fn bytes_of(scan: &Scan, kind: PageKind) -> u64 {
    let runs = scan.residency.runs().iter();
    runs.filter(|run| run.kind == kind)
        .map(|run| run.range.len())
        .sum()
}

fn check(scan: &Scan, smaps: &Smaps) {
    for entry in &smaps.mappings {
        let resident = scan.residency.resident_in(entry.mapping.range).0;
        assert_eq!(resident, entry.bytes.rss, "{:?}", entry.mapping);
    }
    assert_eq!(scan.residency.resident().0, smaps.total.rss);
    assert_eq!(scan.residency.swapped(), smaps.total.swap);
}

#[test]
fn both_methods_equal_rss_mapping_by_mapping() {
    let child = Child::start("pages");
    let process = child.open();
    let stopped = Stop::all_threads(&process, Duration::from_secs(10)).unwrap();
    let maps = process.maps().unwrap();
    let by_scan = residency_by(&process, &maps, Method::Scan);
    let by_table = residency_by(&process, &maps, Method::Table).unwrap();
    let smaps = process.smaps().unwrap();
    let report = stopped.release();
    assert!(!report.expired);

    assert!(smaps.total.lazy_free >= 100 * 4096, "MADV_FREE shows");
    if by_table.undecided_bytes == 0 {
        check(&by_table, &smaps);
        assert!(by_table.zero_bytes >= 32 * 4096);
    } else {
        assert!(!is_root(), "root can tell the zero page");
        skipped("the zero page cannot be told without CAP_SYS_ADMIN");
    }
    match by_scan {
        Ok(by_scan) => {
            check(&by_scan, &smaps);
            assert_eq!(by_scan.zero_bytes, by_table.zero_bytes);
            let huge = bytes_of(&by_scan, PageKind::AnonHuge);
            assert_eq!(huge, smaps.total.anon_huge_pages);
            assert_eq!(
                bytes_of(&by_scan, PageKind::File),
                bytes_of(&by_table, PageKind::File)
            );
            assert!(by_scan.residency.runs().len() > 3000, "more than one call");
        }
        Err(Error::Unsupported { .. }) => skipped("this kernel has no PAGEMAP_SCAN"),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn huge_pages_are_told_where_the_machine_has_them() {
    let child = Child::start("pages");
    let process = child.open();
    let smaps = process.smaps().unwrap();
    let huge = smaps.total.anon_huge_pages;
    if huge == 0 {
        return skipped("no transparent huge page was to be had");
    }
    let scan = residency_by(&process, &process.maps().unwrap(), Method::Scan).unwrap();
    let range = letgo_target::AddrRange::sized(child.address("huge"), 2 << 20);
    let kinds: Vec<PageKind> = scan.residency.within(range).map(|run| run.kind).collect();
    assert_eq!(kinds, [PageKind::AnonHuge]);
    // The huge zero page, which Rss does not count.
    let range = letgo_target::AddrRange::sized(range.start().add(6 << 20), 2 << 20);
    assert_eq!(scan.residency.resident_in(range).0, 0);
    assert!(scan.zero_bytes >= 2 << 20, "{}", scan.zero_bytes);
}

#[test]
fn the_rollup_equals_the_sum_of_smaps() {
    let child = Child::start("pages");
    let process = child.open();
    let stopped = Stop::all_threads(&process, Duration::from_secs(10)).unwrap();
    // The kernel marks pages as lazily free a batch later.
    let looks = (0..50).map(|_| {
        let sum = process.smaps().unwrap().total;
        let rollup = process.smaps_rollup().unwrap();
        ((rollup.rss, rollup.lazy_free), (sum.rss, sum.lazy_free))
    });
    let mut looks = looks.collect::<Vec<_>>().into_iter();
    assert!(looks.any(|(rollup, sum)| rollup == sum));
    drop(stopped);
}
