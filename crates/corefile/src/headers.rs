//! The ELF header and the program headers of a core: where in the file which memory lies.
//!
//! Invariants of what is returned: segments are sorted by address and disjoint; a segment holds no
//! more bytes of the file than of memory; offset and length do not overflow. Whether the file is
//! long enough for them is asked elsewhere: a core that was cut is still worth reading.
//!
//! Source: System V ABI, chapters 4 and 5; elf(5) for `PN_XNUM`; fs/binfmt_elf.c.

use letgo_target::{Addr, AddrRange};

use crate::bytes::{u16_at, u32_at, u64_at};
use crate::{Error, ReadAt};

pub(crate) const HEADER_BYTES: usize = 64;
pub(crate) const PROGRAM_HEADER_BYTES: usize = 56;
const ET_REL: u16 = 1;
const ET_EXEC: u16 = 2;
const ET_DYN: u16 = 3;
const ET_CORE: u16 = 4;
const EM_X86_64: u16 = 62;
pub(crate) const PT_LOAD: u32 = 1;
pub(crate) const PT_NOTE: u32 = 4;
/// `e_phnum` when the number does not fit: it is then in `sh_info` of the first section header.
const PN_XNUM: u16 = 0xffff;
/// Most program headers: far more mappings than `vm.max_map_count` allows by default (65,530).
const MOST_PROGRAM_HEADERS: u64 = 1 << 21;
/// Program headers read at once.
const HEADERS_AT_ONCE: u64 = 4096;

const ADVICE: &str = "give a core of a 64-bit x86-64 Linux process, as the kernel or gcore \
                      writes it";

/// A `PT_LOAD`: a mapping of the dead process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Segment {
    /// Where it lay.
    pub(crate) range: AddrRange,
    /// Where its bytes start in the file.
    pub(crate) offset: u64,
    /// How many bytes from its start the file should hold.
    pub(crate) promised: u64,
    /// How many of them the file does hold.
    pub(crate) kept: u64,
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) execute: bool,
}

impl Segment {
    /// A mapping that can be read, of which the core has nothing.
    pub(crate) fn left_out(range: AddrRange) -> Segment {
        Segment {
            range,
            offset: 0,
            promised: 0,
            kept: 0,
            read: true,
            write: false,
            execute: false,
        }
    }
}

/// What the headers say.
#[derive(Debug, Default)]
pub(crate) struct Headers {
    pub(crate) segments: Vec<Segment>,
    /// Offset and length of each `PT_NOTE`.
    pub(crate) notes: Vec<(u64, u64)>,
}

impl Headers {
    /// Reads them from the start of `source`.
    pub(crate) fn read(source: &dyn ReadAt) -> Result<Headers, Error> {
        let mut header = [0; HEADER_BYTES];
        let held = usize::try_from(source.size()).unwrap_or(usize::MAX);
        let held = held.min(HEADER_BYTES);
        let start = header.get_mut(..held).unwrap_or_default();
        source
            .read_at(0, start)
            .map_err(|error| Error::from_io("read the ELF header of the core", &error))?;
        check_kind(&header)?;
        if held < HEADER_BYTES {
            return Err(Error::inconsistent(
                "the ELF header",
                0,
                "the file ends in it",
            ));
        }
        let field = |offset| u64_at(&header, offset).unwrap_or_default();
        let short = |offset| u16_at(&header, offset).unwrap_or_default();
        let size = usize::from(short(54));
        if size != PROGRAM_HEADER_BYTES {
            let why = format!("program headers of {size} bytes");
            return Err(Error::inconsistent("the ELF header", 54, why));
        }
        let mut count = u64::from(short(56));
        if short(56) == PN_XNUM {
            count = extended_count(source, field(40))?;
        }
        let mut headers = Headers::default();
        headers.read_table(source, field(32), count)?;
        headers.check()?;
        Ok(headers)
    }

    fn read_table(&mut self, source: &dyn ReadAt, offset: u64, count: u64) -> Result<(), Error> {
        let size = PROGRAM_HEADER_BYTES as u64;
        let end = offset.checked_add(size * count.min(MOST_PROGRAM_HEADERS));
        let fits = end.is_some_and(|end| end <= source.size());
        if count == 0 || count > MOST_PROGRAM_HEADERS || !fits {
            let why = format!(
                "{count} of them do not fit a file of {} bytes",
                source.size()
            );
            return Err(Error::inconsistent("the program headers", offset, why));
        }
        let mut done = 0;
        while done < count {
            let some = HEADERS_AT_ONCE.min(count - done);
            let mut bytes = vec![0; usize::try_from(some * size).unwrap_or_default()];
            let at = offset.saturating_add(done * size);
            source
                .read_at(at, &mut bytes)
                .map_err(|error| Error::from_io("read the program headers", &error))?;
            for (index, entry) in (0u64..).zip(bytes.chunks_exact(PROGRAM_HEADER_BYTES)) {
                self.add(entry, at.saturating_add(index * size), source.size())?;
            }
            done += some;
        }
        Ok(())
    }

