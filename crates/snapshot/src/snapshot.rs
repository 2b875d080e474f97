//! [`Snapshot`]: a snapshot as a target.
//!
//! Blocks are decompressed when something in them is read, and the last few are kept; one that is
//! read whole goes to whoever reads it, and is not kept. Each part is checked when it is read: the
//! header, the directory and the tables when the file is opened, a block whenever it is taken from
//! the file.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use letgo_target::{Addr, AddrRange, Fault, ReadMemory};

use crate::blocks::{Block, Blocks};
use crate::cache::Cache;
use crate::format::{
    HEADER_BYTES, Header, Kind, MOST_DIRECTORY_BYTES, REDACTED, Section, decode_directory,
};
use crate::inflate::{Inflaters, WHAT};
use crate::runs::{Content, Runs};
use crate::{Error, Facts, sections};

/// Bytes of decompressed blocks that are kept unless the caller says otherwise: a snapshot is read
/// from low addresses to high ones mostly, by a few threads.
const CACHE_BYTES: usize = 64 << 20;
/// Most bytes of an executable. The largest Go programs that we know have half of it.
const MOST_IMAGE_BYTES: u64 = 1 << 30;

/// A snapshot file.
#[derive(Debug)]
pub struct Snapshot {
    file: File,
    header: Header,
    facts: Facts,
    blocks: Blocks,
    memory: Runs,
    image: Option<Runs>,
    /// All sections, those that we do not know included.
    sections: Vec<Section>,
    cache: Cache,
    inflaters: Inflaters,
}

/// What was found to be as it was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Verified {
    /// Blocks of data.
    pub blocks: u64,
    /// Bytes of data, decompressed.
    pub bytes: u64,
    /// Sections that this letgo does not know, and passed over.
    pub unknown: u64,
}

impl Snapshot {
    /// Opens a snapshot.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for what is no snapshot or a newer one, [`Error::Inconsistent`] for
    /// one that is damaged or was cut.
    pub fn open(path: &Path) -> Result<Snapshot, Error> {
        Snapshot::open_with(path, CACHE_BYTES)
    }

    /// Opens a snapshot, of which at most `cache_bytes` are kept decompressed.
    ///
    /// # Errors
    /// As [`Snapshot::open`].
    pub fn open_with(path: &Path, cache_bytes: usize) -> Result<Snapshot, Error> {
        let failed =
            |error: &std::io::Error| Error::from_io(format!("open {}", path.display()), error);
        let file = File::open(path).map_err(|error| failed(&error))?;
        let metadata = file.metadata().map_err(|error| failed(&error))?;
        if !metadata.is_file() {
            return Err(Error::Unsupported {
                found: "something that is no regular file".to_owned(),
                advice: "save it to a file first",
            });
        }
        Snapshot::from_file(file, metadata.len(), cache_bytes)
    }

    pub(crate) fn from_file(
        file: File,
        file_len: u64,
        cache_bytes: usize,
    ) -> Result<Snapshot, Error> {
        let header = read_header(&file, file_len)?;
        let what = "its directory";
        if header.directory.len > MOST_DIRECTORY_BYTES {
            let why = format!("{} bytes of it", header.directory.len);
            return Err(Error::inconsistent(what, header.directory.offset, why));
        }
        let directory = sections::stored(&file, what, header.directory)?;
        let listed = decode_directory(&directory, file_len)?;
        let section = |kind: Kind, what| match listed.iter().find(|one| one.kind == kind) {
            Some(section) => sections::read(&file, what, section).map(Some),
            None => Ok(None),
        };
        let needed = |kind, what| {
            let missing = || Error::inconsistent(what, 0, "it is missing");
            section(kind, what)?.ok_or_else(missing)
        };
        let blocks = Blocks::decode(&needed(Kind::BLOCKS, "its table of blocks")?, file_len)?;
        let data_len = blocks.data_len();
        let facts = needed(Kind::FACTS, "its facts")?;
        let facts = serde_json::from_slice(&facts)
            .map_err(|error| Error::inconsistent("its facts", 0, error.to_string()))?;
        let memory = Runs::decode(&needed(Kind::MEMORY, "its memory")?, data_len)?;
        let image = section(Kind::IMAGE, "its image")?;
        let image = image.map(|bytes| Runs::decode(&bytes, data_len));
        let image = image.transpose()?;
        Ok(Snapshot {
            file,
            header,
            facts,
            blocks,
            memory,
            image,
            sections: listed,
            cache: Cache::new(cache_bytes),
            inflaters: Inflaters::default(),
        })
    }

    /// What is known of the target beside its memory.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Whether its contents were dropped and only shapes kept.
    pub fn is_redacted(&self) -> bool {
        self.header.flags & REDACTED != 0
    }

    /// How many bytes the executable's file has; nothing where the snapshot does not hold it.
    pub fn image_len(&self) -> Option<u64> {
        let last = |runs: &Runs| runs.iter().last().map_or(0, |run| run.range.end().0);
        self.image.as_ref().map(last)
    }

