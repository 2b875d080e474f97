//! Cores that were compressed: recognised by their first bytes, and decompressed into a file that
//! nobody else can open.
//!
//! `systemd-coredump` writes zstd, before that lz4 and xz; people use gzip. The decompressed core
//! goes into an unlinked temporary file (mode 0600, in `TMPDIR`), with holes where it is zero, so
//! that nothing is left behind however we end.
//!
//! A stream that ends too early gives what it held, and says so; one that does not check is an
//! error.
//!
//! Source: RFC 8878 (zstd), the LZ4 frame format 1.6, the .xz file format 1.2, RFC 1952 (gzip).

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use crate::Error;

/// Bytes of the window that a zstd stream may ask for, as a power of two. What `zstd` itself
/// accepts without `--long`; systemd writes smaller ones.
const ZSTD_WINDOW_LOG: u32 = 27;
/// KiB of memory that an xz stream may ask for; `xz -9` asks for 65 MiB.
const XZ_MEMORY: u32 = 256 << 10;
/// Bytes decompressed at once.
const CHUNK: usize = 1 << 20;
/// Bytes asked of a decoder at once: what it has when its input ends, it may not give.
const AT_ONCE: usize = 64 << 10;
/// Holes are multiples of this.
const HOLE: usize = 4096;
/// A chunk without anything in it.
const ZEROS: [u8; HOLE] = [0; HOLE];

/// How far decompressing has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Compressed bytes read so far.
    pub read: u64,
    /// Compressed bytes altogether.
    pub of: u64,
    /// Bytes of core so far, holes included.
    pub made: u64,
}

/// How a core is opened.
pub struct Options<'a> {
    /// Most bytes that a compressed core may take on the disk: 64 GiB, a heap that a machine of
    /// today holds.
    pub most_written: u64,
    /// Most bytes that it may have with holes: 1 TiB. Cores of programs that reserve much are
    /// mostly holes, and a stream of zeros must end some day.
    pub most_apparent: u64,
    /// Where the decompressed core goes; `TMPDIR` where it is not given.
    pub folder: Option<PathBuf>,
    /// Called for every MiB while decompressing.
    pub progress: &'a mut dyn FnMut(Progress),
}

impl Options<'_> {
    /// The usual limits, and `progress` told.
    pub fn new(progress: &mut dyn FnMut(Progress)) -> Options<'_> {
        Options {
            most_written: 64 << 30,
            most_apparent: 1 << 40,
            folder: None,
            progress,
        }
    }
}

/// How a file is compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Packing {
    Zstd,
    Lz4,
    Xz,
    Gzip,
}

impl Packing {
    /// Tells it from the file's first bytes.
    pub(crate) fn of(start: &[u8]) -> Option<Packing> {
        match start {
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Packing::Zstd),
            [0x04, 0x22, 0x4d, 0x18, ..] => Some(Packing::Lz4),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Packing::Xz),
            [0x1f, 0x8b, 8, ..] => Some(Packing::Gzip),
            _ => None,
        }
    }

    fn what(self) -> &'static str {
        match self {
            Packing::Zstd => "the zstd stream",
            Packing::Lz4 => "the lz4 stream",
            Packing::Xz => "the xz stream",
            Packing::Gzip => "the gzip stream",
        }
    }

    /// A reader of what `input` holds.
    fn reader<'a>(self, input: impl BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match self {
            Packing::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG)?;
                Box::new(decoder)
            }
            Packing::Lz4 => Box::new(lz4_flex::frame::FrameDecoder::new(input)),
            Packing::Xz => Box::new(lzma_rust2::XzReader::new_mem_limit(input, true, XZ_MEMORY)),
            Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(input)),
        })
    }
}

/// A decompressed core.
#[derive(Debug)]
pub(crate) struct Unpacked {
    pub(crate) file: File,
    /// Why it is not whole, if the stream ended too early.
    pub(crate) torn: Option<String>,
}

