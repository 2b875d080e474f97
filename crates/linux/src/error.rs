//! [`Error`]: why something could not be had of a live process.
//!
//! The families are those of the house: not readable ([`Error::Fault`], [`Error::Io`]), broken
//! ([`Error::Inconsistent`]), not supported here ([`Error::Unsupported`]), not allowed
//! ([`Error::Denied`], [`Error::Busy`]). Beside them stand the things that a pid may turn out to
//! be.

use std::io;
use std::time::Duration;

use letgo_target::Fault;
use nix::errno::Errno;

use crate::Denial;
use crate::frozen::Hindrance;

/// Why something could not be had of a live process.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No process has this pid, in the pid namespace that we run in.
    #[error("there is no process {pid} (in the pid namespace that letgo runs in)")]
    NoSuchProcess {
        /// What was asked for.
        pid: u32,
    },
    /// The number is a thread's.
    #[error("{tid} is a thread of process {process}: ask for {process}")]
    Thread {
        /// What was asked for.
        tid: u32,
        /// The process it belongs to.
        process: u32,
    },
    /// A thread of the kernel, which has no memory of its own.
    #[error("process {pid} ({name}) is a kernel thread: it has no memory of its own")]
    KernelThread {
        /// What was asked for.
        pid: u32,
        /// Its name.
        name: String,
    },
    /// It has ended and waits for its parent.
    #[error("process {pid} ({name}) is a zombie: it has ended and waits for its parent {parent}")]
    Zombie {
        /// What was asked for.
        pid: u32,
        /// Its name.
        name: String,
        /// Who has to wait for it.
        parent: u32,
    },
    /// It ended while we were reading.
    #[error("process {pid} exited while it was being read")]
    Gone {
        /// The process.
        pid: u32,
    },
    /// It called `execve` while we were reading: the pid is the same, the program is not.
    #[error("process {pid} replaced its program (execve) while it was being read: try again")]
    Replaced {
        /// The process.
        pid: u32,
    },
    /// The kernel says no.
    #[error(transparent)]
    Denied(Box<Denial>),
    /// Another tracer holds it.
    #[error("process {pid} is already traced by process {tracer} ({name}): only one can")]
    Busy {
        /// The process.
        pid: u32,
        /// Who traces it.
        tracer: u32,
        /// The tracer's name, empty where it is not known.
        name: String,
    },
    /// No frozen copy of it can be made.
    #[error(transparent)]
    Hindered(Box<Hindrance>),
    /// Its threads did not stop in time. All of them run again.
    #[error(
        "process {pid} did not stop within {} ms: {running} of {threads} threads still ran",
        within.as_millis()
    )]
    Deadline {
        /// The process.
        pid: u32,
        /// The time allowed.
        within: Duration,
        /// Threads seen.
        threads: usize,
        /// Threads that had not stopped.
        running: usize,
    },
    /// Memory could not be read.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The kernel's own text does not read as documented.
    #[error("{what} does not read as expected: {why}")]
    Inconsistent {
        /// Which file or structure.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// This kernel does not have it.
    #[error("this kernel does not have {what}: {needs}")]
    Unsupported {
        /// What is missing.
        what: String,
        /// What would have it.
        needs: String,
    },
    /// Any other error of the operating system.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    /// Whether the process has ended or become another program.
    pub fn is_gone(&self) -> bool {
        matches!(
            self,
            Error::NoSuchProcess { .. }
                | Error::Gone { .. }
                | Error::Replaced { .. }
                | Error::Zombie { .. }
                | Error::Fault(Fault::Gone)
        )
    }

    /// Whether the kernel, or another tracer, does not let us.
    pub fn is_denied(&self) -> bool {
        matches!(
            self,
            Error::Denied(_) | Error::Busy { .. } | Error::Fault(Fault::Denied { .. })
        )
    }

    /// What `source` means when `what` was being done to process `pid`.
    pub(crate) fn from_io(pid: u32, what: &str, source: io::Error) -> Error {
        match source.raw_os_error().map(Errno::from_raw) {
            Some(Errno::ENOENT | Errno::ESRCH) => Error::Gone { pid },
            Some(Errno::EACCES | Errno::EPERM) => Error::Denied(Box::new(Denial::explain(
                pid,
                what,
                source.raw_os_error().unwrap_or_default(),
            ))),
            _ => Error::Io {
                what: format!("{what} of process {pid}"),
                source,
            },
        }
    }

    /// As [`Error::from_io`], for an errno.
    pub(crate) fn from_errno(pid: u32, what: &str, errno: Errno) -> Error {
        Error::from_io(pid, what, errno.into())
    }

    /// The kernel's text `what` is not as documented.
    pub(crate) fn inconsistent(what: impl Into<String>, why: impl Into<String>) -> Error {
        Error::Inconsistent {
            what: what.into(),
            why: why.into(),
        }
    }
}

impl From<Hindrance> for Error {
    fn from(hindrance: Hindrance) -> Error {
        Error::Hindered(Box::new(hindrance))
    }
}
