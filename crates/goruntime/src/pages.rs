//! Reading `runtime.pageAlloc` and the Ps' caches of runtime pages.
//!
//! The page allocator keeps two bits a runtime page (allocated, returned to the OS) in chunks of
//! 4 MiB, found through an array of pointers to blocks of 8192 chunks. Only the chunks of address
//! ranges that it owns are read: others have no memory behind them.
//!
//! Source: src/runtime/mpagealloc.go, mpallocbits.go, mpagecache.go, go1.19 to go1.27.

use letgo_target::{Addr, AddrRange, Coverage, gather};

use crate::mheap::ARENA_BASE;
use crate::view::View;
use crate::{CHUNK_PAGES, Chunk, Error, Limits, PageAlloc, PageCache, RUNTIME_PAGE};

/// Bytes of a chunk.
const CHUNK: u64 = CHUNK_PAGES * RUNTIME_PAGE;
/// Chunks in one block. Source: src/runtime/mpagealloc_64bit.go, `pallocChunksL2Bits`.
const BLOCK_CHUNKS: u64 = 1 << 13;
/// Blocks there is room for, `pallocChunksL1Bits`.
const BLOCKS: u64 = 1 << 13;

/// Reads the page allocator and the page caches of `processors` (addresses of `runtime.p`).
///
/// # Errors
/// Where it cannot be read at all or makes no sense.
///
/// # Consistency
/// Bits of a running target change meanwhile; each word is whole.
pub(crate) fn read(
    view: View<'_>,
    processors: &[Addr],
    limits: &Limits,
    coverage: &mut Coverage,
) -> Result<PageAlloc, Error> {
    let in_use = in_use(view, limits)?;
    Ok(PageAlloc {
        chunks: chunks(view, &in_use, limits, coverage)?,
        caches: joined(caches(view, processors, coverage)?),
        in_use,
    })
}

/// One cache for each 64 runtime pages, by address. Two Ps hold parts of the same where some of
/// these pages were freed after the first P had taken the rest.
fn joined(mut caches: Vec<PageCache>) -> Vec<PageCache> {
    caches.sort_unstable_by_key(|cache| cache.base);
    caches.dedup_by(|next, first| {
        let same = next.base == first.base;
        if same {
            first.cache |= next.cache;
            first.scavenged |= next.scavenged;
        }
        same
    });
    caches
}

/// `pageAlloc.inUse`, by address.
fn in_use(view: View<'_>, limits: &Limits) -> Result<Vec<AddrRange>, Error> {
    let base = page_alloc(view)?;
    let addr = view.layout().page_alloc.in_use.at(base);
    let slice = view.sane_slice("pageAlloc.inUse", addr, limits.ranges)?;
    let words = view.words(slice.ptr, slice.len * 2)?;
    let mut ranges: Vec<AddrRange> = Vec::new();
    for pair in words.chunks_exact(2) {
        let &[start, end] = pair else { continue };
        let floor = ranges.last().map_or(0, |last| last.end().0);
        let aligned = start.is_multiple_of(CHUNK) && end.is_multiple_of(CHUNK);
        if end <= start || start < floor || !aligned || end >= 1 << 47 {
            let why = format!("the range {start:#x}-{end:#x} is out of order or not on chunks");
            return Err(Error::inconsistent("pageAlloc.inUse", slice.ptr, why));
        }
        ranges.push(AddrRange::new(Addr(start), Addr(end)));
    }
    Ok(ranges)
}

fn page_alloc(view: View<'_>) -> Result<Addr, Error> {
    let mheap = view.runtime.need_global("runtime.mheap_")?;
    Ok(view.layout().mheap.pages.at(mheap))
}

/// Number of the chunk at `addr`.
fn chunk_index(addr: u64) -> u64 {
    addr.wrapping_sub(ARENA_BASE) / CHUNK
}

