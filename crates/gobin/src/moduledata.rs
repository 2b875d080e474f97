//! [`Moduledata`]: the head of `runtime.moduledata`, from which everything else is reached.
//!
//! Found as the place in writable memory that holds the address of the pclntab header followed by
//! the address of its function names. Its head, up to `enoptrbss`, has had one shape since 1.18;
//! the rest differs by release and is read with layouts (see `goruntime`).
//!
//! Invariants of what is returned: `text` lies in an executable segment; the function table lies
//! where the pclntab header says and has one entry more than it counts functions; tables lie in
//! the file's part of a segment.
//!
//! One ELF image has one moduledata. Plugins are images of their own, linked by `next` (see
//! [`crate::Plugin`]).
//!
//! Source: src/runtime/symtab.go, type moduledata, go1.18 to go1.27.

use letgo_target::{Addr, AddrRange, ReadMemory};
use serde::{Deserialize, Serialize};

use crate::bytes::u64_at;
use crate::image::Scan;
use crate::pclntab::Header;
use crate::{Error, Image};

/// Bytes of the head that we read.
const HEAD_BYTES: usize = 256;
/// Most bytes of one table.
const MOST_TABLE_BYTES: u64 = 1 << 30;
/// Most bytes searched.
const MOST_SCANNED: u64 = 1 << 30;
const WHAT: &str = "runtime.firstmoduledata";

/// The head of `runtime.moduledata`. Link-time addresses.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Moduledata {
    /// Where it lies: `runtime.firstmoduledata`.
    pub addr: Addr,
    /// `pcHeader`: the pclntab.
    pub pc_header: Addr,
    /// `funcnametab`: names, each ended by a NUL.
    pub funcnametab: AddrRange,
    /// `cutab`: offsets into `filetab`, four bytes each, by compile unit.
    pub cutab: AddrRange,
    /// `filetab`: file names, each ended by a NUL.
    pub filetab: AddrRange,
    /// `pctab`: pc-value tables.
    pub pctab: AddrRange,
    /// `pclntable`: the function table and the `_func`s.
    pub pclntable: AddrRange,
    /// `text` to `etext`: Go code, and C code in a program with cgo.
    pub text: AddrRange,
    /// `noptrdata` to `enoptrdata`: initialised variables without pointers.
    pub noptrdata: AddrRange,
    /// `data` to `edata`: initialised variables with pointers.
    pub data: AddrRange,
    /// `bss` to `ebss`: variables with pointers that start as zero.
    pub bss: AddrRange,
    /// `noptrbss` to `enoptrbss`: variables without pointers that start as zero.
    pub noptrbss: AddrRange,
}

impl Moduledata {
    /// Finds the moduledata that refers to a pclntab.
    pub(crate) fn find(image: &Image, header: &Header) -> Option<Moduledata> {
        let needle = image.pointer_to(header.addr).to_le_bytes();
        let mut scan = Scan::new(image, &needle, 8, MOST_SCANNED);
        let section = image.section(".go.module");
        let section = section.map(|section| AddrRange::sized(section.addr, section.len));
        let segments = image.segments().iter().filter(|segment| segment.write);
        let held =
            segments.map(|segment| AddrRange::sized(segment.range.start(), segment.file_len));
        section
            .into_iter()
            .chain(held)
            .find_map(|range| scan.find(range, &mut |at| Moduledata::read(image, at, header).ok()))
    }

    /// Reads the moduledata at `addr` and checks it against the pclntab.
    pub(crate) fn read(image: &Image, addr: Addr, header: &Header) -> Result<Moduledata, Error> {
        let mut bytes = [0; HEAD_BYTES];
        image.read(addr, &mut bytes)?;
        let module = Moduledata::parse(addr, &bytes, &|pointer| image.link_addr(pointer))
            .ok_or_else(|| Error::inconsistent(WHAT, addr, "it is cut off"))?;
        module.check(image, header, Moduledata::entries(&bytes))?;
        Ok(module)
    }

    /// Decodes the moduledata that was linked to lie at `addr`; `linked` makes a link-time address
    /// of a pointer in it. Nothing where `bytes` are too few.
    pub(crate) fn parse(
        addr: Addr,
        bytes: &[u8],
        linked: &dyn Fn(u64) -> Addr,
    ) -> Option<Moduledata> {
        let pointer = |offset| Some(linked(u64_at(bytes, offset)?));
        let slice = |offset: usize, size: u64| {
            let len = u64_at(bytes, offset + 8)?.saturating_mul(size);
            Some(AddrRange::sized(pointer(offset)?, len))
        };
        let between = |offset: usize| Some(AddrRange::new(pointer(offset)?, pointer(offset + 8)?));
        Some(Moduledata {
            addr,
            pc_header: pointer(0)?,
            funcnametab: slice(8, 1)?,
            cutab: slice(32, 4)?,
            filetab: slice(56, 1)?,
            pctab: slice(80, 1)?,
            pclntable: slice(104, 1)?,
            text: between(176)?,
            noptrdata: between(192)?,
            data: between(208)?,
            bss: between(224)?,
            noptrbss: between(240)?,
        })
    }

    /// The entries of the function table, as a moduledata counts them.
    pub(crate) fn entries(bytes: &[u8]) -> Option<u64> {
        u64_at(bytes, 136)
    }

    pub(crate) fn check(
        &self,
        image: &Image,
        header: &Header,
        entries: Option<u64>,
    ) -> Result<(), Error> {
        let broken = |why: String| Err(Error::inconsistent(WHAT, self.addr, why));
        if self.pc_header != header.addr || self.funcnametab.start() != header.names {
            return broken("it does not refer to the function table".into());
        }
        if self.pclntable.start() != header.table || entries != Some(header.functions + 1) {
            return broken(format!(
                "it counts {entries:?} entries of {} functions",
                header.functions
            ));
        }
        let tables = [
            self.funcnametab,
            self.cutab,
            self.filetab,
            self.pctab,
            self.pclntable,
        ];
        for table in tables {
            let segment = image.segment_at(table.start());
            let held = segment
                .map(|segment| AddrRange::sized(segment.range.start(), segment.file_len))
                .is_some_and(|held| held.covers(table));
            if !held || table.len() > MOST_TABLE_BYTES {
                return broken(format!("its table {table:?} is not in the file"));
            }
        }
        let code = image
            .segment_at(self.text.start())
            .filter(|segment| segment.execute);
        if self.text.is_empty() || !code.is_some_and(|code| code.range.covers(self.text)) {
            return broken(format!("its text {:?} is not code", self.text));
        }
        Ok(())
    }

    /// Whether `addr` lies where variables are.
    pub fn holds_variable(&self, addr: Addr) -> bool {
        [self.noptrdata, self.data, self.bss, self.noptrbss]
            .iter()
            .any(|range| range.contains(addr))
    }
}
