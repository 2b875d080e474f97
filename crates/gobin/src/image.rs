//! [`Image`]: one ELF image, addressed by link-time virtual address.
//!
//! Bytes come from a file by `pread`, or from the memory of a process by its program headers.
//! Reading a file image gives what a loader at bias 0 would have made of it: parts beyond the
//! file's bytes are zero, and `R_X86_64_RELATIVE` relocations of a position-independent executable
//! are applied on the fly. Reading a memory image gives what is there now; pointers in it carry the
//! load bias, which [`Image::link_addr`] takes off. Section headers exist in files only and are
//! never needed for more than symbols and DWARF.
//!
//! It does not know Go (see [`crate::GoBinary`]), applies no symbolic relocation, and never maps
//! the file: a file that is truncated while we read it gives a [`Fault`], not a signal.
//!
//! Source: System V ABI, chapters 4 and 5; x86-64 psABI, chapter 4.

mod headers;
mod notes;
mod relocations;
mod scan;
mod source;

use std::fs::File;
use std::sync::{Arc, OnceLock};

use letgo_target::{Addr, AddrRange, Fault, ReadMemory};

use crate::Error;
use headers::Headers;
pub use headers::{Section, Segment};
use relocations::Relocations;
pub(crate) use scan::Scan;
use source::Source;

/// Most bytes of one section, after decompression. The `.debug_info` of the largest Go programs
/// that we know (Kubernetes, CockroachDB) stays below half of it.
const MOST_SECTION_BYTES: u64 = 1 << 30;

/// An ELF x86-64 executable or shared object. A cheap handle: clones share one image.
#[derive(Clone, Debug)]
pub struct Image {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    source: Source,
    headers: Headers,
    relocations: OnceLock<Result<Relocations, Error>>,
}

impl Image {
    /// Reads the headers of an ELF file.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for what is no x86-64 ELF executable or shared object, and
    /// [`Error::Inconsistent`] for damaged headers. Damaged section headers alone are no error:
    /// the image then has no sections.
    pub fn from_file(file: File) -> Result<Image, Error> {
        Image::from_source(Source::file(file)?)
    }

