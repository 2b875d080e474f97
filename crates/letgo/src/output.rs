//! Writing a report as it was asked for, and what exit code it deserves.

use std::cmp::Reverse;

use anyhow::Result;
use letgo_report::text::{self, GoroutineRows, PsColumns};
use letgo_report::{
    DoctorReport, GoroutinesReport, HeapReport, PathReport, PsReport, PsRow, Severity, State,
    TypeReport, WhyReport,
};

use crate::cli::{
    DoctorArgs, FailOn, GoroutineOutput, GoroutinesArgs, HeapOutput, Output, PsArgs, PsOutput,
    Sort, WhyArgs, WhyOutput,
};
use crate::coming;
use crate::exit::Exit;
use crate::goroutines::stacks;
use crate::terminal::Terminal;

/// Writes the answer of `letgo why`.
///
/// # Errors
/// Standard output cannot be written.
pub fn why(report: &WhyReport, args: &WhyArgs, terminal: &Terminal) -> Result<Exit> {
    let text = match args.output {
        // The page is made where the target is still at hand.
        WhyOutput::Text | WhyOutput::Html => {
            let text = text::why(report, terminal.stdout, args.explain);
            text + &coming::note(report, terminal.stdout)
        }
        WhyOutput::Json => letgo_report::json(report)?,
    };
    terminal.print(&text)?;
    Ok(why_exit(report, args.fail_on))
}

/// 1 where a finding is at least as severe as asked for, or the reading is not complete.
pub(crate) fn why_exit(report: &WhyReport, fail_on: Option<FailOn>) -> Exit {
    let least = fail_on.map(|fail_on| match fail_on {
        FailOn::Info => Severity::Info,
        FailOn::Low => Severity::Low,
        FailOn::Medium => Severity::Medium,
        FailOn::High => Severity::High,
    });
    let mut findings = report.findings.iter();
    let failed = least.is_some_and(|least| findings.any(|finding| finding.severity >= least));
    if failed || !report.taken.coverage.complete {
        Exit::Attention
    } else {
        Exit::Whole
    }
}

/// Writes the answer of `letgo heap`.
///
/// # Errors
/// Standard output cannot be written.
pub fn heap(report: &HeapReport, output: HeapOutput, terminal: &Terminal) -> Result<Exit> {
    let text = match output {
        HeapOutput::Json => letgo_report::json(report)?,
        _ => text::heap(report, terminal.stdout),
    };
    terminal.print(&text)?;
    Ok(match report.taken.coverage.complete {
        true => Exit::Whole,
        false => Exit::Attention,
    })
}

/// Writes the answer of `letgo heap --path`.
///
/// # Errors
/// Standard output cannot be written.
pub fn path(report: &PathReport, output: HeapOutput, terminal: &Terminal) -> Result<Exit> {
    let text = match output {
        HeapOutput::Json => letgo_report::json(report)?,
        _ => text::path(report, terminal.stdout),
    };
    terminal.print(&text)?;
    Ok(match report.taken.coverage.complete {
        true => Exit::Whole,
        false => Exit::Attention,
    })
}

/// Writes the answer of `letgo heap --type`.
///
/// # Errors
/// Standard output cannot be written.
pub fn instances(report: &TypeReport, output: HeapOutput, terminal: &Terminal) -> Result<Exit> {
    let text = match output {
        HeapOutput::Json => letgo_report::json(report)?,
        _ => text::instances(report, terminal.stdout),
    };
    terminal.print(&text)?;
    Ok(match report.taken.coverage.complete {
        true => Exit::Whole,
        false => Exit::Attention,
    })
}

