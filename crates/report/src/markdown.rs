//! [`lab`]: experiments as Markdown, for the pages of a repository.
//!
//! Ranges are shown beside medians, since a page outlives the run that it tells of.

use std::fmt::Write as _;

use crate::lab::{Experiment, LabReport};
use crate::text::lab_setting;

/// One section an experiment, each with where and when.
pub fn lab(report: &LabReport) -> String {
    let mut out = String::new();
    for experiment in &report.experiments {
        // Writing into a string cannot fail.
        let _ = write!(
            out,
            "\n### `{}` ({})\n\n{}\nThe seed: {}\n\n{}.\n\n",
            experiment.name,
            experiment.seed_rows,
            experiment.question,
            experiment.claim,
            lab_setting(report)
        );
        table(&mut out, experiment);
        for note in &experiment.notes {
            let _ = write!(out, "\n{note}\n");
        }
    }
    out
}

fn table(out: &mut String, experiment: &Experiment) {
    let columns = &experiment.columns;
    let heads = columns.iter().map(|column| cell(&column.head));
    line(out, heads);
    line(out, columns.iter().map(|_| "---".into()));
    for row in &experiment.rows {
        let cells = columns.iter().map(|column| match row.get(&column.key) {
            Some(text) => cell(&text.text_with_range(&column.unit)),
            None => "-".into(),
        });
        line(out, cells);
    }
}

fn line(out: &mut String, cells: impl Iterator<Item = String>) {
    let cells: Vec<String> = cells.collect();
    let _ = writeln!(out, "| {} |", cells.join(" | "));
}

/// Text that cannot end its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
