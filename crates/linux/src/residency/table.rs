//! Reading the page table from `/proc/PID/pagemap`: one 64-bit word an os page.
//!
//! A present page that is neither a file's nor mapped here only may be the shared zero page. With
//! `CAP_SYS_ADMIN` the word holds the page frame, and `/proc/kpageflags` knows; without, such
//! pages are counted and reported as undecided.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

use letgo_target::{Addr, AddrRange, OS_PAGE, PageKind};

use super::{Found, Method, Scan};
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

/// Scans `ranges`, which are sorted and disjoint.
pub(super) fn scan(process: &Process, pagemap: &File, ranges: &[AddrRange]) -> Result<Scan, Error> {
    let mut found = Found::new();
    let mut frames = Frames::open();
    let mut bytes = vec![0; 8 * usize::try_from(CHUNK_PAGES).unwrap_or(0)];
    for range in ranges {
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
                take(&mut found, &mut frames, page_range, word);
                page += 1;
            }
        }
    }
    Ok(found.by(Method::Table))
}

fn take(found: &mut Found, frames: &mut Frames, range: AddrRange, word: u64) {
    if word & GUARD != 0 {
        return;
    }
    if word & PRESENT == 0 {
        if word & SWAPPED != 0 {
            found.push(range, PageKind::Swapped);
        }
        return;
    }
    if word & FILE != 0 {
        found.push(range, PageKind::File);
        return;
    }
    if word & EXCLUSIVE == 0 {
        match frames.is_zero_page(word & FRAME) {
            Some(true) => {
                found.zero_bytes += range.len();
                return;
            }
            Some(false) => {}
            None => found.undecided_bytes += range.len(),
        }
    }
    found.push(range, PageKind::Anon);
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
        let words = [
            0,
            PRESENT | EXCLUSIVE | 5,
            PRESENT | 7,
            PRESENT | 9,
            PRESENT,
            PRESENT | FILE | 11,
            SWAPPED | 3,
            SWAPPED | GUARD,
        ];
        for (page, word) in (0..).zip(words) {
            let range = AddrRange::sized(Addr(page * OS_PAGE), OS_PAGE);
            take(&mut found, &mut frames, range, word);
        }
        assert_eq!(found.zero_bytes, OS_PAGE);
        assert_eq!(found.undecided_bytes, OS_PAGE);
        assert_eq!(found.residency.os_pages(), 4);
        assert_eq!(found.residency.swapped(), OS_PAGE);
    }
}
