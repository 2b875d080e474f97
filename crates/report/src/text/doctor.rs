//! [`doctor`]: what this machine allows, as a checklist.

use crate::page::{Ink, Line, Look, Page};
use crate::{DoctorReport, State, units};

/// Where the text beside the mark begins.
const INDENT: usize = 9;

/// Draws the checklist in the order of the report, then what to do first.
pub fn doctor(report: &DoctorReport, look: Look) -> String {
    let mut page = Page::new(look);
    let mut line = Line::new().add(Ink::Bold, "letgo doctor");
    if let Some(pid) = report.pid {
        line.push(Ink::Bold, format!(" {pid}"));
    }
    let about = format!("letgo {}, Linux {}", report.letgo.version, report.kernel);
    let width = page.width();
    page.line(line.right(width, Ink::Dim, &about));
    page.gap();
    let mut said = Vec::new();
    for check in &report.checks {
        let ink = match check.state {
            State::Ok => Ink::Green,
            State::Limited | State::Unknown => Ink::Yellow,
            _ => Ink::Red,
        };
        let line = Line::new().add(ink, check.state.as_str()).pad_to(INDENT);
        page.line(line.add(Ink::Bold, &check.name));
        page.wrapped(INDENT, Ink::Plain, &check.detail);
        if let Some(fix) = check.fix.as_deref().filter(|_| check.state != State::Ok) {
            let known = said.contains(&fix);
            said.push(fix);
            let fix = if known { "as above" } else { fix };
            page.wrapped(INDENT, Ink::Cyan, &format!("to grant it: {fix}"));
        }
    }
    page.gap();
    page.wrapped(0, Ink::Plain, &verdict(report));
    page.finish()
}

/// How many of the checks are in each state, whole ones first.
fn verdict(report: &DoctorReport) -> String {
    let count = |state: State| {
        let checks = report.checks.iter();
        checks.filter(|check| check.state == state).count() as u64
    };
    let mut parts = vec![format!(
        "{} of {} ok",
        count(State::Ok),
        report.checks.len()
    )];
    for state in [State::Limited, State::Missing, State::Unknown] {
        match count(state.clone()) {
            0 => {}
            some => parts.push(format!("{} {state}", units::count(some))),
        }
    }
    parts.join(", ")
}
