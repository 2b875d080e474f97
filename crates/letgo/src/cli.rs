//! The command line: verbs, their arguments, and their help.
//!
//! Only parsing and words; what a verb does is in its own module. A verb that does not exist yet
//! is not listed, and named as coming where somebody asks for it (see [`COMING`]).

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

mod diff;
mod goroutines;
mod heap;
mod snap;
mod target;
mod why;

use diff::DIFF;
pub use diff::DiffArgs;
use goroutines::GOROUTINES;
pub use goroutines::{GoroutineOutput, GoroutinesArgs};
use heap::HEAP;
pub use heap::{HeapArgs, HeapOutput};
use snap::SNAP;
pub use snap::SnapArgs;
pub use target::{By, HoldArgs, Place, Selection, TargetArgs};
use why::WHY;
pub use why::{WhyArgs, WhyOutput};

use crate::copy::CopyArgs;
use crate::lab::args::LabArgs;
use crate::terminal::Color;

/// Tell why a running Go program does not let go of its memory.
///
/// letgo reads any Go program on Linux from outside: no code change, no endpoint, stripped or
/// not. It attributes every resident page to its owner, so that the sum equals RSS, and says what
/// stands out and what to do about it. Reading changes nothing in the target.
#[derive(Parser, Debug)]
#[command(
    name = "letgo",
    version,
    max_term_width = 100,
    disable_help_subcommand = true
)]
#[command(after_help = "\
Examples:
  letgo ps                  which Go programs run here
  letgo why 4242            where the memory of one of them is
  letgo why --name api      the same, by name
  letgo release 4242        give back what can be given back, now
  letgo doctor              what this machine allows, and how to grant the rest

Every verb has its own --help.
Exit status: 0 whole, 1 attention, 2 usage, 3 no report.")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
    /// Options of every verb.
    #[command(flatten)]
    pub global: Global,
}

/// Options of every verb.
#[derive(Args, Debug)]
pub struct Global {
    /// When to use colour
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    #[arg(help_heading = "Global options", hide_possible_values = true)]
    #[arg(long_help = "When to use colour: auto, always or never. \
        Auto is on a terminal only, and respects NO_COLOR")]
    pub color: Color,
    /// Draw no progress on standard error
    #[arg(long, short, global = true, help_heading = "Global options")]
    pub quiet: bool,
}

/// Verbs that findings name and that this version has not, with what to do meanwhile.
pub const COMING: [(&str, &str); 3] = [
    (
        "plan",
        "Until then `letgo tune PID --gogc N` and `--undo` let you try",
    ),
    ("alloc", "Until then a heap profile says who allocated"),
    ("watch", "Until then run `letgo why PID -o json` by a timer"),
];

// What a verb's own --help begins with. It has to stand at the variant: the doc comment there would
// win over what the arguments say.
const PS: &str = "\
Which Go programs run on this host, those of other containers included: release, RSS, live \
heap, what could be returned now, GOGC, memory limit. Only counters are read; nothing is \
paused";
const RELEASE: &str = "\
Give back the free memory of a running process, now.\n\nTwo GCs are asked for and the \
runtime's scavenger runs unpaced until nothing more goes; then every setting is as it was. \
No code runs in the process that it would not run itself, and none is changed: letgo stores \
into variables of the runtime, each journalled with its old value before it is written. What \
is expected is said first, and what was measured afterwards";
const TUNE: &str = "\
Set GOGC and the memory limit of a running process.\n\nBoth act at once and last as long as \
the process; --undo puts back what was there before letgo's first change. Each store is \
journalled before it is made, and read back afterwards together with what the runtime \
computes from it";
const RUN: &str = "\
Start a program with a GOGC and a memory limit, by its environment. letgo becomes the \
program: its status is the program's, and nothing of letgo stays";

