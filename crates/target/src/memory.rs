//! [`ReadMemory`]: a target's memory, wherever it is kept.
//!
//! A live process, a frozen copy, a core file, an ELF image and a test's byte vector all read
//! alike. Bytes are copied into our buffers, never referenced. Nothing here decides what bytes
//! mean.

use crate::{Addr, AddrRange};

/// Why bytes of a target could not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nothing is mapped there, or it may not be read.
    #[error("{len} bytes at {addr} are not mapped in the target")]
    Unmapped {
        /// First address asked for.
        addr: Addr,
        /// Bytes asked for.
        len: u64,
    },
    /// Mapped, but no page is present: reading would fault one in, which we do not do.
    #[error("{len} bytes at {addr} are not resident; reading them would fault pages in")]
    NotResident {
        /// First address asked for.
        addr: Addr,
        /// Bytes asked for.
        len: u64,
    },
    /// Mapped in the target, but the core file or snapshot that we read has no bytes of it.
    #[error("{len} bytes at {addr} were not kept in the file")]
    NotKept {
        /// First address asked for.
        addr: Addr,
        /// Bytes asked for.
        len: u64,
    },
    /// A core file or snapshot is damaged there: what it holds is not what was written.
    #[error("the file is damaged where it holds {len} bytes at {addr}: {why}")]
    Corrupt {
        /// First address asked for.
        addr: Addr,
        /// Bytes asked for.
        len: u64,
        /// How that was noticed.
        why: String,
    },
    /// The kernel says no.
    #[error("the kernel does not let us read the target's memory: {reason}")]
    Denied {
        /// The errno in words, with what it usually means.
        reason: String,
    },
    /// The target has exited or has replaced its image.
    #[error("the target has exited")]
    Gone,
    /// A length from the target is beyond what we are willing to read at once.
    #[error("refusing to read {len} bytes at {addr}: the limit is {limit}")]
    TooLong {
        /// First address asked for.
        addr: Addr,
        /// Bytes asked for.
        len: u64,
        /// The most that is read at once here.
        limit: u64,
    },
}

/// One piece of a scattered read: where from, where to, and whether it arrived.
#[derive(Debug)]
pub struct Piece<'a> {
    /// Where to read.
    pub addr: Addr,
    /// What to fill, whole.
    pub buf: &'a mut [u8],
    /// Whether all of `buf` was filled.
    pub filled: bool,
}

impl<'a> Piece<'a> {
    /// A piece that is still to be read.
    pub fn new(addr: Addr, buf: &'a mut [u8]) -> Piece<'a> {
        Piece {
            addr,
            buf,
            filled: false,
        }
    }
}

/// Memory that can be read by virtual address.
pub trait ReadMemory: Sync {
    /// Fills `buf` from `addr`, or fails; what `buf` holds after a failure is unspecified.
    ///
    /// # Errors
    /// A [`Fault`] where any byte could not be had.
    ///
    /// # Consistency
    /// A running target may change between and within reads; an aligned word is never torn.
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault>;

    /// Reads many pieces; each says afterwards whether it was filled.
    ///
    /// # Errors
    /// Only what makes the whole target unreadable ([`Fault::Gone`], [`Fault::Denied`]); a piece
    /// that is not mapped is left unfilled.
    fn read_scattered(&self, pieces: &mut [Piece<'_>]) -> Result<(), Fault> {
        for piece in pieces {
            match self.read(piece.addr, piece.buf) {
                Ok(()) => piece.filled = true,
                Err(fault @ (Fault::Gone | Fault::Denied { .. })) => return Err(fault),
                Err(_) => piece.filled = false,
            }
        }
        Ok(())
    }

    /// Told by [`crate::gather`] what it is about to read whole os pages for.
    fn asked(&self, _addr: Addr, _len: u64) {}
}

impl<M: ReadMemory + ?Sized> ReadMemory for &M {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        (**self).read(addr, buf)
    }

    fn read_scattered(&self, pieces: &mut [Piece<'_>]) -> Result<(), Fault> {
        (**self).read_scattered(pieces)
    }

    fn asked(&self, addr: Addr, len: u64) {
        (**self).asked(addr, len);
    }
}

impl<M: ReadMemory + Send + ?Sized> ReadMemory for std::sync::Arc<M> {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        (**self).read(addr, buf)
    }

