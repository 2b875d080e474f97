//! The ELF header, program headers and section headers.
//!
//! Invariants of what is returned: segments are sorted by address and do not overlap; a segment
//! holds no more bytes of the file than of memory; names are valid UTF-8.

use letgo_target::{Addr, AddrRange};
use object::elf;

use super::Source;
use crate::Error;
use crate::bytes::{c_str, u16_at, u32_at, u64_at};

const HEADER_BYTES: usize = 64;
const PROGRAM_HEADER_BYTES: u16 = 56;
const SECTION_HEADER_BYTES: u16 = 64;
/// Go links 7 to 14 of them.
const MOST_PROGRAM_HEADERS: u16 = 512;
/// Go links 12 to 40 of them.
const MOST_SECTION_HEADERS: u16 = 4096;
const MOST_NAME_BYTES: u64 = 1 << 20;

const SUPPORTED: &str = "ELF executables and shared objects for x86-64 Linux";

/// A loaded segment (`PT_LOAD`), at link-time addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    /// Where it lies, zero-filled tail included.
    pub range: AddrRange,
    /// Where its bytes start in the file.
    pub file_offset: u64,
    /// How many of its bytes the file holds; the rest is zero.
    pub file_len: u64,
    /// May be read.
    pub read: bool,
    /// May be written.
    pub write: bool,
    /// May be run.
    pub execute: bool,
}

/// A section header.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Section {
    /// Its name, such as `.gopclntab`.
    pub name: String,
    /// Its link-time address, 0 where it is not loaded.
    pub addr: Addr,
    /// Where its bytes start in the file.
    pub file_offset: u64,
    /// Bytes in the file (compressed, if it is), or in memory where `no_bits`.
    pub len: u64,
    /// Whether the file's bytes are compressed (`SHF_COMPRESSED`).
    pub compressed: bool,
    /// Whether the file holds no bytes of it (`SHT_NOBITS`).
    pub no_bits: bool,
    /// Its type (`sh_type`).
    pub kind: u32,
    /// The section that it refers to (`sh_link`), as an index.
    pub link: u32,
}

impl Section {
    pub(crate) fn is_symtab(&self) -> bool {
        self.kind == elf::SHT_SYMTAB.0 && self.len > 0
    }

    pub(crate) fn is_dynsym(&self) -> bool {
        self.kind == elf::SHT_DYNSYM.0 && self.len > 0
    }
}

/// What the headers say.
#[derive(Debug)]
pub(crate) struct Headers {
    pub(super) entry: Addr,
    pub(super) is_dyn: bool,
    pub(super) segments: Vec<Segment>,
    pub(super) relro: Option<AddrRange>,
    /// `PT_DYNAMIC`.
    pub(super) dynamic: Option<AddrRange>,
    /// `PT_NOTE`: all of them.
    pub(super) notes: Vec<AddrRange>,
    pub(super) sections: Vec<Section>,
}

fn unsupported(found: impl Into<String>) -> Error {
    Error::Unsupported {
        found: found.into(),
        supported: SUPPORTED,
    }
}

fn broken(offset: u64, why: impl Into<String>) -> Error {
    Error::inconsistent("the ELF header", Addr(offset), why)
}

impl Headers {
    /// Reads them from the start of `source`.
    pub(super) fn read(source: &Source) -> Result<Headers, Error> {
        if source.file_len() < HEADER_BYTES as u64 {
            return Err(unsupported("a file too short for an ELF header"));
        }
        let mut header = [0; HEADER_BYTES];
        source.read_at("the ELF header", 0, &mut header)?;
        let is_dyn = check_kind(&header)?;
        let field = |offset| u64_at(&header, offset).unwrap_or_default();
        let short = |offset| u16_at(&header, offset).unwrap_or_default();
        let mut headers = Headers {
            entry: Addr(field(24)),
            is_dyn,
            segments: Vec::new(),
            relro: None,
            dynamic: None,
            notes: Vec::new(),
            sections: Vec::new(),
        };
        headers.read_segments(source, field(32), short(54), short(56))?;
        if !source.is_memory() {
            headers.sections = read_sections(source, field(40), short(58), short(60), short(62))
                .unwrap_or_default();
        }
        Ok(headers)
    }

    fn read_segments(
        &mut self,
        source: &Source,
        offset: u64,
        size: u16,
        count: u16,
    ) -> Result<(), Error> {
        if size != PROGRAM_HEADER_BYTES {
            return Err(broken(54, format!("program headers of {size} bytes")));
        }
        if count == 0 || count > MOST_PROGRAM_HEADERS {
            return Err(broken(56, format!("{count} program headers")));
        }
        let len = u64::from(size) * u64::from(count);
        let bytes = source.bytes_at("the program headers", offset, len, len)?;
        for entry in bytes.chunks_exact(usize::from(size)) {
            self.add_program_header(entry)?;
        }
        self.segments.sort_by_key(|segment| segment.range.start());
        let overlap = |pair: &[Segment]| match pair {
            [low, high] => high.range.start() < low.range.end(),
            _ => false,
        };
        if self.segments.is_empty() || self.segments.windows(2).any(overlap) {
            return Err(broken(offset, "no segments, or segments that overlap"));
        }
        Ok(())
    }

