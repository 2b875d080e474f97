//! The header and the directory: where in the file what lies.
//!
//! The header has 64 bytes at the start of the file and is written last; the directory stands at
//! the end. Magic, version and the header's checksum stay where they are in every version, so that
//! any letgo can say whether a file is damaged or merely newer.
//!
//! Invariants of what is returned: every place lies within the file.
//!
//! Source: docs/formats/letgo-snapshot.md.

use crate::Error;
use crate::bytes::{checksum, u16_at, u32_at, u64_at};

pub(crate) const MAGIC: &[u8; 8] = b"LETGOSNP";
pub(crate) const HEADER_BYTES: usize = 64;
const CHECKED_BYTES: usize = 56;
/// Raised by what an older letgo would misread.
pub(crate) const MAJOR: u16 = 1;
/// Raised by what an older letgo may pass over.
const MINOR: u16 = 0;
/// The contents were dropped and the shapes kept.
pub(crate) const REDACTED: u32 = 1;
const ENTRY_BYTES: usize = 40;
/// Most sections; there are four.
const MOST_SECTIONS: u64 = 1024;

/// Bytes of the file, with their checksum.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Place {
    pub(crate) offset: u64,
    pub(crate) len: u64,
    pub(crate) checksum: u64,
}

/// What the first 64 bytes say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Header {
    pub(crate) flags: u32,
    pub(crate) directory: Place,
    pub(crate) file_len: u64,
}

impl Header {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(MAJOR.to_le_bytes());
        bytes.extend(MINOR.to_le_bytes());
        bytes.extend(self.flags.to_le_bytes());
        let Place {
            offset,
            len,
            checksum: sum,
        } = self.directory;
        for word in [offset, len, sum, self.file_len, 0] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(checksum(&bytes).to_le_bytes());
        bytes
    }

    /// Reads it from the first bytes of a file of `file_len` bytes.
    pub(crate) fn decode(bytes: &[u8], file_len: u64) -> Result<Header, Error> {
        if !bytes.starts_with(MAGIC) {
            return Err(Error::Unsupported {
                found: "a file that does not begin as one".to_owned(),
                advice: "give a file that `letgo snap` wrote",
            });
        }
        let broken = |why: &str| Error::inconsistent("its header", 0, why);
        let checked = bytes.get(..CHECKED_BYTES);
        let sum = u64_at(bytes, CHECKED_BYTES);
        if checked.map(checksum) != sum || sum.is_none() {
            return Err(broken("its checksum is not that of its bytes"));
        }
        let short = |offset| u16_at(bytes, offset).unwrap_or_default();
        let word = |offset| u64_at(bytes, offset).unwrap_or_default();
        if short(8) != MAJOR {
            return Err(Error::Unsupported {
                found: format!("a snapshot of format {}.{}", short(8), short(10)),
                advice: "this letgo reads format 1; use the letgo that wrote it, or a newer one",
            });
        }
        let header = Header {
            flags: u32_at(bytes, 12).unwrap_or_default(),
            directory: Place {
                offset: word(16),
                len: word(24),
                checksum: word(32),
            },
            file_len: word(40),
        };
        if header.file_len != file_len {
            let why = format!(
                "the file has {file_len} bytes, and {} were written",
                header.file_len
            );
            return Err(broken(&why));
        }
        check_place("its directory", header.directory, file_len)?;
        Ok(header)
    }
}

/// What a section holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Kind(pub(crate) u64);

impl Kind {
    /// JSON.
    pub(crate) const FACTS: Kind = Kind(1);
    /// Where the blocks of the data lie.
    pub(crate) const BLOCKS: Kind = Kind(2);
    /// Which memory is where in the data.
    pub(crate) const MEMORY: Kind = Kind(3);
    /// Which parts of the executable's file are where in the data.
    pub(crate) const IMAGE: Kind = Kind(4);
}

