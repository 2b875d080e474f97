//! Arguments of `letgo goroutines`.

use clap::{Args, ValueEnum};

use super::target::{HoldArgs, TargetArgs};

/// What the verb's own help begins with.
pub(super) const GOROUTINES: &str = "\
What goroutines wait for, what they hold, and which can never run again.\n\nGoroutines that stand \
at the same place for the same reason are one group, with the bytes of their stacks and what only \
they hold: what the next GC would free without them. A group is leaked where nothing that can \
still run leads to the channel, the lock or the wait group that it waits for: it can never run \
again, and that is proven from the program's memory";

/// Arguments of `letgo goroutines`.
#[derive(Args, Debug)]
#[command(about = "What goroutines wait for, what they hold, and which can never run again")]
#[command(after_help = "\
Examples:
  letgo goroutines 4242                 states, leaks, largest groups
  letgo goroutines 4242 --top 50        more groups
  letgo goroutines 4242 --full          all calls of each, and the runtime's own
  letgo goroutines core.4242 --exe ./api
  letgo goroutines 4242 -o json | jq '.leaks, .groups[0].location'
  letgo goroutines 4242 -o pprof > g.pb.gz; go tool pprof -top g.pb.gz
  letgo goroutines 4242 -o folded | flamegraph.pl > g.svg

How long a goroutine waits is known once a GC saw it wait, and may be too much
by the time between two GCs.
Leaks are looked for where the program stands still for milliseconds, in a core
file and in a snapshot; with --no-pause they are not.

Exit status:
  0  the report is whole
  1  something could not be read (the report says what)
  2  the command line is wrong, or names more than one process
  3  no report: no such process, not a Go program, not allowed")]
#[command(override_usage = "\
letgo goroutines [OPTIONS] TARGET
       letgo goroutines [OPTIONS] --name NAME | --cgroup PATH
       letgo goroutines [OPTIONS] --pod NS/NAME [--container NAME]")]
pub struct GoroutinesArgs {
    /// What is read.
    #[command(flatten)]
    pub target: TargetArgs,
    /// How it is held.
    #[command(flatten)]
    pub hold: HoldArgs,
    /// Groups that are listed
    #[arg(long, value_name = "N", default_value_t = 8)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub top: u32,
    /// List all calls of each group, numbers of goroutines, and the runtime's own
    #[arg(long)]
    pub full: bool,
    /// How to write the report
    #[arg(long, short, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: GoroutineOutput,
}

/// How goroutines are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub enum GoroutineOutput {
    /// For people.
    #[default]
    Text,
    /// For programs: see `letgo schema`.
    Json,
    /// For `go tool pprof`: number, stacks and what is retained, by stack.
    Pprof,
    /// For flame graphs: a line a stack, outermost call first, and the number.
    Folded,
}
