//! What is written comes back, and nothing else lies about.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Mutex;

use letgo_snapshot::{Copied, Error, Facts, Options, Snapshot, SnapshotWriter, ThreadFacts};
use letgo_target::{
    Addr, AddrRange, Fault, Mapping, OS_PAGE, PageKind, PageRun, ReadMemory, Registers, Residency,
    SliceMemory, read_u64,
};

const MIB: u64 = 1 << 20;

/// A target whose os pages are data, zero, not resident, or not there, by their number.
struct Mixed {
    /// Addresses that were read.
    read: Mutex<Vec<(Addr, usize)>>,
}

impl Mixed {
    fn new() -> Mixed {
        Mixed {
            read: Mutex::default(),
        }
    }

    fn page(number: u64) -> Result<Vec<u8>, fn(Addr, u64) -> Fault> {
        match number % 7 {
            0 => Ok(vec![0; 4096]),
            3 if number.is_multiple_of(2) => Err(|addr, len| Fault::NotResident { addr, len }),
            4 if number.is_multiple_of(11) => Err(|addr, len| Fault::Unmapped { addr, len }),
            _ => {
                let word = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
                let mut page = word.repeat(256);
                page.resize(4096, 0);
                Ok(page)
            }
        }
    }
}

impl ReadMemory for Mixed {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        self.read.lock().unwrap().push((addr, buf.len()));
        let len = buf.len() as u64;
        let mut at = addr;
        for part in pages(addr, buf) {
            let page = Mixed::page(at.0 / OS_PAGE).map_err(|fault| fault(addr, len))?;
            let inside = usize::try_from(at.0 % OS_PAGE).unwrap();
            part.copy_from_slice(&page[inside..inside + part.len()]);
            at = at.add(part.len() as u64);
        }
        Ok(())
    }
}

/// `buf`, which lies at `addr`, cut at os pages.
fn pages(addr: Addr, buf: &mut [u8]) -> impl Iterator<Item = &mut [u8]> {
    let first = usize::try_from(addr.add(1).align_up(OS_PAGE).since(addr)).unwrap();
    let (head, tail) = buf.split_at_mut(first.min(buf.len()));
    std::iter::once(head).chain(tail.chunks_mut(4096))
}

fn written(path: &Path, ranges: &[AddrRange], memory: &dyn ReadMemory) -> Copied {
    let mut writer = SnapshotWriter::create(path, Options::default()).unwrap();
    for range in ranges {
        writer.memory(*range, memory).unwrap();
    }
    writer.finish(&Facts::default()).unwrap().memory
}

#[test]
fn every_page_comes_back_as_it_was_or_as_absent_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mixed.letgo");
    // Longer than a block of data, and beginning and ending within a page.
    let range = AddrRange::new(Addr(0x10_0123), Addr(0x10_0123 + 700 * OS_PAGE));
    let memory = Mixed::new();
    let copied = written(&path, &[range], &memory);
    let sum = copied.data + copied.zero + copied.not_resident + copied.not_kept;
    assert_eq!(sum, range.len());
    assert!(copied.data > MIB && copied.not_kept > 0, "{copied:?}");

    let snapshot = Snapshot::open(&path).unwrap();
    let known: u64 = snapshot.present().iter().map(|range| range.len()).sum();
    let absent: u64 = snapshot.absent().iter().map(|range| range.len()).sum();
    assert_eq!(known, copied.data + copied.zero);
    assert_eq!(absent, copied.not_resident + copied.not_kept);
    let mut at = range.start();
    while at < range.end() {
        let end = at.add(1).align_up(OS_PAGE).min(range.end());
        let mut buf = vec![9; usize::try_from(end.since(at)).unwrap()];
        let read = snapshot.read(at, &mut buf);
        match Mixed::page(at.0 / OS_PAGE) {
            Ok(page) => {
                read.unwrap();
                let from = usize::try_from(at.0 % OS_PAGE).unwrap();
                assert_eq!(buf, page[from..from + buf.len()], "at {at}");
            }
            Err(fault) => {
                let was = fault(at, buf.len() as u64);
                let kept = matches!(was, Fault::NotResident { .. });
                let is = read.unwrap_err();
                assert!(kept && is == was || !kept && matches!(is, Fault::NotKept { .. }));
            }
        }
        at = end;
    }
    let before = snapshot.read(Addr(0x10_0122), &mut [0; 2]).unwrap_err();
    assert!(matches!(before, Fault::Unmapped { .. }), "{before}");
}