    fn add_program_header(&mut self, entry: &[u8]) -> Result<(), Error> {
        let field = |offset| u64_at(entry, offset).unwrap_or_default();
        let kind = elf::ProgramType(u32_at(entry, 0).unwrap_or_default());
        let flags = u32_at(entry, 4).unwrap_or_default();
        let (file_offset, addr) = (field(8), Addr(field(16)));
        let (file_len, memory_len) = (field(32), field(40));
        let range = AddrRange::sized(addr, memory_len);
        match kind {
            elf::PT_LOAD if memory_len == 0 => {}
            elf::PT_LOAD => {
                if file_len > memory_len || range.len() != memory_len {
                    return Err(broken(0, format!("a segment at {addr} that cannot be")));
                }
                self.segments.push(Segment {
                    range,
                    file_offset,
                    file_len,
                    read: flags & 4 != 0,
                    write: flags & 2 != 0,
                    execute: flags & 1 != 0,
                });
            }
            elf::PT_GNU_RELRO => self.relro = Some(range),
            elf::PT_DYNAMIC => self.dynamic = Some(range),
            elf::PT_NOTE => self.notes.push(range),
            _ => {}
        }
        Ok(())
    }

    /// Refuses segments that claim more of the file than there is twice over, which would make a
    /// scan of all segments arbitrarily long.
    pub(super) fn check_file_len(&self, len: u64) -> Result<(), Error> {
        let claimed = self
            .segments
            .iter()
            .fold(0u64, |sum, segment| sum.saturating_add(segment.file_len));
        if claimed > len.saturating_mul(2) {
            return Err(broken(
                0,
                format!("segments claim {claimed} bytes of a file of {len}"),
            ));
        }
        Ok(())
    }

    /// The link-time address of the ELF header.
    pub(super) fn header_addr(&self) -> Result<Addr, Error> {
        let first = self
            .segments
            .iter()
            .min_by_key(|segment| segment.file_offset)
            .ok_or_else(|| broken(0, "no segments"))?;
        Ok(Addr(first.range.start().0.wrapping_sub(first.file_offset)))
    }
}

/// Says whether it is position independent, or why it is nothing for us.
fn check_kind(header: &[u8; HEADER_BYTES]) -> Result<bool, Error> {
    if !header.starts_with(&elf::ELFMAG) {
        return Err(unsupported(describe_magic(header)));
    }
    let [_, _, _, _, class, data, ..] = header;
    if *class != elf::ELFCLASS64.0 {
        return Err(unsupported("a 32-bit ELF file"));
    }
    if *data != elf::ELFDATA2LSB.0 {
        return Err(unsupported("a big-endian ELF file"));
    }
    let machine = u16_at(header, 18).unwrap_or_default();
    if machine != elf::EM_X86_64.0 {
        return Err(unsupported(describe_machine(machine)));
    }
    match elf::FileType(u16_at(header, 16).unwrap_or_default()) {
        elf::ET_EXEC => Ok(false),
        elf::ET_DYN => Ok(true),
        elf::ET_REL => Err(unsupported("an ELF object file that is not linked")),
        elf::ET_CORE => Err(unsupported("an ELF core file given as an executable")),
        other => Err(unsupported(format!("an ELF file of type {}", other.0))),
    }
}

fn describe_magic(header: &[u8]) -> &'static str {
    match header {
        [b'#', b'!', ..] => "a script",
        [b'M', b'Z', ..] => "a Windows executable",
        [0xcf | 0xce, 0xfa, 0xed, 0xfe, ..] => "a macOS executable",
        [0, b'a', b's', b'm', ..] => "a WebAssembly module",
        _ => "a file that is not ELF",
    }
}

fn describe_machine(machine: u16) -> String {
    let name = match elf::Machine(machine) {
        elf::EM_AARCH64 => "arm64",
        elf::EM_386 => "386",
        elf::EM_ARM => "arm",
        elf::EM_RISCV => "riscv64",
        elf::EM_PPC64 => "ppc64",
        elf::EM_S390 => "s390x",
        elf::EM_MIPS => "mips",
        elf::EM_LOONGARCH => "loong64",
        _ => return format!("an ELF file for machine {machine}"),
    };
    format!("an ELF file for {name}")
}

