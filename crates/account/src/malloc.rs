//! glibc's malloc, where its own headers prove it: `[heap]`, arenas, and chunks mapped alone.
//!
//! - `[heap]`, the main arena, starts with a chunk; each chunk's size leads to the next.
//! - Another arena's heaps are aligned to 64 MiB and start with a `heap_info`.
//! - A large chunk is mapped alone: its header lies at the start of an os page, with a previous
//!   size of 0, and its size is whole os pages with only the bit `IS_MMAPPED` set.
//!
//! Reads only headers, and only those on resident os pages. Other allocators are not known here;
//! their memory is `maps.anon`.
//!
//! Source: glibc malloc/malloc.c (`struct malloc_chunk`) and malloc/arena.c (`heap_info`),
//! 2.26 to 2.41.

use letgo_target::{Addr, AddrRange, Mapping, OS_PAGE, ReadMemory, Residency, read_bytes};

use crate::Leaf;
use crate::claims::{Claim, Claims};
use crate::maps::is_anonymous;

/// Alignment and largest size of an arena's heap: `HEAP_MAX_SIZE`.
const HEAP_MAX: u64 = 64 << 20;

/// Chunks of `[heap]` that are followed before it counts as proven.
const CHUNKS_WALKED: usize = 64;

/// Smallest chunk that is held to be mapped alone: `DEFAULT_MMAP_THRESHOLD_MIN`.
const SMALLEST_MAPPED: u64 = 128 << 10;

/// Most headers that are read: bounds the work on a target with a lot of anonymous memory.
const MOST_HEADERS: usize = 1 << 16;

const PREV_INUSE: u64 = 1;
const IS_MMAPPED: u64 = 2;
const FLAGS: u64 = 7;

/// Claims of everything that is proven to be glibc malloc's.
pub(crate) fn claims(
    mappings: &[Mapping],
    claims: &Claims,
    residency: &Residency,
    memory: &dyn ReadMemory,
) -> Vec<Claim> {
    let mut headers = Headers {
        residency,
        memory,
        left: MOST_HEADERS,
    };
    let mut found = Vec::new();
    let mut glibc = mappings.iter().any(is_glibc);
    for (index, mapping) in mappings.iter().enumerate() {
        if mapping.name == "[heap]" && headers.is_main_arena(mapping.range) {
            glibc = true;
            found.push(Claim::new(mapping.range, Leaf::CgoMalloc).of_mapping(index));
        }
    }
    if !glibc {
        return found;
    }
    for (index, mapping) in mappings.iter().enumerate() {
        if !is_anonymous(mapping) || !mapping.permissions.write || mapping.permissions.shared {
            continue;
        }
        for gap in claims.gaps(mapping.range) {
            for range in headers.find_in(gap) {
                found.push(Claim::new(range, Leaf::CgoMalloc).of_mapping(index));
            }
        }
    }
    found
}

/// Whether a mapping shows glibc itself.
fn is_glibc(mapping: &Mapping) -> bool {
    let file = mapping.name.rsplit('/').next().unwrap_or_default();
    file.starts_with("libc.so.6") || file.starts_with("libc-2.")
}

struct Headers<'a> {
    residency: &'a Residency,
    memory: &'a dyn ReadMemory,
    /// Headers that may still be read.
    left: usize,
}

impl Headers<'_> {
    /// `count` words at `addr`, if their page is resident and the budget lasts.
    fn words<const N: usize>(&mut self, addr: Addr) -> Option<[u64; N]> {
        let len = N as u64 * 8;
        self.left = self.left.checked_sub(1)?;
        if !self.residency.is_resident(AddrRange::sized(addr, len)) {
            return None;
        }
        let bytes = read_bytes(self.memory, addr, len, OS_PAGE).ok()?;
        let mut words = [0; N];
        for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = u64::from_le_bytes(*bytes.first_chunk()?);
        }
        Some(words)
    }

    /// Whether `heap` starts with a chain of plausible chunks.
    fn is_main_arena(&mut self, heap: AddrRange) -> bool {
        let mut at = heap.start();
        for walked in 0..CHUNKS_WALKED {
            let Some([_, size]) = self.words::<2>(at) else {
                // A page of a large chunk that was given back hides the rest.
                return walked > 1;
            };
            let len = size & !FLAGS;
            let first_ok = walked > 0 || size & FLAGS == PREV_INUSE;
            let sane = len >= 32 && len.is_multiple_of(16) && len <= heap.end().since(at);
            if !first_ok || !sane || size & IS_MMAPPED != 0 {
                return false;
            }
            at = at.add(len);
            if at == heap.end() {
                return true;
            }
        }
        true
    }

    /// Heaps and lone chunks in unclaimed anonymous memory.
    fn find_in(&mut self, gap: AddrRange) -> Vec<AddrRange> {
        let mut found = Vec::new();
        let mut at = gap.start().align_up(OS_PAGE);
        while at < gap.end() && self.left > 0 {
            let rest = AddrRange::new(at, gap.end());
            let proven = self.heap_at(rest).or_else(|| self.lone_chunk_at(rest));
            if let Some(range) = proven {
                found.push(range);
                at = range.end();
                continue;
            }
            // Only a resident page can hold a header.
            let behind = AddrRange::new(at.add(OS_PAGE), gap.end());
            let Some(next) = self.residency.within(behind).next() else {
                break;
            };
            at = next.range.start();
        }
        found
    }

    /// The heap of an arena that starts at the start of `rest`.
    fn heap_at(&mut self, rest: AddrRange) -> Option<AddrRange> {
        let start = rest.start();
        if !start.0.is_multiple_of(HEAP_MAX) || start.is_null() {
            return None;
        }
        let [arena, previous, size, accessible] = self.words::<4>(start)?;
        let sane = size.is_multiple_of(OS_PAGE)
            && (OS_PAGE..=HEAP_MAX).contains(&size)
            && (size..=HEAP_MAX).contains(&accessible);
        let own = arena > start.0 && arena - start.0 <= 256 && arena.is_multiple_of(16);
        // A further heap of an arena points to the arena's first heap and to the one before.
        let further = previous != 0
            && previous.is_multiple_of(HEAP_MAX)
            && arena % HEAP_MAX > 0
            && arena % HEAP_MAX <= 256;
        if !sane || !(own && previous == 0 || further) {
            return None;
        }
        Some(AddrRange::sized(start, accessible).intersect(rest))
    }

    /// The chunk mapped alone that starts at the start of `rest`.
    fn lone_chunk_at(&mut self, rest: AddrRange) -> Option<AddrRange> {
        let [previous_size, size] = self.words::<2>(rest.start())?;
        let len = size & !FLAGS;
        let sane = previous_size == 0
            && size & FLAGS == IS_MMAPPED
            && len.is_multiple_of(OS_PAGE)
            && (SMALLEST_MAPPED..=rest.len()).contains(&len);
        sane.then(|| AddrRange::sized(rest.start(), len))
    }
}
