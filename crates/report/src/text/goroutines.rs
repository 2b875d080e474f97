//! [`goroutines`]: what goroutines wait for, what they hold, and which can never run again.
//!
//! Leaks come first, then what holds most. The runtime's own goroutines are one line.

use std::collections::BTreeMap;

use super::head;
use super::table::{Side, Table, plain};
use crate::page::{Ink, Line, Look, Page, bar, trim_start};
use crate::{
    CallFrame, GoroutineGroup, GoroutineStatus, GoroutinesReport, Location, StatusCount, Unproven,
    Verdict, units,
};

/// States that are listed; the rest is one row.
const MOST_STATES: usize = 6;
/// Cells of a bar.
const BAR: usize = 16;
/// Where the text of a group begins.
const INDENT: usize = 5;
/// Sets of labels that are listed of a group.
const MOST_SETS: usize = 3;
/// Numbers of goroutines that are listed of a group.
const MOST_GOIDS: usize = 10;

/// How much is drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GoroutineRows {
    /// Groups that are listed.
    pub most: usize,
    /// All calls of each, and the runtime's own goroutines.
    pub full: bool,
}

/// Draws the report.
pub fn goroutines(report: &GoroutinesReport, look: Look, rows: GoroutineRows) -> String {
    let mut page = Page::new(look);
    head::write(&mut page, "goroutines", &report.target, &report.taken);
    page.gap();
    totals(&mut page, report);
    states(&mut page, report);
    leaks(&mut page, report);
    head::coverage(&mut page, &report.taken.coverage, 0, head::MOST_SKIPS);
    groups(&mut page, report, rows);
    page.gap();
    let text = "Bytes are of stacks and objects, in RAM or not; letgo why counts what is in RAM.";
    page.wrapped(0, Ink::Dim, text);
    page.finish()
}

fn totals(page: &mut Page, report: &GoroutinesReport) {
    let mut line = Line::new().add(Ink::Bold, units::counted(report.total, "goroutine"));
    // What `runtime.NumGoroutine` says is without these.
    let of_runtime = report.groups.iter().filter(|group| group.system);
    let of_runtime: u64 = of_runtime.map(|group| group.count).sum();
    if of_runtime > 0 {
        let own = format!(", {} of the runtime", units::count(of_runtime));
        line.push(Ink::Plain, own);
    }
    let stacks = format!("; stacks {}", units::bytes(report.stack_bytes));
    let mut line = line.add(Ink::Plain, stacks);
    if report.dead > 0 {
        let kept = match report.dead_stack_bytes {
            0 => String::new(),
            bytes => format!(" with {}", units::bytes(bytes)),
        };
        let dead = format!("; {} dead{kept}", units::count(report.dead));
        line = line.add(Ink::Dim, dead);
    }
    page.line(line);
}

/// What they do, most first.
fn states(page: &mut Page, report: &GoroutinesReport) {
    let mut table = Table::new(&[
        ("", Side::Left),
        ("number", Side::Right),
        ("stacks", Side::Right),
        ("", Side::Right),
        ("", Side::Left),
    ]);
    let look = page.look();
    let mut row = |name: String, count: u64, bytes: u64| {
        table.row(vec![
            plain(name),
            plain(units::count(count)),
            plain(units::bytes(bytes)),
            plain(units::percent(count, report.total)),
            (Ink::Cyan, bar(look, count, report.total, BAR)),
        ]);
    };
    for state in report.by_status.iter().take(MOST_STATES) {
        row(state_name(state), state.count, state.stack_bytes);
    }
    let rest = report.by_status.get(MOST_STATES..).unwrap_or_default();
    if !rest.is_empty() {
        let sum = |of: fn(&StatusCount) -> u64| rest.iter().map(of).sum();
        let name = units::counted(rest.len() as u64, "other state");
        row(name, sum(|one| one.count), sum(|one| one.stack_bytes));
    }
    table.write(page, 2);
}

fn state_name(state: &StatusCount) -> String {
    named(&state.status, state.wait_reason.as_deref())
}

