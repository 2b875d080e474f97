//! `letgo why`: where every resident page belongs, and what stands out.

use std::time::Duration;

use anyhow::Result;
use letgo_report::WhyReport;

use crate::cli::WhyArgs;
use crate::complaint::Complaint;
use crate::exit::Exit;
use crate::inspect::{Opened, Options, Reading, Surroundings, facts, why_report};
use crate::output;
use crate::progress::Progress;
use crate::select::{self, ThisHost};
use crate::terminal::Terminal;

/// Reads one process and writes the report.
///
/// # Errors
/// A [`Complaint`], or standard output cannot be written.
pub fn run(args: &WhyArgs, terminal: &Terminal) -> Result<Exit> {
    let pid = select::resolve(&args.selection, &ThisHost)?;
    let options = Options {
        stop: args.stop.map(Duration::from_millis),
        rates: true,
    };
    let progress = Progress::new(terminal);
    let report = report(pid, options, &progress)?;
    drop(progress);
    output::why(&report, args, terminal)
}

/// The whole report of one process.
///
/// # Errors
/// A [`Complaint`] where no report can be made.
pub fn report(pid: u32, options: Options, progress: &Progress) -> Result<WhyReport, Complaint> {
    progress.step("reading the executable");
    let mut opened = Opened::open(pid)?;
    let reading = Reading::take(&mut opened, options, progress)?;
    let around = Surroundings::of(&opened.process);
    let facts = facts(&opened, &reading, &around);
    let findings = letgo_diagnose::diagnose(&facts);
    Ok(why_report(&opened, &reading, &around, &facts, &findings))
}
