//! Sets of spans: spines and blocks.
//!
//! Each of 136 span classes has four sets. A set is a *spine*, an array of pointers to *blocks*
//! of 512 spans each. Free blocks wait in a pool. A spine that is outgrown is never freed and
//! nothing points to it any more; it is found by its look: an array of pointers to blocks, in a
//! part of a persistent chunk that nothing else has.
//!
//! Source: src/runtime/mspanset.go; mcentral.go; tagptr_64bit.go and lfstack.go; go1.19 to
//! go1.27.

use letgo_target::{Addr, AddrRange, gather, read_u64};
use rustc_hash::FxHashSet;

use super::Walk;
use crate::{Error, Sys};

/// Span classes: 68 size classes, with and without pointers. Source: sizeclasses.go.
const SPAN_CLASSES: u64 = 136;
/// Pointers that a new spine has room for: `spanSetInitSpineCap`.
const FIRST_SPINE: u64 = 256;
/// From here on persistentalloc maps alone: `maxBlock`.
const MAPPED_ALONE: u64 = 64 << 10;
/// Longest spine that is believed: 2^32 spans in blocks of 512.
const LONGEST_SPINE: u64 = 1 << 23;
/// Alignment of spines: a cache line.
const CACHE_LINE: usize = 64;
/// Bytes of persistent chunks that are looked through for outgrown spines.
const MOST_SEARCHED: u64 = 64 << 20;

/// Bits of tag and of alignment of tagged pointers: 49 bits of address from late patches of 1.25,
/// 48 before.
const WIDE_TAGS: [(u32, u32); 2] = [(24, 9), (25, 9)];
/// The same up to 1.24.
const NARROW_TAGS: [(u32, u32); 2] = [(19, 3), (18, 3)];

/// A spine, as read.
struct Spine {
    addr: Addr,
    len: u64,
    cap: u64,
}

