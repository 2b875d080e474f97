//! Arguments of `letgo snap`.

use std::path::PathBuf;

use clap::Args;

use super::target::{HoldArgs, TargetArgs};

/// What the verb's own help begins with.
pub(super) const SNAP: &str = "\
Write a snapshot of a program to a file, which every reading verb takes as a target.\n\nThe file \
holds what letgo reads of the program, the executable included, compressed and checked: it can be \
read on another machine, years later. It holds what the program holds in memory, secrets too, and \
only its owner may read it; objects without pointers are left out unless --contents asks for them, \
and --redact leaves out whatever is no pointer";

/// Arguments of `letgo snap`.
#[derive(Args, Debug)]
#[command(about = "Write a snapshot of a program to a file")]
#[command(mut_arg("target", |arg| arg.required_unless_present("core")))]
#[command(after_help = "\
Examples:
  letgo snap 4242 -o api.snap                in a pause of milliseconds
  letgo snap 4242 -o api.snap --redact       shapes, not contents
  letgo snap core.4242 --exe ./api -o api.snap
  letgo heap api.snap                        what is in it

Exit status:
  0  the snapshot is whole
  1  it is written, but something could not be read (it says what)
  2  the command line is wrong, or names more than one process
  3  nothing was written: no such process, not a Go program, not allowed")]
#[command(override_usage = "\
letgo snap [OPTIONS] TARGET --output FILE
       letgo snap [OPTIONS] --name NAME | --cgroup PATH --output FILE
       letgo snap [OPTIONS] --core CORE [--exe FILE] --output FILE")]
pub struct SnapArgs {
    /// What is read.
    #[command(flatten)]
    pub target: TargetArgs,
    /// A core file, as TARGET would be
    #[arg(long, value_name = "CORE", conflicts_with_all = ["target", "name", "cgroup", "pod"])]
    pub core: Option<PathBuf>,
    /// How it is held.
    #[command(flatten)]
    pub hold: HoldArgs,
    /// Where to write it
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    /// Replace a file that is there
    #[arg(long)]
    pub force: bool,
    /// Keep objects without pointers too: strings, buffers, numbers
    #[arg(long, conflicts_with = "redact")]
    pub contents: bool,
    /// Leave out contents, keep shapes
    #[arg(long)]
    #[arg(
        long_help = "Leave out contents, keep shapes: in objects, stacks, variables and C \
        memory every word that is no address of the program is zero. What the runtime counts \
        with stays, and so does the executable"
    )]
    pub redact: bool,
}
