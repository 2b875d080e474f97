//! [`Error`]: why a file cannot be read as a Go program.

use letgo_target::{Addr, Family, Fault};

/// Why a file cannot be read as a Go program.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// Bytes of the image could not be had.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The file could not be read.
    #[error("cannot read {what}: {reason}")]
    File {
        /// Which part of the file.
        what: &'static str,
        /// The errno in words.
        reason: String,
    },
    /// The kernel does not let us read the file.
    #[error("not allowed to read {what}: {reason}")]
    Denied {
        /// Which part of the file.
        what: &'static str,
        /// The errno in words.
        reason: String,
    },
    /// An invariant of the format is broken: the file is damaged, or made to deceive.
    #[error("{what} at {addr} is inconsistent: {why}")]
    Inconsistent {
        /// The structure, in the format's own words.
        what: &'static str,
        /// Where it lies (link time), or its offset in the file for ELF headers.
        addr: Addr,
        /// What is wrong with it.
        why: String,
    },
    /// An ELF file that is not a Go program, or whose traces of Go were removed.
    #[error("not a Go program that letgo can recognise: {why}")]
    NotGo {
        /// What was looked for and not found.
        why: String,
    },
    /// A file that is sound, but of a kind that we do not read.
    #[error("{found} is not supported; supported: {supported}")]
    Unsupported {
        /// What it is.
        found: String,
        /// What would be.
        supported: &'static str,
    },
    /// A file with symbols that belong to another build.
    #[error("the debug file is of another build: it has {given}, and the program has {own}")]
    OtherBuild {
        /// The build ids of the program.
        own: String,
        /// The build ids of the file.
        given: String,
    },
}

impl Error {
    /// Which of the four families this is.
    pub fn family(&self) -> Family {
        match self {
            Error::Fault(Fault::Denied { .. }) | Error::Denied { .. } => Family::Denied,
            Error::Fault(_) | Error::File { .. } => Family::Fault,
            Error::Inconsistent { .. } => Family::Inconsistent,
            Error::NotGo { .. } | Error::Unsupported { .. } | Error::OtherBuild { .. } => {
                Family::Unsupported
            }
        }
    }

    /// An [`Error::Inconsistent`].
    pub(crate) fn inconsistent(what: &'static str, addr: Addr, why: impl Into<String>) -> Error {
        Error::Inconsistent {
            what,
            addr,
            why: why.into(),
        }
    }

    /// An I/O failure while reading `what` of a file.
    pub(crate) fn from_io(what: &'static str, error: &std::io::Error) -> Error {
        let reason = error.to_string();
        match error.kind() {
            std::io::ErrorKind::PermissionDenied => Error::Denied { what, reason },
            _ => Error::File { what, reason },
        }
    }
}
