//! [`why`]: the answer of the main verb, on one screen.

use unicode_width::UnicodeWidthStr;

use super::head::{self, flow, right, share_of};
use super::{explain, findings, healthy, rows};
use crate::page::{Ink, Line, Look, Page, bar, trim};
use crate::{Container, Rss, Severity, Virtual, WhyReport, units};

/// Draws the report: what was read, the account, what stands out.
///
/// With `explain` everything that the report holds, on as many screens as that takes.
pub fn why(report: &WhyReport, look: Look, explain: bool) -> String {
    let mut page = Page::new(look);
    head::write(&mut page, "why", &report.target, &report.taken);
    page.gap();
    totals(&mut page, report);
    account(&mut page, report);
    let most = if explain {
        usize::MAX
    } else {
        head::MOST_SKIPS
    };
    head::coverage(
        &mut page,
        &report.taken.coverage,
        report.whole_bytes(),
        most,
    );
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

fn totals(page: &mut Page, report: &WhyReport) {
    match (&report.rss, &report.extent) {
        (Some(rss), _) => resident(page, report, rss),
        (None, Some(extent)) => mapped(page, extent),
        (None, None) => {}
    }
}

/// What stands in for RSS where nobody knows it, and why nobody does.
fn mapped(page: &mut Page, extent: &Virtual) {
    let returned = units::bytes(extent.returned_bytes);
    let parts = vec![
        (Ink::Bold, "The Go runtime had".into()),
        (Ink::Bold, units::bytes(extent.bytes)),
        (Ink::Plain, "of address space,".into()),
        (Ink::Plain, format!("and had given back {returned} more")),
    ];
    let line = flow(page, parts, " ");
    page.line(line);
    let why = "No RSS: a core file has no page table, so what of it was in RAM is not known.";
    page.wrapped(0, Ink::Dim, why);
}

fn resident(page: &mut Page, report: &WhyReport, rss: &Rss) {
    let mut parts = vec![
        (Ink::Bold, format!("RSS {},", units::bytes(rss.bytes))),
        (Ink::Plain, format!("{} pages,", units::count(rss.os_pages))),
        explained(report, rss),
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

fn explained(report: &WhyReport, rss: &Rss) -> (Ink, String) {
    let coverage = &report.taken.coverage;
    let missing = rss.unattributed_bytes;
    let drift = coverage.drift_bytes.unsigned_abs();
    if missing > 0 {
        (Ink::Red, format!("{} not explained", units::bytes(missing)))
    } else if !coverage.complete {
        (Ink::Yellow, "explained with gaps".into())
    } else if drift > 0 {
        let share = share_of(drift, rss.bytes);
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
    let total = report.whole_bytes();
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
