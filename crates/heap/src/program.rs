//! [`Program`]: a target together with the file that it runs.
//!
//! What a program cannot change (stack maps, masks, functions) is read from the file, where that
//! has it: no page of the target is touched for it, and it is there when the target is gone.
//! Everything else is read from the target.

use letgo_gobin::GoBinary;
use letgo_goruntime::Runtime;
use letgo_goruntime::layout::{Layout, Member};
use letgo_target::{Addr, AddrRange, Fault, ReadMemory, read_bytes};

/// A target and its file.
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
        let link_time = self.link_time(addr);
        if self.is_in_file(AddrRange::sized(link_time, len)) {
            return read_bytes(&self.binary.image, link_time, len, limit);
        }
        read_bytes(self.memory, addr, len, limit)
    }

    fn is_in_file(&self, range: AddrRange) -> bool {
        let segments = self.binary.image.segments().iter();
        segments
            .filter(|segment| !segment.write)
            .any(|segment| AddrRange::sized(segment.range.start(), segment.file_len).covers(range))
    }

    /// Where the file has what lies at `addr` in the target.
    pub(crate) fn link_time(&self, addr: Addr) -> Addr {
        addr.biased(self.runtime.bias().wrapping_neg())
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
