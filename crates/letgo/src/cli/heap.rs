//! Arguments of `letgo heap`.

use clap::{Args, ValueEnum};

use super::target::{HoldArgs, TargetArgs};

/// What the verb's own help begins with.
pub(super) const HEAP: &str = "\
What is in the heap of a program, and who holds it.\n\nReachable objects, garbage and free slots \
by size class; then the objects that hold most, with the variable or the goroutine that leads to \
them, and what they hold in turn. What an object retains is what the next GC would free if nothing \
led to that object any more";

/// Arguments of `letgo heap`.
#[derive(Args, Debug)]
#[command(about = "What is in the heap of a program, and who holds it")]
#[command(after_help = "\
Examples:
  letgo heap 4242                       totals, size classes, largest holders
  letgo heap 4242 --top 50 --depth 4    more of them, and further down
  letgo heap core.4242 --exe ./api      a core file
  letgo heap api.snap                   a snapshot of `letgo snap`
  letgo heap 4242 -o html > heap.html   a page with pictures, in one file
  letgo heap 4242 -o json | jq '.holders[] | {root, retained_bytes}'

Exit status:
  0  the report is whole
  1  something could not be read (the report says what)
  2  the command line is wrong, or names more than one process
  3  no report: no such process, not a Go program, not allowed")]
#[command(override_usage = "\
letgo heap [OPTIONS] TARGET
       letgo heap [OPTIONS] --name NAME | --cgroup PATH
       letgo heap [OPTIONS] --pod NS/NAME [--container NAME]")]
pub struct HeapArgs {
    /// What is read.
    #[command(flatten)]
    pub target: TargetArgs,
    /// How it is held.
    #[command(flatten)]
    pub hold: HoldArgs,
    /// Holders that are listed
    #[arg(long, value_name = "N", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub top: u32,
    /// Levels of what they hold that are listed
    #[arg(long, value_name = "N", default_value_t = 2)]
    #[arg(value_parser = clap::value_parser!(u32).range(0..=20))]
    pub depth: u32,
    /// How to write the report
    #[arg(long, short, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: HeapOutput,
}

/// How a heap is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub enum HeapOutput {
    /// For people.
    #[default]
    Text,
    /// For programs: see `letgo schema`.
    Json,
    /// A page with pictures, for a browser; it needs nothing else.
    Html,
}