    /// The bytes of the executable's file; nothing where it holds none.
    ///
    /// # Errors
    /// [`Error::Fault`] with [`Fault::Corrupt`] where they are damaged.
    pub fn image(&self) -> Result<Option<Vec<u8>>, Error> {
        let (Some(runs), Some(len)) = (&self.image, self.image_len()) else {
            return Ok(None);
        };
        let size = usize::try_from(len)
            .ok()
            .filter(|_| len <= MOST_IMAGE_BYTES);
        let size = size.ok_or_else(|| {
            let why = format!("an executable of {len} bytes");
            Error::inconsistent("its image", 0, why)
        })?;
        let mut bytes = vec![0; size];
        self.read_runs(runs, Addr::NULL, &mut bytes)?;
        Ok(Some(bytes))
    }

    /// The ranges whose bytes are known, zeros included, by address.
    pub fn present(&self) -> Vec<AddrRange> {
        self.memory.ranges(Content::is_known)
    }

    /// The ranges that were asked for when it was taken and could not be had, by address.
    pub fn absent(&self) -> Vec<AddrRange> {
        self.memory.ranges(|content| !content.is_known())
    }

    /// Checks every byte of the file.
    ///
    /// # Errors
    /// At the first part that is not what was written.
    pub fn verify(&self) -> Result<Verified, Error> {
        let mut verified = Verified::default();
        for section in &self.sections {
            sections::stored(&self.file, "a section", section.place)?;
            let known = [Kind::FACTS, Kind::BLOCKS, Kind::MEMORY, Kind::IMAGE];
            verified.unknown += u64::from(!known.contains(&section.kind));
        }
        let mut raw = Vec::new();
        for block in self.blocks.iter() {
            raw.resize(block.raw_len, 0);
            self.inflaters.inflate(&self.file, block, &mut raw)?;
            verified.blocks += 1;
            verified.bytes += raw.len() as u64;
        }
        Ok(verified)
    }

    fn read_runs(&self, runs: &Runs, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        let (mut at, mut rest) = (addr, buf);
        while !rest.is_empty() {
            let len = rest.len() as u64;
            let unmapped = Fault::Unmapped { addr: at, len };
            let run = runs.at(at).ok_or_else(|| unmapped.clone())?;
            let left = usize::try_from(run.range.end().since(at)).unwrap_or(usize::MAX);
            let (head, tail) = rest
                .split_at_mut_checked(left.min(rest.len()))
                .ok_or(unmapped)?;
            match run.content {
                Content::Data(position) => {
                    let position = position.saturating_add(at.since(run.range.start()));
                    self.read_data(position, at, head)?;
                }
                Content::Zero => head.fill(0),
                Content::NotResident => return Err(Fault::NotResident { addr: at, len }),
                Content::NotKept => return Err(Fault::NotKept { addr: at, len }),
            }
            at = at.add(head.len() as u64);
            rest = tail;
        }
        Ok(())
    }

    /// Fills `buf` from a position of the data; `addr` is where it lay, to be named in a fault.
    fn read_data(&self, position: u64, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        let len = buf.len() as u64;
        let corrupt = |why: String| Fault::Corrupt { addr, len, why };
        let (mut position, mut rest) = (position, buf);
        while !rest.is_empty() {
            let outside = || corrupt("there is no such block".to_owned());
            let (number, block, inside) = self.blocks.at(position).ok_or_else(outside)?;
            let left = rest.len();
            let (head, tail) = rest
                .split_at_mut_checked(block.raw_len.saturating_sub(inside).min(left))
                .filter(|(head, _)| !head.is_empty())
                .ok_or_else(outside)?;
            let read = self.read_block(number, &block, inside, head);
            read.map_err(|error| corrupt(error.to_string()))?;
            position = position.saturating_add(head.len() as u64);
            rest = tail;
        }
        Ok(())
    }

    /// Fills `buf` from within a block, which has as much.
    fn read_block(
        &self,
        number: usize,
        block: &Block,
        inside: usize,
        buf: &mut [u8],
    ) -> Result<(), Error> {
        let kept = self.cache.get(number);
        if kept.is_none() && buf.len() == block.raw_len {
            return self.inflaters.inflate(&self.file, block, buf);
        }
        let bytes = match kept {
            Some(bytes) => bytes,
            None => {
                let mut raw = self.cache.spare();
                match raw.capacity() >= block.raw_len {
                    true => raw.resize(block.raw_len, 0),
                    // The kernel has zeros.
                    false => raw = vec![0; block.raw_len],
                }
                self.inflaters.inflate(&self.file, block, &mut raw)?;
                let bytes = Arc::new(raw);
                self.cache.put(number, bytes.clone());
                bytes
            }
        };
        let held = inside.checked_add(buf.len());
        let held = held.and_then(|end| bytes.get(inside..end));
        buf.copy_from_slice(held.ok_or_else(|| {
            let why = "it ends before what is read of it";
            Error::inconsistent(WHAT, block.place.offset, why)
        })?);
        Ok(())
    }
}

fn read_header(file: &File, file_len: u64) -> Result<Header, Error> {
    let held = usize::try_from(file_len).unwrap_or(usize::MAX);
    let mut bytes = vec![0; held.min(HEADER_BYTES)];
    file.read_exact_at(&mut bytes, 0)
        .map_err(|error| Error::from_io("read the header of the snapshot", &error))?;
    Header::decode(&bytes, file_len)
}

impl ReadMemory for Snapshot {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        self.read_runs(&self.memory, addr, buf)
    }
}
