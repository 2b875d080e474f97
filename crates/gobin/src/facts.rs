//! Skeleton: bodies follow.
#![allow(missing_docs, unused, reason = "skeleton")]
use crate::Globals;
use letgo_target::Addr;
use serde::{Deserialize, Serialize};

/// What opening a binary found out, to be kept and handed to the next opening.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CachedFacts {
    /// `build_id()` in hex, then `go_build_id()`: what the facts are true of.
    pub key: String,
    pub pclntab: Addr,
    pub moduledata: Addr,
    pub globals: Globals,
}
