//! [`DebugFile`]: the symbols and DWARF of a program, in another file.
//!
//! Two files are of one build where their Go or GNU build ids are equal: what `strip` and
//! `objcopy --only-keep-debug` make of one file. A program linked with `-ldflags='-s -w'` and its
//! twin without have other ids, since the flags are part of both ids; what they share is the part
//! of the Go build id that is the content of package main, into which that of all packages went.
//! Such twins are laid out alike, but the flags that are kept in them can move whole sections. So
//! their code is compared: it must be the same, and use the same variables at the same places of
//! their sections.
//!
//! Does not look for the file (see the binary's own crate).
//!
//! Invariants: an address of the file is only given to others as one of the program.
//!
//! Source: src/cmd/go/internal/work/buildid.go (go1.19 to go1.27), for the parts of a Go build id.

use std::sync::OnceLock;

use iced_x86::{Decoder, DecoderOptions, Instruction};
use letgo_target::{Addr, AddrRange, read_bytes};

use crate::{Error, GoBinary, Image, Moduledata};

/// Most bytes of text that are compared.
const MOST_TEXT_BYTES: u64 = 1 << 30;

/// Symbols and DWARF, and how their addresses become the program's.
#[derive(Debug)]
pub(crate) struct DebugFile {
    pub(crate) image: Image,
    /// Ranges of the file, and where the program has them; empty where all is at its place.
    moved: Vec<(AddrRange, Addr)>,
    /// Where the file has type descriptors, if not where the program has them.
    types: Option<Addr>,
}

impl DebugFile {
    /// The program's address of an address of the file.
    pub(crate) fn own(&self, addr: Addr) -> Option<Addr> {
        if self.moved.is_empty() {
            return Some(addr);
        }
        let mut ranges = self.moved.iter();
        let (range, to) = ranges.find(|(range, _)| range.contains(addr))?;
        Some(to.add(addr.since(range.start())))
    }

    /// Where the file has the type descriptors that the program has at `own`.
    pub(crate) fn types_start(&self, own: Addr) -> Addr {
        self.types.unwrap_or(own)
    }
}

impl GoBinary {
    /// The file whose symbols have the addresses of this one.
    pub fn symbols(&self) -> &Image {
        let debug = self.debug.as_ref().filter(|debug| debug.moved.is_empty());
        debug.map_or(&self.image, |debug| &debug.image)
    }

    /// Takes symbols and DWARF from another file of the same build, from now on.
    ///
    /// # Errors
    /// [`Error::OtherBuild`] where it is of another build, [`Error::Unsupported`] where it has
    /// neither symbols nor DWARF.
    pub fn use_debug_file(&mut self, image: Image) -> Result<(), Error> {
        if !image.has_symtab() && !image.has_dwarf() {
            return Err(Error::Unsupported {
                found: "a debug file without symbols and DWARF".to_string(),
                supported: "a file of the same build that was not stripped",
            });
        }
        let other = || Error::OtherBuild {
            own: ids(&self.image),
            given: ids(&image),
        };
        let same = |own: Option<Vec<u8>>, given: Option<Vec<u8>>| own.is_some() && own == given;
        let go = |image: &Image| image.go_build_id().map(String::into_bytes);
        let debug =
            if same(go(&self.image), go(&image)) || same(self.image.build_id(), image.build_id()) {
                DebugFile {
                    image,
                    moved: Vec::new(),
                    types: None,
                }
            } else {
                let twin = GoBinary::open(image.clone(), None).map_err(|_| other())?;
                if !self.is_twin(&twin)? {
                    return Err(other());
                }
                DebugFile {
                    moved: moved(&twin.module, &self.module),
                    types: Some(twin.types()?.range().start()),
                    image,
                }
            };
        self.debug = Some(debug);
        self.typed = OnceLock::new();
        Ok(())
    }

    /// Takes the debug file that was given to another reading of the same binary.
    #[must_use]
    pub fn with_debug_file_of(mut self, other: &GoBinary) -> GoBinary {
        let debug = other.debug.as_ref();
        self.debug = debug.map(|debug| DebugFile {
            image: debug.image.clone(),
            moved: debug.moved.clone(),
            types: debug.types,
        });
        self
    }

    /// Whether symbols come from another file.
    pub fn has_debug_file(&self) -> bool {
        self.debug.is_some()
    }

    /// Whether `twin` is the same program, linked with other flags.
    fn is_twin(&self, twin: &GoBinary) -> Result<bool, Error> {
        let content = |binary: &GoBinary| {
            let id = binary.image.go_build_id()?;
            Some(id.split('/').nth(2)?.to_string())
        };
        let own = content(self);
        if own.is_none() || own != content(twin) || !alike(&self.module, &twin.module) {
            return Ok(false);
        }
        if self.functions.entries() != moved_entries(twin, self) {
            return Ok(false);
        }
        let text = |binary: &GoBinary| {
            let range = binary.module.text;
            read_bytes(&binary.image, range.start(), range.len(), MOST_TEXT_BYTES)
        };
        Ok(same_code(
            &text(self)?,
            &self.module,
            &text(twin)?,
            &twin.module,
        ))
    }
}

/// The build ids of an image, in words.
fn ids(image: &Image) -> String {
    let go = image.go_build_id().map(|id| format!("Go build id {id}"));
    let gnu = image.build_id().map(|id| {
        let hex: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("GNU build id {hex}")
    });
    let known: Vec<String> = go.into_iter().chain(gnu).collect();
    match known.is_empty() {
        true => "no build id".to_string(),
        false => known.join(", "),
    }
}

fn parts(module: &Moduledata) -> [AddrRange; 5] {
    [
        module.text,
        module.noptrdata,
        module.data,
        module.bss,
        module.noptrbss,
    ]
}

fn alike(one: &Moduledata, other: &Moduledata) -> bool {
    let mut pairs = parts(one).into_iter().zip(parts(other));
    pairs.all(|(one, other)| one.len() == other.len())
}

fn moved(from: &Moduledata, to: &Moduledata) -> Vec<(AddrRange, Addr)> {
    let pairs = parts(from).into_iter().zip(parts(to));
    pairs.map(|(from, to)| (from, to.start())).collect()
}

fn moved_entries(from: &GoBinary, to: &GoBinary) -> Vec<Addr> {
    let (from, start) = (&from.functions, from.module.text.start());
    let entries = from.entries().into_iter();
    entries
        .map(|entry| to.module.text.start().add(entry.since(start)))
        .collect()
}

/// Whether two texts are the same instructions, using the same variables.
fn same_code(one: &[u8], own: &Moduledata, other: &[u8], others: &Moduledata) -> bool {
    let decode = |bytes, module: &Moduledata| {
        Decoder::with_ip(64, bytes, module.text.start().0, DecoderOptions::NONE)
    };
    let place = |one: &Instruction, module: &Moduledata| {
        let addr = Addr(one.ip_rel_memory_address());
        let found = parts(module).into_iter().enumerate();
        let mut found = found.filter(|(_, range)| range.contains(addr));
        let (part, range) = found.next()?;
        Some((part, addr.since(range.start())))
    };
    let (mut first, mut second) = (decode(one, own), decode(other, others));
    let (mut a, mut b) = (Instruction::default(), Instruction::default());
    while first.can_decode() && second.can_decode() {
        first.decode_out(&mut a);
        second.decode_out(&mut b);
        let rip = a.is_ip_rel_memory_operand();
        let same = a.code() == b.code() && rip == b.is_ip_rel_memory_operand();
        if !same || rip && place(&a, own) != place(&b, others) {
            return false;
        }
    }
    !first.can_decode() && !second.can_decode()
}
