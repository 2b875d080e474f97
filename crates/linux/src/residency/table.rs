//! Reading the page table from `/proc/PID/pagemap`: one 64-bit word an os page.
//!
//! A present page that is neither a file's nor mapped here only may be the shared zero page. With
//! `CAP_SYS_ADMIN` the word holds the page frame, and `/proc/kpageflags` knows; without, such
//! pages are counted and reported as undecided. The huge zero page shows as a file's page in a
//! mapping that has no file (seen on 6.18).

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

use letgo_target::{Addr, AddrRange, Mapping, OS_PAGE, PageKind};

use super::{Found, Method, Scan, is_anonymous, is_counted};
use crate::{Error, Process, sys};

const PRESENT: u64 = 1 << 63;
const SWAPPED: u64 = 1 << 62;
/// Of a file, or shared anonymous memory.
const FILE: u64 = 1 << 61;
/// A guard region, Linux 6.15 and later.
const GUARD: u64 = 1 << 58;
/// Mapped here only.
const EXCLUSIVE: u64 = 1 << 56;
/// The page frame, 0 without `CAP_SYS_ADMIN`.
const FRAME: u64 = (1 << 55) - 1;

/// `KPF_ZERO_PAGE` of `/proc/kpageflags`.
const KPF_ZERO_PAGE: u64 = 1 << 24;

/// Os pages of one read: 128 KiB of words, 64 MiB of addresses.
const CHUNK_PAGES: u64 = 1 << 14;

/// Most page frames that are remembered.
const FRAME_LIMIT: usize = 1 << 16;

/// Scans what of `mappings` counts in `Rss`.
pub(super) fn scan(process: &Process, pagemap: &File, mappings: &[Mapping]) -> Result<Scan, Error> {
    let mut found = Found::new();
    let mut frames = Frames::open();
    let mut bytes = vec![0; 8 * usize::try_from(CHUNK_PAGES).unwrap_or(0)];
    for mapping in mappings.iter().filter(|mapping| is_counted(mapping)) {
        let range = mapping.range;
        let (mut page, end) = (range.start().0 / OS_PAGE, range.end().0 / OS_PAGE);
        while page < end {
            let want = usize::try_from(8 * CHUNK_PAGES.min(end - page)).unwrap_or(0);
            let buf = bytes.get_mut(..want).unwrap_or_default();
            let got = pagemap
                .read_at(buf, page * 8)
                .map_err(|error| Error::from_io(process.pid(), "reading the page table", error))?;
            let words = buf.get(..got).unwrap_or_default().chunks_exact(8);
            if words.len() == 0 {
                // Beyond the address space of the process, or it is gone: told by the caller.
                break;
            }
            for word in words {
                let word = word.try_into().map(u64::from_le_bytes).unwrap_or(0);
                let page_range = AddrRange::sized(Addr(page * OS_PAGE), OS_PAGE);
                let kind = kind(&mut found, &mut frames, word, !is_anonymous(mapping));
                if let Some(kind) = kind {
                    found.push(page_range, kind);
                }
                page += 1;
            }
        }
    }
    Ok(found.by(Method::Table))
}

/// The kind of a page of a mapping with or without a file; nothing for one that is neither in
/// `Rss` nor swapped.
fn kind(found: &mut Found, frames: &mut Frames, word: u64, of_file: bool) -> Option<PageKind> {
    let is = |bit: u64| word & bit != 0;
    if is(GUARD) {
        return None;
    }
    if !is(PRESENT) {
        return is(SWAPPED).then_some(PageKind::Swapped);
    }
    if is(FILE) && of_file {
        return Some(PageKind::File);
    }
    let zero = if is(FILE) {
        Some(true)
    } else if is(EXCLUSIVE) {
        Some(false)
    } else {
        frames.is_zero_page(word & FRAME)
    };
    match zero {
        Some(true) => {
            found.zero_bytes += OS_PAGE;
            return None;
        }
        Some(false) => {}
        None => found.undecided_bytes += OS_PAGE,
    }
    Some(PageKind::Anon)
}

/// Which page frames are the shared zero page, or the huge one.
struct Frames {
    flags: Option<File>,
    /// The small zero page, which nearly all are.
    zero: Option<u64>,
    known: HashMap<u64, bool>,
}

impl Frames {
    fn open() -> Frames {
        Frames {
            flags: File::open("/proc/kpageflags").ok(),
            zero: zero_frame(),
            known: HashMap::new(),
        }
    }

    fn is_zero_page(&mut self, frame: u64) -> Option<bool> {
        if frame == 0 {
            return None;
        }
        if Some(frame) == self.zero {
            return Some(true);
        }
        if let Some(known) = self.known.get(&frame) {
            return Some(*known);
        }
        let mut flags = [0; 8];
        let file = self.flags.as_ref()?;
        file.read_exact_at(&mut flags, frame.checked_mul(8)?).ok()?;
        let zero = u64::from_le_bytes(flags) & KPF_ZERO_PAGE != 0;
        if self.known.len() < FRAME_LIMIT {
            self.known.insert(frame, zero);
        }
        Some(zero)
    }
}

/// The frame of the shared zero page, learnt from an untouched page of our own.
fn zero_frame() -> Option<u64> {
    static OURS: std::sync::OnceLock<Option<u64>> = std::sync::OnceLock::new();
    *OURS.get_or_init(|| {
        let addr = sys::pagemap::touch_zero_page().ok()?;
        let mut word = [0; 8];
        let pagemap = File::open("/proc/self/pagemap").ok()?;
        pagemap.read_exact_at(&mut word, addr / OS_PAGE * 8).ok()?;
        let word = u64::from_le_bytes(word);
        let frame = word & FRAME;
        (word & PRESENT != 0 && word & (FILE | EXCLUSIVE) == 0 && frame != 0).then_some(frame)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_apart() {
        let mut frames = Frames {
            flags: None,
            zero: Some(7),
            known: HashMap::from([(9, false)]),
        };
        let mut found = Found::new();
        let mut of = |word, of_file| kind(&mut found, &mut frames, word, of_file);
        assert_eq!(of(0, false), None);
        assert_eq!(of(PRESENT | EXCLUSIVE | 5, false), Some(PageKind::Anon));
        assert_eq!(of(PRESENT | EXCLUSIVE | 5, true), Some(PageKind::Anon));
        assert_eq!(of(PRESENT | 7, false), None, "the zero page");
        assert_eq!(of(PRESENT | FILE | 11, false), None, "the huge zero page");
        assert_eq!(of(PRESENT | 9, false), Some(PageKind::Anon));
        assert_eq!(of(PRESENT, false), Some(PageKind::Anon), "undecided");
        assert_eq!(of(PRESENT | FILE | 11, true), Some(PageKind::File));
        assert_eq!(of(SWAPPED | 3, false), Some(PageKind::Swapped));
        assert_eq!(of(SWAPPED | GUARD, false), None);
        assert_eq!(found.zero_bytes, 2 * OS_PAGE);
        assert_eq!(found.undecided_bytes, OS_PAGE);
    }
}
