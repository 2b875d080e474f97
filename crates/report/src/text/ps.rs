//! [`ps`]: the Go programs of a host, one row each.

use unicode_width::UnicodeWidthStr;

use super::table::{Cell, Side, Table, plain};
use crate::page::{Ink, Look, Page};
use crate::{PsReport, PsRow, units};

/// Columns from which the container has a place beside the figures.
const ROOMY: usize = 100;
/// Where the kernel cuts a process's name.
const COMM: usize = 15;

/// Which columns a table has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PsColumns {
    /// Those that fit the width, with the notes below the table.
    Fitting,
    /// All of them, however wide.
    Wide,
}

/// Draws the table in the order of the report.
pub fn ps(report: &PsReport, look: Look, columns: PsColumns) -> String {
    let mut page = Page::new(look);
    if report.processes.is_empty() {
        page.wrapped(0, Ink::Plain, "No Go program runs here that can be seen.");
    } else {
        let wide = columns == PsColumns::Wide;
        table(&mut page, report, wide);
        if !wide {
            notes(&mut page, report);
        }
    }
    for skip in &report.skipped {
        let what = match (skip.what.as_str(), skip.count) {
            ("process", 2..) => "processes",
            (what, _) => what,
        };
        let text = format!("{} {what}: {}", units::count(skip.count), skip.why);
        page.wrapped(0, Ink::Yellow, &text);
    }
    page.finish()
}

fn table(page: &mut Page, report: &PsReport, wide: bool) {
    let roomy = wide || page.width() >= ROOMY;
    let mut heads = vec![
        ("PID", Side::Right),
        ("NAME", Side::Left),
        ("GO", Side::Left),
        ("RSS", Side::Right),
        ("LIVE", Side::Right),
        ("IDLE", Side::Right),
        ("GOGC", Side::Right),
        ("LIMIT", Side::Right),
        ("UP", Side::Right),
    ];
    if wide {
        heads.extend([("GOROUTINES", Side::Right), ("GCS", Side::Right)]);
    }
    if roomy {
        heads.push(("CONTAINER", Side::Left));
    }
    if wide {
        heads.extend([("NOTES", Side::Left), ("EXE", Side::Left)]);
    }
    let mut table = Table::new(&heads);
    if !wide {
        table.elastic(&[1, 2, 9]);
    }
    for row in &report.processes {
        let mut cells = figures(row);
        if wide {
            cells.push(number(row.goroutines));
            cells.push(number(row.num_gc));
        }
        if roomy {
            cells.push(plain(container(row)));
        }
        if wide {
            cells.push((Ink::Yellow, row.notes.join("; ")));
            cells.push((Ink::Dim, row.exe.clone()));
        }
        table.row(cells);
    }
    table.write(page, 0);
}

/// The process's name, whole where the kernel cut it.
fn name(row: &PsRow) -> &str {
    let file = row.exe.rsplit('/').next().unwrap_or_default();
    let cut = row.name.len() == COMM && file.starts_with(&row.name);
    if cut { file } else { &row.name }
}

fn figures(row: &PsRow) -> Vec<Cell> {
    let go = row.go_version.trim_start_matches("go");
    let go = go.split(['-', ' ']).next().unwrap_or(go);
    let idle = row.returnable_bytes;
    let much = idle.is_some_and(|idle| idle >= 64 << 20 && idle >= row.rss_bytes / 5);
    let idle_ink = if much { Ink::Yellow } else { Ink::Plain };
    let gogc = row.gc_percent.map(|percent| match percent {
        Some(percent) => plain(percent.to_string()),
        None => (Ink::Yellow, "off".into()),
    });
    let limit = row.memory_limit.map(|limit| match limit {
        Some(bytes) => plain(units::bytes_short(bytes)),
        None => (Ink::Dim, "none".into()),
    });
    let uptime = row.uptime_ns.map(|ns| plain(units::age_short(ns)));
    vec![
        plain(row.pid.to_string()),
        (Ink::Bold, name(row).into()),
        plain(go),
        plain(units::bytes_short(row.rss_bytes)),
        size(Ink::Plain, row.live_heap_bytes),
        size(idle_ink, idle),
        gogc.unwrap_or_else(unknown),
        limit.unwrap_or_else(unknown),
        uptime.unwrap_or_else(unknown),
    ]
}

fn size(ink: Ink, bytes: Option<u64>) -> Cell {
    bytes.map_or_else(unknown, |bytes| (ink, units::bytes_short(bytes)))
}

fn number(count: Option<u64>) -> Cell {
    count.map_or_else(unknown, |count| plain(units::count(count)))
}

/// Not read; never a zero.
fn unknown() -> Cell {
    (Ink::Dim, "-".into())
}

fn container(row: &PsRow) -> String {
    let Some(container) = &row.container else {
        return String::new();
    };
    let id = container.pod.clone().unwrap_or_else(|| {
        let hex = container.id.chars().all(|char| char.is_ascii_hexdigit());
        let most = if hex { 12 } else { usize::MAX };
        container.id.chars().take(most).collect()
    });
    match container.limit {
        Some(limit) => format!("{id} ({})", units::bytes_short(limit)),
        None => id,
    }
}

/// Notes below the table: one line a note, with the processes that have it.
fn notes(page: &mut Page, report: &PsReport) {
    let mut notes: Vec<(&str, Vec<String>)> = Vec::new();
    for row in &report.processes {
        for note in &row.notes {
            let pid = row.pid.to_string();
            match notes.iter_mut().find(|(known, _)| known == note) {
                Some((_, pids)) => pids.push(pid),
                None => notes.push((note, vec![pid])),
            }
        }
    }
    if !notes.is_empty() {
        page.gap();
    }
    for (note, pids) in notes {
        let mut text = pids.join(", ");
        if text.width() > page.width() / 2 {
            text = format!("{} processes", pids.len());
        }
        page.wrapped(0, Ink::Yellow, &format!("{text}: {note}"));
    }
}
