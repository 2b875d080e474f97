//! Where an image's bytes come from: a file, or memory.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use letgo_target::{Addr, Fault, ReadMemory};
use object::{CompressionFormat, read::CompressedData};

use super::{MOST_SECTION_BYTES, Section, Segment};
use crate::Error;
use crate::bytes::{array, u32_at, u64_at};

/// `ch_type` values of a compressed section.
const ELFCOMPRESS_ZLIB: u32 = 1;
const ELFCOMPRESS_ZSTD: u32 = 2;
/// Bytes of an `Elf64_Chdr`.
const COMPRESSION_HEADER: usize = 24;
/// Bytes of the header of a `.zdebug_` section: `ZLIB` and the length, big endian.
const ZDEBUG_HEADER: usize = 12;

/// A file or memory.
pub(crate) enum Source {
    /// A file, and how long it was when it was opened.
    File { file: File, len: u64 },
    /// The bytes of a file.
    Bytes(Vec<u8>),
    /// Memory, where the ELF header lies in it, and the load bias once that is known.
    Memory {
        memory: Box<dyn ReadMemory + Send>,
        base: Addr,
        bias: u64,
    },
}

/// The bytes of a file from its start on.
struct Reader<'a> {
    source: &'a Source,
    at: u64,
}

impl io::Read for Reader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = self.source.file_len().saturating_sub(self.at);
        let len = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
        let Some(buf) = buf.get_mut(..len) else {
            return Ok(0);
        };
        self.source
            .read_at("the file", self.at, buf)
            .map_err(io::Error::other)?;
        self.at += len as u64;
        Ok(len)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::File { len, .. } => write!(f, "file of {len} bytes"),
            Source::Bytes(bytes) => write!(f, "{} bytes of a file", bytes.len()),
            Source::Memory { base, bias, .. } => write!(f, "memory at {base}, bias {bias:#x}"),
        }
    }
}

