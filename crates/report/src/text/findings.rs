//! What stands out: numbered, with evidence and remedies, as far as one screen allows.

use unicode_width::UnicodeWidthStr;

use crate::page::{Ink, Line, Page, wrap};
use crate::{Finding, Remedy, Severity, units};

/// Where the text of a finding begins.
const INDENT: usize = 5;
/// Columns of `high  proven` at the right edge.
const GRADE: usize = "medium  possible".len();
/// Findings in full, and findings at all, on the one screen.
const MOST_FULL: usize = 3;
const MOST: usize = 8;

/// Writes the findings in the order given. With `all` each in full.
pub(super) fn write(page: &mut Page, findings: &[Finding], all: bool) {
    let most = if all { usize::MAX } else { MOST };
    for (i, finding) in findings.iter().take(most).enumerate() {
        title(page, i + 1, finding);
        let minor = finding.severity < Severity::Medium;
        if all || (i < MOST_FULL && !minor) || finding.severity == Severity::High {
            details(page, finding, all);
        } else if let Some(first) = finding.remedies.first() {
            remedy(page, first);
        }
    }
    let more = findings.len().saturating_sub(most);
    if more > 0 {
        let more = units::counted(more as u64, "finding");
        page.wrapped(
            0,
            Ink::Dim,
            &format!("and {more} more; --explain shows all"),
        );
    }
}

fn title(page: &mut Page, number: usize, finding: &Finding) {
    let width = page.width();
    let (severity, confidence) = (&finding.severity, &finding.confidence);
    let ink = match severity {
        Severity::High => Ink::Red,
        Severity::Medium => Ink::Yellow,
        _ => Ink::Dim,
    };
    let room = width.saturating_sub(3 + GRADE + 2);
    for (i, part) in wrap(&finding.title, room).into_iter().enumerate() {
        let mut line = Line::new();
        if i == 0 {
            line = line.add(ink, number.to_string());
        }
        line = line.pad_to(3).add(Ink::Bold, part);
        if i == 0 {
            line = line
                .pad_to(width - GRADE)
                .add(ink, format!("{severity:<6}"))
                .add(Ink::Plain, "  ")
                .add(Ink::Dim, confidence.as_str());
        }
        page.line(line);
    }
}

fn details(page: &mut Page, finding: &Finding, all: bool) {
    if let Some(holder) = &finding.holder
        && !finding.title.starts_with(holder)
    {
        page.wrapped(INDENT, Ink::Plain, &format!("held by {holder}"));
    }
    if let Some(at) = &finding.location {
        let place = format!("{}  {}:{}", at.function, at.file, at.line);
        page.wrapped(INDENT, Ink::Plain, &place);
    }
    for evidence in &finding.evidence {
        page.wrapped(INDENT, Ink::Plain, evidence);
    }
    for share in finding.also.iter().filter(|_| all) {
        let shared = units::bytes(share.bytes);
        let text = format!("shares {shared} with {}, which counts them", share.id);
        page.wrapped(INDENT, Ink::Dim, &text);
    }
    for each in &finding.remedies {
        remedy(page, each);
    }
    if all {
        let bytes = units::bytes(finding.bytes);
        page.wrapped(INDENT, Ink::Dim, &format!("{}, {bytes}", finding.id));
    }
}

/// Writes `now: command    what to expect`, the expectation below where it does not fit beside.
fn remedy(page: &mut Page, remedy: &Remedy) {
    let width = page.width();
    let lead = format!("{}: ", remedy.what);
    let column = INDENT + lead.width();
    let commands = wrap(&remedy.command, width.saturating_sub(column));
    let single = commands.len() == 1;
    let mut line = Line::new().pad_to(INDENT).add(Ink::Green, &lead);
    for command in commands {
        line = line.pad_to(column).add(Ink::Cyan, command);
        if !single {
            page.line(std::mem::take(&mut line));
        }
    }
    let expect = remedy.expect.as_str();
    let room = width.saturating_sub(line.width() + expect.width());
    if single && !expect.is_empty() && room >= 2 {
        let at = line.width() + room.min(4);
        page.line(line.pad_to(at).add(Ink::Plain, expect));
        return;
    }
    if line.width() > 0 {
        page.line(line);
    }
    page.wrapped(column, Ink::Plain, expect);
}
