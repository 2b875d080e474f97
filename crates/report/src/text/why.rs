//! [`why`]: the answer of the main verb, on one screen.

use unicode_width::UnicodeWidthStr;

use super::{explain, findings, healthy, rows};
use crate::page::{Ink, Line, Look, Page, bar, trim, trim_start};
use crate::{Container, Method, RunState, Severity, WhyReport, units};

/// Most reasons for incompleteness on the one screen.
const MOST_SKIPS: usize = 3;

/// Draws the report: what was read, the account, what stands out.
///
/// With `explain` everything that the report holds, on as many screens as that takes.
pub fn why(report: &WhyReport, look: Look, explain: bool) -> String {
    let mut page = Page::new(look);
    header(&mut page, report);
    page.gap();
    totals(&mut page, report);
    account(&mut page, report);
    coverage(&mut page, report, explain);
    changes(&mut page, report);
    page.gap();
    if report.findings.iter().all(|f| f.severity <= Severity::Info) {
        healthy::write(&mut page, report);
    }
    findings::write(&mut page, &report.findings, explain);
    if explain {
        explain::write(&mut page, report);
    }
    page.finish()
}

/// What letgo itself has changed: nobody should look for that in the program.
fn changes(page: &mut Page, report: &WhyReport) {
    let pid = report.target.pid;
    let names = |lasting: bool| {
        let changes = report.changes.iter();
        let of = changes.filter(|change| change.lasting == lasting);
        let names: Vec<&str> = of.map(|change| change.variable.as_str()).collect();
        names.join(", ")
    };
    let (set, left) = (names(true), names(false));
    if !set.is_empty() {
        let text = format!("Set by letgo: {set}. To take it back: letgo tune {pid} --undo");
        page.wrapped(0, Ink::Yellow, &text);
    }
    if !left.is_empty() {
        let text = format!(
            "A letgo that died has left {left} changed. To put it back: letgo tune {pid} --undo"
        );
        page.wrapped(0, Ink::Red, &text);
    }
}

fn header(page: &mut Page, report: &WhyReport) {
    let target = &report.target;
    let mut go = target.go_version.clone();
    if let Some(library) = &target.library {
        let file = library.rsplit('/').next().unwrap_or(library);
        go = format!("{go} in {file}");
    }
    let traits = [
        (target.stripped, ", stripped"),
        (target.pie, ", PIE"),
        (target.cgo, ", cgo"),
    ];
    go.extend(traits.iter().filter(|(has, _)| *has).map(|(_, word)| *word));

    let deleted = if target.exe_deleted { " (deleted)" } else { "" };
    let room = page.width().saturating_sub(4 + deleted.len());
    let exe = trim_start(page.look(), &target.exe, room) + deleted;
    let mut parts = vec![
        (Ink::Bold, format!("letgo why {}", target.pid)),
        (Ink::Bold, exe),
        (Ink::Plain, go),
    ];
    if let Some(uptime) = target.uptime_ns {
        parts.push((Ink::Plain, format!("up {}", units::age(uptime))));
    }
    let line = flow(page, parts, "   ");
    let (long, short) = method(report);
    let fits = line.width() + 3 + long.width() <= page.width();
    if fits {
        right(page, line, Ink::Dim, &long);
    } else if line.width() + 3 + short.width() <= page.width() {
        right(page, line, Ink::Dim, &short);
    } else {
        page.line(line);
        right(page, Line::new(), Ink::Dim, &long);
    }
}

/// Writes parts one after the other, on further lines where one is full; returns the last line.
fn flow(page: &mut Page, parts: Vec<(Ink, String)>, gap: &str) -> Line {
    let mut line = Line::new();
    for (ink, text) in parts {
        if line.width() > 0 && line.width() + gap.width() + text.width() > page.width() {
            page.line(std::mem::take(&mut line));
            line = line.pad_to(4);
        } else if line.width() > 0 {
            line.push(Ink::Plain, gap);
        }
        line.push(ink, text);
    }
    line
}

/// Ends a line with text at the right edge, or below it where it does not fit.
fn right(page: &mut Page, mut line: Line, ink: Ink, text: &str) {
    let width = page.width();
    if line.width() + 3 + text.width() > width {
        page.line(std::mem::take(&mut line));
        page.wrapped(0, ink, text);
    } else {
        page.line(line.right(width, ink, text));
    }
}

/// How it was read, in many words and in few.
fn method(report: &WhyReport) -> (String, String) {
    let taken = &report.taken;
    let pause = units::time(taken.pause_ns_max);
    let paused = format!("paused {pause}");
    let still = match &report.target.state {
        Some(RunState::Stopped) => Some("stopped"),
        Some(RunState::Frozen) => Some("frozen"),
        _ => None,
    };
    match &taken.method {
        Method::Running if taken.pause_ns_max == 0 => match still {
            Some(how) => (format!("read as it was, {how}"), how.into()),
            None => ("read while it ran, no pause".into(), "no pause".into()),
        },
        Method::Stopped => (format!("all threads stopped for {pause}"), paused),
        Method::Frozen => match taken.copied_bytes {
            Some(copied) => (format!("copied {}, {paused}", units::bytes(copied)), paused),
            None => (format!("copied, {paused}"), paused),
        },
        Method::Core => ("from a core file".into(), "core file".into()),
        Method::Snapshot => ("from a snapshot".into(), "snapshot".into()),
        other => (format!("{other}, {paused}"), paused),
    }
}

