//! [`probe`]: what this machine allows letgo, what that means, and how to grant what is missing.
//!
//! Checks look at settings, and try the real thing on a child of ours where a setting does not
//! tell. Nothing is changed. With a pid, the same is asked of that process, and who says no is
//! named.
//!
//! Does not print (see the `report` crate).

use serde::{Deserialize, Serialize};

/// Whether a thing is there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum State {
    /// All of it.
    Ok,
    /// In part, or only for some processes.
    Limited,
    /// Not at all.
    Missing,
}

/// One thing that letgo needs or can use.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Check {
    /// What it is, in a few words.
    pub name: String,
    /// Whether it is there.
    pub state: State,
    /// What was found, and what that means for letgo.
    pub detail: String,
    /// How to grant it, where it is not whole.
    pub fix: Option<String>,
}

/// Looks at everything; with `target`, also at what is allowed on that process.
pub fn probe(target: Option<u32>) -> Vec<Check> {
    let _ = target;
    Vec::new()
}
