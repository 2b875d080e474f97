//! [`SnapshotWriter`]: writes a snapshot, a piece at a time.
//!
//! Never holds more than a few MiB, however large the target. The file gets its name when
//! it is whole (see [`crate::unfinished`]): whatever ends us before, no half snapshot lies there.
//!
//! Does not decide which memory is worth keeping, and does not stop the target: how consistent the
//! copy is depends on the memory that is given.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use letgo_target::{Addr, AddrRange, Fault, OS_PAGE, ReadMemory};

use crate::blocks::{BLOCK, Block, Blocks};
use crate::bytes::checksum;
use crate::format::{HEADER_BYTES, Header, Kind, Place, REDACTED, Section, encode_directory};
use crate::pool::{Job, Pool};
use crate::runs::{Content, Run, Runs, push};
use crate::sections::MOST_SECTION_BYTES;
use crate::unfinished::{Unfinished, folder_of};
use crate::{Error, Facts};

/// Bytes read of the target at once.
const CHUNK: u64 = 1 << 20;
/// Bytes of an os page.
const PAGE: usize = 4096;
const ZEROS: [u8; PAGE] = [0; PAGE];
/// Level of the sections, which are small.
const SECTION_LEVEL: i32 = 3;

/// Changes bytes of the target, which lie at the address given, before they are kept. It is called
/// with up to 1 MiB at a time, cut at os pages.
pub type Transform = Box<dyn Fn(Addr, &mut [u8]) + Send>;

/// How a snapshot is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// Whether a file that is there already may be replaced.
    pub overwrite: bool,
    /// Level of zstd: 1 writes a GB in about a second of CPU time.
    pub level: i32,
    /// Threads that compress, beside the one that reads.
    pub threads: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            overwrite: false,
            level: 1,
            threads: 2,
        }
    }
}

/// What became of memory that was to be kept, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Copied {
    /// Kept with their content.
    pub data: u64,
    /// Known to be zero.
    pub zero: u64,
    /// Not resident when they were asked for.
    pub not_resident: u64,
    /// Could not be read.
    pub not_kept: u64,
}

/// What was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Written {
    /// All memory that was given.
    pub memory: Copied,
    /// Bytes of the executable.
    pub image: u64,
    /// Bytes of the file.
    pub file: u64,
}

/// A snapshot that is being written. Dropped before [`SnapshotWriter::finish`], it leaves nothing.
pub struct SnapshotWriter {
    path: PathBuf,
    file: Unfinished,
    options: Options,
    transform: Option<Transform>,
    /// Where the next block goes.
    end: u64,
    pool: Pool,
    blocks: Blocks,
    /// The block that is being filled.
    filling: Job,
    /// Number of the block that is being filled.
    next: usize,
    /// Blocks that are done before earlier ones are.
    early: BTreeMap<usize, Job>,
    memory: Runs,
    image: Option<Runs>,
    written: Written,
}

impl SnapshotWriter {
    /// Checks what can be known of `path` before anything is read or held.
    ///
    /// # Errors
    /// As [`SnapshotWriter::create`].
    pub fn check(path: &Path, options: Options) -> Result<(), Error> {
        let folder = folder_of(path);
        if path.file_name().is_none() || path.is_dir() {
            return Err(Error::File {
                what: format!("write {}", path.display()),
                reason: "it is a folder".to_owned(),
            });
        }
        if !folder.is_dir() {
            return Err(Error::NoFolder {
                path: path.display().to_string(),
                folder: folder.display().to_string(),
            });
        }
        match !options.overwrite && path.symlink_metadata().is_ok() {
            true => Err(exists(path)),
            false => Ok(()),
        }
    }

    /// Begins a snapshot that is to lie at `path`.
    ///
    /// # Errors
    /// [`Error::Exists`] where something is there and may not be replaced; [`Error::NoFolder`]
    /// where there is nothing for it to lie in; [`Error::File`] or
    /// [`Error::Denied`] where the folder cannot be written to.
    pub fn create(path: &Path, options: Options) -> Result<SnapshotWriter, Error> {
        SnapshotWriter::check(path, options)?;
        let file = Unfinished::create(path).map_err(|error| failed(path, &error))?;
        let mut pool = Pool::new(options.threads, options.level)?;
        Ok(SnapshotWriter {
            path: path.to_owned(),
            file,
            options,
            transform: None,
            end: HEADER_BYTES as u64,
            filling: pool.buffer(),
            pool,
            blocks: Blocks::new(),
            next: 0,
            early: BTreeMap::new(),
            memory: Runs::default(),
            image: None,
            written: Written::default(),
        })
    }

    /// Passes all memory given from now on through `transform`, and says in the file that its
    /// contents were dropped. The image is not passed through it.
    pub fn redact(&mut self, transform: Transform) {
        self.transform = Some(transform);
    }

