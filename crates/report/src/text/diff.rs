//! [`diff`]: what grew, and what has not changed since.

use super::head;
use super::table::{Cell, Side, Table, plain};
use crate::names::short;
use crate::page::{Ink, Line, Look, Page};
use crate::{AmountDelta, Delta, DiffReport, GoroutineDiff, Location, Still, StillOf, units};

/// Rows of a table.
const MOST_ROWS: usize = 10;
/// What is worth a row of its own: a change of a leaf or a size class by so much.
const WORTH: u64 = 64 << 10;

/// Draws the report.
pub fn diff(report: &DiffReport, look: Look) -> String {
    let mut page = Page::new(look);
    let after = &report.after;
    head::write(&mut page, "diff", &after.target, &after.taken);
    between(&mut page, report);
    page.gap();
    totals(&mut page, report);
    for moment in [&report.before, &report.after] {
        head::coverage(&mut page, &moment.taken.coverage, 0, head::MOST_SKIPS);
    }
    holders(&mut page, report);
    types(&mut page, report);
    leaves(&mut page, report);
    classes(&mut page, report);
    goroutines(&mut page, report);
    unchanged(&mut page, report);
    page.finish()
}

/// What lies between the two.
fn between(page: &mut Page, report: &DiffReport) {
    let mut parts = Vec::new();
    parts.extend(
        report
            .elapsed_ns
            .map(|ns| format!("{} apart", units::age(ns))),
    );
    let cycles = report.gc_cycles;
    parts.extend(cycles.map(|cycles| units::counted(cycles, "GC") + " in between"));
    parts.push(format!("before: {}", report.before.taken.at));
    page.line(Line::new().add(Ink::Dim, parts.join(", ")));
    if let Some(note) = &report.note {
        page.wrapped(0, Ink::Yellow, note);
    }
}

/// Bytes with their sign: `+37.2 MiB`.
fn grown(delta: i64) -> String {
    let size = units::bytes(delta.unsigned_abs());
    match delta {
        0 => "0".into(),
        1.. => format!("+{size}"),
        _ => format!("-{size}"),
    }
}

fn counted(delta: i64) -> String {
    let count = units::count(delta.unsigned_abs());
    match delta {
        0 => "0".into(),
        1.. => format!("+{count}"),
        _ => format!("-{count}"),
    }
}

fn ink(delta: i64) -> Ink {
    match delta {
        0 => Ink::Dim,
        1.. => Ink::Bold,
        _ => Ink::Green,
    }
}

fn heading(page: &mut Page, text: &str) {
    page.gap();
    page.line(Line::new().add(Ink::Bold, text));
}

/// The cells of bytes: growth, before, after.
fn bytes(delta: &Delta) -> [Cell; 3] {
    [
        (ink(delta.delta), grown(delta.delta)),
        plain(units::bytes(delta.before)),
        plain(units::bytes(delta.after)),
    ]
}

fn numbers(delta: &Delta) -> [Cell; 3] {
    [
        (ink(delta.delta), counted(delta.delta)),
        plain(units::count(delta.before)),
        plain(units::count(delta.after)),
    ]
}

const HEADS: [(&str, Side); 3] = [
    ("growth", Side::Right),
    ("before", Side::Right),
    ("after", Side::Right),
];

fn totals(page: &mut Page, report: &DiffReport) {
    let totals = &report.totals;
    let mut table = Table::new(&[
        ("", Side::Left),
        HEADS[0],
        HEADS[1],
        HEADS[2],
        ("objects", Side::Right),
    ]);
    let mut row = |label: &str, cells: [Cell; 3], objects: Option<Delta>| {
        let objects = objects.map_or_else(String::new, |count| counted(count.delta));
        let [grown, before, after] = cells;
        table.row(vec![plain(label), grown, before, after, plain(objects)]);
    };
    if let Some(rss) = &totals.rss_bytes {
        row("resident", bytes(rss), None);
    }
    let of = |amount: &AmountDelta| (bytes(&amount.slot_bytes), Some(amount.count));
    for (label, amount) in [
        ("reachable objects", &totals.reachable),
        ("garbage", &totals.garbage),
        ("free slots", &totals.free_slots),
    ] {
        let (cells, objects) = of(amount);
        row(label, cells, objects);
    }
    row("goroutine stacks", bytes(&totals.stack_bytes), None);
    // Those of the runtime too.
    row("all goroutines", numbers(&totals.goroutines), None);
    table.write(page, 2);
}

/// A table of growth by name, with objects.
fn by_name<'a>(
    page: &mut Page,
    title: &str,
    head: &str,
    rows: impl Iterator<Item = (String, &'a AmountDelta)>,
) {
    heading(page, title);
    let mut table = Table::new(&[
        HEADS[0],
        HEADS[1],
        HEADS[2],
        ("objects", Side::Right),
        (head, Side::Left),
    ]);
    table.elastic(&[4]);
    for (name, amount) in rows {
        let [grown, before, after] = bytes(&amount.slot_bytes);
        let objects = plain(counted(amount.count.delta));
        table.row(vec![grown, before, after, objects, plain(name)]);
    }
    table.write(page, 2);
}

fn holders(page: &mut Page, report: &DiffReport) {
    if report.holders.is_empty() {
        return;
    }
    let moved = |amount: &AmountDelta| amount.slot_bytes.delta != 0 || amount.count.delta != 0;
    let moving = report.holders.iter();
    let moving = moving.filter(|holder| moved(&holder.retained));
    let listed = moving.map(|holder| {
        let name = match holder.kind.as_str() {
            "goroutines" => format!("goroutines of {}", short(&holder.name)),
            _ => short(&holder.name),
        };
        (name, &holder.retained)
    });
    let rest = report.holders_rest.iter();
    let rest = rest.filter(|rest| moved(&rest.retained)).map(|rest| {
        let name = units::counted(rest.count, "more holder");
        (name, &rest.retained)
    });
    let rows: Vec<_> = listed.chain(rest).collect();
    match rows.is_empty() {
        true => heading(page, "No holder holds more or less than before"),
        false => by_name(page, "Who holds more", "holder", rows.into_iter()),
    }
}

