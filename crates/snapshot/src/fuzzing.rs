//! Entry points for the fuzz target and for hostile-input tests: each takes any bytes and must
//! return.
//!
//! Not part of the crate's interface.

use std::fs::File;
use std::os::unix::fs::FileExt;

use letgo_target::ReadMemory;

use crate::Snapshot;
use crate::blocks::Blocks;
use crate::bytes::checksum;
use crate::format::{HEADER_BYTES, Header, Kind, Place, Section, encode_directory};
use crate::runs::Runs;

/// Most bytes that are read of one range.
const SHORT: u64 = 64 << 10;

/// The checksum that a part of these bytes would have, for seeds.
pub fn sum(bytes: &[u8]) -> u64 {
    checksum(bytes)
}

/// A file of any bytes: true where it was opened.
pub fn file(bytes: &[u8]) -> bool {
    temporary(bytes).is_some_and(|file| open(file, bytes.len() as u64))
}

/// A file whose header and directory are sound, and whose tables are not: the first six bytes say
/// how long facts, blocks and memory are; the rest is data, and an image table equal to memory's.
pub fn tables(bytes: &[u8]) -> bool {
    let Some((lengths, mut rest)) = bytes.split_first_chunk::<6>() else {
        return false;
    };
    let mut file = vec![0; HEADER_BYTES];
    let mut tables = Vec::new();
    for length in lengths.chunks_exact(2) {
        let length = length.try_into().map_or(0, u16::from_le_bytes);
        let length = usize::from(length).min(rest.len());
        let (table, behind) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        tables.push(table);
        rest = behind;
    }
    // Data comes first, as the writer has it, so that blocks may point to it.
    file.extend(rest);
    let [facts, blocks, memory] = tables.as_slice() else {
        return false;
    };
    let kinds = [
        (Kind::FACTS, facts),
        (Kind::BLOCKS, blocks),
        (Kind::MEMORY, memory),
        (Kind::IMAGE, memory),
    ];
    let mut sections = Vec::new();
    for (kind, table) in kinds {
        let stored = zstd::bulk::compress(table, 1).unwrap_or_default();
        sections.push(Section {
            kind,
            place: put(&mut file, &stored),
            raw_len: table.len() as u64,
        });
    }
    let directory = put(&mut file, &encode_directory(&sections));
    let header = Header {
        flags: 0,
        directory,
        file_len: file.len() as u64,
    };
    file.splice(..HEADER_BYTES, header.encode());
    let _ = Blocks::decode(blocks, file.len() as u64);
    let _ = Runs::decode(memory, u64::MAX);
    self::file(&file)
}

fn put(file: &mut Vec<u8>, bytes: &[u8]) -> Place {
    let place = Place {
        offset: file.len() as u64,
        len: bytes.len() as u64,
        checksum: checksum(bytes),
    };
    file.extend(bytes);
    place
}

fn temporary(bytes: &[u8]) -> Option<File> {
    let file = tempfile::tempfile().ok()?;
    file.write_all_at(bytes, 0).ok()?;
    Some(file)
}

/// Everything that is done to a snapshot.
fn open(file: File, len: u64) -> bool {
    let Ok(snapshot) = Snapshot::from_file(file, len, 1 << 20) else {
        return false;
    };
    let whole = snapshot.verify().is_ok();
    for range in snapshot.present().into_iter().take(64) {
        let some = range.len().min(SHORT);
        let mut bytes = vec![0; usize::try_from(some).unwrap_or_default()];
        let read = snapshot.read(range.start(), &mut bytes);
        assert!(
            read.is_ok() || !whole,
            "{range:?} is said to be there, and {read:?}"
        );
    }
    if snapshot.image_len().is_some_and(|len| len <= SHORT) {
        let _ = snapshot.image();
    }
    let _ = (snapshot.facts(), snapshot.absent(), snapshot.is_redacted());
    true
}
