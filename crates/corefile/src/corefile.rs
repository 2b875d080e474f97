//! [`CoreFile`]: a core as a target.
//!
//! Reads by address: bytes that the core holds, else those of an attached file, else
//! [`Fault::NotKept`]. A part that was left out is never taken for zeros.
//!
//! Does not find the executable (the caller gives it) and says nothing of residency: a core has
//! no page table. Nothing in it says which mappings were shared either.

use std::fmt;
use std::fs::File;
use std::path::Path;

use letgo_target::{Addr, AddrRange, Coverage, Skip};

use crate::files::{self, Attached};
use crate::headers::{Headers, Segment};
use crate::identity::Identity;
use crate::notes::Notes;
use crate::packed::{Packing, unpack};
use crate::{Error, FileMapping, Matched, Options, ProcessInfo, Progress, ReadAt, Signal, Thread};

const AT_PHDR: u64 = 3;
const AT_ENTRY: u64 = 9;

/// A core file.
pub struct CoreFile {
    pub(crate) source: Box<dyn ReadAt>,
    pub(crate) segments: Vec<Segment>,
    pub(crate) notes: Notes,
    pub(crate) attached: Vec<Attached>,
    /// Why a compressed core is not whole.
    torn: Option<String>,
}

impl fmt::Debug for CoreFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (segments, threads) = (self.segments.len(), self.threads().len());
        write!(f, "core of {segments} segments and {threads} threads")
    }
}

impl CoreFile {
    /// Opens a core, decompressed if it has to be, with the usual limits.
    ///
    /// A core that was cut is opened too; [`CoreFile::coverage`] then says what is missing.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for what is no core of x86-64, [`Error::Inconsistent`] for damaged
    /// headers or a damaged compressed stream, [`Error::TooLarge`] beyond the limits, and
    /// [`Error::File`] or [`Error::Denied`] for what the system says.
    pub fn open(path: &Path) -> Result<CoreFile, Error> {
        let mut nobody = |_: Progress| {};
        CoreFile::open_with(path, &mut Options::new(&mut nobody))
    }

    /// Opens a core with limits and a callback of the caller.
    ///
    /// # Errors
    /// As [`CoreFile::open`].
    pub fn open_with(path: &Path, options: &mut Options<'_>) -> Result<CoreFile, Error> {
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
        let mut start = [0; 8];
        let held = usize::try_from(metadata.len()).unwrap_or(usize::MAX).min(8);
        file.read_at(0, start.get_mut(..held).unwrap_or_default())
            .map_err(|error| failed(&error))?;
        match Packing::of(&start) {
            None => CoreFile::from_source(Box::new(file)),
            Some(packing) => {
                let unpacked = unpack(&file, packing, options)?;
                let Some(why) = unpacked.torn else {
                    return CoreFile::from_source(Box::new(unpacked.file));
                };
                let made = unpacked.file.size();
                let opened = CoreFile::from_source(Box::new(unpacked.file));
                let mut core = opened.map_err(|error| {
                    let why = format!("{why}; of the {made} bytes that it holds: {error}");
                    Error::inconsistent("the compressed stream", metadata.len(), why)
                })?;
                core.torn = Some(why);
                Ok(core)
            }
        }
    }

    /// Reads a core that is not compressed from anything that has bytes.
    ///
    /// # Errors
    /// As [`CoreFile::open`].
    pub fn from_source(source: Box<dyn ReadAt>) -> Result<CoreFile, Error> {
        let headers = Headers::read(&*source)?;
        let notes = Notes::read(&*source, &headers.notes);
        Ok(CoreFile {
            source,
            segments: with_files(headers.segments, &notes.files),
            notes,
            attached: Vec::new(),
            torn: None,
        })
    }

    /// Whether gdb wrote it, and not the kernel, which always tells the signal in a note.
    ///
    /// gdb's program headers say of every mapping that it could be read, reservations of address
    /// space included; those are then full of zeros.
    pub fn is_from_gdb(&self) -> bool {
        self.notes.gdb || self.notes.signal.is_none()
    }

    /// The process, where the core says anything of it.
    pub fn process(&self) -> Option<&ProcessInfo> {
        self.notes.process.as_ref()
    }

    /// Its process id: that of `NT_PRPSINFO`, else the first thread's.
    pub fn pid(&self) -> Option<u32> {
        let named = self.process().map(|process| process.pid);
        named.or_else(|| self.threads().first().map(|thread| thread.tid))
    }

    /// The signal that killed it, with its code; absent in some of gdb's cores.
    pub fn signal(&self) -> Option<Signal> {
        self.notes.signal
    }

    /// Its threads. The first is the one that died, or that gdb had selected.
    pub fn threads(&self) -> &[Thread] {
        &self.notes.threads
    }

    /// The auxiliary vector, as pairs of key and value.
    pub fn auxv(&self) -> &[(u64, u64)] {
        &self.notes.auxv
    }

    pub(crate) fn aux(&self, key: u64) -> Option<Addr> {
        let found = self.auxv().iter().find(|pair| pair.0 == key);
        found
            .map(|pair| Addr(pair.1))
            .filter(|addr| !addr.is_null())
    }