/// A state in words: the reason of those that wait.
fn named(status: &GoroutineStatus, reason: Option<&str>) -> String {
    match (status, reason) {
        (GoroutineStatus::Waiting, Some(reason)) => reason.into(),
        (GoroutineStatus::Leaked, Some(reason)) => format!("{reason}, found leaked by the GC"),
        (GoroutineStatus::Syscall, _) => "in a system call".into(),
        (GoroutineStatus::Runnable, _) => "waits for a thread".into(),
        (GoroutineStatus::CopyStack, _) => "its stack is moved".into(),
        (status, _) => status.as_str().into(),
    }
}

fn leaks(page: &mut Page, report: &GoroutinesReport) {
    let leaks = &report.leaks;
    page.gap();
    if !leaks.analysed {
        let why = leaks.why_not.as_deref();
        let why = why.unwrap_or("the object graph was not read");
        let text = format!("Whether any can never run again is not known: {why}");
        page.wrapped(0, Ink::Yellow, &text);
        return;
    }
    let held = leaks.stack_bytes + leaks.retained_bytes.unwrap_or(0);
    let held = units::bytes(held);
    let (ink, text) = match (leaks.proven, leaks.likely) {
        (0, 0) => (Ink::Green, "None is found that can never run again".into()),
        (0, likely) => (
            Ink::Yellow,
            format!(
                "{} probably never run again, and hold {held}",
                units::counted(likely, "goroutine")
            ),
        ),
        (proven, 0) => (
            Ink::Red,
            format!(
                "{} can never run again, and hold {held}",
                units::counted(proven, "goroutine")
            ),
        ),
        (proven, likely) => (
            Ink::Red,
            format!(
                "{} can never run again, {} more probably not; they hold {held}",
                units::counted(proven, "goroutine"),
                units::count(likely)
            ),
        ),
    };
    page.wrapped(0, ink, &text);
    if leaks.proven > 0 {
        let text = "Proven from the program's memory: nothing that can still run leads to what \
                    they wait for. What they hold comes back when the program ends, not before.";
        page.wrapped(0, Ink::Dim, text);
    }
}

fn groups(page: &mut Page, report: &GoroutinesReport, rows: GoroutineRows) {
    let of = |sure: u8| {
        let groups = report.groups.iter();
        groups.filter(move |group| rank(&group.verdict) == sure)
    };
    let own = of(0).filter(|group| rows.full || !group.system);
    let leaked = of(2).chain(of(1));
    let listed: Vec<&GoroutineGroup> = leaked.chain(own).collect();
    for (i, group) in listed.iter().take(rows.most).enumerate() {
        page.gap();
        title(page, i + 1, group);
        details(page, group, rows.full);
    }
    let rest = listed.get(rows.most..).unwrap_or_default();
    let hidden = of(0).filter(|group| !rows.full && group.system);
    let hidden: Vec<&GoroutineGroup> = hidden.collect();
    if !rest.is_empty() || !hidden.is_empty() {
        page.gap();
    }
    if !rest.is_empty() {
        let text = format!("and {}; --top lists more", sum(rest, "in", "more group"));
        page.wrapped(0, Ink::Dim, &text);
    }
    if !hidden.is_empty() {
        let text = format!(
            "and {} of the runtime's own; --full lists them",
            sum(&hidden, "in", "group")
        );
        page.wrapped(0, Ink::Dim, &text);
    }
}

/// Groups of an unknown verdict are with those of none.
fn rank(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Proven => 2,
        Verdict::Likely => 1,
        _ => 0,
    }
}

/// `103 goroutines in 4 more groups (1.2 MiB)`.
fn sum(groups: &[&GoroutineGroup], within: &str, noun: &str) -> String {
    let count = groups.iter().map(|group| group.count).sum();
    let bytes = groups.iter().map(|group| group.bytes()).sum();
    format!(
        "{} {within} {} ({})",
        units::counted(count, "goroutine"),
        units::counted(groups.len() as u64, noun),
        units::bytes(bytes)
    )
}

