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

use letgo_target::{
    Addr, AddrRange, Mapping, OS_PAGE, ReadMemory, Residency, ResidentBytes, read_bytes,
};

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

/// Arenas of glibc's malloc beside the main one, as far as their own headers prove them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MallocArenas {
    /// How many. An arena of several heaps counts once.
    pub count: u64,
    /// Resident bytes of their heaps, among [`Leaf::CgoMalloc`].
    pub resident: ResidentBytes,
}

/// Claims of everything that is proven to be glibc malloc's, and the arenas among it.
pub(crate) fn claims(
    mappings: &[Mapping],
    claims: &Claims,
    residency: &Residency,
    memory: &dyn ReadMemory,
) -> (Vec<Claim>, MallocArenas) {
    let mut headers = Headers {
        residency,
        memory,
        left: MOST_HEADERS,
        arenas: MallocArenas::default(),
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
        return (found, headers.arenas);
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
    (found, headers.arenas)
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
    /// What was found of arenas.
    arenas: MallocArenas,
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
        let heap = AddrRange::sized(start, accessible).intersect(rest);
        self.arenas.count += u64::from(!further);
        self.arenas.resident += self.residency.resident_in(heap);
        Some(heap)
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

#[cfg(test)]
mod tests {
    use super::*;
    use letgo_target::{PageKind, PageRun, Permissions, SliceMemory};

    const ARENA: u64 = 0x7f00_0000_0000;

    fn mapping(start: u64, len: u64, name: &str) -> Mapping {
        Mapping {
            range: AddrRange::sized(Addr(start), len),
            permissions: Permissions {
                read: true,
                write: true,
                ..Permissions::default()
            },
            name: name.to_owned(),
            ..Mapping::default()
        }
    }

    fn words(words: &[u64]) -> Vec<u8> {
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.resize(4096, 0);
        bytes
    }

    /// What is claimed of these mappings, all resident, with these words at these addresses.
    fn claimed(mappings: &[Mapping], memory: &[(u64, &[u64])]) -> Vec<(u64, u64)> {
        found(mappings, memory).0
    }

    /// As [`claimed`], and the arenas.
    fn found(mappings: &[Mapping], memory: &[(u64, &[u64])]) -> (Vec<(u64, u64)>, MallocArenas) {
        let mut residency = Residency::default();
        for mapping in mappings {
            residency.push(PageRun {
                range: mapping.range,
                kind: PageKind::Anon,
            });
        }
        let mut bytes = SliceMemory::default();
        for mapping in mappings {
            let len = usize::try_from(mapping.range.len()).unwrap();
            bytes.map(mapping.range.start(), vec![0; len]);
        }
        for (addr, content) in memory {
            bytes.map(Addr(*addr), words(content));
        }
        let (found, arenas) = claims(mappings, &Claims::default(), &residency, &bytes);
        let range = |claim: &Claim| (claim.range.start().0, claim.range.len());
        (found.iter().map(range).collect(), arenas)
    }

    fn libc() -> Mapping {
        Mapping {
            inode: 1,
            ..mapping(0x1000, 0x1000, "/usr/lib/x86_64-linux-gnu/libc.so.6")
        }
    }

    #[test]
    fn a_heap_of_chunks_is_the_main_arena_and_any_other_is_not() {
        let heap = mapping(0x10000, 0x3000, "[heap]");
        let chunks = [0, 0x291, 0, 0];
        let next: &[u64] = &[0, 0x3000 - 0x290 + 1];
        let range = (0x10000, 0x3000);
        let proven = [(0x10000, &chunks[..]), (0x10290, next)];
        assert_eq!(claimed(std::slice::from_ref(&heap), &proven), [range]);
        let beyond: &[u64] = &[0, 0x9000 + 1];
        let beyond = [(0x10000, &chunks[..]), (0x10290, beyond)];
        assert_eq!(claimed(std::slice::from_ref(&heap), &beyond), []);
        assert_eq!(claimed(&[heap], &[(0x10000, &[7, 7])]), []);
    }

    #[test]
    fn an_arena_is_proven_by_its_heap_info() {
        let heap = mapping(ARENA, 0x30000, "");
        let info: &[u64] = &[ARENA + 0x30, 0, 0x21000, 0x21000];
        let mappings = [libc(), heap];
        assert_eq!(claimed(&mappings, &[(ARENA, info)]), [(ARENA, 0x21000)]);
        let foreign: &[u64] = &[ARENA + 0x30_0000, 0, 0x21000, 0x21000];
        assert_eq!(claimed(&mappings, &[(ARENA, foreign)]), []);
        let without_glibc = [mapping(ARENA, 0x30000, "")];
        assert_eq!(claimed(&without_glibc, &[(ARENA, info)]), []);
    }

    #[test]
    fn an_arena_of_two_heaps_counts_once() {
        let (first, second, other) = (ARENA, ARENA + HEAP_MAX, ARENA + 2 * HEAP_MAX);
        let heaps = [first, second, other].map(|start| mapping(start, 0x21000, ""));
        let mappings = [&[libc()][..], &heaps].concat();
        let info = |own: u64, previous| [own + 0x30, previous, 0x21000, 0x21000];
        let words: [(u64, &[u64]); 3] = [
            (first, &info(first, 0)),
            (second, &info(first, first)),
            (other, &info(other, 0)),
        ];
        let (ranges, arenas) = found(&mappings, &words);
        assert_eq!(ranges.len(), 3);
        assert_eq!(arenas.count, 2);
        assert_eq!(arenas.resident, ResidentBytes(3 * 0x21000));
    }

    #[test]
    fn chunks_mapped_alone_are_proven_one_behind_the_other() {
        let start = 0x7f00_1234_0000;
        let mappings = [libc(), mapping(start, 0x60000, "")];
        let memory: [(u64, &[u64]); 2] = [
            (start, &[0, 0x21000 | IS_MMAPPED]),
            (start + 0x21000, &[0, 0x22000 | IS_MMAPPED]),
        ];
        assert_eq!(
            claimed(&mappings, &memory),
            [(start, 0x21000), (start + 0x21000, 0x22000)]
        );
        let too_long: [(u64, &[u64]); 1] = [(start, &[0, 0x61000 | IS_MMAPPED])];
        assert_eq!(claimed(&mappings, &too_long), []);
        let small: [(u64, &[u64]); 1] = [(start, &[0, 0x2000 | IS_MMAPPED])];
        assert_eq!(claimed(&mappings, &small), []);
    }
}
