//! [`Finding`]: what stands out, with its bytes, its evidence and its remedies.
//!
//! The fields are those of `letgo.why/1`. Does not print; see the `report` crate.

use std::fmt;

/// How much a finding matters, lowest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// 1 % of RSS or more.
    Low,
    /// 5 % of RSS and 16 MiB or more.
    Medium,
    /// 20 % of RSS and 64 MiB or more, or the container's limit is near.
    High,
}

/// How sure a finding is, lowest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Confidence {
    /// It fits what was read, and so may other causes.
    Possible,
    /// Other causes are improbable.
    Likely,
    /// What was read leaves no other cause.
    Proven,
}

/// Something that stands out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Stable id of the rule: `idle-not-returned`.
    pub id: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// How sure it is.
    pub confidence: Confidence,
    /// Resident bytes. A byte is assigned to one finding only: over all findings they sum to
    /// RSS at most.
    pub bytes: u64,
    /// Bytes that it shares with other findings, which have them in their `bytes`.
    pub also: Vec<Share>,
    /// How many things were found, where they are counted.
    pub count: Option<u64>,
    /// One sentence, without a full stop.
    pub title: String,
    /// What keeps the bytes.
    pub holder: Option<String>,
    /// Where in the program.
    pub location: Option<Location>,
    /// What was read that shows it, one sentence each.
    pub evidence: Vec<String>,
    /// What can be done, the first one first.
    pub remedies: Vec<Remedy>,
}

/// Bytes that another finding has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Share {
    /// The other finding's id.
    pub id: &'static str,
    /// Resident bytes that both concern.
    pub bytes: u64,
}

/// A place in the source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Location {
    /// Function, with its package.
    pub function: String,
    /// File, as the build recorded it.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
}

/// What can be done about a finding.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remedy {
    /// When it helps or what kind it is: `now`, `for good`.
    pub what: String,
    /// The command, setting or change of code.
    pub command: String,
    /// What to expect of it; empty where nobody can say.
    pub expect: String,
}

impl Severity {
    /// The word in JSON and text.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
        }
    }
}

impl Confidence {
    /// The word in JSON and text.
    pub fn as_str(self) -> &'static str {
        match self {
            Confidence::Possible => "possible",
            Confidence::Likely => "likely",
            Confidence::Proven => "proven",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
