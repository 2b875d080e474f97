//! [`WriteError`]: why one store was not made, or did not stand.

use std::io;
use std::path::PathBuf;

use letgo_target::Addr;

use super::Word;
use crate::Error;

/// Why one store was not made, or did not stand.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The process is gone, is another program now, could not be stopped or could not be read.
    #[error(transparent)]
    Target(#[from] Error),
    /// Old and new are of different widths.
    #[error("{name}: the old word and the new one are of different widths")]
    Width {
        /// The variable.
        name: String,
    },
    /// The address is no multiple of the width.
    #[error("{name} at {addr} is not aligned to its {width} bytes")]
    Unaligned {
        /// The variable.
        name: String,
        /// Where.
        addr: Addr,
        /// Bytes.
        width: usize,
    },
    /// The place is none that letgo writes to.
    #[error("{name} at {addr} lies in memory that {why}: letgo does not write there")]
    Place {
        /// The variable.
        name: String,
        /// Where.
        addr: Addr,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Another value than the caller expected is there.
    #[error("{name} was expected to be {expected} and is {found}: it was changed meanwhile")]
    Changed {
        /// The variable.
        name: String,
        /// What was expected.
        expected: Word,
        /// What is there.
        found: Word,
    },
    /// The kernel found the place not writable.
    #[error("{name} at {addr} cannot be written to")]
    Fault {
        /// The variable.
        name: String,
        /// Where.
        addr: Addr,
    },
    /// The word was stored, and the program has stored its own right after.
    #[error("{name} was set and is {found} now: the program sets it itself")]
    Overwritten {
        /// The variable.
        name: String,
        /// What is there.
        found: Word,
    },
    /// The journal could not be kept.
    #[error("the journal {} cannot be kept: {source}", path.display())]
    Journal {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl WriteError {
    /// Whether the store was made all the same.
    pub fn wrote(&self) -> bool {
        matches!(self, WriteError::Overwritten { .. })
    }
}
