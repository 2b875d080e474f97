//! The journal: what letgo is about to write into a process, written down before it is.
//!
//! One file a process, named by boot, pid and start, in a directory that only we can write to
//! ([`JournalDir`]). Whoever writes to the process holds the file's lock, so there is one writer at
//! a time. If letgo dies, the lock goes with it and the file stays: a watchdog, or the next letgo
//! that writes, puts back what was to be put back. Letgo that only reads tells of it
//! ([`orphans`]) and changes nothing.
//!
//! Beside the journals lies `actions.jsonl`, for people: who changed what, when and why.
//!
//! Terms: an *entry* is one store; *transient* entries are put back, *lasting* ones only when
//! somebody asks, *self-healing* ones never. An *orphan* is a transient entry that was not put back
//! and whose writer no longer holds the lock.
//!
//! Does not write to a process (see [`crate::write`]).
//!
//! Invariants:
//! - a line is on the disk, with its directory entry, before [`file::Journal::append`] answers;
//! - a file is changed, replaced or removed only by who holds its lock;
//! - what was written for another program under the same pid (`execve`) is never put back.
//!
//! Format: `docs/formats/journal.md`.

mod actions;
mod dir;
pub(crate) mod file;
pub(crate) mod log;
pub(crate) mod record;

use crate::{Process, Refusal};

pub use dir::JournalDir;
pub use log::Log;
pub use record::{Entry, Fate, Kind, Who};

/// Stores that a letgo which is gone should have put back, in the order in which they were made;
/// none while a letgo is at work on the process. The next verb that writes puts them back.
///
/// Takes no lock and changes nothing.
///
/// # Errors
/// [`Refusal::StateDir`] where the directory cannot be trusted, [`Refusal::Journal`] where the file
/// cannot be read.
pub fn orphans(process: &Process) -> Result<Vec<Entry>, Refusal> {
    match dir::existing()? {
        Some(dir) => orphans_in(&dir, process),
        None => Ok(Vec::new()),
    }
}

/// As [`orphans`], in a directory.
///
/// # Errors
/// As [`orphans`].
pub fn orphans_in(dir: &JournalDir, process: &Process) -> Result<Vec<Entry>, Refusal> {
    let reading = file::read(dir, process)?;
    Ok(reading.map_or_else(Vec::new, |reading| match reading.held {
        true => Vec::new(),
        false => reading.log.transient(),
    }))
}

/// Stores that are meant to last, one for each place: what was there before the first and what the
/// last one wrote, in the order in which they were made.
///
/// Takes no lock and changes nothing. Whether the values still stand is for the caller to read.
///
/// # Errors
/// As [`orphans`].
pub fn lasting(process: &Process) -> Result<Vec<Entry>, Refusal> {
    match dir::existing()? {
        Some(dir) => lasting_in(&dir, process),
        None => Ok(Vec::new()),
    }
}

/// As [`lasting`], in a directory.
///
/// # Errors
/// As [`orphans`].
pub fn lasting_in(dir: &JournalDir, process: &Process) -> Result<Vec<Entry>, Refusal> {
    let reading = file::read(dir, process)?;
    Ok(reading.map_or_else(Vec::new, |reading| reading.log.lasting()))
}
