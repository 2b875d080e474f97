//! Sets of spans: spines and blocks.
//!
//! Each of 136 span classes has four sets. A set is a *spine*, an array of pointers to *blocks*
//! of 512 spans each. Free blocks wait in a pool. A spine that was outgrown is never freed (see
//! [`super::outgrown`]).
//!
//! Source: src/runtime/mspanset.go; mcentral.go; tagptr_64bit.go and lfstack.go; go1.19 to
//! go1.27.

use letgo_target::{Addr, gather, read_u64};
use rustc_hash::FxHashSet;

use super::Walk;
use crate::{Error, Sys};

/// Span classes: 68 size classes, with and without pointers. Source: sizeclasses.go.
const SPAN_CLASSES: u64 = 136;
/// Pointers that a new spine has room for: `spanSetInitSpineCap`.
const FIRST_SPINE: u64 = 256;
/// Longest spine that is believed: 2^32 spans in blocks of 512.
const LONGEST_SPINE: u64 = 1 << 23;

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
        self.outgrown_spines(&spines, &blocks);
        Ok(())
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

    /// Notes the spines that these outgrew: each had half the room of the next.
    fn outgrown_spines(&mut self, spines: &[Spine], blocks: &FxHashSet<Addr>) {
        for spine in spines {
            let mut cap = FIRST_SPINE;
            while cap < spine.cap {
                self.outgrown.spine(cap * 8);
                cap *= 2;
            }
        }
        self.outgrown.blocks(blocks);
    }
}

pub(super) fn words_of(bytes: &[u8]) -> impl Iterator<Item = u64> + '_ {
    let words = bytes.chunks_exact(8);
    words.map(|word| {
        word.first_chunk()
            .map_or(0, |word| u64::from_le_bytes(*word))
    })
}
