//! The header of `runtime.pclntab`, the table from program counters to functions and lines.
//!
//! It starts with a magic number that names the release of its format, and then says where its
//! five parts lie: function names, compile units, file names, pc-value tables, and the functions
//! themselves. Everything else about it is in [`crate::FunctionTable`].
//!
//! `textStart` is not used: it is unreliable in position-independent executables and 0 from 1.26;
//! `moduledata.text` is the truth.
//!
//! Invariant: the parts lie in their order behind the header, less than 4 GiB long altogether.
//!
//! Source: src/runtime/symtab.go, type pcHeader; src/internal/abi/symtab.go, go1.18 to go1.27.

use letgo_target::{Addr, AddrRange, ReadMemory};

use crate::bytes::{u32_at, u64_at};
use crate::image::Scan;
use crate::{Error, Image};

/// `go118magic`: 1.18 and 1.19.
const MAGIC_118: u32 = 0xffff_fff0;
/// `go120magic`: 1.20 and later.
const MAGIC_120: u32 = 0xffff_fff1;
/// What follows the magic on x86-64: two zeros, instruction quantum 1, pointer size 8.
const TRAITS: [u8; 4] = [0, 0, 1, 8];
/// Bytes of the header that we read; up to 1.25 the parts start later, padded.
pub(crate) const HEADER_BYTES: usize = 72;
/// Most functions. The largest Go programs that we know have under 1 Mi.
const MOST_FUNCTIONS: u64 = 16 << 20;
/// Most bytes searched for the magic.
const MOST_SCANNED: u64 = 1 << 30;
/// Most headers that are tried; each costs a search for its moduledata. Real files have one.
const MOST_CANDIDATES: usize = 16;
const WHAT: &str = "runtime.pclntab";

/// The header, at its link-time address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Header {
    pub(crate) addr: Addr,
    /// Whether `_func` has `startLine` (1.20 and later).
    pub(crate) has_start_line: bool,
    pub(crate) functions: u64,
    /// Where the function names start.
    pub(crate) names: Addr,
    /// Where the function table starts.
    pub(crate) table: Addr,
}

impl Header {
    /// Decodes the header that lies at `addr`.
    ///
    /// # Errors
    /// [`Error::Inconsistent`] where it is none, [`Error::Unsupported`] for an older format.
    pub(crate) fn parse(addr: Addr, bytes: &[u8]) -> Result<Header, Error> {
        let broken = |why: String| Error::inconsistent(WHAT, addr, why);
        let field = |offset| u64_at(bytes, offset).ok_or_else(|| broken("it is cut off".into()));
        let magic = u32_at(bytes, 0).unwrap_or_default();
        if bytes.get(4..8) != Some(&TRAITS) {
            return Err(broken("it is not for x86-64".into()));
        }
        if ![MAGIC_118, MAGIC_120].contains(&magic) {
            return Err(broken(format!("its magic is {magic:#x}")));
        }
        let functions = field(8)?;
        if functions == 0 || functions > MOST_FUNCTIONS {
            return Err(broken(format!("it counts {functions} functions")));
        }
        let parts = [field(32)?, field(40)?, field(48)?, field(56)?, field(64)?];
        let [names, .., table] = parts;
        if !parts.is_sorted() || names < HEADER_BYTES as u64 || table > u64::from(u32::MAX) {
            return Err(broken(format!("its parts lie at {parts:x?}")));
        }
        Ok(Header {
            addr,
            has_start_line: magic == MAGIC_120,
            functions,
            names: addr.add(names),
            table: addr.add(table),
        })
    }

    /// Reads the header at `addr`.
    pub(crate) fn read(memory: &dyn ReadMemory, addr: Addr) -> Result<Header, Error> {
        let mut bytes = [0; HEADER_BYTES];
        memory.read(addr, &mut bytes)?;
        Header::parse(addr, &bytes)
    }
}

/// Calls `accept` with each header in the image until it gives something: by section name first,
/// then by scanning read-only segments, writable ones, and code.
pub(crate) fn find<T>(
    image: &Image,
    accept: &mut dyn FnMut(Header) -> Option<T>,
) -> Result<T, Error> {
    for section in image.sections() {
        if section.name.ends_with(".gopclntab")
            && let Ok(header) = Header::read(image, section.addr)
            && let Some(found) = accept(header)
        {
            return Ok(found);
        }
    }
    let mut candidates = 0;
    let mut segments: Vec<_> = image.segments().to_vec();
    segments.sort_by_key(|segment| (segment.execute, segment.write));
    for magic in [MAGIC_120, MAGIC_118] {
        let [a, b, c, d] = magic.to_le_bytes();
        let [e, f, g, h] = TRAITS;
        let needle = [a, b, c, d, e, f, g, h];
        let mut scan = Scan::new(image, &needle, 8, MOST_SCANNED);
        for segment in &segments {
            let range = AddrRange::sized(segment.range.start(), segment.file_len);
            let mut take = |addr| {
                let header = Header::read(image, addr).ok()?;
                candidates += 1;
                (candidates <= MOST_CANDIDATES).then(|| accept(header))?
            };
            if let Some(found) = scan.find(range, &mut take) {
                return Ok(found);
            }
        }
    }
    Err(Error::NotGo {
        why: "it has no function table (pclntab) of Go 1.18 or later that a moduledata refers to"
            .to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn header(magic: u32, functions: u64, parts: [u64; 5]) -> Vec<u8> {
        let mut bytes = magic.to_le_bytes().to_vec();
        bytes.extend(TRAITS);
        for field in [functions, 0, 0].into_iter().chain(parts) {
            bytes.extend(field.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn both_formats_are_read() {
        let bytes = header(MAGIC_118, 7, [96, 200, 300, 400, 500]);
        let parsed = Header::parse(Addr(0x1000), &bytes).unwrap();
        assert_eq!(
            parsed,
            Header {
                addr: Addr(0x1000),
                has_start_line: false,
                functions: 7,
                names: Addr(0x1060),
                table: Addr(0x11f4),
            }
        );
        let bytes = header(MAGIC_120, 7, [72, 200, 300, 400, 500]);
        assert!(Header::parse(Addr(0), &bytes).unwrap().has_start_line);
    }

    #[test]
    fn nonsense_is_inconsistent() {
        let parts = [72, 200, 300, 400, 500];
        let bad = [
            header(0xffff_fffb, 7, parts),
            header(MAGIC_120, 0, parts),
            header(MAGIC_120, 1 << 63, parts),
            header(MAGIC_120, 7, [72, 200, 100, 400, 500]),
            header(MAGIC_120, 7, [8, 200, 300, 400, 500]),
            header(MAGIC_120, 7, [72, 200, 300, 400, u64::MAX]),
            header(MAGIC_120, 7, parts)[..40].to_vec(),
            Vec::new(),
        ];
        for bytes in bad {
            let error = Header::parse(Addr(0), &bytes).unwrap_err();
            assert!(matches!(error, Error::Inconsistent { .. }), "{bytes:x?}");
        }
    }
}
