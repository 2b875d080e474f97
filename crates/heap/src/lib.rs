//! The object graph of a Go heap: objects, pointers, roots, and what is reachable.
//!
//! [`Graph::read`] reads what is needed of a target: allocation bits, the spans that hold pointers,
//! pointer masks, stacks; and keeps which object points to which, four bytes a pointer. After that
//! the target is not needed any more;
//! [`Graph::mark`] then finds what is reachable, on all cores.
//!
//! Pointers are exact where the runtime knows them: by bitmaps, by the types of objects, by stack
//! maps. Words are taken for pointers only where the runtime does so itself (frames of goroutines
//! that were preempted anywhere) and in what a thread has in its hands; what is reachable through
//! such words alone is counted apart.
//!
//! [`Graph::typed`] finds the types of objects, without DWARF.
//!
//! This crate knows neither Linux nor residency.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)
)]

mod arena_bits;
mod bits;
mod census_use;
mod channels;
mod contents;
mod contexts;
mod copy;
mod dominators;
mod edges;
mod error;
mod gc_program;
mod graph;
mod leaks;
mod limits;
mod mark;
mod objects;
mod paths;
mod plane;
mod pointers;
mod pointing;
mod prefetch;
mod program;
mod reachable;
mod ring;
mod roots;
mod stretches;
mod types;
mod typing;

pub use channels::Channel;
pub use contents::{
    Content, From as SurveyFrom, Group as SurveyGroup, MapParts, MapUse, Pins, Room, Sparse, Survey,
};
pub use contexts::Outliving;
pub use dominators::{Dominators, Held, Holder, Stack};
pub use error::Error;
pub use graph::{Graph, GraphOptions};
pub use leaks::{Alone, Doubt, Leaks, Standing};
pub use limits::Limits;
pub use objects::ObjectId;
pub use paths::{Naming, Path, PathKind, Paths, Referrers, Start, Step};
pub use pointing::{Pointer, Pointing};
pub use reachable::{ClassReach, Count, Reachable, SlotWord, SpanReach};
pub use roots::{Registers, Root, RootKind, Walk};
pub use typing::{
    Conflicts, Key, Member, Members, Part, Place, TypeCount, TypeId, TypeKind, TypeSeeds, Typed,
};
