//! [`View`]: a runtime together with the memory that it is read from now.
//!
//! The small steps that all readings share: a structure's bytes, a slice's header, an array of
//! pointers in bounded pieces. Interprets nothing.

use std::time::{Duration, Instant};

use letgo_target::{Addr, Fault, ReadMemory, read_bytes};

use crate::layout::{Layout, Member};
use crate::{Error, Runtime};

/// Largest structure that is read whole: `runtime.mheap` has 92 KiB and is never read whole.
const MOST_STRUCT: u64 = 64 << 10;

/// The header of a Go slice. Source: src/runtime/slice.go.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct SliceHeader {
    /// First element.
    pub(crate) ptr: Addr,
    /// Elements.
    pub(crate) len: u64,
    /// Elements that there is room for.
    pub(crate) cap: u64,
}

/// A runtime and the memory to read it from.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) runtime: &'a Runtime,
    pub(crate) memory: &'a dyn ReadMemory,
    /// When walks stop; never where absent.
    until: Option<Instant>,
}

impl<'a> View<'a> {
    pub(crate) fn new(runtime: &'a Runtime, memory: &'a dyn ReadMemory) -> View<'a> {
        View {
            runtime,
            memory,
            until: None,
        }
    }

    /// The same view, whose walks stop when `time` has passed.
    pub(crate) fn within(self, time: Duration) -> View<'a> {
        View {
            until: Instant::now().checked_add(time),
            ..self
        }
    }

    /// Whether walks have to stop.
    pub(crate) fn is_late(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() > until)
    }

    pub(crate) fn layout(&self) -> &'a Layout {
        &self.runtime.layout
    }

    /// The bytes of a structure.
    pub(crate) fn structure(&self, addr: Addr, size: u32) -> Result<Vec<u8>, Fault> {
        read_bytes(self.memory, addr, u64::from(size), MOST_STRUCT)
    }

    /// A field of at most 8 bytes of a structure at `base`.
    pub(crate) fn field(&self, base: Addr, member: Member) -> Result<u64, Fault> {
        let mut bytes = [0; 8];
        let size = (member.size as usize).min(bytes.len());
        self.memory
            .read(member.at(base), bytes.split_at_mut(size).0)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// A slice's header.
    pub(crate) fn slice(&self, addr: Addr) -> Result<SliceHeader, Fault> {
        let mut words = [0; 24];
        self.memory.read(addr, &mut words)?;
        let word = |offset| {
            let member = Member { offset, size: 8 };
            member.get(&words)
        };
        Ok(SliceHeader {
            ptr: Addr(word(0)),
            len: word(8),
            cap: word(16),
        })
    }

    /// A slice whose header makes sense and has at most `limit` elements.
    pub(crate) fn sane_slice(
        &self,
        what: &str,
        addr: Addr,
        limit: u64,
    ) -> Result<SliceHeader, Error> {
        let slice = self.slice(addr)?;
        let SliceHeader { ptr, len, cap } = slice;
        let wrong = if len > cap {
            format!("its length {len} is beyond its capacity {cap}")
        } else if len > limit {
            format!("its length {len} is beyond the limit {limit}")
        } else if len > 0 && (ptr.is_null() || !ptr.0.is_multiple_of(8)) {
            format!("it has {len} elements at {ptr}")
        } else {
            return Ok(slice);
        };
        Err(Error::inconsistent(what, addr, wrong))
    }

    /// `count` words at `addr`; the caller bounds `count`.
    pub(crate) fn words(&self, addr: Addr, count: u64) -> Result<Vec<u64>, Fault> {
        let bytes = read_bytes(
            self.memory,
            addr,
            count.saturating_mul(8),
            count.saturating_mul(8),
        )?;
        let words = bytes.chunks_exact(8);
        Ok(words
            .map(|word| {
                word.first_chunk()
                    .map_or(0, |word| u64::from_le_bytes(*word))
            })
            .collect())
    }
}