#[test]
fn reads_cross_blocks_and_threads_share_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.letgo");
    let words: Vec<u8> = (1..=MIB).flat_map(u64::to_le_bytes).collect();
    let mut memory = SliceMemory::default();
    memory.map(Addr(0x4000_0000), words);
    let range = AddrRange::sized(Addr(0x4000_0000), 8 * MIB);
    let copied = written(&path, &[range], &memory);
    assert_eq!(copied.data, 8 * MIB);

    // Two blocks at most: nearly every read goes to the file.
    let snapshot = Snapshot::open_with(&path, 512 << 10).unwrap();
    let mut all = vec![0; 8 << 20];
    snapshot.read(range.start(), &mut all).unwrap();
    let expected = (1..=MIB).flat_map(u64::to_le_bytes);
    assert!(all.iter().copied().eq(expected));
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let snapshot = &snapshot;
            scope.spawn(move || {
                for step in 0..2000u64 {
                    let word = (step * 7919 + thread * 104_729) % MIB;
                    let at = Addr(0x4000_0000 + 8 * word);
                    assert_eq!(read_u64(snapshot, at), Ok(word + 1));
                }
            });
        }
    });
    let verified = snapshot.verify().unwrap();
    assert_eq!((verified.blocks, verified.bytes), (32, 8 * MIB));
}

#[test]
fn what_was_given_before_is_not_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("twice.letgo");
    let memory = Mixed::new();
    let page = |number: u64| AddrRange::sized(Addr(number * OS_PAGE), OS_PAGE);
    written(&path, &[page(9), page(11), page(9)], &memory);
    let wide = AddrRange::new(Addr(8 * OS_PAGE), Addr(13 * OS_PAGE));
    let again = Mixed::new();
    let options = Options {
        overwrite: true,
        ..Options::default()
    };
    let mut writer = SnapshotWriter::create(&path, options).unwrap();
    writer.memory(page(9), &again).unwrap();
    writer.memory(page(11), &again).unwrap();
    let copied = writer.memory(wide, &again).unwrap();
    assert_eq!(copied.data + copied.zero + copied.not_resident, 3 * OS_PAGE);
    writer.finish(&Facts::default()).unwrap();
    let read = again.read.lock().unwrap();
    let nine = read.iter().filter(|(at, _)| *at == Addr(9 * OS_PAGE));
    assert_eq!(nine.count(), 1);
}

fn facts() -> Facts {
    let mut residency = Residency::default();
    residency.push(PageRun {
        range: AddrRange::sized(Addr(0xc0_0000_0000), 3 * OS_PAGE),
        kind: PageKind::AnonHuge,
    });
    Facts {
        letgo_version: Some("0.1.0".to_owned()),
        pid: Some(42),
        entry: Some(Addr(u64::MAX)),
        auxv: vec![(9, 0x40_1000), (33, 1 << 63)],
        threads: vec![ThreadFacts {
            tid: 43,
            registers: Registers {
                rip: u64::MAX - 1,
                system_call: Some(202),
                ..Registers::default()
            },
        }],
        mappings: vec![Mapping {
            range: AddrRange::sized(Addr(0x40_0000), OS_PAGE),
            name: "/srv/a \"b\"\n".to_owned(),
            ..Mapping::default()
        }],
        residency: Some(residency),
        smaps: [("Rss".to_owned(), 12_288)].into(),
        surroundings: serde_json::json!({"env": {"GOGC": "off"}, "limit": 18_446_744_073_709_551_615_u64}),
        ..Facts::default()
    }
}

