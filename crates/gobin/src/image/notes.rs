//! ELF notes: the build ids.
//!
//! Source: System V ABI, note section; src/cmd/link/internal/ld/elf.go, `elfgobuildid`.

use letgo_target::read_bytes;

use super::Image;
use crate::bytes::u32_at;

/// `NT_GNU_BUILD_ID`, of owner `GNU`.
pub(super) const GNU_BUILD_ID: u32 = 3;
/// `ELF_NOTE_GOBUILDID_TAG`, of owner `Go`.
pub(super) const GO_BUILD_ID: u32 = 4;

/// Most bytes of one note segment.
const MOST_NOTE_BYTES: u64 = 64 << 10;

/// The description of the first note of that owner (padded to 4 bytes) and type.
pub(super) fn find(image: &Image, owner: &[u8], kind: u32) -> Option<Vec<u8>> {
    image.headers().notes.iter().find_map(|range| {
        let bytes = read_bytes(image, range.start(), range.len(), MOST_NOTE_BYTES).ok()?;
        find_in(&bytes, owner, kind).map(<[u8]>::to_vec)
    })
}

fn find_in<'a>(mut bytes: &'a [u8], owner: &[u8], kind: u32) -> Option<&'a [u8]> {
    loop {
        let name_len = usize::try_from(u32_at(bytes, 0)?).ok()?;
        let desc_len = usize::try_from(u32_at(bytes, 4)?).ok()?;
        let found = u32_at(bytes, 8)?;
        let rest = bytes.get(12..)?;
        let name = rest.get(..name_len.checked_next_multiple_of(4)?)?;
        let rest = rest.get(name.len()..)?;
        let desc = rest.get(..desc_len)?;
        if found == kind && name == owner {
            return Some(desc);
        }
        bytes = rest.get(desc_len.checked_next_multiple_of(4)?..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(owner: &[u8], kind: u32, desc: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let len = |part: &[u8]| u32::try_from(part.len()).unwrap().to_le_bytes();
        bytes.extend(len(owner));
        bytes.extend(len(desc));
        bytes.extend(kind.to_le_bytes());
        bytes.extend(owner);
        bytes.extend(desc);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn the_second_note_is_found_and_cut_ones_are_not() {
        let mut bytes = note(b"GNU\0", 3, b"abcde");
        bytes.extend(note(b"Go\0\0", 4, b"id/id"));
        assert_eq!(find_in(&bytes, b"Go\0\0", 4), Some(b"id/id".as_slice()));
        assert_eq!(find_in(&bytes, b"Go\0\0", 3), None);
        assert_eq!(find_in(&bytes[..40], b"Go\0\0", 4), None);
        assert_eq!(find_in(&[0xff; 64], b"Go\0\0", 4), None);
    }
}
