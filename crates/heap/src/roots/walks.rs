//! [`Walk`]: the frames of a goroutine's stack, and what it rests in.
//!
//! Addresses of code only: names and lines are looked up by whoever shows them.

use std::ops::Range;

use letgo_target::{Addr, AddrRange};

use super::frames::Special;

/// What a goroutine rests in, as far as a frame tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum BlockedIn {
    /// No frame that says more than its wait reason.
    #[default]
    Other,
    /// `sync.Mutex` or `sync.RWMutex`
    Mutex,
    /// `sync.WaitGroup`
    WaitGroup,
    /// `sync.Cond`; where its frame and its arguments lie.
    Cond(AddrRange),
}

/// The frames of a goroutine that is not dead.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Walk {
    /// Which of the census's goroutines.
    pub goroutine: u32,
    /// Bytes of its stack in use.
    pub used: u64,
    /// Whether every frame was found, and all its pointers by stack maps.
    pub is_whole: bool,
    /// Whether C code called Go code on it.
    pub is_called_by_c: bool,
    pub(crate) pcs: Range<u32>,
    pub(crate) roots: Range<u32>,
    pub(crate) blocked_in: BlockedIn,
}

impl Walk {
    /// Keeps what a frame tells of the goroutine; of several that it rests in, the innermost.
    pub(super) fn note(&mut self, special: Special, frame: AddrRange) {
        let blocked_in = match special {
            Special::Mutex => BlockedIn::Mutex,
            Special::WaitGroup => BlockedIn::WaitGroup,
            Special::Cond => BlockedIn::Cond(frame),
            _ => BlockedIn::Other,
        };
        self.is_called_by_c |= special == Special::CgoCallback;
        if self.blocked_in == BlockedIn::Other {
            self.blocked_in = blocked_in;
        }
    }
}

/// All walks.
#[derive(Debug, Default)]
pub(crate) struct Walks {
    pub(crate) walks: Vec<Walk>,
    pub(crate) pcs: Vec<Addr>,
}

impl Walks {
    /// Adds others, whose roots come behind so many.
    pub(crate) fn merge(&mut self, other: Walks, roots: usize) {
        let (pcs, roots) = (number(self.pcs.len()), number(roots));
        let by = |range: Range<u32>, by: u32| {
            range.start.saturating_add(by)..range.end.saturating_add(by)
        };
        self.walks.extend(other.walks.into_iter().map(|walk| Walk {
            pcs: by(walk.pcs.clone(), pcs),
            roots: by(walk.roots.clone(), roots),
            ..walk
        }));
        self.pcs.extend(other.pcs);
    }

    /// Puts them into the census's order.
    pub(crate) fn sort(&mut self) {
        self.walks.sort_by_key(|walk| walk.goroutine);
    }

    /// The walk of one of the census's goroutines; absent where its stack was not read.
    pub(crate) fn of(&self, goroutine: u32) -> Option<&Walk> {
        let at = self
            .walks
            .binary_search_by_key(&goroutine, |walk| walk.goroutine);
        self.walks.get(at.ok()?)
    }
}

/// Where a list ends that has fewer than 2^32 entries.
pub(crate) fn number(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