/// Writes the answer of `letgo goroutines`.
///
/// # Errors
/// Standard output cannot be written.
pub fn goroutines(
    report: &GoroutinesReport,
    args: &GoroutinesArgs,
    terminal: &Terminal,
) -> Result<Exit> {
    let rows = GoroutineRows {
        most: args.top as usize,
        full: args.full,
    };
    let written = match args.output {
        GoroutineOutput::Text => text::goroutines(report, terminal.stdout, rows).into_bytes(),
        GoroutineOutput::Json => letgo_report::json(report)?.into_bytes(),
        GoroutineOutput::Folded => stacks::folded(report).into_bytes(),
        GoroutineOutput::Pprof => stacks::pprof(report)?,
    };
    terminal.write(&written)?;
    Ok(match report.taken.coverage.complete {
        true => Exit::Whole,
        false => Exit::Attention,
    })
}

/// Sorts and writes the answer of `letgo ps`.
///
/// # Errors
/// Standard output cannot be written.
pub fn ps(mut report: PsReport, args: &PsArgs, terminal: &Terminal) -> Result<Exit> {
    sort(&mut report.processes, args.sort);
    let text = match args.output {
        PsOutput::Table => text::ps(&report, terminal.stdout, PsColumns::Fitting),
        PsOutput::Wide => text::ps(&report, terminal.stdout, PsColumns::Wide),
        PsOutput::Json => letgo_report::json(&report)?,
    };
    terminal.print(&text)?;
    Ok(Exit::Whole)
}

fn sort(rows: &mut [PsRow], by: Sort) {
    match by {
        Sort::Rss => rows.sort_by_key(|row| Reverse(row.rss_bytes)),
        Sort::Live => rows.sort_by_key(|row| Reverse(row.live_heap_bytes)),
        Sort::Idle => rows.sort_by_key(|row| Reverse(row.returnable_bytes)),
        Sort::Uptime => rows.sort_by_key(|row| Reverse(row.uptime_ns)),
        Sort::Name => rows.sort_by(|a, b| a.name.cmp(&b.name)),
        Sort::Pid => rows.sort_by_key(|row| row.pid),
    }
}

/// Writes the answer of `letgo doctor`.
///
/// # Errors
/// Standard output cannot be written.
pub fn doctor(report: &DoctorReport, args: &DoctorArgs, terminal: &Terminal) -> Result<Exit> {
    let text = match args.output {
        Output::Text => text::doctor(report, terminal.stdout),
        Output::Json => letgo_report::json(report)?,
    };
    terminal.print(&text)?;
    let missing = report
        .checks
        .iter()
        .any(|check| check.state == State::Missing);
    Ok(if missing {
        Exit::Attention
    } else {
        Exit::Whole
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(name: &str) -> WhyReport {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../report/samples");
        let json = std::fs::read_to_string(format!("{dir}/{name}.json")).unwrap();
        serde_json::from_str(&json).unwrap()
    }

    #[test]
    fn findings_fail_only_when_asked_to() {
        let idle = sample("why-idle");
        assert_eq!(why_exit(&idle, None), Exit::Whole);
        assert_eq!(why_exit(&idle, Some(FailOn::High)), Exit::Attention);
        let healthy = sample("why-healthy");
        assert_eq!(why_exit(&healthy, Some(FailOn::Info)), Exit::Whole);
    }

    #[test]
    fn a_finding_below_the_bar_does_not_fail() {
        let mut idle = sample("why-idle");
        idle.findings
            .retain(|finding| finding.severity < Severity::High);
        assert_eq!(why_exit(&idle, Some(FailOn::High)), Exit::Whole);
        assert_eq!(why_exit(&idle, Some(FailOn::Medium)), Exit::Attention);
    }

    #[test]
    fn an_incomplete_reading_always_wants_attention() {
        assert_eq!(why_exit(&sample("why-torn"), None), Exit::Attention);
    }

    #[test]
    fn unknown_figures_sort_last() {
        let row = |pid, live_heap_bytes| PsRow {
            pid,
            live_heap_bytes,
            ..PsRow::default()
        };
        let mut rows = [row(1, None), row(2, Some(5)), row(3, Some(9))];
        sort(&mut rows, Sort::Live);
        assert_eq!(rows.map(|row| row.pid), [3, 2, 1]);
    }
}
