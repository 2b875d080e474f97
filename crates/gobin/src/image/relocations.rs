//! Relative relocations: the pointers of a position-independent executable.
//!
//! Go's linker and binutils leave zeros in the file where an `R_X86_64_RELATIVE` will store
//! `bias + addend`; at bias 0 that is the addend. `DT_RELR` keeps the addend in the place itself,
//! so there is nothing to do for it.

use letgo_target::{Addr, AddrRange, ReadMemory, read_bytes};
use object::elf;

use super::Image;
use crate::Error;
use crate::bytes::{u32_at, u64_at};

/// Most bytes of `DT_RELA`: 8 Mi entries. A PIE of 100 MB has about 0.5 Mi.
const MOST_RELA_BYTES: u64 = 24 << 23;
const RELA_BYTES: usize = 24;
const DYN_BYTES: usize = 16;
/// Most bytes of `PT_DYNAMIC`; real ones have less than 1 KiB.
const MOST_DYNAMIC_BYTES: u64 = 64 << 10;

/// Places and what is stored there, by place.
#[derive(Debug, Default)]
pub(super) struct Relocations {
    places: Vec<(u64, u64)>,
}

impl Relocations {
    /// Reads `DT_RELA` of a file image.
    pub(super) fn read(image: &Image) -> Result<Relocations, Error> {
        let Some(table) = table(image)? else {
            return Ok(Relocations::default());
        };
        if table.len() > MOST_RELA_BYTES {
            return Err(Error::inconsistent(
                "DT_RELA",
                table.start(),
                format!("{} bytes of relocations", table.len()),
            ));
        }
        let mut bytes = vec![0; usize::try_from(table.len()).unwrap_or(0)];
        image.read_raw(table.start(), &mut bytes)?;
        let mut places: Vec<(u64, u64)> = bytes
            .chunks_exact(RELA_BYTES)
            .filter(|entry| u32_at(entry, 8) == Some(elf::R_X86_64_RELATIVE.0))
            .filter_map(|entry| Some((u64_at(entry, 0)?, u64_at(entry, 16)?)))
            .collect();
        if !places.is_sorted_by_key(|place| place.0) {
            places.sort_by_key(|place| place.0);
        }
        Ok(Relocations { places })
    }

    /// Stores what a loader at bias 0 would have stored into `buf`, the bytes at `addr`.
    pub(super) fn apply(&self, addr: Addr, buf: &mut [u8]) {
        let first = addr.0.saturating_sub(7);
        let end = addr.add(buf.len() as u64).0;
        let from = self.places.partition_point(|place| place.0 < first);
        let inside = self.places.get(from..).unwrap_or_default();
        for (place, value) in inside.iter().take_while(|place| place.0 < end) {
            for (index, byte) in (0u64..).zip(value.to_le_bytes()) {
                let at = place.wrapping_add(index).checked_sub(addr.0);
                let at = at.and_then(|at| usize::try_from(at).ok());
                if let Some(slot) = at.and_then(|at| buf.get_mut(at)) {
                    *slot = byte;
                }
            }
        }
    }
}

/// Where `DT_RELA` lies, if there is one.
fn table(image: &Image) -> Result<Option<AddrRange>, Error> {
    let Some(dynamic) = image.headers().dynamic else {
        return Ok(None);
    };
    let raw = RawImage(image);
    let bytes = read_bytes(&raw, dynamic.start(), dynamic.len(), MOST_DYNAMIC_BYTES)?;
    let (mut start, mut len) = (None, None);
    for entry in bytes.chunks_exact(DYN_BYTES) {
        let (tag, value) = (u64_at(entry, 0), u64_at(entry, 8).unwrap_or_default());
        match tag
            .and_then(|tag| i64::try_from(tag).ok())
            .map(elf::DynamicTag)
        {
            Some(elf::DT_NULL) => break,
            Some(elf::DT_RELA) => start = Some(Addr(value)),
            Some(elf::DT_RELASZ) => len = Some(value),
            _ => {}
        }
    }
    Ok(start
        .zip(len)
        .map(|(start, len)| AddrRange::sized(start, len)))
}

/// The image before relocation.
struct RawImage<'a>(&'a Image);

impl ReadMemory for RawImage<'_> {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), letgo_target::Fault> {
        self.0.read_raw(addr, buf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_a_read_cuts_is_applied_in_part() {
        let relocations = Relocations {
            places: vec![(0x100, 0x1122_3344_5566_7788), (0x110, u64::MAX)],
        };
        let mut buf = [0; 4];
        relocations.apply(Addr(0x102), &mut buf);
        assert_eq!(buf, [0x66, 0x55, 0x44, 0x33]);
        let mut buf = [7; 16];
        relocations.apply(Addr(0x108), &mut buf);
        assert_eq!(buf[..8], [7; 8]);
        assert_eq!(buf[8..], [0xff; 8]);
    }

    #[test]
    fn places_at_the_end_of_the_address_space_do_no_harm() {
        let relocations = Relocations {
            places: vec![(u64::MAX - 3, u64::MAX)],
        };
        let mut buf = [0; 8];
        relocations.apply(Addr(u64::MAX - 7), &mut buf);
        relocations.apply(Addr(0), &mut buf);
        assert!(buf.starts_with(&[0, 0, 0, 0]));
    }
}