fn title(page: &mut Page, number: usize, group: &GoroutineGroup) {
    let (ink, verdict) = match &group.verdict {
        Verdict::Proven => (Ink::Red, "leaked, proven"),
        Verdict::Likely => (Ink::Yellow, "leaked, likely"),
        Verdict::None => (Ink::Dim, ""),
        Verdict::Other(word) => (Ink::Dim, word.as_str()),
    };
    let count = format!("{},", units::counted(group.count, "goroutine"));
    let state = named(&group.status, group.wait_reason.as_deref());
    let line = Line::new()
        .add(ink, number.to_string())
        .pad_to(INDENT)
        .add(
            Ink::Bold,
            format!("{count} {}", units::bytes(group.bytes())),
        )
        .add(Ink::Plain, format!("  {state}{}", since(group)));
    head::right(page, line, ink, verdict);
}

/// For how long they wait.
fn since(group: &GoroutineGroup) -> String {
    let Some(longest) = group.waiting_ns else {
        return String::new();
    };
    let longest = units::age(longest);
    match group.waiting_ns_min.map(units::age) {
        Some(least) if least != longest && group.count > 1 => format!(", {least} to {longest}"),
        _ => format!(", {longest}"),
    }
}

fn details(page: &mut Page, group: &GoroutineGroup, full: bool) {
    if full {
        frames(page, group);
    } else {
        in_c(page, group);
        if let Some(at) = &group.location {
            place(page, "", at, false);
        }
    }
    if let Some(at) = &group.created_by {
        place(page, "started by ", at, full);
    }
    labels(page, group);
    let mut holds = vec![match group.stack_used_bytes {
        Some(used) => format!("stacks {} used", units::bytes_of(used, group.stack_bytes)),
        None => format!("stacks {}", units::bytes(group.stack_bytes)),
    }];
    if let Some(bytes) = group.retained_bytes {
        let objects = match group.retained_objects {
            Some(number) if number > 0 => format!(" ({})", units::counted(number, "object")),
            _ => String::new(),
        };
        let bytes_held = units::bytes(bytes);
        holds.push(match bytes {
            0 => "keep nothing of the heap alone".into(),
            _ => format!("keep {bytes_held} of the heap{objects} that nothing else holds"),
        });
    }
    if let Some(why) = group.why.as_ref().and_then(reason) {
        holds.push(why);
    }
    page.wrapped(INDENT, Ink::Dim, &holds.join("; "));
    if full && !group.goids.is_empty() {
        let shown = group.goids.iter().take(MOST_GOIDS);
        let mut goids: Vec<String> = shown.map(u64::to_string).collect();
        if group.count > goids.len() as u64 {
            goids.push("...".into());
        }
        page.wrapped(INDENT, Ink::Dim, &format!("goid {}", goids.join(" ")));
    }
}

/// What the program labelled them with; where that differs, the most common sets.
fn labels(page: &mut Page, group: &GoroutineGroup) {
    let words = |labels: &BTreeMap<String, String>| {
        let labels = labels.iter();
        let words: Vec<String> = labels
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        words.join(", ")
    };
    if group.label_sets.is_empty() {
        if !group.labels.is_empty() {
            let text = format!("labels {}", words(&group.labels));
            page.wrapped(INDENT, Ink::Plain, &text);
        }
        return;
    }
    let shown = group.label_sets.iter().take(MOST_SETS);
    let mut sets: Vec<String> = shown
        .map(|set| match set.labels.is_empty() {
            true => format!("{} without labels", units::count(set.count)),
            false => format!("{} with {}", units::count(set.count), words(&set.labels)),
        })
        .collect();
    let hidden = group.label_sets.iter().skip(MOST_SETS);
    let rest = hidden.map(|set| set.count).sum::<u64>() + group.label_sets_more;
    if rest > 0 {
        sets.push(format!("{} with others", units::count(rest)));
    }
    page.wrapped(INDENT, Ink::Plain, &format!("labels: {}", sets.join("; ")));
}

