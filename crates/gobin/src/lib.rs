//! One Go ELF file: which Go built it, its functions, where the runtime keeps its globals, and how
//! its structures are laid out.
//!
//! An [`Image`] is an ELF file (or the image of one in memory) addressed by *link-time* virtual
//! address: the addresses that its program headers name, before a loader moves a
//! position-independent executable. [`GoBinary`] is what is known of a Go program in it. All
//! addresses that this crate returns are link-time ones; add the load bias
//! ([`Image::bias_from_entry`]) to find the same thing in a running process.
//!
//! This crate reads no process (see the `linux` crate) and interprets no runtime structure beyond
//! the head of `moduledata` (see `goruntime`).
//!
//! Supported: ELF, x86-64, little endian, Go 1.18 and later in the shape of its tables. Whatever is
//! read may be hostile: every count is bounded, and nonsense is [`Error::Inconsistent`].

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)
)]

mod binary;
mod buildinfo;
mod bytes;
mod calls;
mod debug;
mod dwarf;
mod error;
mod facts;
mod functions;
#[doc(hidden)]
pub mod fuzzing;
mod globals;
mod image;
mod layouts;
mod moduledata;
mod pclntab;
mod plugin;
mod symbols;
#[cfg(test)]
mod synthetic;
mod typed;
mod types;
mod unwind;
mod variables;
mod version;

pub use binary::GoBinary;
pub use buildinfo::BuildInfo;
pub use calls::{CallCode, CodePiece};
pub use error::Error;
pub use facts::CachedFacts;
pub use functions::{Call, Calls, Frame, Function, FunctionTable, Line};
pub use globals::{Disagreement, Found, Globals, Rule, WANTED};
pub use image::{Image, Section, Segment};
pub use layouts::{Field, Layouts, StructLayout};
pub use letgo_target::Family;
pub use moduledata::Moduledata;
pub use plugin::Plugin;
pub use symbols::c_functions;
pub use typed::{GlobalTypes, Pointee, Shape, TypedVariable};
pub use types::{Kind, TypeHead, Types};
pub use unwind::{CallFrameInfo, Place, ReadWord};
pub use variables::Variables;
pub use version::GoVersion;
