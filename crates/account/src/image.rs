//! The program's and its libraries' images: which mapping shows code, data or zeroed variables.
//!
//! The program's own segments are given by whoever opened its ELF file. A library's are read from
//! the program headers that its first mapping holds, where that os page is resident; otherwise
//! only its file mappings are known, and its zeroed variables stay `maps.anon`.
//!
//! Source: the ELF-64 object file format, "ELF Header" and "Program Header".

use letgo_target::{Addr, AddrRange, Mapping, OS_PAGE, ReadMemory, Residency, read_bytes};

use crate::Leaf;
use crate::claims::Claim;
use crate::maps::is_shared_memory;

/// One loadable segment (`PT_LOAD`) of an image, where the target has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ImageSegment {
    /// Its bytes in memory, load bias added.
    pub range: AddrRange,
    /// How many of them come from the file; the rest starts as zero.
    pub file_len: u64,
    /// Whether it may be written.
    pub write: bool,
}

/// Most program headers that are looked at; real images have about a dozen.
const MOST_HEADERS: u64 = 64;

/// Claims of all images in two layers: the variables of `segments` of the program itself and of
/// library headers, and below them each image's file mappings.
pub(crate) fn claims(
    segments: &[ImageSegment],
    mappings: &[Mapping],
    residency: &Residency,
    memory: &dyn ReadMemory,
) -> [Vec<Claim>; 2] {
    let mut variables = Vec::new();
    let mut files = Vec::new();
    for segment in segments {
        segment_claims(segment, mappings, &mut variables);
    }
    for group in images(mappings) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else {
            continue;
        };
        let header = read_header(first.1, residency, memory);
        let runs = group.iter().any(|(_, mapping)| mapping.permissions.execute);
        if header.is_none() && (!runs || is_shared_memory(first.1)) {
            continue;
        }
        let reach = AddrRange::new(first.1.range.start(), last.1.range.end().add(MOST_BSS));
        for segment in header.unwrap_or_default() {
            if reach.covers(segment.range) {
                segment_claims(&segment, mappings, &mut variables);
            }
        }
        for (index, mapping) in group {
            let leaf = file_leaf(mapping);
            files.push(mapped(mapping.range, leaf, index, mapping));
        }
    }
    [variables, files]
}

/// Most zeroed memory behind a library's last file mapping.
const MOST_BSS: u64 = 1 << 30;

fn mapped(range: AddrRange, leaf: Leaf, index: usize, mapping: &Mapping) -> Claim {
    let mut claim = Claim::new(range, leaf).of_mapping(index);
    claim.counted = crate::maps::is_accessible(mapping);
    claim
}

/// What a file mapping of an image shows, by what it allows.
fn file_leaf(mapping: &Mapping) -> Leaf {
    match mapping.permissions {
        permissions if permissions.execute => Leaf::BinaryText,
        permissions if permissions.write => Leaf::BinaryData,
        _ => Leaf::BinaryRodata,
    }
}

/// Claims of a writable segment: its data, and its zeroed rest to the end of the last os page.
/// What it holds that was made read-only after loading (relro) is read-only data.
fn segment_claims(segment: &ImageSegment, mappings: &[Mapping], claims: &mut Vec<Claim>) {
    if !segment.write {
        return;
    }
    let whole = segment.range.widen(OS_PAGE);
    let data_end = segment.range.start().add(segment.file_len);
    let first = mappings.partition_point(|mapping| mapping.range.end() <= whole.start());
    for (index, mapping) in mappings.iter().enumerate().skip(first) {
        if mapping.range.start() >= whole.end() {
            break;
        }
        if !mapping.permissions.write {
            continue;
        }
        let part = mapping.range.intersect(whole);
        let split = data_end.max(part.start()).min(part.end());
        let data = AddrRange::new(part.start(), split);
        let bss = AddrRange::new(split, part.end());
        claims.push(mapped(data, Leaf::BinaryData, index, mapping));
        claims.push(mapped(bss, Leaf::BinaryBss, index, mapping));
    }
}

/// Mappings of one file each, which start with the file's first byte.
fn images(mappings: &[Mapping]) -> Vec<Vec<(usize, &Mapping)>> {
    let mut images: Vec<Vec<(usize, &Mapping)>> = Vec::new();
    for (index, mapping) in mappings.iter().enumerate() {
        if !mapping.is_file() {
            continue;
        }
        let continues = images.last().and_then(|image| image.last());
        let continues = continues
            .is_some_and(|(_, last)| last.same_file(mapping) && mapping.offset >= last.offset);
        match images.last_mut() {
            Some(image) if continues && mapping.offset != 0 => image.push((index, mapping)),
            _ => images.push(vec![(index, mapping)]),
        }
    }
    images
}

/// The loadable segments of the image that starts with `first`, if its header can be read
/// without faulting a page in.
fn read_header(
    first: &Mapping,
    residency: &Residency,
    memory: &dyn ReadMemory,
) -> Option<Vec<ImageSegment>> {
    let page = AddrRange::sized(first.range.start(), OS_PAGE);
    if first.offset != 0 || !first.permissions.read || !residency.is_resident(page) {
        return None;
    }
    let bytes = read_bytes(memory, page.start(), OS_PAGE, OS_PAGE).ok()?;
    parse_segments(&bytes, first.range.start())
}

