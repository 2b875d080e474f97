//! [`DoctorReport`]: `letgo.doctor/1`, what a machine allows and how to grant what is missing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Own, State};

/// The answer of `letgo doctor -o json`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DoctorReport {
    /// `letgo.doctor/1`. Fields are added under this name, never changed or removed.
    pub schema: String,
    /// What made this report, and what it took.
    pub letgo: Own,
    /// Release of the kernel.
    pub kernel: String,
    /// The process that was asked about, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// What was looked at.
    pub checks: Vec<Check>,
}

impl DoctorReport {
    /// The schema's name.
    pub const SCHEMA: &'static str = "letgo.doctor/1";
}

/// One thing that letgo needs or can use.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// What it is: `read another process's memory`.
    pub name: String,
    /// Whether it is there.
    pub state: State,
    /// What was found, and what that means.
    pub detail: String,
    /// How to grant it, where it is not whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}
