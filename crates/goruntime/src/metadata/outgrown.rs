//! Arrays that nothing points to any more, found by their look.
//!
//! Some arrays that are read without a lock double when they are full, and the old one is never
//! freed: spines of span sets, the page allocator's address ranges, the lists of arenas. A copy of
//! the address ranges is also left behind when the heap first passes 1 GiB (1.21 and later). How
//! many there are and how long each is follows from what is there now; where they lie is found in
//! those parts of persistent chunks that nothing else has.
//!
//! Does not find those of 64 KiB or more, which are mapped alone: they take a heap of terabytes.
//!
//! Source: src/runtime/mspanset.go, `push`; mranges.go, `add`, `cloneInto`; mpagealloc.go,
//! `enableChunkHugePages`; malloc.go, `(*mheap).sysAlloc`; go1.19 to go1.27.

use letgo_target::{Addr, AddrRange, read_bytes};
use rustc_hash::FxHashSet;

use super::Walk;
use super::span_sets::words_of;
use crate::{Error, Sys};

/// From here on persistentalloc maps alone: `maxBlock`.
const MAPPED_ALONE: u64 = 64 << 10;
/// Bytes of persistent chunks that are looked through.
const MOST_SEARCHED: u64 = 64 << 20;
/// Alignment of what is looked for, but for spines, which have a cache line.
const WORD: usize = 8;
const CACHE_LINE: u64 = 64;

/// What was outgrown and has not been found yet.
#[derive(Debug, Default)]
pub(super) struct Outgrown {
    wanted: Vec<Wanted>,
    blocks: FxHashSet<Addr>,
}

#[derive(Debug)]
struct Wanted {
    len: u64,
    look: Look,
}

/// How an array looks.
#[derive(Debug)]
enum Look {
    /// Pointers to blocks of spans, most of them not null.
    Spine,
    /// Address ranges, and zeros behind them.
    Ranges,
    /// Exactly these words.
    Words(Vec<u64>),
}

impl Outgrown {
    /// Notes a spine of that many bytes.
    pub(super) fn spine(&mut self, len: u64) {
        self.want(len, Look::Spine);
    }

    /// The blocks that spines point to.
    pub(super) fn blocks(&mut self, blocks: &FxHashSet<Addr>) {
        self.blocks.clone_from(blocks);
    }

    /// Notes an array of address ranges of that many bytes.
    pub(super) fn ranges(&mut self, len: u64) {
        self.want(len, Look::Ranges);
    }

    /// Notes the arrays that a list of arenas with room for `cap` outgrew.
    pub(super) fn arenas(&mut self, arenas: &[u64], cap: u64) {
        /// A new list takes one os page.
        const FIRST: u64 = 512;
        let mut old = FIRST;
        while old < cap {
            let words = usize::try_from(old).ok().and_then(|len| arenas.get(..len));
            if let Some(words) = words {
                self.want(old * 8, Look::Words(words.to_vec()));
            }
            old *= 2;
        }
    }

    fn want(&mut self, len: u64, look: Look) {
        if len < MAPPED_ALONE {
            self.wanted.push(Wanted { len, look });
        }
    }
}