#[test]
fn facts_and_image_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("facts.letgo");
    let mut image = vec![0u8; 3 << 20];
    image[0] = 0x7f;
    image[2 << 20] = 1;
    image.truncate((3 << 20) - 77);
    let mut writer = SnapshotWriter::create(&path, Options::default()).unwrap();
    let len = writer.image(&mut image.as_slice()).unwrap();
    assert_eq!(len, image.len() as u64);
    let written = writer.finish(&facts()).unwrap();
    assert_eq!(written.image, len);
    assert_eq!(written.file, path.metadata().unwrap().len());
    assert!(written.file < 4096, "zeros take no room: {written:?}");

    let snapshot = Snapshot::open(&path).unwrap();
    assert_eq!(snapshot.facts(), &facts());
    assert_eq!(snapshot.image_len(), Some(len));
    assert!(snapshot.image().unwrap().unwrap() == image);
    assert!(!snapshot.is_redacted());
    assert!(snapshot.present().is_empty());
}

#[test]
fn facts_of_an_older_and_of_a_newer_letgo_are_read() {
    let older: Facts = serde_json::from_str("{}").unwrap();
    assert_eq!(older, Facts::default());
    let newer =
        r#"{"pid": 7, "phase_of_the_moon": {"full": true}, "threads": [{"tid": 1, "fpu": 1}]}"#;
    let newer: Facts = serde_json::from_str(newer).unwrap();
    assert_eq!((newer.pid, newer.threads.len()), (Some(7), 1));
}

#[test]
fn a_redaction_changes_what_is_kept_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("redacted.letgo");
    let mut memory = SliceMemory::default();
    memory.map(Addr(0x1000), b"a secret of the target".repeat(1000));
    let mut writer = SnapshotWriter::create(&path, Options::default()).unwrap();
    writer.redact(Box::new(|addr, bytes| {
        for (byte, at) in bytes.iter_mut().zip(addr.0..) {
            *byte = u8::try_from(at % 251).unwrap();
        }
    }));
    let range = AddrRange::sized(Addr(0x1000), 22_000);
    writer.memory(range, &memory).unwrap();
    writer.finish(&Facts::default()).unwrap();
    let snapshot = Snapshot::open(&path).unwrap();
    assert!(snapshot.is_redacted());
    let mut bytes = vec![0; 22_000];
    snapshot.read(Addr(0x1000), &mut bytes).unwrap();
    assert!(
        bytes
            .iter()
            .zip(0x1000..)
            .all(|(byte, at)| u64::from(*byte) == at % 251)
    );
}

#[test]
fn no_file_lies_there_before_it_is_whole_and_none_is_replaced_unasked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("one.letgo");
    let entries = || std::fs::read_dir(folder.path()).unwrap().count();
    let writer = SnapshotWriter::create(&path, Options::default()).unwrap();
    assert!(!path.exists());
    drop(writer);
    assert_eq!(entries(), 0, "what was begun is gone");

    let writer = SnapshotWriter::create(&path, Options::default()).unwrap();
    std::fs::write(&path, "someone else's").unwrap();
    let error = writer.finish(&Facts::default()).unwrap_err();
    assert!(matches!(error, Error::Exists { .. }), "{error}");
    let error = SnapshotWriter::create(&path, Options::default())
        .err()
        .unwrap();
    assert!(matches!(error, Error::Exists { .. }), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"someone else's");
    assert_eq!(entries(), 1);

    let options = Options {
        overwrite: true,
        ..Options::default()
    };
    let writer = SnapshotWriter::create(&path, options).unwrap();
    writer.finish(&Facts::default()).unwrap();
    let mode = path.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(Snapshot::open(&path).is_ok());
    assert_eq!(entries(), 1);
}

#[test]
fn a_target_that_dies_meanwhile_is_an_error_and_leaves_nothing() {
    struct Dying;
    impl ReadMemory for Dying {
        fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
            if addr.0 >= 4 * MIB {
                return Err(Fault::Gone);
            }
            buf.fill(1);
            Ok(())
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dead.letgo");
    let mut writer = SnapshotWriter::create(&path, Options::default()).unwrap();
    let range = AddrRange::new(Addr(MIB), Addr(9 * MIB));
    let error = writer.memory(range, &Dying).unwrap_err();
    assert_eq!(error, Error::Fault(Fault::Gone));
    drop(writer);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn the_same_target_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let range = AddrRange::sized(Addr(0x10_0000), 2000 * OS_PAGE);
    let files = ["a", "b"].map(|name| {
        let path = folder.path().join(name);
        written(&path, &[range], &Mixed::new());
        std::fs::read(path).unwrap()
    });
    assert!(files[0] == files[1]);
}
