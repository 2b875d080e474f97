//! `letgo heap`: what is in a heap, and who holds it.

mod sql;
mod stacks;

use std::io::{ErrorKind, IsTerminal, Read as _};

use anyhow::Result;
use letgo_query::{Database, Limits};
use letgo_report::SqlReport;
use letgo_target::ReadMemory;

use crate::cli::{HeapArgs, HeapOutput};
use crate::complaint::Complaint;
use crate::exit::Exit;
use crate::html;
use crate::inspect::{
    self, Contents, Depth, Options, Program, Reading, Subject, Tables, described, heap_report,
    held_stacks, path_report, room, type_report,
};
use crate::output;
use crate::own;
use crate::progress::Progress;
use crate::terminal::{Terminal, unwritten};

/// Children that are listed of each holder.
const CHILDREN: usize = 3;

/// Bytes of a question on standard input.
const MOST_QUESTION: u64 = 1 << 20;

/// Reads one target and writes the report.
///
/// # Errors
/// A [`Complaint`], or standard output cannot be written.
pub fn run(args: &HeapArgs, terminal: &Terminal) -> Result<Exit> {
    check(args)?;
    let question = question(args)?;
    if args.sql.is_some() && question.is_none() {
        terminal.print(&sql::help())?;
        return Ok(Exit::Whole);
    }
    if !args.target.is_said() {
        let next = "Name a process or a file; --sql help alone needs none";
        return Err(Complaint::usage("a question is asked of a program", next).into());
    }
    if let Some(question) = &question {
        // Before a program is held for it.
        let database = Database::new(&described(), Limits::default())?;
        let checked = database.check(question);
        checked.map_err(|error| no_answer(&error))?;
    }
    if args.output == HeapOutput::Html {
        return html::run(&args.target, &args.hold, None, terminal);
    }
    let progress = Progress::new(terminal);
    let mut subject = Subject::open(&args.target, &progress)?;
    let options = Options {
        hold: args.hold.hold(),
        graph: true,
        contexts: false,
        calls_of_c: false,
        watch: None,
    };
    let mut reading = subject.read(options, &progress)?;
    if reading.marked.is_none() {
        return Err(no_graph(&reading.why, &reading.coverage).into());
    }
    if let Some(question) = question {
        return ask(subject, reading, &question, args.output, progress);
    }
    if args.path.is_some() || args.type_name.is_some() {
        return of_some(args, &subject, &reading, progress, terminal);
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
    let memory = subject.counts();
    let memory = memory.as_ref().map(|memory| &**memory as &dyn ReadMemory);
    let program = subject.program();
    let report = heap_report(program, &mut reading, &around, depth, memory, limits);
    drop(progress);
    reading.leave();
    output::heap(&report, args.output, terminal)
}

/// Tells of one object, or of those of a type.
fn of_some(
    args: &HeapArgs,
    subject: &Subject,
    reading: &Reading,
    progress: Progress,
    terminal: &Terminal,
) -> Result<Exit> {
    let (program, around, limits) = (subject.program(), subject.around(), room::limits());
    let memory = subject.contents();
    let is_redacted = subject.is_redacted();
    let contents = memory.as_deref().map(|memory| Contents {
        memory,
        is_redacted,
    });
    if let Some(wanted) = &args.path {
        progress.step("finding out what leads there");
        let report = path_report(program, reading, &around, wanted, contents, limits)?;
        drop(progress);
        return output::path(&report, args.output, terminal);
    }
    progress.step("finding out who holds what");
    let (name, most) = (args.type_name.as_deref(), args.top as usize);
    let name = name.unwrap_or_default();
    let report = type_report(program, reading, &around, name, contents, most, limits)?;
    drop(progress);
    output::instances(&report, args.output, terminal)
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
    let one = args.path.is_some() || args.type_name.is_some();
    if (whole || args.output == HeapOutput::Csv) && one {
        let wrong = "what is told of one object or one type is text or JSON";
        return Err(Complaint::usage(wrong, "Leave --path, --type or -o out"));
    }
    if whole && args.sql.is_some() {
        let wrong = "answers to a question are text, JSON or CSV";
        return Err(Complaint::usage(wrong, "Leave --sql or -o out"));
    }
    if args.output == HeapOutput::Csv && args.sql.is_none() {
        let wrong = "only answers to a question can be CSV";
        return Err(Complaint::usage(wrong, "Add --sql QUESTION"));
    }
    Ok(())
}

/// The question in SQL; nothing where help is asked for.
fn question(args: &HeapArgs) -> Result<Option<String>> {
    match args.sql.as_deref() {
        None | Some("help" | ".help" | ".schema" | ".tables") => Ok(None),
        Some("-") => {
            let mut text = String::new();
            std::io::stdin()
                .take(MOST_QUESTION)
                .read_to_string(&mut text)?;
            Ok(Some(text))
        }
        Some(text) => Ok(Some(text.to_owned())),
    }
}

/// Asks a question and writes the answer as it comes.
fn ask(
    subject: Subject,
    reading: Reading,
    question: &str,
    output: HeapOutput,
    progress: Progress,
) -> Result<Exit> {
    progress.step("answering the question");
    let is_whole = reading.coverage.is_complete() && !reading.drifts();
    let head = SqlReport {
        schema: SqlReport::SCHEMA.into(),
        letgo: own::cost(),
        target: inspect::target(subject.program(), &subject.around()),
        taken: inspect::taken(&reading),
        question: question.to_owned(),
        columns: Vec::new(),
        rows: Vec::new(),
    };
    let limits = room::limits();
    let tables = Tables::new(subject, reading, limits)?;
    let bounds = Limits {
        memory_bytes: Limits::default().memory_bytes.min(limits.path_bytes),
        ..Limits::default()
    };
    let database = Database::new(&tables.all(), bounds)?;
    drop(progress);
    let mut answer = sql::Answer::new(std::io::stdout().lock(), output, head);
    let answered = database.ask(question, &mut answer);
    let written = answered.and_then(|()| answer.finish().map_err(letgo_query::Error::Write));
    match written {
        Ok(()) => {}
        Err(letgo_query::Error::Write(error)) if error.kind() == ErrorKind::BrokenPipe => {}
        Err(letgo_query::Error::Write(error)) => return Err(unwritten(&error).into()),
        Err(error) => return Err(no_answer(&error).into()),
    }
    Ok(match is_whole {
        true => Exit::Whole,
        false => Exit::Attention,
    })
}

/// Why a question has no answer, and what to ask instead.
fn no_answer(error: &letgo_query::Error) -> Complaint {
    use letgo_query::Error;
    let wrong = error.to_string();
    match error {
        Error::Memory { .. } => {
            let next = "Ask for less: a sum instead of rows, a limit, or fewer columns to sort by";
            Complaint::no_report(wrong, next)
        }
        Error::Time { .. } => {
            let next = "Join on an address, which is looked up, and not on other columns";
            Complaint::no_report(wrong, next)
        }
        Error::Table(_) => Complaint::no_report(wrong, "Ask without that column"),
        _ => Complaint::usage(
            wrong,
            "`letgo heap TARGET --sql help` lists tables and columns",
        ),
    }
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
