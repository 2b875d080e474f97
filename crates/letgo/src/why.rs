//! `letgo why`: where every resident page belongs, and what stands out.

use anyhow::Result;
use letgo_report::WhyReport;

use crate::cli::WhyArgs;
use crate::complaint::Complaint;
use crate::exit::Exit;
use crate::inspect::{Hold, Opened, Options, Reading, Surroundings, facts, why_report};
use crate::output;
use crate::progress::Progress;
use crate::select::{self, ThisHost};
use crate::terminal::Terminal;

/// Reads one process and writes the report.
///
/// # Errors
/// A [`Complaint`], or standard output cannot be written.
pub fn run(args: &WhyArgs, terminal: &Terminal) -> Result<Exit> {
    let pid = select::resolve(&args.target.selection(), &ThisHost)?;
    let options = Options {
        hold: match args.hold.hold() {
            Hold::Choose(_) if args.quick => Hold::Nothing,
            hold => hold,
        },
        graph: !args.quick,
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
    let facts = facts(&opened.program, &reading, &around);
    let findings = letgo_diagnose::diagnose(&facts);
    let process = Some(&opened.process);
    Ok(why_report(
        &opened.program,
        process,
        &reading,
        &around,
        &facts,
        &findings,
    ))
}
