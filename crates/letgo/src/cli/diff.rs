//! Arguments of `letgo diff`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::target::{HoldArgs, place};
use super::{Output, Place, duration};

/// What the verb's own help begins with.
pub(super) const DIFF: &str = "\
What grew between two moments of a program, and what has not changed since.\n\nA moment is a \
snapshot of `letgo snap`, a core file, or the process as it is now. Growth is told by who holds \
it, by size class, by account leaf and by group of goroutines. Objects that are at the same place \
with the same contents in both are unchanged: nobody wrote to them, for at least as many GCs as \
ended in between";

/// Arguments of `letgo diff`.
#[derive(Args, Debug)]
#[command(about = "What grew between two moments of a program, and what has not changed since")]
#[command(after_help = "\
Examples:
  letgo snap 4242 --contents -o a.snap; sleep 600; letgo diff a.snap 4242
  letgo diff a.snap b.snap              two snapshots
  letgo diff 4242 --after 30s           a process now, and in half a minute
  letgo diff core.1 core.2 --exe ./api  two cores of one build
  letgo diff a.snap b.snap -o json | jq '.holders[0], .unchanged.by_holder[0]'

A snapshot has objects without pointers only with --contents: of the others it
is not told whether they changed, and the report says how many there are. That
nobody wrote to an object does not mean that nobody read it.

Exit status:
  0  the report is whole
  1  something could not be read (the report says what)
  2  the command line is wrong
  3  no report: no such process, not a Go program, not allowed")]
#[command(override_usage = "\
letgo diff [OPTIONS] BEFORE AFTER
       letgo diff [OPTIONS] PID --after TIME")]
pub struct DiffArgs {
    /// The first moment: a snapshot, a core file, or a process
    #[arg(value_parser = place, value_name = "BEFORE")]
    pub before: Place,
    /// The second
    #[arg(value_parser = place, value_name = "AFTER")]
    #[arg(required_unless_present = "wait", conflicts_with = "wait")]
    pub after: Option<Place>,
    /// Look at one process twice, so long apart, as in 30s or 5m
    #[arg(id = "wait", long = "after", value_name = "TIME", value_parser = duration)]
    pub wait: Option<Duration>,
    /// With core files: the executable, where it is not where they say
    #[arg(long, value_name = "FILE")]
    pub exe: Option<PathBuf>,
    /// How a process is held.
    #[command(flatten)]
    pub hold: HoldArgs,
    /// Do not compare contents: of a process no frozen copy is needed then
    #[arg(long, help_heading = "How it is read")]
    pub no_contents: bool,
    /// Holders that are listed
    #[arg(long, value_name = "N", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub top: u32,
    /// How to write the report
    #[arg(long, short, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Output,
}
