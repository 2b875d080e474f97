//! One file that holds a target: facts, program image and memory, compressed and checked.
//!
//! letgo writes a snapshot of a process or of a core, and reads it like either, on another machine,
//! without the binary, years later. The format is explained in `docs/formats/letgo-snapshot.md`.
//!
//! This crate takes no snapshot of its own accord: [`SnapshotWriter`] is given memory to read and
//! facts to keep. It reads no process and interprets no Go structure, and does not decide what a
//! redaction leaves.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)
)]

mod blocks;
mod bytes;
mod cache;
mod error;
mod facts;
mod format;
pub mod fuzzing;
mod inflate;
mod pool;
mod runs;
mod sections;
mod snapshot;
mod unfinished;
mod writer;

pub use error::Error;
pub use facts::{Facts, ThreadFacts};
pub use letgo_target::Family;
pub use snapshot::{Snapshot, Verified};
pub use writer::{Copied, Options, SnapshotWriter, Transform, Written};