impl Walk<'_> {
    pub(super) fn span_sets(&mut self) -> Result<(), Error> {
        let spines = self.spines()?;
        let mut blocks = self.blocks_of(&spines)?;
        blocks.extend(self.pooled_blocks()?);
        let size = u64::from(self.view.layout().span_set_block.size);
        for spine in &spines {
            self.found
                .add(spine.addr, spine.cap * 8, Sys::Gc, "spanSet.spine");
        }
        for block in &blocks {
            self.found.add(*block, size, Sys::Gc, "spanSetBlock");
        }
        self.outgrown_spines(&spines, &blocks)
    }

    fn spines(&mut self) -> Result<Vec<Spine>, Error> {
        let layout = self.view.layout();
        let (mcentral, set) = (layout.mcentral, layout.span_set);
        let mheap = self.view.runtime.need_global("runtime.mheap_")?;
        let central = layout.mheap.central;
        let bytes = self.view.structure(central.at(mheap), central.size)?;
        let stride = bytes.len() / usize::try_from(SPAN_CLASSES).unwrap_or(1);
        let mut spines = Vec::new();
        for class in bytes.chunks_exact(stride.max(1)) {
            for field in [mcentral.partial, mcentral.full] {
                let sets = class.get(field.offset as usize..).unwrap_or_default();
                let sets = sets.chunks_exact((set.size as usize).max(1)).take(2);
                spines.extend(sets.map(|bytes| Spine {
                    addr: set.spine.addr(bytes),
                    len: set.spine_len.get(bytes),
                    cap: set.spine_cap.get(bytes),
                }));
            }
        }
        spines.retain(|spine| !spine.addr.is_null());
        let all = spines.len();
        spines.retain(|spine| spine.len <= spine.cap && spine.cap <= LONGEST_SPINE);
        if spines.len() < all {
            let why = "it is longer than its capacity, or than any heap needs";
            self.coverage.skip("spanSet.spine", why);
        }
        Ok(spines)
    }

    /// The blocks that spines point to.
    fn blocks_of(&mut self, spines: &[Spine]) -> Result<FxHashSet<Addr>, Error> {
        let mut blocks = FxHashSet::default();
        let items = spines.iter().map(|spine| (spine.addr, spine.len * 8));
        let bytes = gather(self.view.memory, items)?;
        for spine in spines.iter().filter(|spine| spine.len > 0) {
            let len = usize::try_from(spine.len * 8).unwrap_or(0);
            let Some(words) = bytes.get(spine.addr, len) else {
                self.coverage.skip("spanSet.spine", "it could not be read");
                continue;
            };
            blocks.extend(words_of(words).map(Addr));
        }
        blocks.remove(&Addr::NULL);
        Ok(blocks)
    }

    /// The blocks that wait to be used again: a lock-free stack of tagged pointers.
    fn pooled_blocks(&mut self) -> Result<Vec<Addr>, Error> {
        let pool = self.view.runtime.need_global("runtime.spanSetBlockPool")?;
        let head = self.untag(read_u64(self.view.memory, pool)?);
        self.list_by("runtime.spanSetBlockPool", head, |walk, node| {
            Ok(walk.untag(read_u64(walk.view.memory, node)?))
        })
    }

    /// The pointer to a block in a tagged pointer. Which bits it has changed with the release and
    /// the patch, so the reading that leads into a persistent chunk is the right one.
    fn untag(&self, tagged: u64) -> Addr {
        let unpack = |(tag_bits, align_bits): (u32, u32)| {
            let pointer = tagged.cast_signed() >> tag_bits << align_bits;
            Addr(pointer.cast_unsigned())
        };
        // The header of a block grew to the alignment of tagged pointers in 1.25.
        let wide = self.view.layout().span_set_block.spans.offset >= 512;
        let ways = if wide { WIDE_TAGS } else { NARROW_TAGS };
        let mut pointers = ways.into_iter().map(unpack);
        let likely = pointers.find(|pointer| self.found.in_chunk(*pointer));
        likely.unwrap_or_else(|| ways.first().copied().map_or(Addr::NULL, unpack))
    }

    /// Finds spines that were outgrown, and says which are missing.
    fn outgrown_spines(&mut self, spines: &[Spine], blocks: &FxHashSet<Addr>) -> Result<(), Error> {
        let mut wanted: Vec<u64> = Vec::new();
        for spine in spines {
            let mut cap = FIRST_SPINE;
            while cap < spine.cap {
                wanted.push(cap * 8);
                cap *= 2;
            }
        }
        wanted.retain(|len| *len < MAPPED_ALONE);
        // The longest first: a short one looks like the start of a long one.
        wanted.sort_unstable_by_key(|len| std::cmp::Reverse(*len));
        let mut searched = 0;
        for gap in self.found.gaps() {
            if wanted.is_empty() || searched > MOST_SEARCHED {
                break;
            }
            searched += gap.len();
            self.search_spines(gap, blocks, &mut wanted)?;
        }
        for _ in wanted {
            let why = "an outgrown one was not found; it counts as other memory of the runtime";
            self.coverage.skip("spanSet.spine", why);
        }
        Ok(())
    }

    fn search_spines(
        &mut self,
        gap: AddrRange,
        blocks: &FxHashSet<Addr>,
        wanted: &mut Vec<u64>,
    ) -> Result<(), Error> {
        let Ok(bytes) =
            letgo_target::read_bytes(self.view.memory, gap.start(), gap.len(), MOST_SEARCHED)
        else {
            return Ok(());
        };
        let first = gap.start().align_up(CACHE_LINE as u64).since(gap.start());
        let mut at = usize::try_from(first).unwrap_or(0);
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let fits = |len: &u64| {
                let len = usize::try_from(*len).ok();
                len.and_then(|len| rest.get(..len))
                    .is_some_and(|words| is_spine(words, blocks))
            };
            if let Some(index) = wanted.iter().position(fits) {
                let len = wanted.remove(index);
                let addr = gap.start().add(at as u64);
                self.found.add(addr, len, Sys::Gc, "spanSet.spine");
                at += usize::try_from(len).unwrap_or(CACHE_LINE);
            } else {
                at += CACHE_LINE;
            }
        }
        Ok(())
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

fn words_of(bytes: &[u8]) -> impl Iterator<Item = u64> + '_ {
    let words = bytes.chunks_exact(8);
    words.map(|word| {
        word.first_chunk()
            .map_or(0, |word| u64::from_le_bytes(*word))
    })
}