/// The section headers, or nothing where they are damaged.
fn read_sections(
    source: &Source,
    offset: u64,
    size: u16,
    count: u16,
    names: u16,
) -> Option<Vec<Section>> {
    if size != SECTION_HEADER_BYTES || count == 0 || count > MOST_SECTION_HEADERS {
        return None;
    }
    let len = u64::from(size) * u64::from(count);
    let bytes = source
        .bytes_at("the section headers", offset, len, len)
        .ok()?;
    let entries: Vec<&[u8]> = bytes.chunks_exact(usize::from(size)).collect();
    let strings = entries.get(usize::from(names))?;
    let strings = source
        .bytes_at(
            "the section names",
            u64_at(strings, 24)?,
            u64_at(strings, 32)?,
            MOST_NAME_BYTES,
        )
        .ok()?;
    Some(
        entries
            .iter()
            .filter_map(|entry| section(entry, &strings))
            .collect(),
    )
}

fn section(entry: &[u8], strings: &[u8]) -> Option<Section> {
    let name = usize::try_from(u32_at(entry, 0)?).ok()?;
    let name = strings.get(name..).and_then(c_str).unwrap_or_default();
    let kind = u32_at(entry, 4)?;
    let flags = u64_at(entry, 8)?;
    Some(Section {
        name: String::from_utf8_lossy(name).into_owned(),
        addr: Addr(u64_at(entry, 16)?),
        file_offset: u64_at(entry, 24)?,
        len: u64_at(entry, 32)?,
        compressed: flags & elf::SHF_COMPRESSED.0 != 0,
        no_bits: kind == elf::SHT_NOBITS.0,
        kind,
        link: u32_at(entry, 40)?,
    })
}

#[cfg(test)]
mod tests {
    use crate::synthetic::{DATA, Synthetic};
    use crate::{Error, Image};

    fn refused(change: impl Fn(&mut Vec<u8>)) -> Error {
        let mut bytes = Synthetic::default().build();
        change(&mut bytes);
        Image::from_bytes(bytes).unwrap_err()
    }

    #[test]
    fn what_is_not_ours_says_what_it_is() {
        type Change = fn(&mut Vec<u8>);
        let cases: [(Change, &str); 8] = [
            (|bytes| bytes[..2].copy_from_slice(b"#!"), "a script"),
            (
                |bytes| bytes[..2].copy_from_slice(b"MZ"),
                "a Windows executable",
            ),
            (|bytes| bytes[4] = 1, "a 32-bit ELF file"),
            (|bytes| bytes[5] = 2, "a big-endian ELF file"),
            (|bytes| bytes[18] = 183, "an ELF file for arm64"),
            (|bytes| bytes[16] = 4, "an ELF core file"),
            (|bytes| bytes[16] = 1, "an ELF object file"),
            (|bytes| bytes.truncate(63), "too short"),
        ];
        for (change, expected) in cases {
            let error = refused(change);
            assert!(matches!(error, Error::Unsupported { .. }), "{error}");
            let text = error.to_string();
            assert!(
                text.contains(expected) && text.contains("supported: ELF"),
                "{text}"
            );
        }
    }

    #[test]
    fn damaged_program_headers_are_inconsistent() {
        let cases: [fn(&mut Vec<u8>); 6] = [
            |bytes| bytes[54] = 55,
            |bytes| bytes[56..58].copy_from_slice(&[0, 0]),
            |bytes| bytes[56..58].copy_from_slice(&[0xff, 0xff]),
            |bytes| bytes[39] = 0x80,
            // The first segment: one byte longer in the file than in memory.
            |bytes| bytes[64 + 32] += 1,
            // The second segment onto the first.
            |bytes| bytes[64 + 56 + 17] = 0,
        ];
        for change in cases {
            let error = refused(change);
            assert!(matches!(error, Error::Inconsistent { .. }), "{error}");
        }
    }

    #[test]
    fn damaged_section_headers_leave_none() {
        let mut bytes = Synthetic::default().build();
        bytes[40..48].copy_from_slice(&u64::MAX.to_le_bytes());
        bytes[60..62].copy_from_slice(&[7, 0]);
        let image = Image::from_bytes(bytes).unwrap();
        assert!(image.sections().is_empty() && !image.has_symtab());
    }

    #[test]
    fn segments_know_what_may_be_done_with_them() {
        let image = Image::from_bytes(Synthetic::default().build()).unwrap();
        let rights: Vec<_> = image
            .segments()
            .iter()
            .map(|segment| (segment.read, segment.write, segment.execute))
            .collect();
        let constant = (true, false, false);
        let code = (true, false, true);
        assert_eq!(rights, [constant, code, constant, (true, true, false)]);
        let data = image.segments().last().unwrap();
        assert_eq!((data.file_offset, data.file_len), (DATA, 0x1000));
        assert_eq!(data.range.len(), 0x3000);
    }
}
