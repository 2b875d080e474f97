//! `letgo heap`: what is in a heap, and who holds it.

mod stacks;

use std::io::IsTerminal;

use anyhow::Result;
use letgo_target::ReadMemory;

use crate::cli::{HeapArgs, HeapOutput};
use crate::complaint::Complaint;
use crate::exit::Exit;
use crate::html;
use crate::inspect::{
    Depth, Options, Program, Reading, Subject, heap_report, held_stacks, path_report, room,
};
use crate::output;
use crate::progress::Progress;
use crate::terminal::Terminal;

/// Children that are listed of each holder.
const CHILDREN: usize = 3;

/// Reads one target and writes the report.
///
/// # Errors
/// A [`Complaint`], or standard output cannot be written.
pub fn run(args: &HeapArgs, terminal: &Terminal) -> Result<Exit> {
    check(args)?;
    if args.output == HeapOutput::Html {
        return html::run(&args.target, &args.hold, None, terminal);
    }
    let progress = Progress::new(terminal);
    let mut subject = Subject::open(&args.target, &progress)?;
    let options = Options {
        hold: args.hold.hold(),
        graph: true,
        watch: None,
    };
    let mut reading = subject.read(options, &progress)?;
    if reading.marked.is_none() {
        return Err(no_graph(&reading.why, &reading.coverage).into());
    }
    if let Some(wanted) = &args.path {
        progress.step("finding out what leads there");
        let around = subject.around();
        let memory = subject.contents();
        let memory = memory.as_ref().map(|memory| &**memory as &dyn ReadMemory);
        let program = subject.program();
        let report = path_report(program, &reading, &around, wanted, memory, room::limits())?;
        drop(progress);
        return output::path(&report, args.output, terminal);
    }
    progress.step("finding out who holds what");
    if matches!(args.output, HeapOutput::Pprof | HeapOutput::Folded) {
        let written = stacks_of(subject.program(), &reading, args.output)?;
        drop(progress);
        terminal.write(&written)?;
        return Ok(match reading.coverage.is_complete() && !reading.drifts() {
            true => Exit::Whole,
            false => Exit::Attention,
        });
    }
    let depth = Depth {
        most: args.top as usize,
        children: CHILDREN,
        levels: args.depth as usize,
    };
    // What the graph took is gone from what is left.
    let limits = room::limits();
    let around = subject.around();
    let report = heap_report(subject.program(), &mut reading, &around, depth, limits);
    drop(progress);
    output::heap(&report, args.output, terminal)
}

/// Whether what is asked for goes together.
fn check(args: &HeapArgs) -> Result<(), Complaint> {
    if args.output == HeapOutput::Pprof && std::io::stdout().is_terminal() {
        let next = "Write it to a file: letgo heap ... -o pprof > heap.pb.gz";
        return Err(Complaint::usage("a profile is not for a terminal", next));
    }
    let whole = matches!(
        args.output,
        HeapOutput::Pprof | HeapOutput::Folded | HeapOutput::Html
    );
    if whole && args.path.is_some() {
        let wrong = "ways to an object are text or JSON";
        return Err(Complaint::usage(wrong, "Leave --path or -o out"));
    }
    Ok(())
}

/// Who holds what, as another tool wants it.
fn stacks_of(program: &Program, reading: &Reading, output: HeapOutput) -> Result<Vec<u8>> {
    let Some(marked) = &reading.marked else {
        return Err(no_graph(&reading.why, &reading.coverage).into());
    };
    let stacks = held_stacks(program, reading, marked, room::limits())?;
    let since = reading.at.duration_since(std::time::UNIX_EPOCH);
    let at = since.map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(0));
    Ok(match output {
        HeapOutput::Pprof => stacks::pprof(&stacks, at)?,
        _ => stacks::folded(&stacks).into_bytes(),
    })
}

/// Why there is no graph, and what would bring one.
pub(crate) fn no_graph(why: &Option<String>, coverage: &letgo_target::Coverage) -> Complaint {
    let graph = |skip: &&letgo_target::Skip| skip.what == "the object graph";
    let skipped = coverage.skipped.iter().find(graph);
    match (why, skipped) {
        (_, Some(skip)) => Complaint::no_report(
            format!("the object graph cannot be had: {}", skip.why),
            "Try --frozen or --stop, or letgo snap and a machine with more memory",
        ),
        (why, None) => Complaint::no_report(
            format!(
                "the program allocated while it was read, so that what is reachable is not \
                 known{}",
                why.as_ref()
                    .map_or_else(String::new, |why| format!(" ({why})"))
            ),
            "Leave --no-pause out, or allow more with --max-pause MS",
        ),
    }
}
