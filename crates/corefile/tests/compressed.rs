//! Cores as people leave them: compressed, cut, damaged.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use letgo_corefile::{CoreFile, Error, Options, Progress};
use letgo_target::{Addr, ReadMemory, read_u64};
use letgo_testkit::{SyntheticCore, skip};

const HEAP: u64 = 0xc0_0000_0000;
const WORDS: u64 = 1 << 17;

/// A core of 1 MiB of words that do not compress well, and 16 MiB of zeros.
fn core() -> Vec<u8> {
    let words = (0..WORDS).map(|index| index.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let heap: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
    SyntheticCore::default()
        .thread(1, 0, [0; 27])
        .load(HEAP, 6, &heap, 8 * WORDS)
        .load(2 * HEAP, 6, &vec![0; 16 << 20], 16 << 20)
        .build()
}

type Pack = fn(&[u8]) -> Vec<u8>;

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn lz4(bytes: &[u8]) -> Vec<u8> {
    let info = lz4_flex::frame::FrameInfo::new()
        .content_checksum(true)
        .block_size(lz4_flex::frame::BlockSize::Max64KB);
    let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let options = lzma_rust2::XzOptions::with_preset(1);
    let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

const PACKS: [(&str, Pack); 4] = [("zstd", zstd), ("lz4", lz4), ("xz", xz), ("gzip", gzip)];

/// A file of these bytes, under a name that says nothing.
fn saved(folder: &Path, bytes: &[u8]) -> PathBuf {
    let path = folder.join("core.of.something");
    std::fs::write(&path, bytes).unwrap();
    path
}

fn check(core: &CoreFile) {
    for index in [0, 1, WORDS / 2, WORDS - 1] {
        let word = read_u64(core, Addr(HEAP + 8 * index));
        assert_eq!(word, Ok(index.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    }
    let mut zeros = [1; 4096];
    core.read(Addr(2 * HEAP + (16 << 20) - 4096), &mut zeros)
        .unwrap();
    assert_eq!(zeros, [0; 4096]);
    assert!(core.coverage().is_complete(), "{:?}", core.coverage());
}

#[test]
fn each_kind_is_told_by_its_bytes_and_gives_the_same_core() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = core();
    check(&CoreFile::open(&saved(folder.path(), &bytes)).unwrap());
    for (name, pack) in PACKS {
        eprintln!("{name}");
        let path = saved(folder.path(), &pack(&bytes));
        check(&CoreFile::open(&path).unwrap());
        // Two streams, one behind the other.
        let (head, tail) = bytes.split_at(bytes.len() / 3);
        let path = saved(folder.path(), &[pack(head), pack(tail)].concat());
        check(&CoreFile::open(&path).unwrap());
    }
}

#[test]
fn what_the_usual_tools_write_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let plain = saved(folder.path(), &core());
    for tool in ["zstd", "lz4", "xz", "gzip"] {
        let input = std::fs::File::open(&plain).unwrap();
        let output = Command::new(tool).arg("-c").stdin(input).output();
        let Ok(output) = output else {
            skip!("{tool} is not here");
        };
        let path = folder.path().join(tool);
        std::fs::write(&path, output.stdout).unwrap();
        check(&CoreFile::open(&path).unwrap());
    }
}

#[test]
fn a_stream_that_ends_too_early_gives_what_it_held_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = core();
    for (name, pack) in PACKS {
        let packed = pack(&bytes);
        for part in 1..20 {
            let cut = &packed[..packed.len() * part / 20];
            match CoreFile::open(&saved(folder.path(), cut)) {
                Ok(core) => {
                    let coverage = core.coverage();
                    assert!(!coverage.is_complete(), "{name}: {part} of 20 parts");
                    assert!(!core.lost().is_empty() || part > 10);
                }
                // Not even headers: a reader gives nothing before its first block is whole, and
                // here that is most of the file.
                Err(error) => {
                    assert!(part < 19, "{name}: {part}: {error}");
                    assert!(error.to_string().contains("too early"), "{error}");
                }
            }
        }
    }
}

#[test]
fn a_stream_that_does_not_check_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = core();
    for (name, pack) in PACKS {
        let mut packed = pack(&bytes);
        let middle = packed.len() / 2;
        packed[middle] ^= 0x10;
        let error = CoreFile::open(&saved(folder.path(), &packed)).unwrap_err();
        assert!(
            matches!(error, Error::Inconsistent { .. }),
            "{name}: {error}"
        );
        assert!(error.to_string().contains("stream"), "{name}: {error}");
    }
}

#[test]
fn what_would_take_too_much_room_is_refused_and_holes_take_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = saved(folder.path(), &zstd(&core()));
    let mut seen = Vec::new();
    let mut note = |progress: Progress| seen.push(progress);
    let mut options = Options::new(&mut note);
    options.most_written = 2 << 20;
    options.folder = Some(folder.path().to_owned());
    check(&CoreFile::open_with(&path, &mut options).unwrap());
    options.most_written = 1 << 19;
    let error = CoreFile::open_with(&path, &mut options).unwrap_err();
    assert!(
        matches!(error, Error::TooLarge { limit: 0x8_0000 }),
        "{error}"
    );
    options.most_written = 2 << 20;
    options.most_apparent = 8 << 20;
    let error = CoreFile::open_with(&path, &mut options).unwrap_err();
    assert!(
        matches!(error, Error::TooLarge { limit: 0x80_0000 }),
        "{error}"
    );
    options.folder = Some(folder.path().join("nowhere"));
    let error = CoreFile::open_with(&path, &mut options).unwrap_err();
    assert!(error.to_string().contains("nowhere"), "{error}");
    let last = seen.iter().map(|progress| progress.made).max();
    assert!(last > Some(17 << 20), "{last:?}");
    assert!(seen.iter().all(|progress| progress.read <= progress.of));
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 1, "nothing is left behind");
}