    /// Where the executable was entered (`AT_ENTRY`).
    pub fn entry(&self) -> Option<Addr> {
        self.aux(AT_ENTRY)
    }

    /// Where the executable's program headers lay (`AT_PHDR`).
    pub fn program_headers(&self) -> Option<Addr> {
        self.aux(AT_PHDR)
    }

    /// Which files were mapped where, by address.
    pub fn files(&self) -> &[FileMapping] {
        &self.notes.files
    }

    /// The path that the executable had: the file that holds the entry or the program headers.
    pub fn exe_path(&self) -> Option<&str> {
        [self.entry(), self.program_headers()]
            .into_iter()
            .flatten()
            .find_map(|addr| files::mapping_at(self.files(), addr))
            .map(|file| file.path.as_str())
    }

    /// The GNU build id of a mapped file, where the core kept its first os page.
    pub fn build_id(&self, path: &str) -> Option<Vec<u8>> {
        self.identity(path)?.gnu
    }

    /// Lets `file` answer for what the core left out of the mappings of `path`.
    ///
    /// # Errors
    /// [`Error::OtherFile`] where it is another build than what ran, [`Error::NoSuchFile`] where
    /// nothing of that path was mapped.
    pub fn attach(&mut self, path: &str, file: Box<dyn ReadAt>) -> Result<Matched, Error> {
        if !self.files().iter().any(|known| known.path == path) {
            return Err(Error::NoSuchFile {
                path: path.to_owned(),
            });
        }
        let other = |why: String| Error::OtherFile {
            path: path.to_owned(),
            why,
        };
        let matched = match self.identity(path) {
            None => Matched::Unchecked,
            Some(ours) => {
                let theirs = Identity::read(&|offset, buf| file.read_at(offset, buf).is_ok());
                let theirs = theirs.ok_or_else(|| other("it is no ELF file".to_owned()))?;
                match ours.differs(&theirs) {
                    Some(why) => return Err(other(why)),
                    None if ours.shares_id(&theirs) => Matched::BuildId,
                    None => Matched::Layout,
                }
            }
        };
        self.attached.push(Attached {
            path: path.to_owned(),
            file,
            matched,
        });
        Ok(matched)
    }

    /// What the core itself holds of the start of a mapped file.
    fn identity(&self, path: &str) -> Option<Identity> {
        let of_path = |file: &&FileMapping| file.path == path;
        Identity::read(&|offset, buf| {
            let holds = |file: &&FileMapping| {
                let end = file.offset.saturating_add(file.range.len());
                (file.offset..end).contains(&offset)
            };
            let mappings = self.files().iter().filter(of_path);
            mappings.filter(holds).any(|file| {
                let addr = file.range.start().add(offset - file.offset);
                self.read_kept(addr, buf)
            })
        })
    }

    /// What of the core is missing or could not be checked.
    pub fn coverage(&self) -> Coverage {
        let mut coverage = Coverage::default();
        let lost = self.lost();
        let bytes: u64 = lost.iter().map(|range| range.len()).sum();
        if let Some(first) = lost.first() {
            coverage.skipped.push(Skip {
                what: "ranges of the target's memory".to_owned(),
                why: format!(
                    "the core file is cut: it has {} bytes, and {bytes} are missing, from {} on",
                    self.source.size(),
                    first.start()
                ),
                count: lost.len() as u64,
            });
        }
        if let Some(why) = &self.torn {
            coverage.skip("the end of the core", why);
        }
        if self.notes.cut {
            coverage.skip("notes of the core", "they end in the middle of one");
        }
        if self.notes.damaged > 0 {
            coverage.skipped.push(Skip {
                what: "notes of the core".to_owned(),
                why: "they do not read as what they should be".to_owned(),
                count: self.notes.damaged,
            });
        }
        if self.threads().is_empty() {
            coverage.skip("registers", "the core has no thread");
        }
        for file in &self.attached {
            if file.matched == Matched::Unchecked {
                let why = format!(
                    "the core kept nothing of {} that the file given could be compared with",
                    file.path
                );
                coverage.skip("the check of the executable", why);
            }
        }
        coverage
    }
}

/// `segments`, and one without bytes for each mapping of a file that none of them covers: of what
/// was not written to, gdb leaves out the header too.
fn with_files(segments: Vec<Segment>, files: &[FileMapping]) -> Vec<Segment> {
    let mut left_out = Vec::new();
    for file in files {
        let first = segments.partition_point(|known| known.range.end() <= file.range.start());
        let mut at = file.range.start();
        for known in segments.get(first..).unwrap_or_default() {
            if known.range.start() >= file.range.end() {
                break;
            }
            left_out.push(AddrRange::new(at, known.range.start()));
            at = known.range.end();
        }
        left_out.push(AddrRange::new(at, file.range.end()));
    }
    left_out.retain(|range| !range.is_empty());
    let left_out = left_out.into_iter().map(Segment::left_out);
    let mut all: Vec<Segment> = segments.into_iter().chain(left_out).collect();
    all.sort_by_key(|segment| segment.range.start());
    all
}
