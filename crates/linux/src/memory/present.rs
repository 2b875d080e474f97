//! [`Present`]: which pages of a running process may be read, and where absent means zero.
//!
//! What the page table and the mappings said when a reading began is enough for most reads, and
//! free. A running target touches pages and maps new memory all the time; zeros in place of what it
//! wrote would be a lie. So what was not present then is asked for once more: `/proc/PID/pagemap`
//! at each such read, `/proc/PID/maps` at most [`LOOKS`] times.
//!
//! Does not read the target's memory, and faults nothing in.
//!
//! Source: Documentation/admin-guide/mm/pagemap.rst, proc_pid_maps(5).

use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

use letgo_target::{AddrRange, Mapping, OS_PAGE, PageKind, PageRun, Residency};

use crate::Process;
use crate::process::parse_maps;

/// How often the mappings are read again: a target's pointer to nowhere asks for it too.
const LOOKS: u32 = 64;

/// Most bytes of `/proc/PID/maps`: 64 k mappings, the kernel's default limit, of long lines.
const MAPS_BYTES: u64 = 32 << 20;

/// Bytes of an entry of `/proc/PID/pagemap`.
const ENTRY: u64 = 8;

/// What says how things are now; each where it is permitted.
#[derive(Debug)]
pub(super) struct Tables {
    pagemap: Option<File>,
    maps: Option<File>,
}

impl Tables {
    pub(super) fn open(process: &Process) -> Tables {
        Tables {
            pagemap: process.open_file("pagemap", "reading the page table").ok(),
            maps: process.open_file("maps", "reading the mappings").ok(),
        }
    }

    /// Where absent means zero, by the mappings as they are now.
    fn anonymous(&self) -> Option<Vec<AddrRange>> {
        let mut maps = self.maps.as_ref()?;
        let mut text = String::new();
        maps.rewind().ok()?;
        maps.take(MAPS_BYTES).read_to_string(&mut text).ok()?;
        Some(anonymous(&parse_maps(&text).ok()?))
    }
}

/// What is present of a process, and where absent means zero.
#[derive(Debug)]
pub(super) struct Present {
    residency: Arc<Residency>,
    known: Mutex<Known>,
}

/// What is known of the mappings.
#[derive(Debug)]
struct Known {
    /// Private anonymous mappings, by address, neighbours joined.
    anonymous: Vec<AddrRange>,
    /// How often they were read again.
    looks: u32,
}

impl Known {
    fn covers(&self, range: AddrRange) -> bool {
        let index = self
            .anonymous
            .partition_point(|known| known.end() <= range.start());
        let first = self.anonymous.get(index);
        first.is_some_and(|known| known.covers(range))
    }
}

impl Present {
    pub(super) fn new(residency: Arc<Residency>, mappings: &[Mapping]) -> Present {
        Present {
            residency,
            known: Mutex::new(Known {
                anonymous: anonymous(mappings),
                looks: 0,
            }),
        }
    }

    /// Whether every byte of `range` was present when the reading began.
    pub(super) fn is_resident(&self, range: AddrRange) -> bool {
        self.residency.is_resident(range)
    }

    /// Whether every byte of `range` reads as zero where it is not present.
    pub(super) fn is_zero(&self, tables: &Tables, range: AddrRange) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.covers(range) || known.looks >= LOOKS {
            return known.covers(range);
        }
        known.looks += 1;
        if let Some(anonymous) = tables.anonymous() {
            known.anonymous = anonymous;
        }
        known.covers(range)
    }

    /// What is present or swapped out within `whole`: by the page table as it is now, or by what
    /// was known before where that cannot be read.
    pub(super) fn runs(&self, tables: &Tables, whole: AddrRange) -> Vec<PageRun> {
        let now = tables.pagemap.as_ref();
        now.and_then(|pagemap| look_up(pagemap, whole))
            .unwrap_or_else(|| self.residency.within(whole).collect())
    }
}

/// Where a page that is neither present nor swapped out reads as zeros.
fn anonymous(mappings: &[Mapping]) -> Vec<AddrRange> {
    let mut ranges: Vec<AddrRange> = Vec::new();
    let plain = |mapping: &&Mapping| {
        let special = mapping.name.starts_with("[v") || mapping.name.starts_with("[uprobes");
        !mapping.is_file() && !mapping.permissions.shared && mapping.permissions.read && !special
    };
    for mapping in mappings.iter().filter(plain) {
        match ranges.last_mut() {
            Some(last) if last.end() == mapping.range.start() => {
                *last = AddrRange::new(last.start(), mapping.range.end());
            }
            _ => ranges.push(mapping.range),
        }
    }
    ranges
}

/// Runs of present and of swapped os pages within `whole`, by `/proc/PID/pagemap`. Present ones are
/// all called [`PageKind::Anon`] here.
fn look_up(pagemap: &File, whole: AddrRange) -> Option<Vec<PageRun>> {
    const PRESENT: u64 = 1 << 63;
    const SWAPPED: u64 = 1 << 62;
    let pages = whole.widen(OS_PAGE);
    let mut entries = vec![0; usize::try_from(pages.len() / OS_PAGE * ENTRY).ok()?];
    let offset = pages.start().0 / OS_PAGE * ENTRY;
    pagemap.read_exact_at(&mut entries, offset).ok()?;
    let mut runs: Vec<PageRun> = Vec::new();
    let mut page = pages.start();
    for entry in entries.as_chunks().0 {
        let range = AddrRange::sized(page, OS_PAGE).intersect(whole);
        page = range.end().align_up(OS_PAGE);
        let kind = match u64::from_ne_bytes(*entry) {
            entry if entry & PRESENT != 0 => PageKind::Anon,
            entry if entry & SWAPPED != 0 => PageKind::Swapped,
            _ => continue,
        };
        match runs.last_mut() {
            Some(last) if last.kind == kind && last.range.end() == range.start() => {
                last.range = AddrRange::new(last.range.start(), range.end());
            }
            _ => runs.push(PageRun { range, kind }),
        }
    }
    Some(runs)
}