    fn add(&mut self, entry: &[u8], at: u64, file_len: u64) -> Result<(), Error> {
        let field = |offset| u64_at(entry, offset).unwrap_or_default();
        let kind = u32_at(entry, 0).unwrap_or_default();
        let flags = u32_at(entry, 4).unwrap_or_default();
        let (offset, addr, promised, len) = (field(8), Addr(field(16)), field(32), field(40));
        let impossible = offset.checked_add(promised).is_none();
        match kind {
            PT_NOTE if !impossible => self.notes.push((offset, promised)),
            PT_LOAD if len == 0 => {}
            PT_LOAD => {
                let range = AddrRange::sized(addr, len);
                if impossible || promised > len || range.len() != len {
                    let why = format!("a segment at {addr} that cannot be");
                    return Err(Error::inconsistent("a program header", at, why));
                }
                self.segments.push(Segment {
                    range,
                    offset,
                    promised,
                    kept: file_len.saturating_sub(offset).min(promised),
                    read: flags & 4 != 0,
                    write: flags & 2 != 0,
                    execute: flags & 1 != 0,
                });
            }
            _ => {}
        }
        Ok(())
    }

    fn check(&mut self) -> Result<(), Error> {
        self.segments.sort_by_key(|segment| segment.range.start());
        let overlap = |pair: &[Segment]| match pair {
            [low, high] => high.range.start() < low.range.end(),
            _ => false,
        };
        if self.segments.is_empty() || self.segments.windows(2).any(overlap) {
            let why = "no segments, or segments that overlap";
            return Err(Error::inconsistent("the program headers", 0, why));
        }
        Ok(())
    }
}

/// The number of program headers of a core with 65,535 or more.
fn extended_count(source: &dyn ReadAt, section_headers: u64) -> Result<u64, Error> {
    let mut bytes = [0; 4];
    let at = section_headers.saturating_add(44);
    let read = source.read_at(at, &mut bytes);
    if section_headers == 0 || read.is_err() {
        let why = "its first section header, which counts the program headers, is missing";
        return Err(Error::inconsistent("the ELF header", 40, why));
    }
    Ok(u64::from(u32::from_le_bytes(bytes)))
}

fn unsupported(found: impl Into<String>) -> Error {
    Error::Unsupported {
        found: found.into(),
        advice: ADVICE,
    }
}

fn check_kind(header: &[u8; HEADER_BYTES]) -> Result<(), Error> {
    let [0x7f, b'E', b'L', b'F', class, data, ..] = header else {
        return Err(unsupported(describe_magic(header)));
    };
    if *class != 2 {
        return Err(unsupported("a 32-bit ELF file"));
    }
    if *data != 1 {
        return Err(unsupported("a big-endian ELF file"));
    }
    let machine = u16_at(header, 18).unwrap_or_default();
    if machine != EM_X86_64 {
        return Err(unsupported(describe_machine(machine)));
    }
    match u16_at(header, 16).unwrap_or_default() {
        ET_CORE => Ok(()),
        ET_EXEC | ET_DYN => Err(Error::Unsupported {
            found: "an executable".to_owned(),
            advice: "give the core that it left, and the executable beside it",
        }),
        ET_REL => Err(unsupported("an ELF object file")),
        other => Err(unsupported(format!("an ELF file of type {other}"))),
    }
}

fn describe_magic(header: &[u8]) -> &'static str {
    match header {
        [0, 0, 0, 0, ..] => "an empty file, or one of zeros,",
        [b'M', b'D', b'M', b'P', ..] => "a minidump",
        [b'B', b'Z', b'h', ..] => "a file compressed with bzip2",
        [b'P', b'K', 3, 4, ..] => "a zip archive",
        [b'L', b'E', b'T', b'G', b'O', b'S', b'N', b'P', ..] => "a snapshot of letgo",
        [b'g', b'o', b'1', b'.', ..] => "a heap dump of debug.WriteHeapDump",
        [b'#', b'!', ..] => "a script",
        [b'M', b'Z', ..] => "a Windows executable",
        [0xcf | 0xce, 0xfa, 0xed, 0xfe, ..] => "a macOS executable or core",
        _ => "a file that is not ELF",
    }
}

fn describe_machine(machine: u16) -> String {
    let name = match machine {
        183 => "arm64",
        3 => "386",
        40 => "arm",
        243 => "riscv64",
        21 => "ppc64",
        22 => "s390x",
        8 => "mips",
        258 => "loong64",
        _ => return format!("an ELF file for machine {machine}"),
    };
    format!("an ELF file for {name}")
}
