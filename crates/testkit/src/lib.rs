//! Dev-only: builds Go patients, runs them, and makes synthetic runtimes byte by byte.
//!
//! A patient is a Go program of `lab/patients/<shape>/` that retains memory in one known shape and
//! prints its own truth (`lab/patients/truth/doc.go` has the format). [`Recipe`] builds one for a
//! Go version and a [`Kind`] of build and starts it; [`Patient`] talks to it; [`cases`] lists the
//! versions and kinds that letgo promises to read.
//! [`synthetic`] makes the memory of a Go runtime without any Go, a [`SyntheticCore`] a core file
//! without a process, and a [`Recording`] holds what a reading saw of a real one.
//!
//! This crate never reads a patient's memory and never uses letgo's own decoders, so that it stays
//! a second source.

mod cache;
mod core;
mod gcore;
mod kind;
mod lines;
mod matrix;
mod oracle;
mod patient;
mod proc;
mod recording;
mod skips;
pub mod synthetic;
mod toolchain;
mod trial;

pub use self::core::{SyntheticCore, why_no_kernel_core};
pub use cache::{cache_dir, repository_root, shape_dir};
pub use gcore::{copy_sparsely, gcore};
pub use kind::{Arch, Kind, Sanitizer, Strip};
pub use lines::{Figures, Line};
pub use matrix::{Case, MIDDLE_GO, NEWEST_GO, OLDEST_GO, Tier, VERSIONS, cases, sanitized_cases};
pub use oracle::{ALLOCATED_MEANWHILE, MOST_ANON, RELEASED_MEANWHILE, Report, Row};
pub use patient::{Patient, Recipe};
pub use proc::{Rss, mapping_names, rss, thread_states};
pub use recording::{Facts, Hex, Recorder, Recording};
pub use skips::note_skip;
pub use toolchain::Toolchain;
pub use trial::{Read, Trial, forbidden, report_of, try_stopped, why};