/// Decompresses `file`, which stands at its start.
pub(crate) fn unpack(
    file: &File,
    packing: Packing,
    options: &mut Options<'_>,
) -> Result<Unpacked, Error> {
    let folder = options.folder.clone().unwrap_or_else(std::env::temp_dir);
    let made = tempfile::tempfile_in(&folder).map_err(|error| {
        let what = format!("make a temporary file in {}", folder.display());
        Error::from_io(what, &error)
    })?;
    let input = BufReader::with_capacity(256 << 10, file);
    let mut reader = packing
        .reader(input)
        .map_err(|error| Error::inconsistent(packing.what(), 0, error.to_string()))?;
    let mut output = Sparse::new(&made, options.most_written);
    let of = file.metadata().map_or(0, |metadata| metadata.len());
    let mut chunk = vec![0; CHUNK];
    let mut torn = None;
    loop {
        let (len, end) = fill(&mut *reader, &mut chunk);
        output.put(chunk.get(..len).unwrap_or_default())?;
        let read = (&mut &*file).stream_position().unwrap_or_default();
        if output.len > options.most_apparent {
            let limit = options.most_apparent;
            return Err(Error::TooLarge { limit });
        }
        (options.progress)(Progress {
            read,
            of,
            made: output.len,
        });
        match end {
            None => {}
            Some(End::Whole) => break,
            Some(End::Torn) => {
                torn = Some(format!("{} ends too early", packing.what()));
                break;
            }
            Some(End::Damaged(why)) => {
                return Err(Error::inconsistent(packing.what(), read, why));
            }
        }
    }
    drop(reader);
    output.finish()?;
    Ok(Unpacked { file: made, torn })
}

/// How a stream ended.
enum End {
    Whole,
    Torn,
    Damaged(String),
}

/// Fills `chunk` as far as the stream goes, and says how it ended where it did.
fn fill(reader: &mut dyn Read, chunk: &mut [u8]) -> (usize, Option<End>) {
    let mut len = 0;
    // The lz4 reader returns nothing between two frames, once.
    let mut nothing = 0;
    while let Some(rest) = chunk.get_mut(len..).filter(|rest| !rest.is_empty()) {
        let some = rest.len().min(AT_ONCE);
        match reader.read(rest.get_mut(..some).unwrap_or_default()) {
            Ok(0) if nothing == 0 => nothing += 1,
            Ok(0) => return (len, Some(End::Whole)),
            Ok(more) => {
                nothing = 0;
                len += more;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return (len, Some(End::Torn));
            }
            Err(error) => return (len, Some(End::Damaged(error.to_string()))),
        }
    }
    (len, None)
}

/// A file that is written from start to end, with holes where it is zero.
struct Sparse<'a> {
    file: &'a File,
    len: u64,
    /// Bytes that were written, so without holes.
    written: u64,
    most_written: u64,
}

impl Sparse<'_> {
    fn new(file: &File, most_written: u64) -> Sparse<'_> {
        Sparse {
            file,
            len: 0,
            written: 0,
            most_written,
        }
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let mut run: Option<(u64, usize, usize)> = None;
        let mut index = 0;
        for part in bytes.chunks(HOLE) {
            let is_hole = Some(part) == ZEROS.get(..part.len());
            run = match run {
                Some((at, from, len)) if !is_hole => Some((at, from, len + part.len())),
                Some((at, from, len)) => {
                    self.write(at, bytes.get(from..from + len).unwrap_or_default())?;
                    None
                }
                None if !is_hole => Some((self.len, index, part.len())),
                None => None,
            };
            self.len += part.len() as u64;
            index += part.len();
        }
        match run {
            Some((at, from, len)) => {
                self.write(at, bytes.get(from..from + len).unwrap_or_default())
            }
            None => Ok(()),
        }
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), Error> {
        self.written += bytes.len() as u64;
        if self.written > self.most_written {
            let limit = self.most_written;
            return Err(Error::TooLarge { limit });
        }
        self.file.write_all_at(bytes, at).map_err(full)
    }

    /// Gives the file its length: it may end in a hole.
    fn finish(self) -> Result<(), Error> {
        self.file.set_len(self.len).map_err(full)
    }
}

#[allow(clippy::needless_pass_by_value, reason = "what `map_err` gives")]
fn full(error: io::Error) -> Error {
    let what = "write the decompressed core; TMPDIR names a folder with more room";
    Error::from_io(what, &error)
}
