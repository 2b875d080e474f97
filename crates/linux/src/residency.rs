//! [`residency()`]: the kernel's page table of a process as a [`Residency`].
//!
//! Two methods give the same: the `PAGEMAP_SCAN` ioctl (Linux 6.7), which also tells huge pages
//! and the shared zero page, and reading `/proc/PID/pagemap`, which tells the zero page only with
//! `CAP_SYS_ADMIN`. What the sum is compared with is `Rss` of `smaps`, so the shared zero page,
//! hugetlb pages and the `[vvar]` pages, which `Rss` does not count, are left out.
//!
//! Must be asked before memory is read, since reading faults pages in.
//!
//! Both methods work in chunks: the kernel holds `mmap_lock` of the target for each chunk, and a
//! target that maps or faults waits meanwhile.
//!
//! Does not say whom a page belongs to (see the `account` crate).
//!
//! # Consistency
//! A running target changes between chunks and since `mappings` was read.
//!
//! Source: Documentation/admin-guide/mm/pagemap.rst, fs/proc/task_mmu.c.

mod ioctl;
mod table;

use letgo_target::{Addr, AddrRange, Mapping, PageRun, Residency};

use crate::{Error, Process};

/// How the page table was read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Method {
    /// The `PAGEMAP_SCAN` ioctl.
    Scan,
    /// Reading `/proc/PID/pagemap`. Huge pages are not told from others.
    Table,
}

/// The page table of a process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scan {
    /// Which os pages are present or swapped.
    pub residency: Residency,
    /// How it was read.
    pub method: Method,
    /// Bytes of the shared zero page that were seen and left out.
    pub zero_bytes: u64,
    /// Bytes counted as resident that may be the shared zero page: without `CAP_SYS_ADMIN` the
    /// [`Method::Table`] cannot tell it from anonymous memory shared after a fork.
    pub undecided_bytes: u64,
}

/// Reads the page table of `process` for the addresses of `mappings`, which are sorted.
///
/// # Errors
/// [`Error::Denied`], [`Error::Gone`].
///
/// # Consistency
/// See the module.
pub fn residency(process: &Process, mappings: &[Mapping]) -> Result<Scan, Error> {
    match residency_by(process, mappings, Method::Scan) {
        Err(Error::Unsupported { .. }) => residency_by(process, mappings, Method::Table),
        scan => scan,
    }
}

/// As [`residency()`], by one method.
///
/// # Errors
/// Also [`Error::Unsupported`] where the kernel does not have [`Method::Scan`].
pub fn residency_by(
    process: &Process,
    mappings: &[Mapping],
    method: Method,
) -> Result<Scan, Error> {
    let pagemap = process.open_file("pagemap", "reading the page table")?;
    let found = match method {
        Method::Scan => ioctl::scan(process, &pagemap, &counted_ranges(mappings))?,
        Method::Table => table::scan(process, &pagemap, mappings)?,
    };
    process.verify()?;
    Ok(found)
}

/// The first address that no program may have.
const END_OF_USER: u64 = 1 << 56;

/// A range whose present pages count in `Rss`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Counted {
    range: AddrRange,
    /// No page in it is a file's.
    anonymous: bool,
}

/// Where pages count in `Rss`: neighbouring mappings of one kind joined, what `Rss` leaves out left
/// out.
fn counted_ranges(mappings: &[Mapping]) -> Vec<Counted> {
    let mut ranges: Vec<Counted> = Vec::new();
    for mapping in mappings.iter().filter(|mapping| is_counted(mapping)) {
        let anonymous = is_anonymous(mapping);
        let start = mapping.range.start();
        match ranges.last_mut() {
            Some(last) if last.range.end() == start && last.anonymous == anonymous => {
                last.range = AddrRange::new(last.range.start(), mapping.range.end());
            }
            _ => ranges.push(Counted {
                range: mapping.range,
                anonymous,
            }),
        }
    }
    ranges
}

/// Whether a mapping has neither a file (or shared memory) nor pages of the kernel's own (`[vdso]`)
/// behind it.
fn is_anonymous(mapping: &Mapping) -> bool {
    let name = mapping.name.as_str();
    let named = ["[heap]", "[stack", "[anon:"];
    let plain = name.is_empty() || named.iter().any(|prefix| name.starts_with(prefix));
    !mapping.is_file() && !mapping.permissions.shared && plain
}

/// Whether present pages of a mapping count in `Rss`.
fn is_counted(mapping: &Mapping) -> bool {
    let name = mapping.name.as_str();
    let special = name.starts_with("[vvar") || name == "[vsyscall]";
    // Anonymous hugetlb memory; smaps counts it apart. A file of hugetlbfs is not told by its name.
    let hugetlb = name.starts_with("/anon_hugepage");
    !special && !hugetlb && mapping.range.end() <= Addr(END_OF_USER)
}

/// Collects runs for a [`Scan`].
struct Found {
    residency: Residency,
    zero_bytes: u64,
    undecided_bytes: u64,
}

impl Found {
    fn new() -> Found {
        Found {
            residency: Residency::default(),
            zero_bytes: 0,
            undecided_bytes: 0,
        }
    }

    fn push(&mut self, range: AddrRange, kind: letgo_target::PageKind) {
        self.residency.push(PageRun { range, kind });
    }

    fn by(self, method: Method) -> Scan {
        Scan {
            residency: self.residency,
            method,
            zero_bytes: self.zero_bytes,
            undecided_bytes: self.undecided_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::parse_maps;

    #[test]
    fn what_rss_leaves_out_is_not_scanned() {
        let maps = "\
1000-2000 r--p 00000000 fe:00 9 /a
2000-3000 rw-p 00000000 00:00 0
3000-4000 rw-p 00000000 00:0f 9 /anon_hugepage (deleted)
4000-5000 r--p 00000000 00:00 0 [vvar]
5000-6000 r--p 00000000 00:00 0 [vvar_vclock]
6000-7000 r-xp 00000000 00:00 0 [vdso]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]
";
        let ranges = counted_ranges(&parse_maps(maps).unwrap());
        let counted = |start, end, anonymous| Counted {
            range: AddrRange::new(Addr(start), Addr(end)),
            anonymous,
        };
        assert_eq!(
            ranges,
            [
                counted(0x1000, 0x2000, false),
                counted(0x2000, 0x3000, true),
                counted(0x6000, 0x7000, false)
            ]
        );
    }
}