fn types(page: &mut Page, report: &DiffReport) {
    if report.types.is_empty() {
        return;
    }
    let rows = report.types.iter().take(MOST_ROWS);
    let rows = rows.map(|each| (short(&each.name), &each.reachable));
    by_name(page, "By type", "type", rows);
}

fn leaves(page: &mut Page, report: &DiffReport) {
    let moved = report.leaves.iter();
    let moved = moved.filter(|leaf| leaf.bytes.delta.unsigned_abs() >= WORTH);
    let moved: Vec<_> = moved.take(MOST_ROWS).collect();
    if moved.is_empty() {
        return;
    }
    heading(
        page,
        match report.leaves_resident {
            true => "Where resident memory moved",
            false => "Where memory moved, resident or not",
        },
    );
    let mut table = Table::new(&[HEADS[0], HEADS[1], HEADS[2], ("owner", Side::Left)]);
    for leaf in moved {
        let [grown, before, after] = bytes(&leaf.bytes);
        table.row(vec![grown, before, after, plain(&leaf.label)]);
    }
    table.write(page, 2);
}

fn classes(page: &mut Page, report: &DiffReport) {
    let moved = report.size_classes.iter();
    let moved = moved.filter(|class| class.reachable.slot_bytes.delta.unsigned_abs() >= WORTH);
    let rows: Vec<_> = moved
        .take(MOST_ROWS)
        .map(|class| (slot_name(class.slot_bytes), &class.reachable))
        .collect();
    if !rows.is_empty() {
        by_name(page, "Reachable objects by size", "slot", rows.into_iter());
    }
}

fn slot_name(slot_bytes: u64) -> String {
    match slot_bytes {
        0 => "large".into(),
        bytes => format!("{} B", units::count(bytes)),
    }
}

fn goroutines(page: &mut Page, report: &DiffReport) {
    if report.goroutines.is_empty() {
        return;
    }
    heading(page, "Goroutines");
    let mut table = Table::new(&[
        HEADS[0],
        HEADS[1],
        HEADS[2],
        ("stacks", Side::Right),
        ("where", Side::Left),
    ]);
    table.elastic(&[4]);
    for group in report.goroutines.iter().take(MOST_ROWS) {
        let [grown_by, before, after] = numbers(&group.count);
        let stacks = plain(grown(group.stack_bytes.delta));
        table.row(vec![grown_by, before, after, stacks, plain(place(group))]);
    }
    table.write(page, 2);
    let more = report.goroutines.len().saturating_sub(MOST_ROWS);
    if more > 0 {
        let text = units::counted(more as u64, "more group") + " moved";
        page.line(Line::new().pad_to(2).add(Ink::Dim, text));
    }
}

fn place(group: &GoroutineDiff) -> String {
    let at = |place: &Location| {
        let file = place.file.rsplit('/').next().unwrap_or_default();
        format!("{} {file}:{}", short(&place.function), place.line)
    };
    let mut text = group.location.as_ref().map_or_else(String::new, at);
    if let Some(reason) = &group.wait_reason {
        text = format!("{text}, {reason}");
    }
    text
}

fn unchanged(page: &mut Page, report: &DiffReport) {
    let Some(unchanged) = &report.unchanged else {
        if let Some(why) = &report.unchanged_why_not {
            page.gap();
            page.wrapped(
                0,
                Ink::Dim,
                &format!("What did not change is not told: {why}"),
            );
        }
        return;
    };
    let age = match unchanged.age_gc_cycles {
        Some(cycles) => format!(", for {} at least", units::counted(cycles, "GC")),
        None => String::new(),
    };
    heading(page, &format!("Unchanged: same place, same contents{age}"));
    let mut table = Table::new(&[
        ("", Side::Left),
        ("objects", Side::Right),
        ("bytes", Side::Right),
        ("", Side::Right),
    ]);
    let whole = report.totals.reachable.slot_bytes.after;
    for (label, still) in [
        ("unchanged", &unchanged.unchanged),
        ("changed", &unchanged.changed),
        ("new", &unchanged.new),
        ("not known", &unchanged.unknown),
    ] {
        if *still != Still::default() || label == "unchanged" {
            table.row(vec![
                plain(label),
                plain(units::count(still.count)),
                plain(units::bytes(still.slot_bytes)),
                plain(units::percent(still.slot_bytes, whole)),
            ]);
        }
    }
    table.write(page, 2);
    if let Some(why) = &unchanged.unknown_why {
        page.wrapped(2, Ink::Dim, &format!("not known: {why}"));
    }
    still_of(page, "unchanged", "holder", &unchanged.by_holder);
    still_of(page, "unchanged", "type", &unchanged.by_type);
}

fn still_of(page: &mut Page, what: &str, head: &str, rows: &[StillOf]) {
    if rows.is_empty() {
        return;
    }
    page.gap();
    let mut table = Table::new(&[
        (what, Side::Right),
        ("of", Side::Right),
        ("objects", Side::Right),
        (head, Side::Left),
    ]);
    table.elastic(&[3]);
    for row in rows.iter().take(MOST_ROWS) {
        table.row(vec![
            plain(units::bytes(row.unchanged.slot_bytes)),
            plain(units::bytes(row.slot_bytes)),
            plain(units::count(row.unchanged.count)),
            plain(short(&row.name)),
        ]);
    }
    table.write(page, 2);
}
