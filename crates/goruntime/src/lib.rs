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
mod channels;
mod check;
mod controls;
mod counters;
mod debug;
mod error;
mod goroutine;
mod goroutines;
mod labels;
pub mod layout;
mod light;
mod limits;
mod metadata;
mod mheap;
mod modules;
mod mspan;
mod page_alloc;
mod pages;
mod plugins;
mod processors;
mod runtime;
mod shape;
mod slots;
mod span;
mod stats;
pub mod types;
mod view;
mod wait_reason;
mod walk;

pub use buckets::{BucketList, ProfileBuckets};
pub use census::{Census, Metadata, Sys};
pub use controls::{
    Control, ControlState, Controls, DebugState, HEAP_MINIMUM, PiController, Place, heap_goal,
    heap_minimum,
};
pub use debug::Debug;
pub use error::Error;
pub use goroutine::{Goroutine, Status, Thread};
pub use labels::{LabelSet, Labelled, Labels};
pub use letgo_target::Family;
pub use light::{Light, LightDelta};
pub use limits::Limits;
pub use page_alloc::{CHUNK_PAGES, Chunk, PageAlloc, PageCache};
pub use plugins::{LoadedPlugin, Plugins};
pub use runtime::{Parts, Runtime};
pub use shape::Shape;
pub use slots::{SlotBits, SlotCounts};
pub use span::{RUNTIME_PAGE, Span, SpanUse};
pub use stats::RuntimeStats;
pub use walk::CensusOptions;
