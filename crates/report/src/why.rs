//! [`WhyReport`]: `letgo.why/1`, where every resident byte of one process belongs.
//!
//! Plain data. Nothing here is computed, and nothing is read. The parts are [`Target`], [`Taken`],
//! [`Rss`], [`Runtime`] and [`Finding`], each in a module of its own.
//!
//! Invariants, kept by whoever fills it:
//! - a parent in the tree equals the sum of its children;
//! - the tree sums to `rss.attributed_bytes + rss.unattributed_bytes`;
//! - `rss.bytes` is the kernel's figure, and the difference to the tree is
//!   `taken.coverage.drift_bytes`;
//! - of `rss` and `virtual` there is exactly one.

use letgo_target::{Coverage, Skip};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Environment, Equality, Finding, Method, Rss, Runtime, SizeClass, Target, Virtual};

/// The answer of `letgo why PID -o json`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct WhyReport {
    /// `letgo.why/1`. Fields are added under this name, never changed or removed.
    pub schema: String,
    /// What made this report, and what it took.
    pub letgo: Own,
    /// The process.
    pub target: Target,
    /// When and how it was read.
    pub taken: Taken,
    /// Where the resident bytes belong; absent of a core file, which has no page table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rss: Option<Rss>,
    /// Of a core file, instead of `rss`: what the Go runtime had, in RAM or not.
    #[serde(rename = "virtual")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extent: Option<Virtual>,
    /// The runtime's own counters and settings.
    pub runtime: Runtime,
    /// What the environment asked for, beside what is in force.
    #[serde(default, skip_serializing_if = "Environment::is_empty")]
    pub environment: Environment,
    /// The heap by size class, those with slots only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub size_classes: Vec<SizeClass>,
    /// Our sums beside the runtime's counters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub equalities: Vec<Equality>,
    /// What letgo has changed in this process and has not put back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// What stands out, most bytes first.
    pub findings: Vec<Finding>,
}

/// A variable of the target that letgo has changed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// The variable, in Go's words.
    pub variable: String,
    /// What was there, as a hexadecimal number.
    pub old: String,
    /// What letgo wrote.
    pub new: String,
    /// It is meant to last until it is undone; else a letgo that died has left it, and the next
    /// verb that writes puts it back.
    pub lasting: bool,
}

impl WhyReport {
    /// The schema's name.
    pub const SCHEMA: &'static str = "letgo.why/1";

    /// What shares are taken of: RSS, or what the runtime had where that is not known.
    pub fn whole_bytes(&self) -> u64 {
        match (&self.rss, &self.extent) {
            (Some(rss), _) => rss.bytes,
            (None, Some(extent)) => extent.bytes,
            (None, None) => 0,
        }
    }

    /// Bytes of a leaf, counted as [`WhyReport::whole_bytes`] is; 0 where there is none.
    pub fn leaf_bytes(&self, id: &str) -> u64 {
        match (&self.rss, &self.extent) {
            (Some(rss), _) => rss.resident(id),
            (None, Some(extent)) => {
                let leaf = extent.leaves().into_iter().find(|leaf| leaf.id == id);
                leaf.map_or(0, |leaf| leaf.virtual_bytes)
            }
            (None, None) => 0,
        }
    }
}

/// letgo's own version and cost.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Own {
    /// letgo's version.
    pub version: String,
    /// CPU time that letgo used until it wrote this, in nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_ns: Option<u64>,
    /// The most memory that letgo had resident, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rss_bytes_max: Option<u64>,
}

/// When and how the target was read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Taken {
    /// When the reading began, by RFC 3339 in UTC.
    pub at: String,
    /// How.
    pub method: Method,
    /// The longest time that the target stood still for us, in nanoseconds; 0 if it never did.
    pub pause_ns_max: u64,
    /// How long that was expected to be, in nanoseconds, where it was estimated before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause_ns_predicted: Option<u64>,
    /// Why it was read so and not otherwise, where that was not what was asked for: a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// How long the reading took, in nanoseconds.
    pub wall_ns: u64,
    /// Bytes copied while the target stood still.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copied_bytes: Option<u64>,
    /// The object graph, where it was built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graph: Option<GraphReport>,
    /// How complete it is.
    pub coverage: CoverageReport,
}

