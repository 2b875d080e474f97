//! `letgo diff`: what grew between two moments, and what has not changed since.

use anyhow::Result;
use letgo_report::{DiffReport, text};

use crate::cli::{DiffArgs, Output, Place, TargetArgs};
use crate::complaint::Complaint;
use crate::exit::Exit;
use crate::heap::no_graph;
use crate::inspect::{Hold, Options, Side, Subject, diff_report, room};
use crate::progress::Progress;
use crate::terminal::Terminal;

/// Reads both moments and writes what moved.
///
/// # Errors
/// A [`Complaint`], or standard output cannot be written.
pub fn run(args: &DiffArgs, terminal: &Terminal) -> Result<Exit> {
    let (first, second) = moments(args)?;
    let progress = Progress::new(terminal);
    let mut before = side(args, first, None, &progress)?;
    if let Some(wait) = args.wait {
        progress.step("waiting for the second moment");
        std::thread::sleep(wait);
    }
    let after = side(args, second, Some(&mut before), &progress)?;
    let report = diff_report(&before, &after, args.top as usize);
    drop(progress);
    let written = match args.output {
        Output::Text => text::diff(&report, terminal.stdout),
        Output::Json => letgo_report::json(&report)?,
    };
    terminal.print(&written)?;
    Ok(exit(&report))
}

/// Which two are meant.
fn moments(args: &DiffArgs) -> Result<(&Place, &Place), Complaint> {
    match (&args.before, &args.after) {
        (before, Some(after)) => Ok((before, after)),
        (Place::Pid(_), None) => Ok((&args.before, &args.before)),
        (Place::File(_), None) => Err(Complaint::usage(
            "--after waits for a process, and a file does not change",
            "Name two files, or a process",
        )),
    }
}

fn side(
    args: &DiffArgs,
    place: &Place,
    before: Option<&mut Side>,
    progress: &Progress,
) -> Result<Side, Complaint> {
    let is_file = matches!(place, Place::File(_));
    let mut subject = match place {
        // An executable is for cores; a snapshot beside one has its own.
        Place::File(path) => {
            progress.step("reading the file");
            let exe = args
                .exe
                .as_deref()
                .filter(|_| !crate::inspect::Filed::is_one(path));
            Subject::file(path, exe)?
        }
        Place::Pid(_) => Subject::open(
            &TargetArgs {
                target: Some(place.clone()),
                ..TargetArgs::default()
            },
            progress,
        )?,
    };
    let contents = !args.no_contents;
    let asked = args.hold.hold();
    // Contents take longer to read than threads may stand still.
    let hold = match asked {
        Hold::Choose(_) if contents && !is_file => Hold::Freeze,
        hold => hold,
    };
    let options = |hold| Options {
        hold,
        graph: true,
        contexts: false,
        calls_of_c: false,
        watch: None,
    };
    let read = subject.read_with(options(hold), contents, progress);
    let reading = match read {
        // What cannot be copied can be read otherwise, without contents.
        Err(_) if hold != asked => subject.read_with(options(asked), false, progress)?,
        read => read?,
    };
    if reading.marked.is_none() {
        return Err(no_graph(&reading.why, &reading.coverage));
    }
    progress.step("finding out who holds what");
    Side::of(&subject, reading, before, room::limits())
}

fn exit(report: &DiffReport) -> Exit {
    let whole = [&report.before, &report.after]
        .into_iter()
        .all(|moment| moment.taken.coverage.complete);
    match whole {
        true => Exit::Whole,
        false => Exit::Attention,
    }
}
