//! Rules: facts in, ranked findings out, each with its bytes, its evidence and its remedies.
//!
//! [`Facts`] is plain data that the caller joins from the runtime's counters, the account and the
//! kernel; [`diagnose`] turns it into [`Finding`]s. Reads no memory and no file, prints nothing,
//! and keeps no history: what only two readings far apart can show, it does not claim.
//!
//! A healthy program gets no finding: a rule that has nothing to say is silent.

mod facts;
mod finding;

pub use facts::{
    Container, DebugVars, Environment, Facts, Goroutines, LeafBytes, Malloc, Mapping, Profile,
    Rates, SizeClass, State, Target, Thp, Threads,
};
pub use finding::{Confidence, Finding, Location, Remedy, Severity, Share};

/// Finds what stands out in `facts`, most severe first and then most bytes.
pub fn diagnose(_facts: &Facts) -> Vec<Finding> {
    Vec::new()
}
