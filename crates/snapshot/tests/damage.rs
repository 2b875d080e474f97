//! A snapshot that is not what was written is noticed, whatever happened to it.

use std::path::Path;

use letgo_snapshot::{Error, Facts, Options, Snapshot, SnapshotWriter, fuzzing};
use letgo_target::{Addr, AddrRange, Coverage, Fault, ReadMemory, SliceMemory};

const BASE: Addr = Addr(0xc0_0000_0000);
const LEN: usize = 5 * 4096;

/// A small snapshot: zero pages, one that compresses, one that does not, an image.
fn small(path: &Path) {
    let mut bytes = vec![0; LEN];
    bytes[4096..8192].copy_from_slice(&b"let go! ".repeat(512));
    let mut noise = 0x1234_5678_9abc_def1u64;
    for byte in &mut bytes[8192..9192] {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        *byte = noise.to_le_bytes()[0];
    }
    let mut memory = SliceMemory::default();
    memory.map(BASE, bytes);
    let mut coverage = Coverage::default();
    coverage.skip("mspan", "its base is nowhere");
    let facts = Facts {
        pid: Some(7),
        exe: Some("/srv/api".to_owned()),
        coverage: Some(coverage),
        ..Facts::default()
    };
    let mut writer = SnapshotWriter::create(path, Options::default()).unwrap();
    writer.image(&mut b"\x7fELF image".as_slice()).unwrap();
    let range = AddrRange::sized(BASE, LEN as u64 + 4096);
    writer.memory(range, &memory).unwrap();
    writer.finish(&facts).unwrap();
}

/// All that can be had of a snapshot, or the first error.
type Content = (
    Facts,
    bool,
    Option<Vec<u8>>,
    Vec<AddrRange>,
    Vec<AddrRange>,
    Vec<u8>,
);

fn content(path: &Path) -> Result<Content, Error> {
    let snapshot = Snapshot::open(path)?;
    let mut bytes = vec![0; LEN];
    snapshot.read(BASE, &mut bytes)?;
    Ok((
        snapshot.facts().clone(),
        snapshot.is_redacted(),
        snapshot.image()?,
        snapshot.present(),
        snapshot.absent(),
        bytes,
    ))
}

#[test]
fn any_flipped_byte_gives_an_error_and_never_other_content() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.letgo");
    small(&path);
    let whole = std::fs::read(&path).unwrap();
    let content_before = content(&path).unwrap();
    let damaged = folder.path().join("damaged.letgo");
    let mut noticed = 0;
    for at in 0..whole.len() {
        for flip in [1, 0x80] {
            let mut bytes = whole.clone();
            bytes[at] ^= flip;
            std::fs::write(&damaged, &bytes).unwrap();
            match content(&damaged) {
                Err(_) => noticed += 1,
                Ok(after) => assert!(after == content_before, "byte {at} ^ {flip:#x}"),
            }
            let verified = Snapshot::open(&damaged).and_then(|snapshot| snapshot.verify());
            assert!(verified.is_err(), "byte {at} ^ {flip:#x} is not noticed");
        }
    }
    assert_eq!(noticed, 2 * whole.len(), "every byte is under a checksum");
}

#[test]
fn a_file_that_was_cut_or_added_to_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.letgo");
    small(&path);
    let whole = std::fs::read(&path).unwrap();
    let damaged = folder.path().join("damaged.letgo");
    for len in 0..whole.len() {
        std::fs::write(&damaged, &whole[..len]).unwrap();
        let error = Snapshot::open(&damaged).unwrap_err();
        let kept_magic = len >= 8;
        assert_eq!(
            matches!(error, Error::Inconsistent { .. }),
            kept_magic,
            "{len}: {error}"
        );
    }
    let mut longer = whole.clone();
    longer.push(0);
    std::fs::write(&damaged, &longer).unwrap();
    let error = Snapshot::open(&damaged).unwrap_err();
    let text = error.to_string();
    let expected = format!(
        "has {} bytes, and {} were written",
        longer.len(),
        whole.len()
    );
    assert!(text.contains(&expected), "{text}");
    // Written without its header, as a letgo that was killed leaves it.
    let mut unfinished = whole.clone();
    unfinished[..64].fill(0);
    std::fs::write(&damaged, unfinished).unwrap();
    assert!(Snapshot::open(&damaged).is_err());
}

#[test]
fn damage_in_one_block_is_a_fault_there_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.letgo");
    let mut memory = SliceMemory::default();
    memory.map(BASE, vec![7; 4 << 20]);
    let range = AddrRange::sized(BASE, 4 << 20);
    let mut writer = SnapshotWriter::create(&path, Options::default()).unwrap();
    writer.memory(range, &memory).unwrap();
    writer.finish(&Facts::default()).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[64] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let snapshot = Snapshot::open(&path).unwrap();
    let mut word = [0; 8];
    let fault = snapshot.read(BASE, &mut word).unwrap_err();
    assert!(matches!(fault, Fault::Corrupt { .. }), "{fault}");
    let text = fault.to_string();
    assert!(
        text.contains("0xc000000000") && text.contains("checksum"),
        "{text}"
    );
    snapshot.read(BASE.add(2 << 20), &mut word).unwrap();
    assert_eq!(word, [7; 8]);
    assert!(snapshot.verify().is_err());
}

#[test]
fn what_is_no_snapshot_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    std::fs::write(&path, b"\x7fELF").unwrap();
    let error = Snapshot::open(&path).unwrap_err();
    assert!(error.to_string().contains("letgo snap"), "{error}");
    assert!(Snapshot::open(folder.path()).is_err());
    let error = Snapshot::open(&folder.path().join("nothing")).unwrap_err();
    assert!(
        error.to_string().contains("nothing: No such file"),
        "{error}"
    );
}

#[test]
fn tables_of_any_bytes_are_survived() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.letgo");
    small(&path);
    let whole = std::fs::read(path).unwrap();
    assert!(fuzzing::file(&whole));
    let seed = include_bytes!("../../../fuzz/seeds/snapshot/tables");
    assert!(fuzzing::tables(seed), "the fuzzer starts from sound tables");
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] = 0xff;
        fuzzing::file(&bytes);
        fuzzing::tables(&bytes[at..]);
    }
}
