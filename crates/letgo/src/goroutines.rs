//! `letgo goroutines`: what goroutines wait for, what they hold, and which can never run again.

pub(crate) mod stacks;

use std::io::IsTerminal;

use anyhow::Result;

use crate::cli::{GoroutineOutput, GoroutinesArgs};
use crate::complaint::Complaint;
use crate::exit::Exit;
use crate::inspect::{Options, Subject, goroutines_report};
use crate::output;
use crate::progress::Progress;
use crate::terminal::Terminal;

/// Reads one target and writes the report.
///
/// # Errors
/// A [`Complaint`], or standard output cannot be written.
pub fn run(args: &GoroutinesArgs, terminal: &Terminal) -> Result<Exit> {
    if args.output == GoroutineOutput::Pprof && std::io::stdout().is_terminal() {
        let wrong = "a profile is not for a terminal";
        let next = "Write it to a file: letgo goroutines ... -o pprof > goroutines.pb.gz";
        return Err(Complaint::usage(wrong, next).into());
    }
    let progress = Progress::new(terminal);
    let mut subject = Subject::open(&args.target, &progress)?;
    let options = Options {
        hold: args.hold.hold(),
        graph: true,
        contexts: false,
        calls_of_c: true,
        watch: None,
    };
    let mut reading = subject.read(options, &progress)?;
    subject.follow_c(&mut reading);
    progress.step("finding out what can still run");
    let around = subject.around();
    let memory = subject.as_it_is_now();
    let now = memory.as_ref().map(|memory| memory as _);
    let report = goroutines_report(subject.program(), &mut reading, &around, now)?;
    drop(progress);
    output::goroutines(&report, args, terminal)
}
