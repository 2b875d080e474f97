//! An ELF core file as a target: memory, threads, mappings, and what of it is missing.
//!
//! A core is what the kernel wrote when a process died, or `gcore` of one that lives on. It is
//! read by address like any other target, plain or compressed as `systemd-coredump` leaves it.
//! What it left out of the executable is answered from the executable's own file, once that was
//! found to be the same build.
//!
//! This crate reads no live process (see `linux`) and interprets no Go structure; a core has no
//! page table, so nothing here says what was resident.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)
)]

mod bytes;
mod corefile;
mod error;
mod files;
pub mod fuzzing;
mod headers;
mod identity;
mod mappings;
mod memory;
mod notes;
mod packed;
mod source;

pub use corefile::CoreFile;
pub use error::Error;
pub use files::Matched;
pub use letgo_target::Family;
pub use notes::{FileMapping, ProcessInfo, Signal, Thread};
pub use packed::{Options, Progress};
pub use source::ReadAt;
