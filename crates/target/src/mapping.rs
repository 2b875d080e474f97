//! [`Mapping`]: one line of `/proc/PID/maps`, or one segment of a core file.

use serde::{Deserialize, Serialize};

use crate::{Addr, AddrRange};

/// What a mapping allows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Permissions {
    /// May be read.
    pub read: bool,
    /// May be written.
    pub write: bool,
    /// May be run.
    pub execute: bool,
    /// `MAP_SHARED`; otherwise private, copy on write.
    pub shared: bool,
}

/// A mapping of the target, as the kernel lists it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Mapping {
    /// Where it lies.
    pub range: AddrRange,
    /// What it allows.
    pub permissions: Permissions,
    /// Offset of its first byte in the file, in bytes; 0 for anonymous memory.
    pub offset: u64,
    /// Device of the file as `major << 32 | minor`; 0 for anonymous memory.
    pub device: u64,
    /// Inode of the file; 0 for anonymous memory.
    pub inode: u64,
    /// Path, or a name in brackets (`[heap]`, `[stack]`, `[anon:...]`); empty for plain anonymous
    /// memory. A deleted file keeps the kernel's ` (deleted)` at the end.
    pub name: String,
}

impl Mapping {
    /// Whether a file lies behind it (shared memory and memfds included).
    pub fn is_file(&self) -> bool {
        self.inode != 0
    }

    /// Whether two mappings show the same file.
    pub fn same_file(&self, other: &Mapping) -> bool {
        self.is_file() && (self.device, self.inode) == (other.device, other.inode)
    }

    /// The mapping of `mappings`, sorted by address, that holds `addr`.
    pub fn find(mappings: &[Mapping], addr: Addr) -> Option<&Mapping> {
        let index = mappings.partition_point(|mapping| mapping.range.end() <= addr);
        mappings
            .get(index)
            .filter(|mapping| mapping.range.contains(addr))
    }
}