/// The object graph, counted. Bytes are those of slots, in RAM or not.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct GraphReport {
    /// Slots in use.
    pub objects: u64,
    /// Of these, the reachable ones.
    pub reachable_objects: u64,
    /// Their bytes: what a GC would mark.
    pub reachable_bytes: u64,
    /// Of the objects, those that are not reachable.
    pub garbage_objects: u64,
    /// Their bytes.
    pub garbage_bytes: u64,
    /// Of the reachable objects, those that only words lead to which may be no pointers.
    pub guessed_objects: u64,
    /// Their bytes.
    pub guessed_bytes: u64,
    /// Objects that pointers for sure lead to, and that the last GC had found dead: 0 in a target
    /// at rest.
    pub dead_reachable: u64,
    /// Objects in use that the graph does not know; neither reachable nor garbage.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unknown_objects: u64,
    /// Pointers between objects.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub edges: u64,
    /// Bytes of spans that were copied.
    pub copied_bytes: u64,
    /// How long building and marking took, in nanoseconds.
    pub wall_ns: u64,
    /// Of that, how long reading objects and roots took.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub read_ns: u64,
    /// How long marking took.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub mark_ns: u64,
    /// How long finding out who holds what took, in nanoseconds, where that was asked for; not in
    /// `wall_ns`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dominators_ns: Option<u64>,
    /// Nothing was left out. Otherwise garbage is an upper bound.
    pub complete: bool,
}

/// A complete reading drifts by this much of RSS at most, in thousandths.
const DRIFT_PER_MILLE_MAX: u128 = 5;

/// How complete a reading is.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct CoverageReport {
    /// Nothing was left out, and the drift is at most 0.5 % of RSS.
    pub complete: bool,
    /// What was left out, and why.
    pub skipped: Vec<SkipReport>,
    /// Things left out beyond those listed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skipped_more: u64,
    /// Reads that the target changed under, and that were repeated or repaired.
    pub torn: u64,
    /// The tree's sum less the kernel's RSS: what moved while we read.
    pub drift_bytes: i64,
}

/// Things that were left out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SkipReport {
    /// What, in the runtime's or the kernel's words.
    pub what: String,
    /// Why.
    pub why: String,
    /// How many.
    pub count: u64,
}

impl CoverageReport {
    /// What `coverage` says, with the tree's sum less the kernel's RSS.
    pub fn new(coverage: &Coverage, drift_bytes: i64, rss_bytes: u64) -> CoverageReport {
        let drift = u128::from(drift_bytes.unsigned_abs());
        let steady = drift * 1000 <= u128::from(rss_bytes) * DRIFT_PER_MILLE_MAX;
        CoverageReport {
            complete: coverage.is_complete() && steady,
            skipped: coverage.skipped.iter().map(SkipReport::from).collect(),
            skipped_more: coverage.skipped_more,
            torn: coverage.torn,
            drift_bytes,
        }
    }
}

impl From<&Skip> for SkipReport {
    fn from(skip: &Skip) -> SkipReport {
        SkipReport {
            what: skip.what.clone(),
            why: skip.why.clone(),
            count: skip.count,
        }
    }
}

fn is_zero(value: &u64) -> bool {
    *value == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_is_complete_up_to_five_thousandths_of_drift() {
        let mut coverage = Coverage {
            torn: 7,
            ..Coverage::default()
        };
        for (drift, complete) in [
            (0, true),
            (50, true),
            (-50, true),
            (51, false),
            (-51, false),
        ] {
            let report = CoverageReport::new(&coverage, drift, 10_000);
            assert_eq!(report.complete, complete, "{drift}");
        }
        coverage.skip("mspan", "its base is nowhere");
        assert!(!CoverageReport::new(&coverage, 0, 10_000).complete);
    }
}
