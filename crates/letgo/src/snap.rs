//! `letgo snap`: a program in a file.

use std::time::Instant;

use anyhow::Result;
use letgo_report::units;

use crate::cli::{Place, SnapArgs};
use crate::exit::Exit;
use crate::inspect::{Keep, Snapped, Subject, check_snapshot, write_snapshot};
use crate::progress::Progress;
use crate::terminal::Terminal;

/// Writes a snapshot and says what came of it.
///
/// # Errors
/// A [`crate::complaint::Complaint`], or standard output cannot be written.
pub fn run(args: &SnapArgs, terminal: &Terminal) -> Result<Exit> {
    let keep = Keep {
        contents: args.contents,
        redact: args.redact,
        force: args.force,
    };
    check_snapshot(&args.output, keep)?;
    let progress = Progress::new(terminal);
    let began = Instant::now();
    let mut target = args.target.clone();
    if let Some(core) = &args.core {
        target.target = Some(Place::File(core.clone()));
    }
    let mut subject = Subject::open(&target, &progress)?;
    let view = subject.view(args.hold.hold(), &progress)?;
    let snapped = write_snapshot(&mut subject, view, &args.output, keep, &progress)?;
    drop(progress);
    let mut text = format!(
        "{}: {} of memory in {}, in {:.1} s; {}\n",
        args.output.display(),
        units::bytes(snapped.written.memory.data + snapped.written.memory.zero),
        units::bytes(snapped.written.file),
        began.elapsed().as_secs_f64(),
        how(&snapped),
    );
    for skip in &snapped.coverage.skipped {
        text.push_str(&format!(
            "not whole: {}: {} ({})\n",
            skip.what, skip.why, skip.count
        ));
    }
    let held = match args.redact {
        true => "It holds shapes, the executable, and the names in it.",
        false => "It holds what the program holds in memory: keep it as you would keep that.",
    };
    text.push_str(held);
    text.push('\n');
    terminal.print(&text)?;
    Ok(match snapped.coverage.is_complete() {
        true => Exit::Whole,
        false => Exit::Attention,
    })
}

/// How the target was read, in words.
fn how(snapped: &Snapped) -> String {
    let pause = units::time(snapped.pause.ns_max);
    let paused = match snapped.pause.ns_max {
        0 => "nothing was paused".to_owned(),
        _ => format!("paused {pause}"),
    };
    let why = snapped
        .why
        .as_ref()
        .map_or_else(String::new, |why| format!(" ({why})"));
    format!("{}, {paused}{why}", snapped.method)
}
