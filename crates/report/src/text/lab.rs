//! [`lab`]: experiments as tables for a terminal.

use super::table::{Cell, Side, Table};
use crate::lab::{Column, Experiment, LabReport, Machine};
use crate::page::{Ink, Line, Look, Page};
use crate::{Unit, units};

/// Draws every experiment: what is asked, what the seed claims, the medians, the notes.
pub fn lab(report: &LabReport, look: Look) -> String {
    let mut page = Page::new(look);
    for experiment in &report.experiments {
        page.line(Line::new().add(Ink::Bold, format!("letgo lab run {}", experiment.name)));
        page.wrapped(0, Ink::Dim, &setting(report));
        page.gap();
        page.wrapped(0, Ink::Plain, &experiment.question);
        let claim = format!("seed ({}): {}", experiment.seed_rows, experiment.claim);
        page.wrapped(0, Ink::Yellow, &claim);
        page.gap();
        table(&mut page, experiment);
        page.gap();
        for note in &experiment.notes {
            page.wrapped(0, Ink::Dim, note);
        }
    }
    page.finish()
}

/// Where and when, on one line.
pub(crate) fn setting(report: &LabReport) -> String {
    let Machine {
        cpus,
        memory_bytes,
        swap_bytes,
        kernel,
        ..
    } = &report.machine;
    let date = report.at.split('T').next().unwrap_or_default();
    let mut text = format!(
        "{date}, letgo {}, Linux {kernel}, {} and {}",
        report.letgo.version,
        units::counted(*cpus, "processor"),
        units::bytes(*memory_bytes)
    );
    match swap_bytes {
        0 => text += ", no swap",
        bytes => text += &format!(", {} swap", units::bytes(*bytes)),
    }
    if let Some(mode) = &report.machine.huge_pages {
        text += &format!(", huge pages {mode}");
    }
    if let Some(load) = report.machine.load_average {
        text += &format!(", load {load:.1} at the start");
    }
    text
}

fn table(page: &mut Page, experiment: &Experiment) {
    let heads = experiment.columns.iter().map(|column| {
        let side = match column.unit {
            Unit::Text => Side::Left,
            _ => Side::Right,
        };
        (column.head.as_str(), side)
    });
    let mut table = Table::new(&heads.collect::<Vec<_>>());
    for row in &experiment.rows {
        let cell = |column: &Column| -> Cell {
            match row.get(&column.key) {
                Some(cell) => (Ink::Plain, cell.short(&column.unit)),
                None => (Ink::Dim, "-".into()),
            }
        };
        table.row(experiment.columns.iter().map(cell).collect());
    }
    table.write(page, 0);
}