impl Walk<'_> {
    /// Looks for what was outgrown, and says what is missing.
    pub(super) fn find_outgrown(&mut self) -> Result<(), Error> {
        // The longest first: a short one looks like the start of a long one.
        let wanted = &mut self.outgrown.wanted;
        wanted.sort_by_key(|wanted| std::cmp::Reverse(wanted.len));
        let mut searched = 0;
        for gap in self.found.gaps() {
            if self.outgrown.wanted.is_empty() || searched > MOST_SEARCHED {
                break;
            }
            searched += gap.len();
            let bytes = read_bytes(self.view.memory, gap.start(), gap.len(), MOST_SEARCHED);
            if let Ok(bytes) = bytes {
                self.search(gap.start(), &bytes);
            }
        }
        for _ in &self.outgrown.wanted {
            let why = "not found; it counts as other memory of the runtime";
            self.coverage.skip("an outgrown array", why);
        }
        Ok(())
    }

    fn search(&mut self, start: Addr, bytes: &[u8]) {
        let mut at = usize::try_from(start.align_up(WORD as u64).since(start)).unwrap_or(0);
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let addr = start.add(at as u64);
            let first = words_of(rest).next().unwrap_or(0);
            let fits = |wanted: &Wanted| self.fits(wanted, addr, rest);
            let index = match first {
                // None of them starts with a zero, but for a spine whose first block is free.
                0 if !addr.0.is_multiple_of(CACHE_LINE) => None,
                _ => self.outgrown.wanted.iter().position(fits),
            };
            let Some(index) = index else {
                at += WORD;
                continue;
            };
            let wanted = self.outgrown.wanted.remove(index);
            self.found.add(addr, wanted.len, Sys::Gc, "outgrown array");
            at += usize::try_from(wanted.len).unwrap_or(WORD).max(WORD);
        }
    }

    fn fits(&self, wanted: &Wanted, addr: Addr, rest: &[u8]) -> bool {
        let len = usize::try_from(wanted.len).ok();
        let Some(bytes) = len.and_then(|len| rest.get(..len)) else {
            return false;
        };
        match &wanted.look {
            Look::Spine => {
                addr.0.is_multiple_of(CACHE_LINE) && is_spine(bytes, &self.outgrown.blocks)
            }
            Look::Ranges => is_ranges(bytes, self.known.in_use),
            Look::Words(words) => words_of(bytes).eq(words.iter().copied()),
        }
    }
}

/// Whether `bytes` are nothing but pointers to blocks, most of them not null.
fn is_spine(bytes: &[u8], blocks: &FxHashSet<Addr>) -> bool {
    let mut pointers = 0;
    for word in words_of(bytes) {
        if word != 0 {
            if !blocks.contains(&Addr(word)) {
                return false;
            }
            pointers += 1;
        }
    }
    pointers * 2 > bytes.len() / 8
}

/// Whether `bytes` are ranges inside of `in_use`, at least one, and zeros behind them.
fn is_ranges(bytes: &[u8], in_use: &[AddrRange]) -> bool {
    let mut count = 0;
    let mut ended = false;
    for pair in bytes.chunks_exact(16) {
        let mut words = words_of(pair);
        let (base, limit) = (words.next().unwrap_or(0), words.next().unwrap_or(0));
        let range = AddrRange::new(Addr(base), Addr(limit));
        if (base, limit) == (0, 0) {
            ended = true;
        } else if ended || range.is_empty() || !in_use.iter().any(|owned| owned.covers(range)) {
            return false;
        } else {
            count += 1;
        }
    }
    count > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn ranges_lie_in_what_the_heap_has_and_end_in_zeros() {
        let in_use = [AddrRange::sized(Addr(0x10_0000), 0x10_0000)];
        let fits = |words: &[u64]| is_ranges(&bytes(words), &in_use);
        assert!(fits(&[0x10_0000, 0x18_0000, 0, 0]));
        assert!(fits(&[0x10_0000, 0x18_0000, 0x19_0000, 0x20_0000]));
        assert!(!fits(&[0, 0, 0, 0]), "nothing");
        assert!(!fits(&[0, 0, 0x10_0000, 0x18_0000]), "zeros in front");
        assert!(!fits(&[0x10_0000, 0x30_0000, 0, 0]), "too long");
        assert!(!fits(&[0x18_0000, 0x10_0000, 0, 0]), "backwards");
    }

    #[test]
    fn a_spine_points_to_blocks_only() {
        let blocks: FxHashSet<Addr> = [Addr(0x1000), Addr(0x2000)].into_iter().collect();
        let fits = |words: &[u64]| is_spine(&bytes(words), &blocks);
        assert!(fits(&[0x1000, 0x2000, 0, 0x1000]));
        assert!(!fits(&[0x1000, 0x3000, 0x2000, 0x2000]));
        assert!(!fits(&[0, 0, 0x2000, 0]));
    }
}
