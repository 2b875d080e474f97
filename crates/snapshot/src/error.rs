//! [`Error`]: why a snapshot cannot be written or read.

use letgo_target::{Family, Fault};

/// Why a snapshot cannot be written or read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// The target's memory could not be had.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// A file could not be read or written.
    #[error("cannot {what}: {reason}")]
    File {
        /// What was tried.
        what: String,
        /// The errno in words.
        reason: String,
    },
    /// The kernel does not let us.
    #[error("not allowed to {what}: {reason}")]
    Denied {
        /// What was tried.
        what: String,
        /// The errno in words.
        reason: String,
    },
    /// The file is damaged: what it holds is not what was written.
    #[error("the snapshot is damaged: {what} at byte {offset}: {why}")]
    Inconsistent {
        /// Which part.
        what: &'static str,
        /// Where in the file.
        offset: u64,
        /// What is wrong with it.
        why: String,
    },
    /// The file is something else than a snapshot that this letgo reads.
    #[error("{found} is not a snapshot that this letgo reads: {advice}")]
    Unsupported {
        /// What it is.
        found: String,
        /// What to do instead.
        advice: &'static str,
    },
    /// There is no folder that it could lie in.
    #[error("cannot write {path}: there is no folder {folder}")]
    NoFolder {
        /// Its path.
        path: String,
        /// The folder's.
        folder: String,
    },
    /// Something of that name is there already.
    #[error("{path} is there already; name another file, or say that it may be overwritten")]
    Exists {
        /// Its path.
        path: String,
    },
}

impl Error {
    /// Which of the four families this is.
    pub fn family(&self) -> Family {
        match self {
            Error::Fault(Fault::Denied { .. }) | Error::Denied { .. } => Family::Denied,
            Error::Fault(Fault::Corrupt { .. }) | Error::Inconsistent { .. } => {
                Family::Inconsistent
            }
            Error::Fault(_) | Error::File { .. } | Error::NoFolder { .. } => Family::Fault,
            Error::Unsupported { .. } | Error::Exists { .. } => Family::Unsupported,
        }
    }

    /// An [`Error::Inconsistent`].
    pub(crate) fn inconsistent(what: &'static str, offset: u64, why: impl Into<String>) -> Error {
        Error::Inconsistent {
            what,
            offset,
            why: why.into(),
        }
    }

    /// An I/O failure while doing `what`.
    pub(crate) fn from_io(what: impl Into<String>, error: &std::io::Error) -> Error {
        let (what, reason) = (what.into(), error.to_string());
        match error.kind() {
            std::io::ErrorKind::PermissionDenied => Error::Denied { what, reason },
            _ => Error::File { what, reason },
        }
    }
}