/// What letgo can do.
#[derive(Subcommand, Debug)]
pub enum Verb {
    /// Where every resident page of a process belongs, and what stands out
    #[command(long_about = WHY)]
    Why(WhyArgs),
    /// What is in the heap of a program, and who holds it
    #[command(long_about = HEAP)]
    Heap(HeapArgs),
    /// What grew between two moments of a program, and what has not changed since
    #[command(long_about = DIFF)]
    Diff(DiffArgs),
    /// What goroutines wait for, what they hold, and which can never run again
    #[command(long_about = GOROUTINES)]
    Goroutines(GoroutinesArgs),
    /// Write a snapshot of a program to a file
    #[command(long_about = SNAP)]
    Snap(SnapArgs),
    /// Which Go programs run on this host
    #[command(long_about = PS)]
    Ps(PsArgs),
    /// Give back the free memory of a running process, now
    #[command(long_about = RELEASE)]
    Release(ReleaseArgs),
    /// Set GOGC and the memory limit of a running process
    #[command(long_about = TUNE)]
    Tune(TuneArgs),
    /// Start a program with a GOGC and a memory limit
    #[command(long_about = RUN)]
    Run(RunArgs),
    /// Run the experiments that our claims rest on
    Lab(LabArgs),
    /// What this machine allows, and how to grant what is missing
    Doctor(DoctorArgs),
    /// Print the JSON Schema of what a verb writes with -o json
    Schema(SchemaArgs),
    /// Print a completion script for a shell
    Completion(CompletionArgs),
    /// Print the manual page, or write all of them
    Man(ManArgs),
    /// Put everything back when the letgo that started this dies
    #[command(hide = true)]
    Watchdog(WatchdogArgs),
    /// Make frozen copies of a process and remove them
    #[command(hide = true)]
    Copy(CopyArgs),
}

/// Arguments of `letgo watchdog`.
#[derive(Args, Debug)]
pub struct WatchdogArgs {
    /// The process
    pub pid: u32,
    /// When it started, in clock ticks since boot
    pub start_ticks: u64,
    /// Remove frozen copies, through this code of the process
    #[arg(long)]
    pub copies: Option<String>,
}

/// Arguments of `letgo ps`.
#[derive(Args, Debug)]
#[command(about = "Which Go programs run on this host")]
#[command(after_help = "\
Examples:
  letgo ps                     sorted by RSS
  letgo ps --sort idle         those first that could return most
  letgo ps -o wide             all columns
  letgo ps -o json | jq '.processes[] | select(.gc_percent == null) | .pid'

Columns: LIVE is what the last GC marked, a dash before the first; IDLE is free
and not returned to the OS. Other dashes are figures that could not be read; a
line below says why.

Exit status:
  0  the table is there; what could not be read is said in it
  2  the command line is wrong
  3  the processes of this host cannot be listed")]
pub struct PsArgs {
    /// How to write the table
    #[arg(long, short, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: PsOutput,
    /// What to sort by, largest first (names and pids upwards)
    #[arg(long, value_enum, default_value_t, value_name = "KEY")]
    pub sort: Sort,
}

/// Arguments of `letgo release`.
#[derive(Args, Debug)]
#[command(about = "Give back the free memory of a running process, now")]
#[command(override_usage = "\
letgo release [OPTIONS] PID
       letgo release [OPTIONS] --name NAME | --cgroup PATH
       letgo release [OPTIONS] --pod NS/NAME [--container NAME]")]
#[command(after_help = "\
Examples:
  letgo release 4242                 expected, the decay as it happens, measured
  letgo release 4242 --dry-run       what is expected, and nothing else
  letgo release 4242 --watch 60s     and whether it comes back within a minute
  letgo release --name api -o json | jq '.before.rss_bytes - .after.rss_bytes'

With GOGC=off a GOGC of 100 is held for the moment of the two GCs.

Exit status:
  0  done
  1  it fell short: not in time, or something could not be put back (the
     report says what)
  2  the command line is wrong, or names more than one process
  3  refused, and nothing was written: not allowed, not recognised, stopped,
     traced")]
pub struct ReleaseArgs {
    /// Which process.
    #[command(flatten)]
    pub selection: Selection,
    /// Say what is expected and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Watch for so long whether it comes back, as in 60s or 5m
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with = "dry_run")]
    pub watch: Option<Duration>,
    /// Time that it may take
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "30s")]
    pub timeout: Duration,
    /// How to write the report
    #[arg(long, short, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Output,
}