    /// Keeps the bytes of the executable's file. A second call replaces what the first gave.
    ///
    /// # Errors
    /// Where it cannot be read, or the snapshot not be written.
    pub fn image(&mut self, reader: &mut dyn Read) -> Result<u64, Error> {
        let mut chunk = vec![0; BLOCK];
        let mut runs = Vec::new();
        let mut at = Addr::NULL;
        loop {
            let len = fill(reader, &mut chunk)
                .map_err(|error| Error::from_io("read the executable", &error))?;
            let Some(bytes) = chunk.get(..len).filter(|bytes| !bytes.is_empty()) else {
                break;
            };
            self.keep(at, bytes, &mut runs)?;
            at = at.add(len as u64);
        }
        let mut image = Runs::default();
        image.insert(&runs);
        self.image = Some(image);
        self.written.image = at.0;
        Ok(at.0)
    }

    /// Keeps the bytes of `range`. What was given before is not read again.
    ///
    /// What cannot be read is kept as such and counted.
    ///
    /// # Errors
    /// Where the whole target cannot be read any more, or the snapshot not be written.
    ///
    /// # Consistency
    /// Reads 1 MiB after the other; a running target changes meanwhile.
    pub fn memory(&mut self, range: AddrRange, memory: &dyn ReadMemory) -> Result<Copied, Error> {
        let mut copied = Copied::default();
        let mut chunk = Vec::new();
        for gap in self.memory.gaps(range) {
            let mut runs = Vec::new();
            let mut at = gap.start();
            while at < gap.end() {
                let end = at.add(1).align_up(CHUNK).min(gap.end());
                self.copy(AddrRange::new(at, end), memory, &mut chunk, &mut runs)?;
                at = end;
            }
            for run in &runs {
                copied.add(run);
                self.written.memory.add(run);
            }
            self.memory.insert(&runs);
        }
        Ok(copied)
    }

    /// Keeps at most a chunk.
    fn copy(
        &mut self,
        range: AddrRange,
        memory: &dyn ReadMemory,
        chunk: &mut Vec<u8>,
        runs: &mut Vec<Run>,
    ) -> Result<(), Error> {
        chunk.resize(usize::try_from(range.len()).unwrap_or_default(), 0);
        match memory.read(range.start(), chunk) {
            Ok(()) => return self.keep_memory(range.start(), chunk, runs),
            Err(fault @ (Fault::Gone | Fault::Denied { .. })) => return Err(fault.into()),
            Err(_) => {}
        }
        let mut at = range.start();
        while at < range.end() {
            let end = at.add(1).align_up(OS_PAGE).min(range.end());
            let part = AddrRange::new(at, end);
            chunk.resize(usize::try_from(part.len()).unwrap_or_default(), 0);
            let content = match memory.read(at, chunk) {
                Ok(()) => {
                    self.keep_memory(at, chunk, runs)?;
                    at = end;
                    continue;
                }
                Err(fault @ (Fault::Gone | Fault::Denied { .. })) => return Err(fault.into()),
                Err(Fault::NotResident { .. }) => Content::NotResident,
                Err(_) => Content::NotKept,
            };
            push(
                runs,
                Run {
                    range: part,
                    content,
                },
            );
            at = end;
        }
        Ok(())
    }

    fn keep_memory(
        &mut self,
        at: Addr,
        bytes: &mut [u8],
        runs: &mut Vec<Run>,
    ) -> Result<(), Error> {
        if let Some(transform) = &self.transform {
            transform(at, bytes);
        }
        self.keep(at, bytes, runs)
    }

    /// Adds bytes to the data, but for os pages that are zero.
    fn keep(&mut self, addr: Addr, bytes: &[u8], runs: &mut Vec<Run>) -> Result<(), Error> {
        let (mut at, mut rest) = (addr, bytes);
        while !rest.is_empty() {
            let left = at.add(1).align_up(OS_PAGE).since(at);
            let len = usize::try_from(left).unwrap_or(PAGE).min(rest.len());
            let (page, behind) = rest.split_at_checked(len).unwrap_or((rest, &[]));
            let content = if Some(page) == ZEROS.get(..page.len()) {
                Content::Zero
            } else {
                let position = self.position();
                self.add(page)?;
                Content::Data(position)
            };
            let range = AddrRange::sized(at, page.len() as u64);
            push(runs, Run { range, content });
            at = range.end();
            rest = behind;
        }
        Ok(())
    }

    /// How many bytes the data has.
    fn position(&self) -> u64 {
        (self.next * BLOCK + self.filling.raw.len()) as u64
    }

