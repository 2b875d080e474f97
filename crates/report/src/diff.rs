//! [`DiffReport`]: `letgo.diff/1`, what grew between two moments of a program, and what has not
//! changed since.
//!
//! Plain data. Nothing here is computed but what moved, and nothing is read.
//!
//! Words: *before* and *after* are the two moments. An object of after is *unchanged* if before
//! there was a reachable one at the same address, in a slot of the same size, with the same
//! contents; *changed* if the contents were others, be it that it was written to or that its place
//! was given to another object; *new* if there was none.
//!
//! Invariants, kept by whoever fills it:
//! - `delta` is `after` less `before`;
//! - the holders, with those that are not listed, sum to what is reachable, before and after;
//! - unchanged, changed, new and unknown objects together are what is reachable after.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Location, Own, Taken, Target};

/// The answer of `letgo diff A B -o json`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DiffReport {
    /// `letgo.diff/1`. Fields are added under this name, never changed or removed.
    pub schema: String,
    /// What made this report, and what it took.
    pub letgo: Own,
    /// The first moment.
    pub before: Moment,
    /// The second.
    pub after: Moment,
    /// Both run the same build, so that places of variables and of code are the same.
    pub same_build: bool,
    /// Both are of one process.
    pub same_process: bool,
    /// What that means for this report, where it is not so: a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Time between the two, in nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elapsed_ns: Option<u64>,
    /// GCs that ended between the two; absent where they are not of one process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gc_cycles: Option<u64>,
    /// All of it.
    pub totals: DiffTotals,
    /// By account leaf, the largest change first: resident bytes, or those of address space where
    /// one of the two has no page table.
    pub leaves: Vec<LeafDiff>,
    /// Whether leaves are counted in resident bytes.
    pub leaves_resident: bool,
    /// Reachable objects by size class, the largest change first.
    pub size_classes: Vec<ClassDiff>,
    /// Reachable objects by type, the largest growth first; empty where types are not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<TypeDiff>,
    /// What is retained, by whom, the largest growth first.
    pub holders: Vec<HolderDiff>,
    /// Holders that are not listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holders_rest: Option<HolderRest>,
    /// Goroutines by group, the largest growth of numbers first; those that stayed are left out.
    pub goroutines: Vec<GoroutineDiff>,
    /// What has not changed; absent where contents could not be compared at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unchanged: Option<Unchanged>,
    /// Why contents were not compared, where they were not: a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unchanged_why_not: Option<String>,
}

impl DiffReport {
    /// The schema's name.
    pub const SCHEMA: &'static str = "letgo.diff/1";
}

/// One of the two moments.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Moment {
    /// The program.
    pub target: Target,
    /// When and how it was read.
    pub taken: Taken,
    /// GCs that had ended.
    pub num_gc: u64,
    /// Contents were left out when it was recorded, `letgo snap --redact`: what is no pointer is
    /// not known of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub redacted: bool,
}

/// A number before and after.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Delta {
    /// Before.
    pub before: u64,
    /// After.
    pub after: u64,
    /// How much it grew; negative where it shrank.
    pub delta: i64,
}

impl Delta {
    /// Of these two.
    pub fn new(before: u64, after: u64) -> Delta {
        let delta = i128::from(after) - i128::from(before);
        let bound = if delta < 0 { i64::MIN } else { i64::MAX };
        Delta {
            before,
            after,
            delta: i64::try_from(delta).unwrap_or(bound),
        }
    }
}

/// Objects and the bytes of their slots, before and after.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct AmountDelta {
    /// How many.
    pub count: Delta,
    /// Bytes of their slots, in RAM or not.
    pub slot_bytes: Delta,
}

/// A program altogether.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct DiffTotals {
    /// The kernel's RSS; absent where one of the two has no page table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rss_bytes: Option<Delta>,
    /// Reachable objects.
    pub reachable: AmountDelta,
    /// Objects that are not reachable.
    pub garbage: AmountDelta,
    /// Free slots in spans in use.
    pub free_slots: AmountDelta,
    /// Goroutines.
    pub goroutines: Delta,
    /// Bytes of their stacks, in RAM or not.
    pub stack_bytes: Delta,
}

/// A leaf of the account.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LeafDiff {
    /// Stable id: `heap.idle`.
    pub id: String,
    /// The words that a person reads.
    pub label: String,
    /// Its bytes.
    pub bytes: Delta,
}

/// Reachable objects of one size class.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ClassDiff {
    /// Number of the class; 0 is one object a span, of any size.
    pub class: u32,
    /// Bytes of a slot; 0 for class 0.
    pub slot_bytes: u64,
    /// Reachable objects.
    pub reachable: AmountDelta,
}

/// Reachable objects of one type.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TypeDiff {
    /// The type.
    #[serde(rename = "type")]
    pub name: String,
    /// Reachable objects.
    pub reachable: AmountDelta,
}

/// Who holds objects that nobody else leads to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HolderDiff {
    /// What it is: `variable`, `goroutines`, `special`, `guess`, `several`. `several` is what more
    /// than one of the others leads to.
    pub kind: String,
    /// The variable's name, or its place where it has none; the function that goroutines began
    /// with.
    pub name: String,
    /// What would be garbage without it.
    pub retained: AmountDelta,
}

/// Holders that are not listed, summed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HolderRest {
    /// How many.
    pub count: u64,
    /// What they retain.
    pub retained: AmountDelta,
}

/// Goroutines that are alike.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct GoroutineDiff {
    /// Where they are, or were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// The `go` statement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<Location>,
    /// What they wait for, in the runtime's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_reason: Option<String>,
    /// How many.
    pub count: Delta,
    /// Bytes of their stacks, in RAM or not.
    pub stack_bytes: Delta,
}

/// Objects and the bytes of their slots.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Still {
    /// How many.
    pub count: u64,
    /// Bytes of their slots, in RAM or not.
    pub slot_bytes: u64,
}

impl Still {
    /// Counts one object.
    pub fn add(&mut self, slot_bytes: u64) {
        self.count += 1;
        self.slot_bytes = self.slot_bytes.saturating_add(slot_bytes);
    }
}

/// What is reachable after, by whether it was there before as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Unchanged {
    /// By what it was told: `contents`, the same bytes before and after. Nobody can tell from that
    /// whether an object was read.
    pub signal: String,
    /// They are at least so many GCs old; absent where the two are not of one process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_gc_cycles: Option<u64>,
    /// At the same place with the same contents, and of the same type where types are known.
    pub unchanged: Still,
    /// At the same place with other contents, or of another type.
    pub changed: Still,
    /// At a place where no object of that size was reachable before.
    pub new: Still,
    /// There before and after, with contents that could not be had of both.
    pub unknown: Still,
    /// Why not, where there are any: a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_why: Option<String>,
    /// What did not change, by holder, most bytes first.
    pub by_holder: Vec<StillOf>,
    /// What did not change, by type, most bytes first; empty where types are not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_type: Vec<StillOf>,
    /// What did not change, by bytes of a slot, most bytes first.
    pub by_slot: Vec<StillOf>,
}

/// What did not change, of one holder, type or size.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct StillOf {
    /// The holder, the type, or the bytes of a slot.
    pub name: String,
    /// What did not change.
    pub unchanged: Still,
    /// Of so many bytes altogether.
    pub slot_bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shrank_is_negative() {
        assert_eq!(Delta::new(5, 3).delta, -2);
        assert_eq!(Delta::new(0, u64::MAX).delta, i64::MAX);
        assert_eq!(Delta::new(u64::MAX, 0).delta, i64::MIN);
    }
}