/// Arguments of `letgo tune`.
#[derive(Args, Debug)]
#[command(about = "Set GOGC and the memory limit of a running process")]
#[command(override_usage = "\
letgo tune [OPTIONS] PID --gogc N|off | --limit SIZE|off
       letgo tune [OPTIONS] PID --undo
       letgo tune [OPTIONS] --name NAME | --cgroup PATH | --pod NS/NAME ...")]
#[command(after_help = "\
Examples:
  letgo tune 4242 --gogc 50
  letgo tune 4242 --limit 900MiB
  letgo tune 4242 --gogc off --limit 900MiB   collect only near the limit
  letgo tune 4242 --undo                      as it was before letgo

Sizes are as in GOMEMLIMIT: B, KiB, MiB, GiB, TiB. A limit under 1.3 x the live
heap and what is not heap is refused without --force; GOGC is never off without
a limit.

Exit status:
  0  done
  1  it was written, and the runtime does not show it
  2  the command line is wrong, or names more than one process
  3  refused, and nothing was written: not sane, not allowed, not recognised,
     stopped, traced")]
pub struct TuneArgs {
    /// Which process.
    #[command(flatten)]
    pub selection: Selection,
    /// The settings.
    #[command(flatten)]
    pub settings: SettingArgs,
    /// Put back what was there before letgo's first change
    #[arg(long, conflicts_with_all = ["gogc", "limit", "force"])]
    #[arg(required_unless_present_any = ["gogc", "limit"])]
    pub undo: bool,
    /// Beyond what is sane: a limit that leaves no room, a GOGC below 10 or above 1000
    #[arg(long)]
    pub force: bool,
    /// Say what would be written and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// How to write the report
    #[arg(long, short, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Output,
}

/// Arguments of `letgo run`.
#[derive(Args, Debug)]
#[command(about = "Start a program with a GOGC and a memory limit")]
#[command(after_help = "\
Examples:
  letgo run --gogc 50 -- ./api -listen :8080
  letgo run --gogc off --limit 900MiB -- ./job

Exit status: the program's; 2 where the command line is wrong, 126 or 127 where
the program cannot be started.")]
pub struct RunArgs {
    /// The settings.
    #[command(flatten)]
    pub settings: SettingArgs,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// GOGC and a memory limit.
#[derive(Args, Debug, Clone, Copy)]
pub struct SettingArgs {
    /// GOGC in percent, or off
    #[arg(long, value_name = "N|off", value_parser = gogc)]
    pub gogc: Option<i32>,
    /// The memory limit, as in 900MiB, or off
    #[arg(long, value_name = "SIZE|off", value_parser = limit)]
    pub limit: Option<i64>,
}

/// Arguments of `letgo doctor`.
#[derive(Args, Debug)]
#[command(about = "What this machine allows, and how to grant what is missing")]
#[command(after_help = "\
Examples:
  letgo doctor                 what letgo may do here
  letgo doctor 4242            whether it may read this process; if not, why not
  letgo doctor -o json

Exit status:
  0  nothing that letgo can use is missing
  1  something is missing
  2  the command line is wrong
  3  no such process")]
pub struct DoctorArgs {
    /// A process to ask about
    #[arg(value_parser = pid)]
    pub pid: Option<u32>,
    /// How to write the report
    #[arg(long, short, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Output,
}

/// Arguments of `letgo schema`.
#[derive(Args, Debug)]
#[command(about = "Print the JSON Schema of what a verb writes with -o json")]
#[command(after_help = "\
Examples:
  letgo schema why > letgo.why-1.json
  letgo schema                 all of them, as one object by name

Fields are added to a schema, never changed or removed; an absent field is not
zero.")]
pub struct SchemaArgs {
    /// Whose; all of them if not said
    #[arg(value_enum)]
    pub verb: Option<SchemaVerb>,
}

/// Arguments of `letgo completion`.
#[derive(Args, Debug)]
#[command(about = "Print a completion script for a shell")]
#[command(after_help = "\
Examples:
  letgo completion bash > /etc/bash_completion.d/letgo
  letgo completion zsh > \"${fpath[1]}/_letgo\"
  letgo completion fish > ~/.config/fish/completions/letgo.fish")]
pub struct CompletionArgs {
    /// For which shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Arguments of `letgo man`.
#[derive(Args, Debug)]
#[command(about = "Print the manual page, or write all of them")]
#[command(after_help = "\
Examples:
  letgo man | man -l -
  letgo man --dir /usr/local/share/man/man1")]
pub struct ManArgs {
    /// Write letgo.1, letgo-why.1 and so on into this directory
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// The kernel gives no greater pids. Source: include/linux/threads.h, `PID_MAX_LIMIT`.
const PID_MAX: u32 = 4_194_304;

fn pid(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(pid @ 1..=PID_MAX) => Ok(pid),
        Ok(_) => Err(format!("pids are between 1 and {PID_MAX}")),
        // Too many digits for a u32.
        Err(_) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
            Err(format!("pids are between 1 and {PID_MAX}"))
        }
        Err(_) => Err("it is not a number; to find a process by its name use --name".into()),
    }
}

/// A GOGC as the runtime takes it: -1 is off. Source: src/runtime/mgcpacer.go, `readGOGC`.
fn gogc(text: &str) -> Result<i32, String> {
    if text == "off" {
        return Ok(-1);
    }
    match text.parse() {
        Ok(percent @ 0..) => Ok(percent),
        _ => Err("it is a percentage, such as 50, or off".into()),
    }
}

/// A size as in GOMEMLIMIT; off is the largest number. Source: src/runtime/string.go,
/// `parseByteCount`.
fn limit(text: &str) -> Result<i64, String> {
    if text == "off" {
        return Ok(i64::MAX);
    }
    let digits = text.trim_end_matches(|char: char| !char.is_ascii_digit());
    let unit: i64 = match text.get(digits.len()..).unwrap_or_default() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return Err("its unit is one of B, KiB, MiB, GiB, TiB".into()),
    };
    let bytes = digits.parse().ok().and_then(|n: i64| n.checked_mul(unit));
    match bytes {
        Some(bytes @ 0..) => Ok(bytes),
        _ => Err("it is a size, such as 900MiB, or off".into()),
    }
}

