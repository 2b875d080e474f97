//! [`Facts`]: what is known of a target beside its memory.
//!
//! Written as JSON. Every field is optional, both ways: a later letgo adds fields, and an earlier
//! one passes over those that it does not know. Nothing here is interpreted by this crate.

use std::collections::BTreeMap;

use letgo_target::{Addr, Coverage, Mapping, Registers, Residency};
use serde::{Deserialize, Serialize};

/// What is known of a target beside its memory.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// The version of the letgo that wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub letgo_version: Option<String>,
    /// When it was taken, in milliseconds since 1970, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taken_at_ms: Option<u64>,
    /// How: `frozen`, `stopped`, `running` or `core`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// How long the target stood still for it, in nanoseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause_ns: Option<u64>,
    /// Its process id, as the letgo that wrote it saw it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// The path of its executable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exe: Option<String>,
    /// Its arguments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command_line: Vec<String>,
    /// Where it was entered (`AT_ENTRY`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<Addr>,
    /// What was added to the link-time addresses of its executable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bias: Option<u64>,
    /// Its auxiliary vector.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub auxv: Vec<(u64, u64)>,
    /// Its threads.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub threads: Vec<ThreadFacts>,
    /// Its mappings, by address.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mappings: Vec<Mapping>,
    /// The kernel's page table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub residency: Option<Residency>,
    /// The kernel's own sums, such as `Rss`, in bytes, by their names in `smaps`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub smaps: BTreeMap<String, u64>,
    /// What could not be had when it was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage: Option<Coverage>,
    /// What the verbs know of the target's surroundings: container, environment, host. Theirs
    /// alone to write and to read.
    #[serde(skip_serializing_if = "serde_json::Value::is_null")]
    pub surroundings: serde_json::Value,
}

/// A thread of the target.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ThreadFacts {
    /// Its thread id.
    pub tid: u32,
    /// What it had in its hands.
    pub registers: Registers,
}
