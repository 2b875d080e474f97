//! Addresses, memory as something to read, page residency, and honest coverage.
//!
//! This crate holds the words that every other crate shares. It makes no system call on a live
//! process (see the `linux` crate) and interprets no Go structure (see `goruntime`).

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)
)]

mod addr;
pub mod bytes;
mod coverage;
mod family;
mod gather;
mod mapping;
mod memory;
mod registers;
mod residency;
mod signal_frame;
mod units;

pub use addr::{Addr, AddrRange};
pub use coverage::{Coverage, Skip};
pub use family::Family;
pub use gather::{Gathered, gather};
pub use mapping::{Mapping, Permissions};
pub use memory::{Fault, Piece, ReadMemory, SliceMemory, read_bytes, read_u16, read_u32, read_u64};
pub use registers::Registers;
pub use residency::{PageKind, PageRun, Residency};
pub use signal_frame::{interrupted, signal_marks};
pub use units::{ResidentBytes, VirtBytes};

/// Bytes of an os page. x86-64 Linux has no other base page size.
pub const OS_PAGE: u64 = 4096;
