//! [`Backlog`]: what was sent to channels and not received, as plain data.
//!
//! Who finds the channels and who weighs them is the caller. What cannot be known is `None` or
//! empty, never zero.

use crate::finding::Location;

/// Channels of one type that hold what nobody has received yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Their type: `chan *main.Job`.
    pub go_type: String,
    /// How many they are.
    pub channels: u64,
    /// Elements that they hold.
    pub queued: u64,
    /// Elements that they have room for.
    pub room: u64,
    /// Channels that are full.
    pub full: u64,
    /// The variable that leads to the only one, where it has a name.
    pub variable: Option<String>,
    /// Resident bytes of all objects that nothing but the channels holds.
    pub resident_bytes: u64,
    /// How many these are.
    pub objects: u64,
    /// Goroutines that wait to send.
    pub senders: Vec<Doing>,
    /// Other goroutines whose stacks lead to a channel: whoever receives is among them.
    pub others: Vec<Doing>,
}

/// Goroutines at one place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Doing {
    /// How many.
    pub count: u64,
    /// What they do, in the runtime's words: `sleep`, `running`.
    pub does: String,
    /// Where.
    pub location: Option<Location>,
}
