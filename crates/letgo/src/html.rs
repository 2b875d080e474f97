//! `-o html`: a heap, where the memory is, and what stands out, as one page.
//!
//! The same page for `letgo why` and `letgo heap`, whatever holders these would list.

use anyhow::Result;
use letgo_target::ReadMemory;

use crate::cli::{FailOn, HoldArgs, TargetArgs};
use crate::exit::Exit;
use crate::heap::no_graph;
use crate::inspect::{Depth, Options, Subject, beside, draw, heap_report, html_report, room};
use crate::output;
use crate::progress::Progress;
use crate::terminal::Terminal;
use crate::why;

/// The page draws holders itself.
const NO_HOLDERS: Depth = Depth {
    most: 0,
    children: 0,
    levels: 0,
};

/// Reads one target and writes the page.
///
/// # Errors
/// A [`crate::complaint::Complaint`], or standard output cannot be written.
pub fn run(
    target: &TargetArgs,
    hold: &HoldArgs,
    fail_on: Option<FailOn>,
    terminal: &Terminal,
) -> Result<Exit> {
    let progress = Progress::new(terminal);
    let mut subject = Subject::open(target, &progress)?;
    let options = Options {
        hold: hold.hold(),
        graph: true,
        contexts: true,
        calls_of_c: false,
        watch: None,
    };
    let mut reading = subject.read(options, &progress)?;
    if reading.marked.is_none() {
        return Err(no_graph(&reading.why, &reading.coverage).into());
    }
    progress.step("finding out who holds what");
    let (second, (held, drawn)) = beside(
        || subject.second_look(&reading, why::WATCH, &progress),
        || {
            let program = subject.program();
            let held = why::held_now(&subject, &reading);
            let counts = subject.counts();
            let counts = counts.as_ref().map(|memory| &**memory as &dyn ReadMemory);
            (held, draw(program, &reading, counts, room::limits()))
        },
    );
    if let Some(second) = second {
        reading.saw(second);
    }
    let why = why::of_held(&subject, &mut reading, held, &progress);
    let around = subject.around();
    let program = subject.program();
    let heap = heap_report(
        program,
        &mut reading,
        &around,
        NO_HOLDERS,
        None,
        room::limits(),
    );
    let report = html_report(program, &reading, why, heap, drawn);
    drop(progress);
    terminal.print(&letgo_report::html(&report)?)?;
    Ok(output::why_exit(&report.why, fail_on))
}