/// Why it is not proven that they are leaked; nothing where that was told above.
fn reason(why: &Unproven) -> Option<String> {
    let text = match why {
        Unproven::Reached => "others can still reach what they wait for",
        Unproven::Event => "time, the network or the runtime wakes them",
        Unproven::Variable => "what they wait for is a variable",
        Unproven::Main => "nothing can wake it, and the program would end with it",
        Unproven::Unknown => "what they wait for was not found",
        Unproven::Incomplete => "not proven leaked, since this reading is not whole",
        Unproven::Stack => "not proven leaked, since their stacks were not read to their ends",
        Unproven::Waking => "they are being woken",
        Unproven::InHand => "a thread has them in hand",
        Unproven::CalledByC => "C code called them",
        Unproven::Bubble => "they are in a bubble of testing/synctest",
        Unproven::Moved => "they went on since they were read",
        Unproven::NotAnalysed => return None,
        Unproven::Other(word) => word,
    };
    Some(text.into())
}

/// A place in the source, its file in short unless `full`.
fn place(page: &mut Page, lead: &str, at: &Location, full: bool) {
    let line = Line::new()
        .pad_to(INDENT)
        .add(Ink::Dim, lead)
        .add(Ink::Plain, &at.function);
    source(page, line, &at.file, at.line, full);
}

/// Ends a line with a place in a file, which goes below where it does not fit.
fn source(page: &mut Page, line: Line, file: &str, number: u32, full: bool) {
    if file.is_empty() {
        page.line(line);
        return;
    }
    let file = if full { file } else { short(file) };
    let file = format!("{file}:{number}");
    let look = page.look();
    let left = page.width().saturating_sub(line.width() + 2);
    if file.len() <= left {
        page.line(line.add(Ink::Plain, "  ").add(Ink::Cyan, file));
        return;
    }
    page.line(line);
    let room = page.width().saturating_sub(INDENT + 4);
    let file = trim_start(look, &file, room);
    page.line(Line::new().pad_to(INDENT + 4).add(Ink::Cyan, file));
}

/// The last two parts of a path.
fn short(path: &str) -> &str {
    let mut slashes = path.rmatch_indices('/').map(|(at, _)| at);
    let _ = slashes.next();
    let start = slashes.next().map_or(0, |at| at + 1);
    path.get(start..).unwrap_or(path)
}

fn frames(page: &mut Page, group: &GoroutineGroup) {
    let half = match group.frames_more {
        0 => group.frames.len(),
        _ => group.frames.len() / 2,
    };
    let (inner, outer) = group.frames.split_at_checked(half).unwrap_or_default();
    inner.iter().for_each(|frame| call(page, frame));
    if group.frames_more > 0 {
        let more = units::counted(group.frames_more, "more call");
        page.wrapped(INDENT, Ink::Dim, &format!("... {more} ..."));
    }
    outer.iter().for_each(|frame| call(page, frame));
    if group.frames_cut {
        page.wrapped(
            INDENT,
            Ink::Yellow,
            "the calls outside of these could not be read",
        );
    }
}

fn call(page: &mut Page, frame: &CallFrame) {
    let inlined = if frame.inlined { " (inlined)" } else { "" };
    let line = Line::new()
        .pad_to(INDENT)
        .add(Ink::Plain, frame.shown())
        .add(Ink::Dim, inlined);
    source(page, line, &frame.file, frame.line, true);
    if frame.gap {
        page.wrapped(
            INDENT,
            Ink::Yellow,
            "... calls of C that were not followed ...",
        );
    }
}

/// The innermost function of C that they are in, and the one that called its library.
fn in_c(page: &mut Page, group: &GoroutineGroup) {
    let mut frames = group.frames.iter().filter(|frame| frame.object.is_some());
    let Some(first) = frames.next() else {
        return;
    };
    let mut text = format!("in {}", first.shown());
    if let Some(caller) = frames.find(|frame| frame.object != first.object) {
        text += &format!(", called from {}", caller.shown());
    }
    page.wrapped(INDENT, Ink::Plain, &text);
}