fn totals(page: &mut Page, report: &WhyReport) {
    let rss = &report.rss;
    let mut parts = vec![
        (Ink::Bold, format!("RSS {},", units::bytes(rss.bytes))),
        (Ink::Plain, format!("{} pages,", units::count(rss.os_pages))),
        explained(report),
    ];
    if rss.swap_bytes > 0 {
        let swapped = units::bytes(rss.swap_bytes);
        parts.push((Ink::Yellow, format!("and {swapped} swapped out")));
    }
    let line = flow(page, parts, " ");
    match &report.target.container {
        Some(container) => {
            let (ink, text) = container_text(container);
            right(page, line, ink, &text);
        }
        None => page.line(line),
    }
}

fn explained(report: &WhyReport) -> (Ink, String) {
    let coverage = &report.taken.coverage;
    let missing = report.rss.unattributed_bytes;
    let drift = coverage.drift_bytes.unsigned_abs();
    if missing > 0 {
        (Ink::Red, format!("{} not explained", units::bytes(missing)))
    } else if !coverage.complete {
        (Ink::Yellow, "explained with gaps".into())
    } else if drift > 0 {
        let share = share_of(drift, report.rss.bytes);
        (Ink::Green, format!("explained within {share}"))
    } else {
        (Ink::Green, "all explained".into())
    }
}

fn container_text(container: &Container) -> (Ink, String) {
    let used = container.working_set;
    let plain = container.id.starts_with('/');
    let kind = if plain { "cgroup" } else { "container" };
    let mut text = match container.limit {
        Some(limit) => format!("{kind} {} working set", units::bytes_of(used, limit)),
        None => format!("{kind} {} working set, no limit", units::bytes(used)),
    };
    let kills = container.oom_kills.unwrap_or(0);
    if kills > 0 {
        text += &format!(", {}", units::counted(kills, "OOM kill"));
    }
    let share = container
        .limit
        .map_or(0, |limit| u128::from(used) * 100 / u128::from(limit.max(1)));
    let ink = match share {
        _ if kills > 0 => Ink::Red,
        0..80 => Ink::Plain,
        80..90 => Ink::Yellow,
        _ => Ink::Red,
    };
    (ink, text)
}

fn account(page: &mut Page, report: &WhyReport) {
    let look = page.look();
    let total = report.rss.bytes;
    let rows = rows::rows(report);
    let cells = match look.width {
        0..100 => 12,
        _ => 20,
    };
    let labels = rows.iter().map(|row| row.label.width());
    let label_end = 2 + labels.max().unwrap_or(0).min(look.width / 2);
    let size_end = label_end + 2 + "1023 KiB".len();
    let percent_end = size_end + 2 + "100 %".len();
    let bars: Vec<String> = rows
        .iter()
        .map(|row| bar(look, row.bytes, total, cells))
        .collect();
    let bar_end = bars.iter().map(|bar| bar.width()).max().unwrap_or(0) + percent_end + 2;

    for (row, bar) in rows.iter().zip(&bars) {
        let ink = if row.alarming { Ink::Red } else { Ink::Plain };
        let label = trim(look, &row.label, label_end - 2);
        let mut line = Line::new()
            .pad_to(2)
            .add(ink, label)
            .right(size_end, ink, &units::bytes(row.bytes))
            .right(percent_end, ink, &units::percent(row.bytes, total))
            .pad_to(percent_end + 2)
            .add(Ink::Cyan, bar);
        let room = look.width.saturating_sub(bar_end + 2);
        if !row.hint.is_empty() && room >= 12 {
            let hint = trim(look, &row.hint, room);
            line = line.pad_to(bar_end + 2).add(Ink::Dim, hint);
        }
        page.line(line);
    }
}

fn coverage(page: &mut Page, report: &WhyReport, explain: bool) {
    let coverage = &report.taken.coverage;
    if coverage.complete {
        return;
    }
    if coverage.drift_bytes != 0 {
        let drift = coverage.drift_bytes.unsigned_abs();
        let (drift, share) = (units::bytes(drift), share_of(drift, report.rss.bytes));
        let than = if coverage.drift_bytes > 0 {
            "more"
        } else {
            "less"
        };
        let text = format!("together {drift} ({share}) {than} than RSS, which moved meanwhile");
        page.wrapped(2, Ink::Yellow, &text);
    }
    page.gap();
    page.wrapped(0, Ink::Yellow, "This reading is incomplete:");
    let most = if explain { usize::MAX } else { MOST_SKIPS };
    for skip in coverage.skipped.iter().take(most) {
        let number = match skip.count {
            1 => String::new(),
            count => units::count(count) + " ",
        };
        let text = format!("{number}{}: {}", skip.what, skip.why);
        page.wrapped(2, Ink::Yellow, &text);
    }
    let unseen = coverage.skipped.iter().skip(most).map(|skip| skip.count);
    let more: u64 = unseen.sum::<u64>() + coverage.skipped_more;
    if more > 0 {
        page.wrapped(2, Ink::Yellow, &format!("and {} more", units::count(more)));
    }
    if coverage.skipped.is_empty() && more == 0 {
        let text = "more than 0.5 % of RSS moved meanwhile; --stop reads with all threads stopped";
        page.wrapped(2, Ink::Yellow, text);
    }
}

/// A share in hundredths of a percent, rounded up.
fn share_of(part: u64, whole: u64) -> String {
    let steps = (u128::from(part) * 10_000).div_ceil(u128::from(whole.max(1)));
    format!("{}.{:02} %", steps / 100, steps % 100)
}
