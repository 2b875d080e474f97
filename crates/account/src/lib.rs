//! Which resident byte belongs to what: the tree that sums to RSS.
//!
//! Joins the runtime's census with the kernel's residency. Reads no process and never guesses: a
//! byte whose owner is not proven is `maps.anon` or `unattributed`, and said so.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)
)]

mod leaf;

pub use leaf::Leaf;
