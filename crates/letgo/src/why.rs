//! `letgo why`: where every resident page belongs, and what stands out; of a core file, which has
//! no page table, what the runtime had.

use std::time::Duration;

use anyhow::Result;
use letgo_diagnose::{Facts, Thresholds};
use letgo_report::WhyReport;
use letgo_target::ReadMemory;

use crate::cli::{WhyArgs, WhyOutput};
use crate::complaint::Complaint;
use crate::exit::Exit;
use crate::html;
use crate::inspect::{
    Groups, Held, Hold, Options, Reading, Subject, beside, facts, goroutine_groups, grown, held,
    why_report,
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
        contexts: !args.quick,
        calls_of_c: false,
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
    let held = held_beside(&subject, &mut reading, watch, &progress);
    let groups = groups(&subject, &mut reading, &progress);
    let held = match held {
        Some(held) if args.watch.is_some() => Some(again(
            &mut subject,
            options,
            (&mut reading, held),
            &progress,
        )),
        held => held,
    };
    let report = told(&subject, &reading, groups, held, &thresholds(args));
    drop(progress);
    reading.leave();
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

/// The report of a reading, which watched for that long what changes.
pub fn of(
    subject: &Subject,
    reading: &mut Reading,
    watch: Option<Duration>,
    progress: &Progress,
) -> WhyReport {
    let held = held_beside(subject, reading, watch, progress);
    of_held(subject, reading, held, progress)
}

/// The same, where it was watched and these hold most.
pub fn of_held(
    subject: &Subject,
    reading: &mut Reading,
    held: Option<Held>,
    progress: &Progress,
) -> WhyReport {
    let groups = groups(subject, reading, progress);
    told(subject, reading, groups, held, &Thresholds::default())
}

/// Who holds what, by a reading.
pub fn held_now(subject: &Subject, reading: &Reading) -> Option<Held> {
    let counts = subject.counts();
    let counts = counts.as_ref().map(|memory| &**memory as &dyn ReadMemory);
    held(subject.program(), reading, counts)
}

/// The same, found while it is watched what changes.
fn held_beside(
    subject: &Subject,
    reading: &mut Reading,
    watch: Option<Duration>,
    progress: &Progress,
) -> Option<Held> {
    progress.step("finding out who holds what");
    let (second, held) = beside(
        || subject.second_look(reading, watch?, progress),
        || held_now(subject, reading),
    );
    if let Some(second) = second {
        reading.saw(second);
    }
    held
}

/// Takes a second reading of who holds what. Where that cannot be had the report says so.
fn again(
    subject: &mut Subject,
    options: Options,
    (reading, held): (&mut Reading, Held),
    progress: &Progress,
) -> Held {
    let later = subject.read(options, progress);
    let why = match later {
        Ok(later) => {
            let window_ns = reading.before(&later);
            progress.step("finding out who holds what");
            match held_now(subject, &later) {
                Some(now) => return grown(held, &now, window_ns),
                None => no_graph(&later),
            }
        }
        Err(complaint) => complaint.wrong,
    };
    reading.coverage.skip("which holders grow", why);
    held
}

/// Why a second reading has no holders.
fn no_graph(reading: &Reading) -> String {
    let graph = |skip: &&letgo_target::Skip| skip.what == "the object graph";
    let skipped = reading.coverage.skipped.iter().find(graph);
    let why = skipped.map(|skip| skip.why.clone());
    let why = why.or_else(|| reading.why.clone());
    why.unwrap_or_else(|| "the second look has no object graph, or there is no room for it".into())
}

/// What goroutines do, and which can never run again.
fn groups(subject: &Subject, reading: &mut Reading, progress: &Progress) -> Option<Groups> {
    progress.step("finding out what can still run");
    let memory = subject.as_it_is_now();
    let now = memory.as_ref().map(|memory| memory as _);
    goroutine_groups(subject.program(), reading, now)
}

fn told(
    subject: &Subject,
    reading: &Reading,
    groups: Option<Groups>,
    held: Option<Held>,
    thresholds: &Thresholds,
) -> WhyReport {
    let around = subject.around();
    let program = subject.program();
    let (groups, outliving) = groups.map(|own| (own.all, own.outliving)).unzip();
    let mut facts = Facts {
        goroutine_groups: groups,
        outliving,
        ..facts(program, reading, &around)
    };
    if let Some(held) = held {
        facts.holders = Some(held.variables);
        facts.backlogs = Some(held.backlogs);
        facts.containers = held.containers;
    }
    let findings = letgo_diagnose::diagnose_with(&facts, thresholds);
    let process = subject.process();
    why_report(program, process, reading, &around, &facts, &findings)
}
