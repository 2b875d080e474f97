//! The Go runtime's structures as typed views: mheap, mspan, pageAlloc, gcController, memstats,
//! g, m, profile buckets.
//!
//! Knows where the runtime keeps what, release by release. Does not know residency (see the
//! `account` crate), makes no system call (see `linux`), and never writes.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)
)]

mod buckets;
mod census;
mod goroutine;
mod page_alloc;
mod span;
mod stats;

pub use buckets::{BucketList, ProfileBuckets};
pub use census::{Census, Metadata, Sys};
pub use goroutine::{Goroutine, Status, Thread};
pub use page_alloc::{CHUNK_PAGES, Chunk, PageAlloc, PageCache};
pub use span::{RUNTIME_PAGE, Span, SpanUse};
pub use stats::RuntimeStats;