    fn add(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            let room = BLOCK - self.filling.raw.len();
            let (now, later) = bytes
                .split_at_checked(room.min(bytes.len()))
                .unwrap_or((bytes, &[]));
            self.filling.raw.extend_from_slice(now);
            if self.filling.raw.len() == BLOCK {
                self.flush()?;
            }
            bytes = later;
        }
        Ok(())
    }

    /// Gives the block that is being filled to be compressed, and writes those that are done.
    fn flush(&mut self) -> Result<(), Error> {
        let empty = self.pool.buffer();
        let mut full = std::mem::replace(&mut self.filling, empty);
        full.number = self.next;
        self.next += 1;
        self.pool.give(full)?;
        self.collect(false)
    }

    /// Writes blocks that are done, in order.
    fn collect(&mut self, all: bool) -> Result<(), Error> {
        while let Some(job) = self.pool.next(all)? {
            self.early.insert(job.number, job);
            while let Some(job) = self.early.remove(&self.blocks.count()) {
                let place = self.put(&job.stored, job.checksum)?;
                self.blocks.push(Block {
                    place,
                    raw_len: job.raw.len(),
                });
                self.pool.recycle(job);
            }
        }
        Ok(())
    }

    /// Writes bytes behind all others.
    fn put(&mut self, bytes: &[u8], checksum: u64) -> Result<Place, Error> {
        let place = Place {
            offset: self.end,
            len: bytes.len() as u64,
            checksum,
        };
        self.file
            .file()
            .write_all_at(bytes, place.offset)
            .map_err(|error| failed(&self.path, &error))?;
        self.end += place.len;
        Ok(place)
    }

    fn section(&mut self, kind: Kind, raw: &[u8]) -> Result<Section, Error> {
        let raw_len = raw.len() as u64;
        if raw_len > MOST_SECTION_BYTES {
            return Err(Error::File {
                what: "write the snapshot".to_owned(),
                reason: format!("{raw_len} bytes of tables are more than it may have"),
            });
        }
        let stored = zstd::bulk::compress(raw, SECTION_LEVEL)
            .map_err(|error| Error::from_io("compress a section", &error))?;
        let place = self.put(&stored, checksum(&stored))?;
        Ok(Section {
            kind,
            place,
            raw_len,
        })
    }

    /// Writes the facts and all tables, and gives the file its name once it is on the disk.
    ///
    /// # Errors
    /// Where it cannot be written, or something of that name has come into being meanwhile.
    pub fn finish(mut self, facts: &Facts) -> Result<Written, Error> {
        if !self.filling.raw.is_empty() {
            self.flush()?;
        }
        self.collect(true)?;
        let json = serde_json::to_vec(facts).map_err(|error| Error::File {
            what: "write the facts".to_owned(),
            reason: error.to_string(),
        })?;
        let (blocks, memory) = (self.blocks.encode(), self.memory.encode());
        let mut sections = vec![
            self.section(Kind::FACTS, &json)?,
            self.section(Kind::BLOCKS, &blocks)?,
            self.section(Kind::MEMORY, &memory)?,
        ];
        if let Some(image) = self.image.take() {
            sections.push(self.section(Kind::IMAGE, &image.encode())?);
        }
        let directory = encode_directory(&sections);
        let directory = self.put(&directory, checksum(&directory))?;
        let redacted = self.transform.is_some();
        let header = Header {
            flags: if redacted { REDACTED } else { 0 },
            directory,
            file_len: self.end,
        };
        let error = |error: std::io::Error| failed(&self.path, &error);
        let file = self.file.file();
        file.write_all_at(&header.encode(), 0).map_err(error)?;
        file.sync_all().map_err(error)?;
        self.written.file = self.end;
        self.name()
    }

    fn name(self) -> Result<Written, Error> {
        let named = self.file.name(&self.path, self.options.overwrite);
        named.map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => exists(&self.path),
            _ => failed(&self.path, &error),
        })?;
        // The name is on the disk too, where the file system can tell.
        if let Ok(folder) = File::open(folder_of(&self.path)) {
            let _ = folder.sync_all();
        }
        Ok(self.written)
    }
}

impl Copied {
    fn add(&mut self, run: &Run) {
        let field = match run.content {
            Content::Data(_) => &mut self.data,
            Content::Zero => &mut self.zero,
            Content::NotResident => &mut self.not_resident,
            Content::NotKept => &mut self.not_kept,
        };
        *field += run.range.len();
    }
}

/// Fills `buf` as far as `reader` goes.
fn fill(reader: &mut dyn Read, buf: &mut [u8]) -> std::io::Result<usize> {
    let mut len = 0;
    while let Some(rest) = buf.get_mut(len..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest) {
            Ok(0) => break,
            Ok(more) => len += more,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(len)
}

fn exists(path: &Path) -> Error {
    Error::Exists {
        path: path.display().to_string(),
    }
}

fn failed(path: &Path, error: &std::io::Error) -> Error {
    Error::from_io(format!("write {}", path.display()), error)
}
