//! [`SqlReport`]: `letgo.sql/1`, the answer to a question in SQL.
//!
//! Plain data. Addresses are numbers here, as SQL computes with them; `addr(n)` writes one in hex.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Own, Taken, Target};

/// The answer of `letgo heap TARGET --sql QUESTION -o json`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SqlReport {
    /// `letgo.sql/1`. Fields are added under this name, never changed or removed.
    pub schema: String,
    /// What made this report, and what it took.
    pub letgo: Own,
    /// The process.
    pub target: Target,
    /// When and how it was read.
    pub taken: Taken,
    /// The question.
    pub question: String,
    /// Names of columns, in their order; of several of one name the later ones have `:2`, `:3`.
    pub columns: Vec<String>,
    /// Rows: a number, a string or null by the name of each column.
    pub rows: Vec<BTreeMap<String, Value>>,
}

impl SqlReport {
    /// The schema's name.
    pub const SCHEMA: &'static str = "letgo.sql/1";
}
