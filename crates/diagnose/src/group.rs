//! [`GoroutineGroup`]: goroutines that stand at one place for one reason, as plain data.
//!
//! Who groups them, looks their places up and finds out which can never run again is the caller.
//! What cannot be known is `None`, never zero.

use crate::finding::Location;
use crate::words;

/// What is known of the future of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// They run, or may run again as far as is known.
    #[default]
    None,
    /// They hardly ever run again: what they wait for can be reached, and others looked.
    Likely,
    /// Nothing that can still run reaches what they wait for: they never run again.
    Proven,
}

/// How a group changed between two looks, [`crate::Rates::window_ns`] apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Goroutines that the first look did not see there.
    pub came: u64,
    /// Goroutines that the second look did not see there any more.
    pub went: u64,
}

impl Change {
    /// How many they are more; 0 where they are fewer.
    pub fn grown(self) -> u64 {
        self.came.saturating_sub(self.went)
    }

    /// Whether they became more than a load does that is as it was: where coming and going are
    /// equally frequent, their difference swings by about the root of their sum.
    pub(crate) fn is_growth(self, swings: f64) -> bool {
        let moved = words::float(self.came) + words::float(self.went);
        self.grown() > 0 && words::float(self.grown()) >= swings * moved.sqrt()
    }
}

/// Goroutines that are alike: same stack, same state, started by the same statement.
///
/// The runtime's own are left out by the caller, but for those that run functions of the program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GoroutineGroup {
    /// Whether they can run again.
    pub verdict: Verdict,
    /// How many they are.
    pub count: u64,
    /// Their state in the runtime's words: `waiting`, `running`.
    pub status: String,
    /// What they wait for in the runtime's words: `chan receive`; empty where they do not wait.
    pub wait_reason: String,
    /// How long the first of them has waited, of those that a GC saw wait: `g.waitsince` is 0
    /// until then.
    pub waiting_ns: Option<u64>,
    /// How long the last of them has waited, of those that a GC saw wait.
    pub waiting_least_ns: Option<u64>,
    /// Innermost frame of the user's code.
    pub location: Option<Location>,
    /// The `go` statement that started them.
    pub created_by: Option<Location>,
    /// Resident bytes of their stacks.
    pub stack_resident_bytes: u64,
    /// Bytes of their stacks.
    pub stack_virtual_bytes: u64,
    /// Resident bytes of what only this group holds of the heap. 0 without the object graph.
    pub heap_resident_bytes: u64,
    /// Objects that only this group holds. 0 without the object graph.
    pub heap_objects: u64,
    /// What changed of the group since, by a second look; `None` where there was one only.
    pub change: Option<Change>,
    /// The figures are of all that the group has: nothing of it was left out of the reading.
    pub is_whole: bool,
}

/// Goroutines that hold contexts of requests that have ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outliving {
    /// Those of one place. Of the heap it has what nothing else holds: what hangs on the contexts,
    /// and of goroutines that were started for a request all that they hold.
    pub group: GoroutineGroup,
    /// The requests that have ended, each counted once.
    pub requests: u64,
}

impl GoroutineGroup {
    /// Whether it has all goroutines of another, which stand at the same place.
    pub(crate) fn is_all_of(&self, other: &GoroutineGroup) -> bool {
        let place = |group: &GoroutineGroup| {
            let at = (group.location.clone(), group.created_by.clone());
            (at, group.status.clone(), group.wait_reason.clone())
        };
        self.count == other.count
            && self.stack_virtual_bytes == other.stack_virtual_bytes
            && place(self) == place(other)
    }

    /// Resident bytes that go with the group.
    pub(crate) fn bytes(&self) -> u64 {
        self.stack_resident_bytes
            .saturating_add(self.heap_resident_bytes)
    }

    /// How many more they were at a second look; 0 where they were not, or nobody looked.
    pub(crate) fn grown(&self) -> u64 {
        self.change.map_or(0, Change::grown)
    }

    /// Whether they became more by so much that it is no swing.
    pub(crate) fn is_growing(&self, swings: f64) -> bool {
        self.change.is_some_and(|change| change.is_growth(swings))
    }
}
