//! [`Program`]: a target together with the files that it runs: its executable, its plugins.
//!
//! What a program cannot change (stack maps, masks, functions) is read from the file, where that
//! has it: no page of the target is touched for it, and it is there when the target is gone.
//! Everything else is read from the target.

use letgo_gobin::{FunctionTable, GoBinary, Image};
use letgo_goruntime::Runtime;
use letgo_goruntime::layout::{Layout, Member};
use letgo_target::{Addr, AddrRange, Fault, OS_PAGE, ReadMemory, read_bytes};

/// A target and its files.
#[derive(Clone, Copy)]
pub(crate) struct Program<'a> {
    pub(crate) runtime: &'a Runtime,
    pub(crate) binary: &'a GoBinary,
    pub(crate) memory: &'a dyn ReadMemory,
}

impl<'a> Program<'a> {
    pub(crate) fn layout(&self) -> &'a Layout {
        self.runtime.layout()
    }

    /// Reads bytes that a program does not change.
    pub(crate) fn constant(&self, addr: Addr, len: u64, limit: u64) -> Result<Vec<u8>, Fault> {
        let range = AddrRange::sized(addr, len);
        let (image, bias) = match self.runtime.plugins().holding(range) {
            Some(one) => (&one.plugin.image, one.bias),
            None => (&self.binary.image, self.runtime.bias()),
        };
        let link_time = range.biased(bias.wrapping_neg());
        if is_in_file(image, link_time) {
            return read_bytes(image, link_time.start(), len, limit);
        }
        let read = read_bytes(self.memory, addr, len, limit);
        match read {
            Err(Fault::NotResident { .. }) if is_relocated(image, link_time) => {
                self.relocated(image, bias, range, limit)
            }
            read => read,
        }
    }

    /// Reads what the loader has relocated, an os page at a time: pages that are not in memory hold
    /// nothing that was, so that the file has the same.
    fn relocated(
        &self,
        image: &Image,
        bias: u64,
        range: AddrRange,
        limit: u64,
    ) -> Result<Vec<u8>, Fault> {
        let mut bytes = Vec::new();
        let mut at = range.start();
        while at < range.end() {
            let end = at.add(1).align_up(OS_PAGE).min(range.end());
            let len = end.since(at);
            let part = match read_bytes(self.memory, at, len, limit) {
                Err(Fault::NotResident { .. }) => {
                    read_bytes(image, at.biased(bias.wrapping_neg()), len, limit)
                }
                part => part,
            };
            bytes.extend(part?);
            at = end;
        }
        Ok(bytes)
    }

    /// The module whose code holds `pc`.
    pub(crate) fn module(&self, pc: Addr) -> Module<'a> {
        match self.runtime.plugins().of_code(pc) {
            Some(one) => Module {
                functions: &one.plugin.functions,
                text: one.plugin.module.text,
                bias: one.bias,
                maps: Some((one.gofunc, one.rodata)),
            },
            None => Module {
                functions: &self.binary.functions,
                text: self.binary.module.text,
                bias: self.runtime.bias(),
                maps: None,
            },
        }
    }

    /// Bytes of the target.
    pub(crate) fn bytes(&self, addr: Addr, len: u32) -> Result<Vec<u8>, Fault> {
        read_bytes(self.memory, addr, u64::from(len), u64::from(len))
    }

    /// A field of at most 8 bytes of a structure at `base`.
    pub(crate) fn field(&self, base: Addr, member: Member) -> Result<u64, Fault> {
        let mut bytes = [0; 8];
        let len = (member.size as usize).min(bytes.len());
        let (field, _) = bytes.split_at_mut(len);
        self.memory.read(member.at(base), field)?;
        Ok(u64::from_le_bytes(bytes))
    }
}

/// Code, and the tables that tell of it: the executable's, or a plugin's.
#[derive(Clone, Copy)]
pub(crate) struct Module<'a> {
    pub(crate) functions: &'a FunctionTable,
    /// Its code, where it was linked to be.
    pub(crate) text: AddrRange,
    bias: u64,
    /// `moduledata.gofunc` and `moduledata.rodata` of a plugin.
    pub(crate) maps: Option<(Addr, Addr)>,
}

impl Module<'_> {
    /// Where an address of the target was linked to be.
    pub(crate) fn link_time(&self, addr: Addr) -> Addr {
        addr.biased(self.bias.wrapping_neg())
    }
}

/// Whether a range lies in the file, and where the program cannot write.
fn is_in_file(image: &Image, range: AddrRange) -> bool {
    let mut segments = image.segments().iter().filter(|segment| !segment.write);
    segments.any(|segment| AddrRange::sized(segment.range.start(), segment.file_len).covers(range))
}

/// Whether a range lies where the loader alone has written.
fn is_relocated(image: &Image, range: AddrRange) -> bool {
    image.relro().is_some_and(|relro| relro.covers(range))
}