    /// Reads the headers of an ELF file that is held in memory byte by byte.
    ///
    /// # Errors
    /// As [`Image::from_file`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Image, Error> {
        Image::from_source(Source::Bytes(bytes))
    }

    fn from_source(source: Source) -> Result<Image, Error> {
        let headers = Headers::read(&source)?;
        headers.check_file_len(source.file_len())?;
        Ok(Image::new(source, headers))
    }

    /// Reads the headers of an image whose ELF header lies at `load_base` in `memory`.
    ///
    /// # Errors
    /// As [`Image::from_file`].
    ///
    /// # Consistency
    /// Meant for a running target: code and constants do not change, variables do.
    pub fn from_memory(
        memory: Box<dyn ReadMemory + Send>,
        load_base: Addr,
    ) -> Result<Image, Error> {
        let mut source = Source::memory(memory, load_base);
        let headers = Headers::read(&source)?;
        source.set_bias(load_base.0.wrapping_sub(headers.header_addr()?.0));
        Ok(Image::new(source, headers))
    }

    /// The bytes of its file, from the start on; nothing where it was read from memory.
    pub fn file_bytes(&self) -> Option<Box<dyn std::io::Read + '_>> {
        self.shared.source.file_bytes()
    }

    fn new(source: Source, headers: Headers) -> Image {
        let relocations = OnceLock::new();
        Image {
            shared: Arc::new(Shared {
                source,
                headers,
                relocations,
            }),
        }
    }

    /// Where the program starts (`e_entry`).
    pub fn entry(&self) -> Addr {
        self.shared.headers.entry
    }

    /// Whether a loader may place it anywhere (`ET_DYN`): a PIE or a shared object.
    pub fn is_pie(&self) -> bool {
        self.shared.headers.is_dyn
    }

    /// The loaded segments, by address.
    pub fn segments(&self) -> &[Segment] {
        &self.shared.headers.segments
    }

    /// What the loader makes read-only after relocation (`PT_GNU_RELRO`).
    pub fn relro(&self) -> Option<AddrRange> {
        self.shared.headers.relro
    }

    /// The section headers, in the file's order; empty for a memory image.
    pub fn sections(&self) -> &[Section] {
        &self.shared.headers.sections
    }

    /// The first section of that name.
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections().iter().find(|section| section.name == name)
    }

    /// The whole of a section, decompressed; absent where there is no such section.
    ///
    /// # Errors
    /// Where it cannot be read or decompressed, or is larger than 1 GiB.
    pub fn section_bytes(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        match self.section(name) {
            Some(section) => self.bytes_of(section).map(Some),
            None => Ok(None),
        }
    }

    pub(crate) fn bytes_of(&self, section: &Section) -> Result<Vec<u8>, Error> {
        source::section_bytes(&self.shared.source, section)
    }

    /// The GNU build id (`NT_GNU_BUILD_ID`).
    pub fn build_id(&self) -> Option<Vec<u8>> {
        notes::find(self, b"GNU\0", notes::GNU_BUILD_ID)
    }

    /// The Go build id: the action and content ids that `go tool buildid` prints.
    pub fn go_build_id(&self) -> Option<String> {
        let bytes = notes::find(self, b"Go\0\0", notes::GO_BUILD_ID)?;
        String::from_utf8(bytes).ok().filter(|id| !id.is_empty())
    }

    /// Whether it has a symbol table (`.symtab`; the dynamic symbols do not count).
    pub fn has_symtab(&self) -> bool {
        self.sections().iter().any(Section::is_symtab)
    }

    /// Whether it has DWARF.
    pub fn has_dwarf(&self) -> bool {
        let named = |name| {
            self.section(name)
                .is_some_and(|section| !section.no_bits && section.len > 0)
        };
        named(".debug_info") || named(".zdebug_info")
    }

    /// The load bias of a process whose entry address (`AT_ENTRY`) is `at_entry`.
    pub fn bias_from_entry(&self, at_entry: Addr) -> u64 {
        at_entry.0.wrapping_sub(self.entry().0)
    }

    /// The load bias of a process that maps the first byte of the file at `mapping_start`.
    pub fn bias_from_lowest(&self, mapping_start: Addr) -> u64 {
        let header = self.shared.headers.header_addr().unwrap_or_default();
        mapping_start.0.wrapping_sub(header.0)
    }

    /// The link-time address behind a pointer that was read from this image.
    pub fn link_addr(&self, pointer: u64) -> Addr {
        Addr(pointer.wrapping_sub(self.shared.source.bias()))
    }

    /// The pointer that a read from this image gives for a link-time address.
    pub fn pointer_to(&self, addr: Addr) -> u64 {
        addr.0.wrapping_add(self.shared.source.bias())
    }

    /// The segment that holds `addr`.
    pub(crate) fn segment_at(&self, addr: Addr) -> Option<&Segment> {
        let known = self.segments();
        let index = known.partition_point(|segment| segment.range.end() <= addr);
        known
            .get(index)
            .filter(|segment| segment.range.contains(addr))
    }

    pub(crate) fn headers(&self) -> &Headers {
        &self.shared.headers
    }

    /// Reads without applying relocations.
    fn read_raw(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        if self.shared.source.is_memory() {
            return self.shared.source.read_memory(addr, buf);
        }
        let (mut at, mut rest) = (addr, buf);
        while !rest.is_empty() {
            let unmapped = Fault::Unmapped {
                addr: at,
                len: rest.len() as u64,
            };
            let segment = self.segment_at(at).ok_or_else(|| unmapped.clone())?;
            let left = segment.range.end().since(at);
            let len = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
            let (head, tail) = rest.split_at_mut_checked(len).ok_or(unmapped)?;
            self.shared.source.read_segment(segment, at, head)?;
            at = at.add(len as u64);
            rest = tail;
        }
        Ok(())
    }

    fn relocations(&self) -> Result<&Relocations, Fault> {
        let read = || {
            if self.is_pie() && !self.shared.source.is_memory() {
                Relocations::read(self)
            } else {
                Ok(Relocations::default())
            }
        };
        let kept = self.shared.relocations.get_or_init(read);
        kept.as_ref().map_err(|error| match error {
            Error::Fault(fault) => fault.clone(),
            _ => Fault::Unmapped {
                addr: Addr::NULL,
                len: 0,
            },
        })
    }

    /// Why the relocations cannot be had, if they cannot.
    pub(crate) fn check_relocations(&self) -> Result<(), Error> {
        match (self.relocations(), self.shared.relocations.get()) {
            (Err(_), Some(Err(error))) => Err(error.clone()),
            _ => Ok(()),
        }
    }
}

impl ReadMemory for Image {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        self.read_raw(addr, buf)?;
        let last = addr.add((buf.len() as u64).saturating_sub(1));
        let writable = |at| self.segment_at(at).is_some_and(|segment| segment.write);
        if self.is_pie() && (writable(addr) || writable(last)) {
            self.relocations()?.apply(addr, buf);
        }
        Ok(())
    }
}
