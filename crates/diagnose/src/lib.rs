//! Rules: facts in, ranked findings out, each with its bytes, its evidence and its remedies.
//!
//! [`Facts`] is plain data that the caller joins from the runtime's counters, the account and the
//! kernel; [`diagnose`] turns it into [`Finding`]s. Reads no memory and no file, prints nothing,
//! and keeps no history: what only two readings far apart can show, it does not claim.
//!
//! A healthy program gets no finding: a rule that has nothing to say is silent.
//!
//! Invariant: the bytes of all findings never exceed RSS, or what stands in for it where that is
//! not known ([`Measure`]); see [`assign`].

mod assign;
mod backlog;
mod containers;
mod draft;
mod facts;
mod finding;
mod group;
mod herd;
mod holder;
mod pacer;
#[cfg(test)]
mod properties;
mod rules;
mod settings;
mod slack;
#[cfg(test)]
mod testing;
mod thresholds;
mod waits;
#[cfg(test)]
mod wording;
mod words;

pub use backlog::{Backlog, Doing};
pub use containers::{ContainerGroup, Containers, Slack};
pub use facts::{
    Container, DebugVars, Environment, Facts, Goroutines, LeafBytes, Malloc, Mapping, Measure,
    Profile, Rates, SizeClass, State, Target, Thp, Threads,
};
pub use finding::{Confidence, Finding, Location, Remedy, Severity, Share};
pub use group::{Change, GoroutineGroup, Outliving, Verdict};
pub use holder::{Counted, Elements, Holder, Later};
pub use settings::{Setting, settings};
pub use thresholds::Thresholds;

/// Finds what stands out in `facts`, the most severe first and then the most bytes.
pub fn diagnose(facts: &Facts) -> Vec<Finding> {
    diagnose_with(facts, &Thresholds::default())
}

/// Finds what stands out by other thresholds than the defaults.
pub fn diagnose_with(facts: &Facts, thresholds: &Thresholds) -> Vec<Finding> {
    let case = draft::Case {
        facts,
        pacer: pacer::Pacer::new(facts),
        thresholds,
    };
    let drafts = rules::RULES
        .iter()
        .filter(|rule| facts.measure == Measure::Resident || !rule.needs_residency())
        .flat_map(|rule| {
            (rule.check)(&case)
                .into_iter()
                .map(|draft| (rule.id, draft))
        })
        .collect();
    assign::assign(&case, drafts)
}

/// The ids of all rules, in the order in which they claim bytes.
pub fn rule_ids() -> impl Iterator<Item = &'static str> {
    rules::RULES.iter().map(|rule| rule.id)
}
