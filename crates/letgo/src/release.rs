//! `letgo release`: gives back what can be given back, now.
//!
//! First a reading, and from it what is expected; then the policy of `govern`, with the decay drawn
//! as it happens; then a second reading, and what was measured beside what was expected.

mod forecast;
mod report;
mod watch;

use std::time::SystemTime;

use anyhow::Result;
use letgo_govern::{End, Limits, Look as Counters, Outcome};
use letgo_report::text::{CurveRows, release_head, release_tail};
use letgo_report::{ReleaseReport, units};

use crate::cli::{Output, ReleaseArgs};
use crate::complaint::Complaint;
use crate::control::{self, Control};
use crate::exit::Exit;
use crate::inspect::{Opened, Options, Reading, Surroundings};
use crate::progress::Progress;
use crate::select::{self, ThisHost};
use crate::terminal::Terminal;

/// Releases the memory of one process and writes the report.
///
/// # Errors
/// A [`Complaint`], or standard output cannot be written.
pub fn run(args: &ReleaseArgs, terminal: &Terminal) -> Result<Exit> {
    let pid = select::resolve(&args.selection, &ThisHost)?;
    let progress = Progress::new(terminal);
    progress.step("reading the executable");
    let mut opened = Opened::open(pid)?;
    let text = args.output == Output::Text;
    if args.dry_run {
        let memory = opened.memory()?;
        let runtime = opened.program.attach(&memory)?;
        let (_, state) = control::controls(&runtime, &memory)?;
        let reading = look(&mut opened, &progress)?;
        let counters = control::look_of(&state, 0, 0);
        let report = begin(&opened, &reading, &counters, true);
        drop(progress);
        let out = if text {
            release_head(&report, terminal.stdout)
        } else {
            letgo_report::json(&report)?
        };
        terminal.print(&out)?;
        return Ok(Exit::Whole);
    }
    // Whether it may be written to is known before the long reading.
    let mut hands = Control::take(&mut opened, "release", true)?;
    let reading = look(&mut opened, &progress)?;
    let counters = control::look_of(hands.state(), 0, 0);
    let mut report = begin(&opened, &reading, &counters, false);
    drop(progress);
    report::note_recovered(&mut report, hands.recovered());
    if text {
        terminal.print(&release_head(&report, terminal.stdout))?;
    }
    let limits = Limits {
        time: args.timeout,
        ..Limits::default()
    };
    let mut rows = CurveRows::new(&report, terminal.stdout);
    let outcome = drive(&mut hands, limits, &mut |row| {
        if text && let Some(row) = rows.row(&row) {
            // A reader that is gone is no reason to stop half-way.
            let _ = terminal.print(&row);
        }
    });
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => return Err(control::complaint(&error, pid).into()),
    };
    report::finish(&mut report, &outcome, &hands);
    if text {
        terminal.print(&rows.last())?;
    }
    hands.let_go();
    report::measure(&mut report, &mut opened, &Progress::new(terminal));
    if let Some(time) = args.watch {
        watch::watch(&mut report, &mut opened, time, &Progress::new(terminal));
    }
    report.letgo = crate::own::cost();
    terminal.print(&if text {
        release_tail(&report, terminal.stdout)
    } else {
        letgo_report::json(&report)?
    })?;
    Ok(if outcome.end == End::Flat && report.restored {
        Exit::Whole
    } else {
        Exit::Attention
    })
}

fn look(opened: &mut Opened, progress: &Progress) -> Result<Reading, Complaint> {
    let options = Options {
        graph: true,
        ..Options::default()
    };
    Reading::take(opened, options, progress)
}

fn begin(opened: &Opened, reading: &Reading, counters: &Counters, dry_run: bool) -> ReleaseReport {
    let around = Surroundings::of(&opened.process);
    let at = units::rfc3339(SystemTime::now());
    let mut report = report::begin(opened, &around, at, dry_run);
    report.before = report::memory(reading, counters);
    forecast::forecast(&mut report, reading);
    report
}

/// Runs the policy, telling of each point of the curve.
fn drive(
    hands: &mut Control,
    limits: Limits,
    tell: &mut dyn FnMut(letgo_report::CurvePoint),
) -> Result<Outcome, control::Error> {
    let mut first: Option<Counters> = None;
    letgo_govern::run(hands, limits, &mut |look| {
        let began = first.get_or_insert(*look);
        tell(letgo_report::CurvePoint {
            at_ns: look.at_ns.saturating_sub(began.at_ns),
            rss_bytes: look.rss,
            heap_free_bytes: look.heap_free,
            gcs: look.num_gc.wrapping_sub(began.num_gc),
        });
    })
}
