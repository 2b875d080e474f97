//! [`Error`]: why a core file cannot be read.

use letgo_target::{Family, Fault};

/// Why a core file cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// Memory in the core could not be had.
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
    /// An invariant of the format is broken: the file is damaged.
    #[error("{what} at byte {offset} of the core is damaged: {why}")]
    Inconsistent {
        /// The structure, in the format's own words.
        what: &'static str,
        /// Where in the file.
        offset: u64,
        /// What is wrong with it.
        why: String,
    },
    /// The file is something else than a core that we read.
    #[error("{found} is not a core file that letgo reads: {advice}")]
    Unsupported {
        /// What it is.
        found: String,
        /// What to do instead.
        advice: &'static str,
    },
    /// Decompressing it would take more room than allowed.
    #[error("the core takes more than {limit} bytes when decompressed; decompress it by hand")]
    TooLarge {
        /// The limit that was reached.
        limit: u64,
    },
    /// The file given for a mapping is another build than the one that was mapped.
    #[error(
        "the file given for {path} is not the one that ran: {why}; give the one that ran, or \
         none"
    )]
    OtherFile {
        /// Its path when it ran.
        path: String,
        /// What differs.
        why: String,
    },
    /// The core maps no file of that name.
    #[error("the core has no mapping of {path}")]
    NoSuchFile {
        /// The path asked for.
        path: String,
    },
}

impl Error {
    /// Which of the four families this is.
    pub fn family(&self) -> Family {
        match self {
            Error::Fault(Fault::Denied { .. }) | Error::Denied { .. } => Family::Denied,
            Error::Fault(_) | Error::File { .. } => Family::Fault,
            Error::Inconsistent { .. } => Family::Inconsistent,
            Error::Unsupported { .. }
            | Error::TooLarge { .. }
            | Error::OtherFile { .. }
            | Error::NoSuchFile { .. } => Family::Unsupported,
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
