//! The system calls that need `unsafe`, or that no crate wraps as we need them, each wrapped once.
//!
//! Nothing here decides anything: arguments in, the kernel's answer out. Files and processes are
//! here, ptrace in `ptrace`, foreign memory in `readv` and `writev`, the page table in `pagemap`, a
//! child to try things on in `pausing`, one that outlives us in `detach`, advice on our own memory
//! in `advise`, a thread's priority in `haste`, and one lent to another's in `loan`.

mod advise;
pub(crate) mod detach;
mod haste;
pub(crate) mod loan;
pub(crate) mod pagemap;
mod pausing;
pub(crate) mod ptrace;
pub(crate) mod readv;
pub(crate) mod writev;

use std::ffi::CStr;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use nix::Result;
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::signal::kill;
use nix::sys::stat::Mode;
use nix::unistd::Pid;

pub use advise::LargeInHugePages;
pub use haste::Haste;
pub(crate) use pausing::Pausing;

/// Opens a directory to open files below it.
pub(crate) fn open_dir(path: &str) -> Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    open(path, flags, Mode::empty())
}

/// Opens a file below a directory for reading.
pub(crate) fn open_at(dir: impl AsFd, path: &CStr) -> Result<File> {
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    openat(dir, path, flags, Mode::empty()).map(File::from)
}

/// Opens a directory below a directory for listing.
pub(crate) fn open_dir_at(dir: impl AsFd, path: &CStr) -> Result<Dir> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    Dir::openat(dir, path, flags, Mode::empty())
}

/// Opens a directory that is open without access once more, for reading.
pub(crate) fn open_readable_dir(dir: impl AsFd) -> Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    openat(dir, ".", flags, Mode::empty())
}

/// Whether a process or thread has this number, whoever's it is.
pub(crate) fn exists(pid: i32) -> bool {
    matches!(kill(Pid::from_raw(pid), None), Ok(()) | Err(Errno::EPERM))
}

/// The number of the calling thread.
#[cfg(test)]
pub(crate) fn own_tid() -> u32 {
    nix::unistd::gettid().as_raw().unsigned_abs()
}