impl Source {
    /// The whole file; nothing where there is none.
    pub(super) fn file_bytes(&self) -> Option<Box<dyn io::Read + '_>> {
        match self {
            Source::Memory { .. } => None,
            source => Some(Box::new(Reader { source, at: 0 })),
        }
    }

    pub(super) fn file(file: File) -> Result<Source, Error> {
        let metadata = file
            .metadata()
            .map_err(|error| Error::from_io("the file", &error))?;
        if !metadata.is_file() {
            return Err(Error::Unsupported {
                found: "something that is no regular file".to_string(),
                supported: "regular ELF files",
            });
        }
        let len = metadata.len();
        Ok(Source::File { file, len })
    }

    pub(super) fn memory(memory: Box<dyn ReadMemory + Send>, base: Addr) -> Source {
        Source::Memory {
            memory,
            base,
            bias: 0,
        }
    }

    pub(super) fn set_bias(&mut self, value: u64) {
        if let Source::Memory { bias, .. } = self {
            *bias = value;
        }
    }

    pub(super) fn bias(&self) -> u64 {
        match self {
            Source::File { .. } | Source::Bytes(_) => 0,
            Source::Memory { bias, .. } => *bias,
        }
    }

    pub(super) fn is_memory(&self) -> bool {
        matches!(self, Source::Memory { .. })
    }

    /// Length of the file; nothing is known of memory's.
    pub(super) fn file_len(&self) -> u64 {
        match self {
            Source::File { len, .. } => *len,
            Source::Bytes(bytes) => bytes.len() as u64,
            Source::Memory { .. } => u64::MAX,
        }
    }

    /// Reads by offset from the ELF header.
    pub(crate) fn read_at(
        &self,
        what: &'static str,
        offset: u64,
        buf: &mut [u8],
    ) -> Result<(), Error> {
        match self {
            Source::File { file, .. } => file
                .read_exact_at(buf, offset)
                .map_err(|error| Error::from_io(what, &error)),
            Source::Bytes(bytes) => {
                let start = usize::try_from(offset).ok();
                let held = start.and_then(|start| bytes.get(start..)?.get(..buf.len()));
                let held = held.ok_or_else(|| {
                    Error::inconsistent(what, Addr(offset), "it is behind the end of the file")
                })?;
                buf.copy_from_slice(held);
                Ok(())
            }
            Source::Memory { memory, base, .. } => Ok(memory.read(base.add(offset), buf)?),
        }
    }

    /// Reads `len` bytes by offset, at most `limit`, and never more than the file holds.
    pub(crate) fn bytes_at(
        &self,
        what: &'static str,
        offset: u64,
        len: u64,
        limit: u64,
    ) -> Result<Vec<u8>, Error> {
        let fits = offset
            .checked_add(len)
            .is_some_and(|end| end <= self.file_len());
        let size = usize::try_from(len)
            .ok()
            .filter(|_| fits && len <= limit)
            .ok_or_else(|| {
                Error::inconsistent(
                    what,
                    Addr(offset),
                    format!(
                        "{len} bytes do not fit a file of {} or our limit of {limit}",
                        self.file_len()
                    ),
                )
            })?;
        let mut bytes = vec![0; size];
        self.read_at(what, offset, &mut bytes)?;
        Ok(bytes)
    }

    /// Reads memory by link-time address.
    pub(super) fn read_memory(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        match self {
            Source::Memory { memory, bias, .. } => memory.read(addr.biased(*bias), buf),
            Source::File { .. } | Source::Bytes(_) => Err(Fault::Unmapped {
                addr,
                len: buf.len() as u64,
            }),
        }
    }

    /// Reads a part of one segment of a file; what the file does not hold is zero.
    pub(super) fn read_segment(
        &self,
        segment: &Segment,
        addr: Addr,
        buf: &mut [u8],
    ) -> Result<(), Fault> {
        let unmapped = Fault::Unmapped {
            addr,
            len: buf.len() as u64,
        };
        let inside = addr.since(segment.range.start());
        let held = segment.file_len.saturating_sub(inside);
        let held = usize::try_from(held).unwrap_or(usize::MAX).min(buf.len());
        let Some((from_file, zeros)) = buf.split_at_mut_checked(held) else {
            return Err(unmapped);
        };
        zeros.fill(0);
        if from_file.is_empty() {
            return Ok(());
        }
        let offset = segment.file_offset.saturating_add(inside);
        self.read_at("a segment", offset, from_file)
            .map_err(|_| unmapped)
    }
}

/// The bytes of a section, decompressed.
pub(super) fn section_bytes(source: &Source, section: &Section) -> Result<Vec<u8>, Error> {
    if section.no_bits {
        return Ok(Vec::new());
    }
    let what = "a section";
    let raw = source.bytes_at(what, section.file_offset, section.len, MOST_SECTION_BYTES)?;
    let broken = |why: &str| {
        Error::inconsistent(
            what,
            Addr(section.file_offset),
            format!("{}: {why}", section.name),
        )
    };
    let (format, size, header) = if section.compressed {
        let format = match u32_at(&raw, 0) {
            Some(ELFCOMPRESS_ZLIB) => CompressionFormat::Zlib,
            Some(ELFCOMPRESS_ZSTD) => CompressionFormat::Zstandard,
            _ => return Err(broken("its compression is unknown")),
        };
        let size = u64_at(&raw, 8).ok_or_else(|| broken("it has no compression header"))?;
        (format, size, COMPRESSION_HEADER)
    } else if section.name.starts_with(".zdebug_") && raw.starts_with(b"ZLIB") {
        let size = array(&raw, 4)
            .map(u64::from_be_bytes)
            .ok_or_else(|| broken("it has no length"))?;
        (CompressionFormat::Zlib, size, ZDEBUG_HEADER)
    } else {
        return Ok(raw);
    };
    if size > MOST_SECTION_BYTES {
        return Err(broken("it claims to be larger than 1 GiB"));
    }
    let data = raw
        .get(header..)
        .ok_or_else(|| broken("it ends in its header"))?;
    let compressed = CompressedData {
        format,
        data,
        uncompressed_size: size,
    };
    let bytes = compressed.decompress();
    Ok(bytes
        .map_err(|error| broken(&error.to_string()))?
        .into_owned())
}