/// The chunks of `ranges`, by address.
fn chunks(
    view: View<'_>,
    ranges: &[AddrRange],
    limits: &Limits,
    coverage: &mut Coverage,
) -> Result<Vec<Chunk>, Error> {
    let data = &view.layout().palloc_data;
    let size = u64::from(data.size);
    let mut places = Vec::new();
    let mut block = (u64::MAX, Addr::NULL);
    for range in ranges {
        let mut base = range.start();
        while base < range.end() {
            if places.len() as u64 >= limits.chunks {
                coverage.skip("pageAlloc.chunks", "there are more than the limit");
                break;
            }
            let index = chunk_index(base.0);
            let l1 = index / BLOCK_CHUNKS;
            if block.0 != l1 {
                block = (l1, block_addr(view, l1)?);
            }
            let place = block.1.add(index % BLOCK_CHUNKS * size);
            places.push((base, place));
            base = base.add(CHUNK);
        }
    }
    let gathered = gather(view.memory, places.iter().map(|place| (place.1, size)))?;
    let len = usize::try_from(size).unwrap_or(0);
    let mut chunks = Vec::with_capacity(places.len());
    for (base, place) in places {
        let Some(bytes) = gathered.get(place, len) else {
            coverage.skip("pageAlloc.chunks", "a chunk's bits cannot be read");
            continue;
        };
        chunks.push(Chunk {
            base,
            alloc: bitmap(bytes, data.alloc.offset),
            scavenged: bitmap(bytes, data.scavenged.offset),
        });
    }
    Ok(chunks)
}

/// Where the block `l1` of chunks lies.
fn block_addr(view: View<'_>, l1: u64) -> Result<Addr, Error> {
    let chunks = view.layout().page_alloc.chunks.at(page_alloc(view)?);
    if l1 >= BLOCKS {
        return Err(Error::inconsistent(
            "pageAlloc.inUse",
            chunks,
            "an address has no chunk",
        ));
    }
    let block = Addr(letgo_target::read_u64(view.memory, chunks.add(l1 * 8))?);
    if block.is_null() {
        let why = format!("block {l1} holds an address in use and is nil");
        return Err(Error::inconsistent("pageAlloc.chunks", chunks, why));
    }
    Ok(block)
}

/// 512 bits at `offset`.
fn bitmap(bytes: &[u8], offset: u32) -> [u64; 8] {
    let mut words = [0; 8];
    let bytes = bytes.get(offset as usize..).unwrap_or_default();
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = bytes.first_chunk().map_or(0, |b| u64::from_le_bytes(*b));
    }
    words
}

/// The page caches that are not empty.
fn caches(
    view: View<'_>,
    processors: &[Addr],
    coverage: &mut Coverage,
) -> Result<Vec<PageCache>, Error> {
    let pcache = view.layout().p.pcache;
    let fields = &view.layout().page_cache;
    let size = u64::from(fields.size);
    let places = processors.iter().map(|p| (pcache.at(*p), size));
    let gathered = gather(view.memory, places.clone())?;
    let mut caches = Vec::new();
    for (place, size) in places {
        let Some(bytes) = gathered.get(place, usize::try_from(size).unwrap_or(0)) else {
            coverage.skip("p.pcache", "it cannot be read");
            continue;
        };
        let cache = PageCache {
            base: fields.base.addr(bytes),
            cache: fields.cache.get(bytes),
            // A cache that was filled where the heap's random padding ends (1.26 and later) has
            // the padding's bits as well, which the chunk keeps.
            scavenged: fields.scav.get(bytes) & fields.cache.get(bytes),
        };
        if !cache.base.0.is_multiple_of(64 * RUNTIME_PAGE) {
            coverage.skip("p.pcache", "its base is not on 64 runtime pages");
        } else if cache.cache != 0 {
            caches.push(cache);
        }
    }
    Ok(caches)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_processors_may_hold_parts_of_the_same_pages() {
        let cache = |base, cache, scavenged| PageCache {
            base: Addr(base),
            cache,
            scavenged,
        };
        // As a server of go1.26 had them: three pages that were returned, and two that were not.
        let block = 0xa00_a1e8_0000;
        let other = cache(0xa00_a1f0_0000, 1, 0);
        let first = cache(block, 0x30_0000_0000, 0);
        let second = cache(block, 0xe << 60, 0xe << 60);
        let both = cache(block, 0xe000_0030_0000_0000, 0xe << 60);
        assert_eq!(joined(vec![other, first, second]), [both, other]);
        assert_eq!(joined(vec![second, other, first]), [both, other]);
    }

    #[test]
    fn chunks_are_numbered_from_the_bottom_of_the_address_space() {
        assert_eq!(chunk_index(0xc000_0000), (1 << 25) + 0xc000_0000 / CHUNK);
        assert!(chunk_index((1 << 47) - 1) < BLOCK_CHUNKS * BLOCKS);
    }
}
