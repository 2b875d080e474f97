//! [`Plan`]: an experiment before it is run: its name, what is asked, what the seed claims.

use anyhow::Result;
use letgo_report::lab::{Column, Experiment};
use letgo_report::page::{Ink, Line, Page, wrap};
use letgo_report::{Look, Unit};

use super::bench::Bench;
use super::rows::Rows;
use crate::complaint::Complaint;

/// A column: its key, its name for people, its unit.
pub(super) type Head = (&'static str, &'static str, Unit);

/// An experiment.
pub(super) struct Plan {
    /// As it is asked for.
    pub(super) name: &'static str,
    /// A sentence.
    pub(super) question: &'static str,
    /// Rows of the seed.
    pub(super) seed_rows: &'static str,
    /// What the seed says: a sentence.
    pub(super) claim: &'static str,
    /// Its table.
    pub(super) columns: &'static [Head],
    /// Measures; what was measured before an error stays in the rows.
    pub(super) run: fn(&Bench, &mut Rows) -> Result<()>,
}

impl Plan {
    /// The experiment after it was run.
    pub(super) fn experiment(&self, rows: Rows) -> Experiment {
        let columns = self.columns.iter().map(|(key, head, unit)| Column {
            key: (*key).into(),
            head: (*head).into(),
            unit: unit.clone(),
        });
        let (rows, notes) = rows.finish();
        Experiment {
            name: self.name.into(),
            question: self.question.into(),
            seed_rows: self.seed_rows.into(),
            claim: self.claim.into(),
            columns: columns.collect(),
            rows,
            notes,
        }
    }
}

/// Those that are named, in the order of their names.
pub(super) fn named<'a>(plans: &'a [Plan], names: &[String]) -> Result<Vec<&'a Plan>, Complaint> {
    let find = |name: &String| {
        plans.iter().find(|plan| plan.name == name).ok_or_else(|| {
            let all = plans.iter().map(|plan| plan.name.to_owned());
            Complaint::usage(
                format!("there is no experiment {name}"),
                "name some of these, or see `letgo lab list`",
            )
            .among(all.collect())
        })
    };
    names.iter().map(find).collect()
}

/// All of them for a person.
pub(super) fn list(plans: &[Plan], look: Look) -> String {
    let width = plans.iter().map(|plan| plan.name.len()).max().unwrap_or(0) + 2;
    let mut page = Page::new(look);
    for plan in plans {
        let mut line = Line::new().add(Ink::Bold, plan.name);
        for part in wrap(plan.question, page.width().saturating_sub(width)) {
            page.line(line.pad_to(width).add(Ink::Plain, part));
            line = Line::new();
        }
        let claim = format!("seed ({}): {}", plan.seed_rows, plan.claim);
        page.wrapped(width, Ink::Dim, &claim);
    }
    page.finish()
}
