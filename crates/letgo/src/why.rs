//! `letgo why`: where every resident page belongs, and what stands out; of a core file, which has
//! no page table, what the runtime had.

use std::time::Duration;

use anyhow::Result;
use letgo_diagnose::{Facts, Thresholds};
use letgo_report::WhyReport;

use crate::cli::{WhyArgs, WhyOutput};
use crate::complaint::Complaint;
use crate::exit::Exit;
use crate::html;
use crate::inspect::{
    Held, Hold, Options, Reading, Subject, beside, facts, goroutine_groups, held, why_report,
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
        if args.old.is_some() {
            let wrong = "--old goes with text and JSON, and this is a page";
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
        watch: None,
    };
    let watch = Some(args.watch.unwrap_or(WATCH));
    let progress = Progress::new(terminal);
    let mut subject = Subject::open(&args.target, &progress)?;
    if args.watch.is_some() && subject.process().is_none() {
        let wrong = "--watch looks at what a process does, and this is a file";
        return Err(Complaint::usage(wrong, "Leave --watch out").into());
    }
    let mut reading = subject.read(options, &progress)?;
    let report = of(&subject, &mut reading, watch, &thresholds(args), &progress);
    drop(progress);
    output::why(&report, args, terminal)
}

/// From where on something stands out, as far as it was asked for.
fn thresholds(args: &WhyArgs) -> Thresholds {
    let plain = Thresholds::default();
    let old = args.old.map(|old| u64::try_from(old.as_nanos()));
    Thresholds {
        goroutines_old_ns: old.map_or(plain.goroutines_old_ns, |old| old.unwrap_or(u64::MAX)),
        ..plain
    }
}

/// The report of a reading. Who holds what is found while what changes is watched.
pub fn of(
    subject: &Subject,
    reading: &mut Reading,
    watch: Option<Duration>,
    thresholds: &Thresholds,
    progress: &Progress,
) -> WhyReport {
    progress.step("finding out who holds what");
    let (second, held) = beside(
        || subject.second_look(reading, watch?, progress),
        || held(subject.program(), reading),
    );
    if let Some(second) = second {
        reading.saw(second);
    }
    of_held(subject, reading, held, thresholds, progress)
}

/// The same, where it was watched and these variables hold most.
pub fn of_held(
    subject: &Subject,
    reading: &mut Reading,
    held: Option<Held>,
    thresholds: &Thresholds,
    progress: &Progress,
) -> WhyReport {
    if let (Some(marked), Some(held)) = (&mut reading.marked, &held) {
        marked.dominators = Some(held.took);
    }
    progress.step("finding out what can still run");
    let memory = subject.as_it_is_now();
    let now = memory.as_ref().map(|memory| memory as _);
    let groups = goroutine_groups(subject.program(), reading, now);
    let (groups, outliving) = groups.map(|own| (own.all, own.outliving)).unzip();
    let (holders, backlogs) = held.map(|own| (own.variables, own.backlogs)).unzip();
    let around = subject.around();
    let program = subject.program();
    let facts = Facts {
        goroutine_groups: groups,
        outliving,
        holders,
        backlogs,
        ..facts(program, reading, &around)
    };
    let findings = letgo_diagnose::diagnose_with(&facts, thresholds);
    let process = subject.process();
    why_report(program, process, reading, &around, &facts, &findings)
}
