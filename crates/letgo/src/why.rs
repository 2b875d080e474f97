//! `letgo why`: where every resident page belongs, and what stands out; of a core file, which has
//! no page table, what the runtime had.

use std::time::Duration;

use anyhow::Result;
use letgo_diagnose::Facts;
use letgo_report::WhyReport;

use crate::cli::{WhyArgs, WhyOutput};
use crate::complaint::Complaint;
use crate::exit::Exit;
use crate::html;
use crate::inspect::{
    Hold, Options, Reading, Subject, facts, goroutine_groups, variables, why_report,
};
use crate::output;
use crate::progress::Progress;
use crate::terminal::Terminal;

/// Time between the two looks, where none is asked for.
pub(crate) const WATCH: Duration = Duration::from_secs(1);

/// Reads one process and writes the report.
///
/// # Errors
/// A [`Complaint`], or standard output cannot be written.
pub fn run(args: &WhyArgs, terminal: &Terminal) -> Result<Exit> {
    if args.output == WhyOutput::Html {
        if args.quick {
            let wrong = "the page shows the object graph, which --quick leaves out";
            return Err(Complaint::usage(wrong, "Leave one of the two out").into());
        }
        return html::run(&args.target, &args.hold, args.fail_on, terminal);
    }
    let options = Options {
        hold: match args.hold.hold() {
            Hold::Choose(_) if args.quick => Hold::Nothing,
            hold => hold,
        },
        graph: !args.quick,
        watch: Some(args.watch.unwrap_or(WATCH)),
    };
    let progress = Progress::new(terminal);
    let mut subject = Subject::open(&args.target, &progress)?;
    if args.watch.is_some() && subject.process().is_none() {
        let wrong = "--watch looks at what a process does, and this is a file";
        return Err(Complaint::usage(wrong, "Leave --watch out").into());
    }
    let report = report(&mut subject, options, &progress)?;
    drop(progress);
    output::why(&report, args, terminal)
}

/// The whole report.
///
/// # Errors
/// A [`Complaint`] where no report can be made.
pub fn report(
    subject: &mut Subject,
    options: Options,
    progress: &Progress,
) -> Result<WhyReport, Complaint> {
    let mut reading = subject.read(options, progress)?;
    Ok(of(subject, &mut reading, progress))
}

/// The report of a reading.
pub fn of(subject: &Subject, reading: &mut Reading, progress: &Progress) -> WhyReport {
    progress.step("finding out what can still run");
    let memory = subject.as_it_is_now();
    let now = memory.as_ref().map(|memory| memory as _);
    let groups = goroutine_groups(subject.program(), reading, now);
    progress.step("finding out who holds what");
    let holders = variables(subject.program(), reading);
    let around = subject.around();
    let program = subject.program();
    let facts = Facts {
        goroutine_groups: groups,
        holders,
        ..facts(program, reading, &around)
    };
    let findings = letgo_diagnose::diagnose(&facts);
    let process = subject.process();
    why_report(program, process, reading, &around, &facts, &findings)
}
