//! [`PsReport`]: `letgo.ps/1`, the Go programs of a host.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::runtime::present;
use crate::{Container, Own, SkipReport};

/// The answer of `letgo ps -o json`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PsReport {
    /// `letgo.ps/1`. Fields are added under this name, never changed or removed.
    pub schema: String,
    /// What made this report, and what it took.
    pub letgo: Own,
    /// When the reading began, by RFC 3339 in UTC.
    pub at: String,
    /// How long it took, in nanoseconds.
    pub wall_ns: u64,
    /// The Go programs, those of other containers included.
    pub processes: Vec<PsRow>,
    /// Processes that could not be looked at, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<SkipReport>,
}

impl PsReport {
    /// The schema's name.
    pub const SCHEMA: &'static str = "letgo.ps/1";
}

/// One Go program. A figure that is absent could not be read; `notes` says why.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct PsRow {
    /// Process id, in the pid namespace that letgo runs in.
    pub pid: u32,
    /// The kernel's short name of it.
    pub name: String,
    /// Path of the executable, as the target sees it.
    pub exe: String,
    /// Go release, as the build info has it.
    pub go_version: String,
    /// Bytes in RAM.
    pub rss_bytes: u64,
    /// Bytes that the last GC marked; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live_heap_bytes: Option<u64>,
    /// Bytes of free spans that could be returned to the OS now: `heap_idle - heap_released`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returnable_bytes: Option<u64>,
    /// GOGC in force, in percent; null is off.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    pub gc_percent: Option<Option<u32>>,
    /// GOMEMLIMIT in force, in bytes; null is none.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    pub memory_limit: Option<Option<u64>>,
    /// Goroutines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goroutines: Option<u64>,
    /// Completed GC cycles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_gc: Option<u64>,
    /// Time since it started, in nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uptime_ns: Option<u64>,
    /// The memory cgroup that it runs in, if there is one beside the root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<Container>,
    /// What is special about it, one short phrase each.
    #[serde(default)]
    pub notes: Vec<String>,
}
