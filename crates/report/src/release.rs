//! [`ReleaseReport`]: `letgo.release/1`, what was given back; [`TuneReport`]: `letgo.tune/1`, what
//! was set.
//!
//! Plain data. Nothing here is computed, and nothing is read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::open::{Basis, Ending};
use crate::{Own, Target};

/// The answer of `letgo release PID -o json`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReleaseReport {
    /// `letgo.release/1`. Fields are added under this name, never changed or removed.
    pub schema: String,
    /// What made this report, and what it took.
    pub letgo: Own,
    /// The process.
    pub target: Target,
    /// When it began, by RFC 3339 in UTC.
    pub at: String,
    /// Nothing was written: this is what would be expected.
    pub dry_run: bool,
    /// The process before.
    pub before: Memory,
    /// The process afterwards; absent in a dry run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Memory>,
    /// What was expected before anything was written.
    pub predicted: Predicted,
    /// RSS and free heap over time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curve: Vec<CurvePoint>,
    /// GC cycles that ended meanwhile.
    pub gcs: u32,
    /// From the first look to the last, in nanoseconds.
    pub took_ns: u64,
    /// The longest time that the target stood still for us, in nanoseconds; 0 if it never did.
    pub pause_ns_max: u64,
    /// How it ended; absent in a dry run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Ending>,
    /// Everything that was to be put back was.
    pub restored: bool,
    /// Variables that could not be put back, or that the program has set itself meanwhile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_restored: Vec<String>,
    /// Page faults to expect when the program grows to its size before again.
    pub page_faults_expected: u64,
    /// Size classes whose spans cannot go back because a few objects live in them, most bytes
    /// first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept_by: Vec<KeptBy>,
    /// What became of it in the time after, with `--watch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<Watch>,
    /// What else a reader should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl ReleaseReport {
    /// The schema's name.
    pub const SCHEMA: &'static str = "letgo.release/1";
}

/// The figures of one moment. Bytes, by the runtime's own counters but for RSS.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Memory {
    /// Resident memory, by the kernel's walk of the page table.
    pub rss_bytes: u64,
    /// Spans in use.
    pub heap_inuse_bytes: u64,
    /// Free spans that were not returned.
    pub heap_free_bytes: u64,
    /// Free spans that were returned.
    pub heap_released_bytes: u64,
    /// GOGC; null is off.
    pub gc_percent: Option<u64>,
    /// The memory limit; null is none.
    pub memory_limit: Option<u64>,
}

/// What was expected before anything was written.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Predicted {
    /// What the prediction rests on.
    pub basis: Basis,
    /// Resident memory afterwards.
    pub rss_bytes: u64,
    /// Resident bytes that go back: the next two, less what a busy program keeps.
    pub returned_bytes: u64,
    /// Of free spans.
    pub free_bytes: u64,
    /// Of spans in which no reachable object is; 0 where only counters were read.
    pub garbage_bytes: u64,
    /// Objects that may be garbage and were not looked at: what goes back may be so much more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unexamined_bytes: Option<u64>,
}

/// A point of the decay curve.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CurvePoint {
    /// Since the release began, in nanoseconds.
    pub at_ns: u64,
    /// Resident memory, by the kernel's quick counter.
    pub rss_bytes: u64,
    /// Free spans that were not returned.
    pub heap_free_bytes: u64,
    /// GC cycles that had ended by then.
    pub gcs: u32,
}

/// Spans of one size class that few objects keep.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct KeptBy {
    /// Bytes a slot.
    pub slot_bytes: u64,
    /// Spans.
    pub spans: u64,
    /// Slots with an object in them.
    pub used_slots: u64,
    /// All slots.
    pub slots: u64,
    /// Free slots, in bytes.
    pub free_bytes: u64,
}

/// The time after a release.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Watch {
    /// How long it was watched, in nanoseconds.
    pub watched_ns: u64,
    /// RSS and free heap over time, since the release began.
    pub curve: Vec<CurvePoint>,
    /// Resident memory at the end.
    pub rss_bytes: u64,
    /// Of what is resident at the end, what the runtime counts as returned: huge pages filled it
    /// again.
    pub returned_resident_bytes: u64,
}

/// The answer of `letgo tune PID -o json`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TuneReport {
    /// `letgo.tune/1`. Fields are added under this name, never changed or removed.
    pub schema: String,
    /// What made this report, and what it took.
    pub letgo: Own,
    /// The process.
    pub target: Target,
    /// When, by RFC 3339 in UTC.
    pub at: String,
    /// Nothing was written: this is what would be.
    pub dry_run: bool,
    /// The settings before.
    pub before: Settings,
    /// The settings afterwards, read back; as they would be in a dry run.
    pub after: Settings,
    /// What was written, in order.
    pub stores: Vec<StoreReport>,
    /// Values were put back.
    pub undone: bool,
    /// Beyond what letgo finds sane, on the user's word.
    pub forced: bool,
    /// What the pacer computes from the settings is what it should be.
    pub verified: bool,
    /// What else a reader should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl TuneReport {
    /// The schema's name.
    pub const SCHEMA: &'static str = "letgo.tune/1";
}

/// The settings of the pacer at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Settings {
    /// GOGC; null is off.
    pub gc_percent: Option<u64>,
    /// The memory limit in bytes; null is none.
    pub memory_limit: Option<u64>,
    /// The heap goal by GOGC in bytes; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heap_goal: Option<u64>,
    /// The live heap of the last cycle, in bytes.
    pub live_heap_bytes: u64,
}

/// One store into the target.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct StoreReport {
    /// The variable, in Go's words.
    pub variable: String,
    /// Where it is.
    pub address: String,
    /// What was there, as a hexadecimal number.
    pub old: String,
    /// What is there now.
    pub new: String,
    /// It stays until `--undo`; else the runtime overwrites it by itself.
    pub lasting: bool,
}
