//! [`GoroutineGroup`]: goroutines that stand at one place for one reason, as plain data.
//!
//! Who groups them, looks their places up and finds out which can never run again is the caller.
//! What cannot be known is `None`, never zero.

use crate::finding::Location;

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
    /// How many they are more than at a first look, [`crate::Rates::window_ns`] before; `None`
    /// where there was one look only.
    pub grown_by: Option<i64>,
    /// The figures are of all that the group has: nothing of it was left out of the reading.
    pub is_whole: bool,
}

impl GoroutineGroup {
    /// Resident bytes that go with the group.
    pub(crate) fn bytes(&self) -> u64 {
        self.stack_resident_bytes
            .saturating_add(self.heap_resident_bytes)
    }

    /// How many came since the first look; 0 where none did, or nobody looked.
    pub(crate) fn grown(&self) -> u64 {
        let grown = self.grown_by.unwrap_or_default();
        u64::try_from(grown).unwrap_or_default()
    }
}
