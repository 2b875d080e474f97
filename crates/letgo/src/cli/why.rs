//! Arguments of `letgo why`.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::FailOn;
use super::target::{HoldArgs, TargetArgs};

/// What the verb's own help begins with.
pub(super) const WHY: &str = "\
Where every resident page of a program belongs, and what stands out.\n\nWhat is reachable and \
what is garbage is found out in a frozen copy, made in a pause of milliseconds that is predicted \
before and reported after; --no-pause and --quick let the program run on. Reading faults no page \
in and changes nothing";

/// Arguments of `letgo why`.
#[derive(Args, Debug)]
#[command(about = "Where every resident page of a program belongs, and what stands out")]
#[command(after_help = "\
Examples:
  letgo why 4242                        one screen: account, findings, remedies
  letgo why 4242 --explain              every leaf with its source, the counters
  letgo why 4242 --watch 30s            and what grew within half a minute
  letgo why 4242 --no-pause             without letting it stand still at all
  letgo why --name api                  by name, if only one Go program has it
  letgo why --pod shop/api-7d9f5-x2x4q  by Kubernetes pod, on its node
  letgo why 4242 --fail-on medium       for scripts: status 1 if it matters
  letgo why api.snap                    a snapshot of `letgo snap`
  letgo why core.4242                   a core file, which has no RSS
  letgo why 4242 -o json | jq '.rss.tree[] | {id, resident_bytes}'

Exit status:
  0  the report is whole
  1  a finding at or above --fail-on, or something could not be read (the
     report says what)
  2  the command line is wrong, or names more than one process
  3  no report: no such process, not a Go program, not allowed")]
#[command(override_usage = "\
letgo why [OPTIONS] TARGET
       letgo why [OPTIONS] --name NAME | --cgroup PATH
       letgo why [OPTIONS] --pod NS/NAME [--container NAME]")]
pub struct WhyArgs {
    /// What is read.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Leave out what needs the object graph, and the pause for it
    #[arg(long, help_heading = "How it is read")]
    #[arg(
        long_help = "Leave out what needs the object graph: what is reachable and what is \
        garbage. Nothing stands still then, unless --stop or --frozen asks for it"
    )]
    pub quick: bool,
    /// How it is held.
    #[command(flatten)]
    pub hold: HoldArgs,
    /// Look a second time after so long, as in 30s or 5m, and say what grew
    #[arg(long, value_name = "TIME", value_parser = super::duration)]
    #[arg(help_heading = "How it is read")]
    #[arg(
        long_help = "Look a second time after so long, as in 30s or 5m (1s if not said): rates, \
        and which goroutines become more, are told from the two. What is slow to grow needs longer \
        to be told from a swing of the load. Nothing is held meanwhile, and no frozen copy is left"
    )]
    pub watch: Option<Duration>,
    /// Call goroutines old that have waited for so long, as in 30s or 1h
    #[arg(long, value_name = "TIME", value_parser = super::duration)]
    #[arg(help_heading = "How it is read")]
    #[arg(
        long_help = "Call goroutines old that have waited for so long, as in 30s or 1h (10m if not \
        said). Many that are old and become more are likely leaked, even where something could \
        still wake them. Shorter than requests, retries and idle connections take, it calls these \
        leaked as well"
    )]
    pub old: Option<Duration>,
    /// Show everything: each leaf with its source, size classes, settings, cost
    #[arg(long)]
    pub explain: bool,
    /// End with status 1 if a finding is at least this severe
    #[arg(long, value_enum, value_name = "SEVERITY")]
    pub fail_on: Option<FailOn>,
    /// How to write the report
    #[arg(long, short, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: WhyOutput,
}

/// How the report is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub enum WhyOutput {
    /// For people.
    #[default]
    Text,
    /// For programs: see `letgo schema`.
    Json,
    /// The page of `letgo heap -o html`.
    Html,
}
