//! Which resident byte belongs to what: the tree that sums to RSS.
//!
//! Joins the runtime's census with the kernel's residency. Reads no process and never guesses: a
//! byte whose owner is not proven is `maps.anon` or `unattributed`, and said so.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)
)]

mod account;
mod claims;
mod cursor;
mod equality;
mod error;
mod heap;
mod image;
mod leaf;
mod malloc;
mod maps;
mod reach;
mod sanitizer;
mod size_class;
mod sketch;
mod slots;
mod stacks;
mod tally;
mod thread_stack;
mod tree;

pub use account::{Account, Inputs, LargeMapping, Method, account, account_drawn, read_ahead};
pub use equality::{Equality, reconcile};
pub use error::Error;
pub use image::ImageSegment;
pub use leaf::{Group, Leaf};
pub use letgo_heap::SlotWord;
pub use letgo_target::{ResidentBytes, VirtBytes};
pub use malloc::MallocArenas;
pub use reach::{Held, Reach, ReachClass, Reached, SHARES, Shares};
pub use sanitizer::Sanitizer;
pub use size_class::SizeClass;
pub use sketch::Sketch;
pub use slots::{NoSlots, RuntimeSlots, Slot, SlotBits, SlotSource};
pub use tally::Tally;
pub use thread_stack::{Proof, ThreadStack};
pub use tree::{Node, Source};

#[cfg(test)]
mod tests;