fn parse_segments(bytes: &[u8], base: Addr) -> Option<Vec<ImageSegment>> {
    if bytes.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let at = word(bytes, 32)?;
    let (entry_len, count) = (half(bytes, 54)?, half(bytes, 56)?);
    let mut segments = Vec::new();
    let mut lowest = None;
    for index in 0..count.min(MOST_HEADERS) {
        let at = at.checked_add(index * entry_len)?;
        let at = usize::try_from(at).ok()?;
        let Some(header) = bytes.get(at..).and_then(|rest| rest.get(..56)) else {
            break;
        };
        const PT_LOAD: u64 = 1;
        let kind = word(header, 0)?;
        if kind & 0xffff_ffff != PT_LOAD {
            continue;
        }
        let (vaddr, file_len, len) = (word(header, 16)?, word(header, 32)?, word(header, 40)?);
        let bias = *lowest.get_or_insert(base.0.wrapping_sub(vaddr & !(OS_PAGE - 1)));
        segments.push(ImageSegment {
            range: AddrRange::sized(Addr(vaddr).biased(bias), len),
            file_len,
            write: kind >> 32 & 2 != 0,
        });
    }
    Some(segments)
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..)?.first_chunk::<8>()?;
    Some(u64::from_le_bytes(*bytes))
}

fn half(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..)?.first_chunk::<2>()?;
    Some(u64::from(u16::from_le_bytes(*bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use letgo_target::{PageKind, PageRun, Permissions, SliceMemory};

    const BASE: u64 = 0x7f00_0000_0000;

    fn mapping(start: u64, len: u64, offset: u64, flags: &str, inode: u64) -> Mapping {
        Mapping {
            range: AddrRange::sized(Addr(BASE + start), len),
            permissions: Permissions {
                read: flags.contains('r'),
                write: flags.contains('w'),
                execute: flags.contains('x'),
                shared: false,
            },
            offset,
            inode,
            name: if inode == 0 { "" } else { "/lib/x.so" }.to_owned(),
            ..Mapping::default()
        }
    }

    /// An ELF header with two loadable segments: code at 0, and data of 0x1800 bytes at 0x3400 of
    /// which 0xa00 come from the file.
    fn header() -> Vec<u8> {
        let mut bytes = vec![0; 4096];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, b"\x7fELF\x02\x01\x01");
        put(32, &64u64.to_le_bytes());
        put(54, &56u16.to_le_bytes());
        put(56, &2u16.to_le_bytes());
        for (at, flags, vaddr, file_len, len) in [
            (64, 5u32, 0u64, 0x2000u64, 0x2000u64),
            (120, 6, 0x3400, 0xa00, 0x1800),
        ] {
            put(at, &1u32.to_le_bytes());
            put(at + 4, &flags.to_le_bytes());
            put(at + 16, &vaddr.to_le_bytes());
            put(at + 32, &file_len.to_le_bytes());
            put(at + 40, &len.to_le_bytes());
        }
        bytes
    }

    fn library() -> [Mapping; 4] {
        [
            mapping(0, 0x2000, 0, "rx", 7),
            mapping(0x2000, 0x1000, 0x2000, "r", 7),
            mapping(0x3000, 0x1000, 0x3000, "rw", 7),
            // The zeroed rest of the library, and something else right behind it.
            mapping(0x4000, 0x4000, 0, "rw", 0),
        ]
    }

    fn claimed(resident: bool) -> Vec<(u64, u64, Leaf)> {
        let mut memory = SliceMemory::default();
        memory.map(Addr(BASE), header());
        let mut residency = Residency::default();
        if resident {
            let range = AddrRange::sized(Addr(BASE), OS_PAGE);
            let kind = PageKind::File;
            residency.push(PageRun { range, kind });
        }
        let mut layers = crate::claims::Claims::default();
        for layer in claims(&[], &library(), &residency, &memory) {
            layers.add_layer(layer);
        }
        let shape = |claim: &Claim| {
            let start = claim.range.start().since(Addr(BASE));
            (start, claim.range.len(), claim.leaf.unwrap())
        };
        layers.as_slice().iter().map(shape).collect()
    }

    #[test]
    fn a_library_is_split_by_its_program_headers() {
        assert_eq!(
            claimed(true),
            [
                (0, 0x2000, Leaf::BinaryText),
                (0x2000, 0x1000, Leaf::BinaryRodata),
                (0x3000, 0xe00, Leaf::BinaryData),
                (0x3e00, 0x200, Leaf::BinaryBss),
                (0x4000, 0x1000, Leaf::BinaryBss),
            ]
        );
    }

    #[test]
    fn without_its_header_a_librarys_zeroed_variables_stay_unknown() {
        assert_eq!(
            claimed(false),
            [
                (0, 0x2000, Leaf::BinaryText),
                (0x2000, 0x1000, Leaf::BinaryRodata),
                (0x3000, 0x1000, Leaf::BinaryData),
            ]
        );
    }

    #[test]
    fn a_header_that_makes_no_sense_is_none() {
        assert_eq!(parse_segments(&[], Addr(BASE)), None);
        assert_eq!(parse_segments(&[0; 4096], Addr(BASE)), None);
        let mut bytes = header();
        bytes[32..40].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(parse_segments(&bytes, Addr(BASE)), Some(vec![]));
        let mut bytes = header();
        bytes[64 + 40..64 + 48].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(parse_segments(&bytes, Addr(BASE)).is_some());
    }
}