/// A section, as the directory lists it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Section {
    pub(crate) kind: Kind,
    /// Where its bytes lie, compressed.
    pub(crate) place: Place,
    /// How many bytes it has, decompressed.
    pub(crate) raw_len: u64,
}

/// The directory's bytes.
pub(crate) fn encode_directory(sections: &[Section]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for section in sections {
        bytes.extend(section.kind.0.to_le_bytes());
        let Place {
            offset,
            len,
            checksum,
        } = section.place;
        for word in [offset, len, section.raw_len, checksum] {
            bytes.extend(word.to_le_bytes());
        }
    }
    bytes
}

/// Reads the directory of a file of `file_len` bytes. Kinds that are not known are listed too.
pub(crate) fn decode_directory(bytes: &[u8], file_len: u64) -> Result<Vec<Section>, Error> {
    let count = bytes.len() as u64 / ENTRY_BYTES as u64;
    if !bytes.len().is_multiple_of(ENTRY_BYTES) || count > MOST_SECTIONS {
        let why = format!("{} bytes are no number of entries", bytes.len());
        return Err(Error::inconsistent("its directory", 0, why));
    }
    let entries = bytes.chunks_exact(ENTRY_BYTES);
    entries
        .map(|entry| {
            let word = |offset| u64_at(entry, offset).unwrap_or_default();
            let place = Place {
                offset: word(8),
                len: word(16),
                checksum: word(32),
            };
            check_place("a section", place, file_len)?;
            Ok(Section {
                kind: Kind(word(0)),
                place,
                raw_len: word(24),
            })
        })
        .collect()
}

/// Most bytes of the directory.
pub(crate) const MOST_DIRECTORY_BYTES: u64 = MOST_SECTIONS * ENTRY_BYTES as u64;

fn check_place(what: &'static str, place: Place, file_len: u64) -> Result<(), Error> {
    let end = place.offset.checked_add(place.len);
    if place.offset < HEADER_BYTES as u64 || end.is_none_or(|end| end > file_len) {
        let why = format!("{} bytes there do not fit a file of {file_len}", place.len);
        return Err(Error::inconsistent(what, place.offset, why));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            flags: REDACTED,
            directory: Place {
                offset: 64,
                len: 40,
                checksum: 7,
            },
            file_len: 104,
        }
    }

    #[test]
    fn a_header_comes_back_and_a_newer_one_is_refused_by_name() {
        let bytes = header().encode();
        assert_eq!(bytes.len(), HEADER_BYTES);
        assert_eq!(Header::decode(&bytes, 104), Ok(header()));
        let mut newer = bytes[..CHECKED_BYTES].to_vec();
        newer[8] = 2;
        newer[10] = 3;
        newer.extend(checksum(&newer).to_le_bytes());
        let error = Header::decode(&newer, 104).unwrap_err();
        assert!(error.to_string().contains("format 2.3"), "{error}");
    }

    #[test]
    fn another_length_is_damage() {
        let bytes = header().encode();
        for len in [0, 63, 103, 105, u64::MAX] {
            let error = Header::decode(&bytes, len).unwrap_err();
            assert!(matches!(error, Error::Inconsistent { .. }), "{error}");
        }
    }

    #[test]
    fn a_section_outside_of_the_file_is_damage() {
        let section = |offset, len| Section {
            kind: Kind::FACTS,
            place: Place {
                offset,
                len,
                checksum: 1,
            },
            raw_len: 9,
        };
        let whole = [section(64, 10), section(74, 26)];
        let bytes = encode_directory(&whole);
        assert_eq!(decode_directory(&bytes, 100).unwrap(), whole);
        for (offset, len) in [(63, 1), (64, 37), (u64::MAX, 1), (1 << 63, 1 << 63)] {
            let bytes = encode_directory(&[section(offset, len)]);
            assert!(decode_directory(&bytes, 100).is_err());
        }
        assert!(decode_directory(&bytes[1..], 100).is_err());
    }
}
