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

/// Claims of all images, from `segments` of the program itself and from library headers.
pub(crate) fn claims(
    segments: &[ImageSegment],
    mappings: &[Mapping],
    residency: &Residency,
    memory: &dyn ReadMemory,
) -> Vec<Claim> {
    let mut claims = Vec::new();
    for segment in segments {
        segment_claims(segment, mappings, &mut claims);
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
                segment_claims(&segment, mappings, &mut claims);
            }
        }
        for (index, mapping) in group {
            let leaf = file_leaf(mapping);
            claims.push(mapped(mapping.range, leaf, index, mapping));
        }
    }
    claims
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
