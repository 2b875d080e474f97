//! The command line of `letgo lab`.
//!
//! Only parsing and words, as in [`crate::cli`].

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::Output;

/// Arguments of `letgo lab`.
#[derive(Args, Debug)]
#[command(about = "Run the experiments that our claims rest on")]
#[command(
    long_about = "Run the experiments that our claims rest on, on Go programs that letgo builds and \
    starts itself, and show the seed's claim beside each figure. Needs a checkout of letgo and Go"
)]
#[command(after_help = "\
Examples:
  letgo lab list                       what can be run
  letgo lab run release                release against the runtime left alone
  letgo lab run --help                 the options of a run")]
pub struct LabArgs {
    /// List or run.
    #[command(subcommand)]
    pub verb: LabVerb,
}

/// What can be done with experiments.
#[derive(Subcommand, Debug)]
pub enum LabVerb {
    /// List the experiments
    List,
    /// Run experiments and print their tables
    Run(RunArgs),
}

/// Arguments of `letgo lab run`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  letgo lab run release survivors           with the Go of this machine
  letgo lab run release --go 1.21.13,1.27.4 with two releases
  letgo lab run release --long --repeat 1   until the runtime gives it back
  letgo lab run advice --system             huge pages never, madvise, always
  letgo lab run busy --out results.md       the table as Markdown, too
  letgo lab run race --long                 letgo and its peers on 2.6 GB

Figures are of this machine, now: give it nothing else to do. Interrupting it leaves nothing behind.

Exit status:
  0  every figure was measured
  1  some could not be; a note says why
  2  the command line is wrong, or names no experiment
  3  nothing could be run: no Go, no checkout")]
pub struct RunArgs {
    /// Which experiments; see `letgo lab list`
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    /// Go releases to build with, such as 1.24.13
    #[arg(long, value_name = "VERSION,...", value_delimiter = ',', value_parser = version)]
    #[arg(long_help = "Go releases to build with, such as 1.24.13; \
        that of this machine if not said. Others are fetched by the go command itself")]
    pub go: Vec<String>,
    /// Runs of each measurement; the median is shown
    #[arg(long, value_name = "N", default_value_t = 3)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100))]
    pub repeat: u32,
    /// Append the tables as Markdown to this file
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// How to write the results
    #[arg(long, short, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Output,
    /// The folder lab/ of a checkout
    #[arg(long, value_name = "DIR", default_value = "lab")]
    pub lab: PathBuf,
    /// The letgo that releases; this one if not said
    #[arg(long, value_name = "FILE")]
    pub letgo: Option<PathBuf>,
    /// Leave a program alone for 320 s and not for 30; race at full size
    #[arg(long)]
    pub long: bool,
    /// Change huge pages of the whole machine for a while
    #[arg(long)]
    #[arg(long_help = "Change huge pages of the whole machine for a while \
        (/sys/kernel/mm/transparent_hugepage/enabled). Put back when letgo ends, however it ends")]
    pub system: bool,
    /// Requests a second, where there is load
    #[arg(long, value_name = "N", default_value_t = 500)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rate: u32,
    /// Seconds of load
    #[arg(long, value_name = "N", default_value_t = 15)]
    #[arg(value_parser = clap::value_parser!(u32).range(5..=600))]
    pub seconds: u32,
}

/// A release as `1.24.13` or `go1.24.13`; nothing that a path or an option could be made of.
fn version(text: &str) -> Result<String, String> {
    let number = text.strip_prefix("go").unwrap_or(text);
    let fits = number.starts_with("1.")
        && number
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'.');
    if fits {
        Ok(number.to_owned())
    } else {
        Err("a Go release is written as in 1.24.13".into())
    }
}