/// A time such as `60s`, `5m`, `1h`, `250ms`.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|char: char| !char.is_ascii_digit());
    let unit_ms = match text.get(digits.len()..).unwrap_or_default() {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("it has a unit: ms, s, m or h".into()),
    };
    let ms = digits
        .parse()
        .ok()
        .and_then(|n: u64| n.checked_mul(unit_ms));
    match ms {
        Some(ms @ 1..=86_400_000) => Ok(Duration::from_millis(ms)),
        _ => Err("it is a time between 1ms and 24h, such as 60s".into()),
    }
}

/// How a report is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// For programs: see `letgo schema`.
    Json,
}

/// How the table is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub enum PsOutput {
    /// The columns that fit.
    #[default]
    Table,
    /// All columns.
    Wide,
    /// For programs: see `letgo schema`.
    Json,
}

/// What `ps` is sorted by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub enum Sort {
    /// Bytes in RAM.
    #[default]
    Rss,
    /// Live heap.
    Live,
    /// Free and not returned.
    Idle,
    /// Time since the start.
    Uptime,
    /// Name.
    Name,
    /// Process id.
    Pid,
}

/// From which severity on a finding is a failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum FailOn {
    /// Any finding.
    Info,
    /// 1 % of RSS or more.
    Low,
    /// 5 % of RSS and 16 MiB or more.
    Medium,
    /// 20 % of RSS and 64 MiB or more, or the container's limit is near.
    High,
}

/// Verbs that have a schema.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum SchemaVerb {
    /// letgo.why/1
    Why,
    /// letgo.ps/1
    Ps,
    /// letgo.doctor/1
    Doctor,
    /// letgo.release/1
    Release,
    /// letgo.tune/1
    Tune,
    /// letgo.lab/1
    Lab,
    /// letgo.heap/1
    Heap,
    /// letgo.goroutines/1
    Goroutines,
    /// letgo.path/1: heap --path
    Path,
    /// letgo.diff/1
    Diff,
    /// letgo.sql/1: heap --sql
    Sql,
    /// letgo.type/1: heap --type
    Type,
}

/// Shells that have completion.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Shell {
    /// GNU bash.
    Bash,
    /// zsh.
    Zsh,
    /// fish.
    Fish,
}