    fn read_scattered(&self, pieces: &mut [Piece<'_>]) -> Result<(), Fault> {
        (**self).read_scattered(pieces)
    }

    fn asked(&self, addr: Addr, len: u64) {
        (**self).asked(addr, len);
    }
}

/// Reads `N` bytes at `addr`.
fn read_array<const N: usize>(memory: &dyn ReadMemory, addr: Addr) -> Result<[u8; N], Fault> {
    let mut bytes = [0; N];
    memory.read(addr, &mut bytes)?;
    Ok(bytes)
}

/// Reads a little-endian `u64`.
///
/// # Errors
/// A [`Fault`] where the bytes could not be had.
pub fn read_u64(memory: &dyn ReadMemory, addr: Addr) -> Result<u64, Fault> {
    read_array(memory, addr).map(u64::from_le_bytes)
}

/// Reads a little-endian `u32`.
///
/// # Errors
/// A [`Fault`] where the bytes could not be had.
pub fn read_u32(memory: &dyn ReadMemory, addr: Addr) -> Result<u32, Fault> {
    read_array(memory, addr).map(u32::from_le_bytes)
}

/// Reads a little-endian `u16`.
///
/// # Errors
/// A [`Fault`] where the bytes could not be had.
pub fn read_u16(memory: &dyn ReadMemory, addr: Addr) -> Result<u16, Fault> {
    read_array(memory, addr).map(u16::from_le_bytes)
}

/// Reads `len` bytes into a new vector; `limit` guards against lengths that the target made up.
///
/// # Errors
/// [`Fault::TooLong`] beyond `limit`, else as [`ReadMemory::read`].
pub fn read_bytes(
    memory: &dyn ReadMemory,
    addr: Addr,
    len: u64,
    limit: u64,
) -> Result<Vec<u8>, Fault> {
    let size = usize::try_from(len).ok().filter(|_| len <= limit);
    let Some(size) = size else {
        return Err(Fault::TooLong { addr, len, limit });
    };
    let mut bytes = vec![0; size];
    memory.read(addr, &mut bytes)?;
    Ok(bytes)
}

/// Memory made of byte vectors, for tests and for small recorded cases.
#[derive(Clone, Debug, Default)]
pub struct SliceMemory {
    segments: Vec<(Addr, Vec<u8>)>,
}

impl SliceMemory {
    /// Adds a segment; a later one wins where two overlap.
    pub fn map(&mut self, addr: Addr, bytes: Vec<u8>) {
        self.segments.push((addr, bytes));
    }

    /// The ranges that can be read, in the order they were added.
    pub fn ranges(&self) -> impl Iterator<Item = AddrRange> + '_ {
        self.segments
            .iter()
            .map(|(addr, bytes)| AddrRange::sized(*addr, bytes.len() as u64))
    }

    fn chunk(&self, addr: Addr) -> Option<&[u8]> {
        self.segments.iter().rev().find_map(|(start, bytes)| {
            let offset = usize::try_from(addr.0.checked_sub(start.0)?).ok()?;
            bytes.get(offset..).filter(|rest| !rest.is_empty())
        })
    }
}

impl ReadMemory for SliceMemory {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        let fault = Fault::Unmapped {
            addr,
            len: buf.len() as u64,
        };
        let (mut at, mut rest) = (addr, buf);
        while !rest.is_empty() {
            let Some(source) = self.chunk(at) else {
                return Err(fault);
            };
            let len = source.len().min(rest.len());
            let (head, tail) = rest.split_at_mut(len);
            head.copy_from_slice(source.get(..len).unwrap_or_default());
            at = at.add(len as u64);
            rest = tail;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_crosses_adjacent_segments_and_stops_at_a_gap() {
        let mut memory = SliceMemory::default();
        memory.map(Addr(0x1000), vec![1; 8]);
        memory.map(Addr(0x1008), vec![2; 8]);
        let mut buf = [0; 8];
        memory.read(Addr(0x1004), &mut buf).unwrap();
        assert_eq!(buf, [1, 1, 1, 1, 2, 2, 2, 2]);
        let fault = memory.read(Addr(0x100c), &mut buf).unwrap_err();
        assert_eq!(
            fault,
            Fault::Unmapped {
                addr: Addr(0x100c),
                len: 8
            }
        );
    }

    #[test]
    fn a_made_up_length_is_refused_before_it_is_allocated() {
        let memory = SliceMemory::default();
        let fault = read_bytes(&memory, Addr(8), 1 << 63, 1 << 20).unwrap_err();
        assert!(matches!(
            fault,
            Fault::TooLong {
                limit: 0x10_0000,
                ..
            }
        ));
    }
}
