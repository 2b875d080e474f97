//! [`Error`]: why a program's runtime cannot be read.

use letgo_target::{Addr, Family, Fault};

/// Why a program's runtime cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// Bytes of the target could not be had.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The executable could not be read as a Go program.
    #[error(transparent)]
    Binary(#[from] letgo_gobin::Error),
    /// An invariant of the runtime is broken.
    #[error("{what}{} is inconsistent: {why}", place(*.addr))]
    Inconsistent {
        /// The structure or variable, in the runtime's words.
        what: String,
        /// Where it lies in the target; null where that is not at hand.
        addr: Addr,
        /// The check that failed.
        why: String,
    },
    /// A runtime that we do not read.
    #[error("the Go runtime of this program ({found}) cannot be read: {why}")]
    Unsupported {
        /// The Go version as the program names it.
        found: String,
        /// What is missing.
        why: String,
    },
}

/// ` at 0xc000010000`, or nothing.
fn place(addr: Addr) -> String {
    if addr.is_null() {
        return String::new();
    }
    format!(" at {addr}")
}

impl Error {
    /// Which of the four families this is.
    pub fn family(&self) -> Family {
        match self {
            Error::Fault(Fault::Denied { .. }) => Family::Denied,
            Error::Fault(_) => Family::Fault,
            Error::Binary(error) => error.family(),
            Error::Inconsistent { .. } => Family::Inconsistent,
            Error::Unsupported { .. } => Family::Unsupported,
        }
    }

    /// An [`Error::Inconsistent`].
    pub(crate) fn inconsistent(
        what: impl Into<String>,
        addr: Addr,
        why: impl Into<String>,
    ) -> Error {
        Error::Inconsistent {
            what: what.into(),
            addr,
            why: why.into(),
        }
    }

    /// Whether the whole target is out of reach, so that nothing further is worth a try.
    pub(crate) fn is_fatal(&self) -> bool {
        matches!(self, Error::Fault(Fault::Gone | Fault::Denied { .. }))
    }
}
