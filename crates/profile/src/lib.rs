//! pprof profiles: values by stack, as `go tool pprof`, Pyroscope and Parca read them.
//!
//! [`Profile`] is filled sample by sample and written as a gzip'd `profile.proto` message. Places
//! are written as functions, files and lines; nothing is left to be looked up in a binary.
//!
//! Does not know where the values come from, and does not read profiles.
//!
//! Source: github.com/google/pprof, `proto/profile.proto`.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)
)]

mod message;
mod profile;

pub use profile::{Frame, Profile, Sample, ValueType};
