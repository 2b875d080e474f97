//! [`LabReport`]: `letgo.lab/1`, experiments that were run on this machine, claims beside them.
//!
//! A figure is the median of its runs with the least and the most of them. What could not be
//! measured is absent from its row, and a note says why; it is never zero.
//! Does not measure and does not compute medians; see the verb `lab`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Own, Unit, units};

/// The answer of `letgo lab run -o json`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LabReport {
    /// `letgo.lab/1`. Fields are added under this name, never changed or removed.
    pub schema: String,
    /// What made this report, and what it took.
    pub letgo: Own,
    /// When the first experiment began, by RFC 3339 in UTC.
    pub at: String,
    /// Where they ran.
    pub machine: Machine,
    /// In the order in which they were asked for.
    pub experiments: Vec<Experiment>,
}

impl LabReport {
    /// The schema's name.
    pub const SCHEMA: &'static str = "letgo.lab/1";
}

/// What a figure depends on beside the program.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Machine {
    /// Processors that letgo may use.
    pub cpus: u64,
    /// All memory.
    pub memory_bytes: u64,
    /// All swap.
    pub swap_bytes: u64,
    /// The kernel's release.
    pub kernel: String,
    /// How transparent huge pages are set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub huge_pages: Option<String>,
    /// Processes that ran or wanted to run in the minute before: how noisy it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_average: Option<f64>,
}

/// One experiment: what is asked, what the seed claims, what was measured.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Experiment {
    /// As it is given to `letgo lab run`.
    pub name: String,
    /// What is asked.
    pub question: String,
    /// Rows of the seed that it belongs to, such as `R5`.
    pub seed_rows: String,
    /// What the seed says.
    pub claim: String,
    /// How the columns are called and in which units their figures are, from left to right.
    pub columns: Vec<Column>,
    /// By key of the column.
    pub rows: Vec<BTreeMap<String, Cell>>,
    /// How it was measured, and what could not be.
    pub notes: Vec<String>,
}

/// A column of an experiment's table.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Column {
    /// Its name in the rows; a figure's ends with its unit.
    pub key: String,
    /// Its name for people.
    pub head: String,
    /// What its figures count.
    pub unit: Unit,
}

/// What stands in a table.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A figure.
    Figure(Figure),
}

/// A figure of one or more runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Figure {
    /// The one in the middle.
    pub median: i64,
    /// The least of them.
    pub least: i64,
    /// The most of them.
    pub most: i64,
    /// How many there are.
    pub runs: u64,
}

impl Cell {
    /// The median in few columns, or the words.
    pub(crate) fn short(&self, unit: &Unit) -> String {
        match (self, unit) {
            (Cell::Figure(figure), Unit::Bytes) => {
                let size = units::bytes_short(figure.median.unsigned_abs());
                let sign = if figure.median < 0 { "-" } else { "" };
                format!("{sign}{size}")
            }
            _ => self.text(unit),
        }
    }

    /// As a person reads it: the median, or the words.
    fn text(&self, unit: &Unit) -> String {
        match self {
            Cell::Text(text) => text.clone(),
            Cell::Figure(figure) => shown(figure.median, unit),
        }
    }

    /// The median with the range of the runs where they differ: `287 MiB (286 MiB to 301 MiB)`.
    pub(crate) fn text_with_range(&self, unit: &Unit) -> String {
        let Cell::Figure(figure) = self else {
            return self.text(unit);
        };
        let (median, least) = (shown(figure.median, unit), shown(figure.least, unit));
        let most = shown(figure.most, unit);
        if least == most {
            median
        } else {
            format!("{median} ({least} to {most})")
        }
    }
}

/// Below nothing only where memory grew instead of falling.
fn shown(value: i64, unit: &Unit) -> String {
    let size = value.unsigned_abs();
    let text = match unit {
        Unit::Bytes => units::bytes(size),
        Unit::Nanoseconds => units::time(size),
        Unit::Permille => format!("{}.{} %", size / 10, size % 10),
        Unit::Text | Unit::Count | Unit::Other(_) => units::count(size),
    };
    if value < 0 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(median: i64, least: i64, most: i64) -> Cell {
        Cell::Figure(Figure {
            median,
            least,
            most,
            runs: 3,
        })
    }

    #[test]
    fn a_range_is_shown_only_where_it_can_be_seen() {
        let mib = 1 << 20;
        let same = figure(300 * mib, 300 * mib - 1000, 300 * mib + 1000);
        assert_eq!(same.text_with_range(&Unit::Bytes), "300 MiB");
        let wide = figure(300 * mib, 290 * mib, 1100 * mib);
        assert_eq!(
            wide.text_with_range(&Unit::Bytes),
            "300 MiB (290 MiB to 1.07 GiB)"
        );
        assert_eq!(wide.text(&Unit::Bytes), "300 MiB");
    }

    #[test]
    fn shares_have_one_place_and_a_sign_where_memory_grew() {
        assert_eq!(figure(735, 0, 0).text(&Unit::Permille), "73.5 %");
        assert_eq!(figure(-4, 0, 0).text(&Unit::Permille), "-0.4 %");
        assert_eq!(figure(240_000_000, 0, 0).text(&Unit::Nanoseconds), "240 ms");
    }
}
