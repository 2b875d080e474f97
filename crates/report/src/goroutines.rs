//! [`GoroutinesReport`]: `letgo.goroutines/1`, what the goroutines of a program wait for, what they
//! hold, and which of them can never run again.
//!
//! Plain data. Nothing here is computed, and nothing is read.
//!
//! Words: a *group* is all goroutines that stand at the same place for the same reason, were
//! started by the same statement, and of which the same is known. A group *retains* what would be
//! garbage without its stacks. A goroutine is *leaked* that can never run again.
//!
//! Invariants, kept by whoever fills it:
//! - `total` is the sum of the groups' counts, and of the counts by status;
//! - the stack bytes of all groups sum to `stack_bytes`;
//! - an object is retained by one group at most: what two of them hold is in neither.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::open::{GoroutineStatus, Unproven, Verdict};
use crate::{Location, Own, Taken, Target};

/// The answer of `letgo goroutines TARGET -o json`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct GoroutinesReport {
    /// `letgo.goroutines/1`. Fields are added under this name, never changed or removed.
    pub schema: String,
    /// What made this report, and what it took.
    pub letgo: Own,
    /// The process.
    pub target: Target,
    /// When and how it was read.
    pub taken: Taken,
    /// Goroutines, without dead ones.
    pub total: u64,
    /// Dead ones, whose structures wait to be used again.
    pub dead: u64,
    /// Bytes of stacks, in RAM or not.
    pub stack_bytes: u64,
    /// Bytes of stacks that dead ones keep.
    pub dead_stack_bytes: u64,
    /// How many are in each state, most first.
    pub by_status: Vec<StatusCount>,
    /// Those that can never run again, altogether.
    pub leaks: LeakSummary,
    /// All groups, most bytes of stacks and of what they retain first.
    pub groups: Vec<GoroutineGroup>,
}

impl GoroutinesReport {
    /// The schema's name.
    pub const SCHEMA: &'static str = "letgo.goroutines/1";
}

/// Goroutines in one state.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct StatusCount {
    /// The state.
    pub status: GoroutineStatus,
    /// What they wait for, in the runtime's words; absent of those that do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_reason: Option<String>,
    /// How many.
    pub count: u64,
    /// Bytes of their stacks, in RAM or not.
    pub stack_bytes: u64,
}

/// Goroutines that can never run again, altogether.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct LeakSummary {
    /// It was looked for leaks. Otherwise the figures here are 0 and mean nothing.
    pub analysed: bool,
    /// Why not, as a sentence without its full stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why_not: Option<String>,
    /// Goroutines that are proven to be leaked.
    pub proven: u64,
    /// Goroutines that are likely to be.
    pub likely: u64,
    /// Bytes of the stacks of both, in RAM or not.
    pub stack_bytes: u64,
    /// Bytes of the slots of what their groups retain, together; what only several groups hold is
    /// not in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retained_bytes: Option<u64>,
}

/// Goroutines that are alike.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct GoroutineGroup {
    /// The same for the same group in another reading of the same build: a hex string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Whether they can never run again.
    pub verdict: Verdict,
    /// Why that is not proven of goroutines that wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Unproven>,
    /// The state.
    pub status: GoroutineStatus,
    /// What they wait for, in the runtime's words; absent of those that do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_reason: Option<String>,
    /// How many.
    pub count: u64,
    /// The runtime's own goroutines.
    #[serde(default, skip_serializing_if = "is_false")]
    pub system: bool,
    /// How long the one has waited that waits longest, in nanoseconds. The runtime notes it at the
    /// first GC that sees it wait, as the end of the GC before: it is too much by up to the time
    /// between two. Absent where none was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_ns: Option<u64>,
    /// The same of the one that waits shortest, of those that were seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_ns_min: Option<u64>,
    /// Where to look: the innermost call of the program's own code, or else outside of the runtime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// The calls, innermost first.
    pub frames: Vec<CallFrame>,
    /// Calls that are not listed, between the inner and the outer half of those that are.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub frames_more: u64,
    /// The stack could not be followed to its end: outer calls are missing.
    #[serde(default, skip_serializing_if = "is_false")]
    pub frames_cut: bool,
    /// The `go` statement; absent of the first goroutine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<Location>,
    /// What the program labelled all of them with (`pprof.Do`): the same key and value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Where not all have the same labels: the most common sets, those with most goroutines first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub label_sets: Vec<LabelSet>,
    /// Goroutines whose set is not listed or could not be read.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub label_sets_more: u64,
    /// Bytes of their stacks, in RAM or not.
    pub stack_bytes: u64,
    /// Of these, the bytes in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack_used_bytes: Option<u64>,
    /// Bytes of the slots of what they retain; absent where the object graph was not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retained_bytes: Option<u64>,
    /// Objects that they retain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retained_objects: Option<u64>,
    /// Their numbers, the lowest ones: 100 at most.
    pub goids: Vec<u64>,
}

impl GoroutineGroup {
    /// Bytes of stacks and of what they retain.
    pub fn bytes(&self) -> u64 {
        let retained = self.retained_bytes.unwrap_or(0);
        self.stack_bytes.saturating_add(retained)
    }
}

/// Goroutines of a group with the same labels.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LabelSet {
    /// All their labels; empty of those that have none.
    pub labels: BTreeMap<String, String>,
    /// How many.
    pub count: u64,
    /// Bytes of their stacks, in RAM or not.
    pub stack_bytes: u64,
}

/// A call.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CallFrame {
    /// Function, with its package. Of C code, its symbol, else its place in its file
    /// (`libfoo.so.1+0x1234`), else its address.
    pub function: String,
    /// File, as the build recorded it; empty where it recorded none.
    pub file: String,
    /// Line, from 1; 0 where the build recorded none.
    pub line: u32,
    /// Its code is part of its caller's.
    #[serde(default, skip_serializing_if = "is_false")]
    pub inlined: bool,
    /// Of C code, the path of the library or program that it is in; empty where it is in no file.
    /// Absent of Go code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// Calls of C between this one and the next are not listed: they could not be followed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub gap: bool,
}

impl CallFrame {
    /// A function of C, in the file at `object`; `gap` as of the field.
    pub fn of_c(function: &str, object: &str, gap: bool) -> CallFrame {
        CallFrame {
            function: function.to_owned(),
            file: String::new(),
            line: 0,
            inlined: false,
            object: Some(object.to_owned()),
            gap,
        }
    }

    /// The name of the file of C code: `libc.so.6`. Nothing of Go code, and of C code in no file.
    pub fn object_name(&self) -> Option<&str> {
        let name = self.object.as_deref()?.rsplit('/').next();
        name.filter(|name| !name.is_empty())
    }

    /// The function as a reader wants it: of C code `C nanosleep (libc.so.6)`.
    pub fn shown(&self) -> Cow<'_, str> {
        let function = &self.function;
        match (&self.object, self.object_name()) {
            (None, _) => Cow::Borrowed(function),
            // A function without a name is told by the name of its file.
            (_, Some(name)) if !function.starts_with(&format!("{name}+")) => {
                Cow::Owned(format!("C {function} ({name})"))
            }
            _ => Cow::Owned(format!("C {function}")),
        }
    }
}

fn is_zero(value: &u64) -> bool {
    *value == 0
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_false(value: &bool) -> bool {
    !*value
}
