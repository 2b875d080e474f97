//! [`Finding`]: something that stands out, with its bytes, its evidence and its remedies.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Confidence, Severity};

/// Something that stands out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Stable id of the rule: `idle-not-returned`.
    pub id: String,
    /// How much it matters.
    pub severity: Severity,
    /// How sure it is.
    pub confidence: Confidence,
    /// Resident bytes. A byte is assigned to one finding only.
    pub bytes: u64,
    /// Bytes that it shares with other findings, which have them in their `bytes`.
    #[serde(default)]
    pub also: Vec<Share>,
    /// How many things were found, where they are counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// One sentence, without a full stop.
    pub title: String,
    /// What keeps the bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    /// Where in the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// What was read that shows it, one sentence each.
    pub evidence: Vec<String>,
    /// What can be done.
    pub remedies: Vec<Remedy>,
}

/// Bytes that another finding has.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Share {
    /// The other finding's id.
    pub id: String,
    /// Resident bytes that both concern.
    pub bytes: u64,
}

/// A place in the source.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Location {
    /// Function, with its package.
    pub function: String,
    /// File, as the build recorded it.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
}

/// What can be done about a finding.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Remedy {
    /// When it helps or what kind it is: `now`, `for good`.
    pub what: String,
    /// The command, setting or change of code.
    pub command: String,
    /// What to expect of it; empty where nobody can say.
    pub expect: String,
}
