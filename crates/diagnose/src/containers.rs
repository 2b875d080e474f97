//! [`Containers`]: memory of maps and slices that nothing in them needs, as plain data.
//!
//! Who looked is the caller; what was not looked at is in no sum. Sizes are bytes that are
//! resident, where that is known.

use crate::finding::Location;

/// What was found in the containers of variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Containers {
    /// By where they are, in no order.
    pub groups: Vec<ContainerGroup>,
    /// Not all could be looked at: there may be more.
    pub is_cut: bool,
}

/// Containers that are reached from a variable in the same way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerGroup {
    /// Where: `main.pool.items[].body`; without symbols the variable is its place.
    pub name: String,
    /// Whether the variable is named as in the source.
    pub is_named: bool,
    /// Type of one.
    pub go_type: String,
    /// The functions that store into the variable.
    pub stored_by: Vec<Location>,
    /// Maps with far more slots than entries.
    pub sparse: Slack,
    /// Slices with far more room than elements: how many they could have, and have.
    pub roomy: Slack,
    /// Arrays and texts that are kept for a small part of them: bytes, and those that are covered.
    pub pinned: Slack,
}

/// What some of them have beyond what they need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slack {
    /// How many.
    pub count: u64,
    /// What is in use, in whatever it is counted in.
    pub used: u64,
    /// What there is room for, the same.
    pub room: u64,
    /// Bytes that are not needed.
    pub bytes: u64,
}

impl ContainerGroup {
    /// `main.cache`; `.body of the variable at bss+0x1e40`.
    pub(crate) fn place(&self) -> String {
        match self.is_named {
            true => self.name.clone(),
            false => format!("the variable at {}", self.name),
        }
    }
}
