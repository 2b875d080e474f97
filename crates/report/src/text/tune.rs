//! [`tune`]: what was set, beside what was there before.

use super::table::{Side, Table, plain};
use crate::page::{Ink, Line, Look, Page};
use crate::{Settings, TuneReport, units};

/// Draws it.
pub fn tune(report: &TuneReport, look: Look) -> String {
    let mut page = Page::new(look);
    let target = &report.target;
    let head = Line::new()
        .add(Ink::Bold, format!("letgo tune {}", target.pid))
        .add(Ink::Plain, "   ")
        .add(Ink::Bold, &target.exe)
        .add(Ink::Plain, format!("   {}", target.go_version));
    page.line(head);
    page.gap();
    let mut table = Table::new(&[
        ("", Side::Left),
        ("BEFORE", Side::Right),
        (if report.dry_run { "WOULD BE" } else { "NOW" }, Side::Right),
    ]);
    for (name, word) in ROWS {
        let (before, now) = (word(&report.before), word(&report.after));
        let ink = if before == now { Ink::Dim } else { Ink::Bold };
        table.row(vec![plain(name), plain(before), (ink, now)]);
    }
    table.write(&mut page, 0);
    page.gap();
    verdict(&mut page, report);
    for note in &report.notes {
        page.wrapped(0, Ink::Plain, note);
    }
    page.finish()
}

/// A row: its name, and what it shows of the settings.
type Row = (&'static str, fn(&Settings) -> String);

const ROWS: [Row; 4] = [
    ("GOGC", |settings| {
        let gogc = settings.gc_percent;
        gogc.map_or_else(|| "off".to_owned(), |percent| percent.to_string())
    }),
    ("memory limit", |settings| {
        let limit = settings.memory_limit;
        limit.map_or_else(|| "none".to_owned(), units::bytes)
    }),
    ("heap goal by GOGC", |settings| {
        let goal = settings.heap_goal;
        goal.map_or_else(|| "none".to_owned(), units::bytes)
    }),
    ("live heap", |settings| {
        units::bytes(settings.live_heap_bytes)
    }),
];

fn verdict(page: &mut Page, report: &TuneReport) {
    if report.dry_run {
        let stores = units::counted(report.stores.len() as u64, "store");
        let text = format!("Nothing was written (--dry-run); it would take {stores}.");
        page.wrapped(0, Ink::Dim, &text);
        return;
    }
    if report.stores.is_empty() {
        let text = if report.undone {
            "Nothing of letgo's is left to undo."
        } else {
            "It is so already; nothing was written."
        };
        page.wrapped(0, Ink::Plain, text);
        return;
    }
    if report.verified {
        page.wrapped(
            0,
            Ink::Green,
            "Set, and the runtime computes with it: read back.",
        );
    } else {
        page.wrapped(
            0,
            Ink::Red,
            "Written, but the runtime does not show it: the program may set it by itself.",
        );
    }
    if !report.undone {
        let undo = format!(
            "It lasts as long as the process. To take it back: letgo tune {} --undo",
            report.target.pid
        );
        page.wrapped(0, Ink::Plain, &undo);
    }
}
