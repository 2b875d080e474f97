//! What is read, and what may be done to it meanwhile: the arguments of verbs that read.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::pid;
use crate::inspect::Hold;

/// Which process is meant: a pid, or what together matches one Go program.
#[derive(Args, Debug, Default, Clone)]
#[group(skip)]
pub struct Selection {
    /// The process
    #[arg(value_parser = pid)]
    #[arg(required_unless_present_any = ["name", "cgroup", "pod"])]
    #[arg(conflicts_with_all = ["name", "cgroup", "pod", "container"])]
    pub pid: Option<u32>,
    /// Otherwise.
    #[command(flatten)]
    pub by: By,
}

/// What is read: a process, or a file that was made of one.
#[derive(Args, Debug, Default, Clone)]
#[group(skip)]
pub struct TargetArgs {
    /// A process, a core file, or a snapshot of `letgo snap`
    #[arg(value_parser = place)]
    #[arg(required_unless_present_any = ["name", "cgroup", "pod"])]
    #[arg(conflicts_with_all = ["name", "cgroup", "pod", "container"])]
    pub target: Option<Place>,
    /// Otherwise.
    #[command(flatten)]
    pub by: By,
    /// With a core file: the executable, where it is not where the core says
    #[arg(long, value_name = "FILE")]
    #[arg(
        long_help = "With a core file: the executable that dumped it. Needed where it is not \
        at the path that the core names, or was replaced since"
    )]
    pub exe: Option<PathBuf>,
    /// Take names and types from FILE: the same build, with symbols or DWARF
    #[arg(long, value_name = "FILE")]
    #[arg(
        long_help = "Take names and types from FILE: the same build, with symbols or DWARF. It \
        is matched by its build id, or by its code where the program was linked with \
        -ldflags='-s -w' and FILE was not. Not needed where it is in /usr/lib/debug/.build-id"
    )]
    pub debug_file: Option<PathBuf>,
}

/// Where a target is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// A process.
    Pid(u32),
    /// A core file or a snapshot.
    File(PathBuf),
}

/// What matches a process.
#[derive(Args, Debug, Default, Clone, PartialEq, Eq)]
#[group(skip)]
pub struct By {
    /// By the name of the program or its executable
    #[arg(long, help_heading = "Select a process otherwise")]
    pub name: Option<String>,
    /// By cgroup: its path, or the end of it
    #[arg(long, value_name = "PATH", help_heading = "Select a process otherwise")]
    pub cgroup: Option<String>,
    /// By Kubernetes pod, as NAMESPACE/NAME or the pod's uid
    #[arg(
        long,
        value_name = "NS/NAME",
        help_heading = "Select a process otherwise"
    )]
    pub pod: Option<String>,
    /// With --pod: by the name of the container
    #[arg(long, short, value_name = "NAME", requires = "pod")]
    #[arg(help_heading = "Select a process otherwise")]
    pub container: Option<String>,
}

impl TargetArgs {
    /// Whether anything is meant at all.
    pub fn is_said(&self) -> bool {
        self.target.is_some() || self.by != By::default()
    }

    /// The process, where no file is meant.
    pub fn selection(&self) -> Selection {
        Selection {
            pid: match self.target {
                Some(Place::Pid(pid)) => Some(pid),
                _ => None,
            },
            by: self.by.clone(),
        }
    }
}

/// What may be done to the process so that it does not change while it is read.
#[derive(Args, Debug, Default, Clone)]
#[group(skip)]
pub struct HoldArgs {
    /// Do not let the process stand still at all
    #[arg(long, conflicts_with_all = ["stop", "frozen"], help_heading = "How it is read")]
    #[arg(
        long_help = "Do not let the process stand still at all. It changes while it is read: \
        sums may be off by a few pages, and which objects are reachable is told only where it \
        allocated next to nothing meanwhile"
    )]
    pub no_pause: bool,
    /// Read a frozen copy of the process, made in a pause of milliseconds
    #[arg(long, conflicts_with = "stop", help_heading = "How it is read")]
    #[arg(
        long_help = "Read a frozen copy of the process: a copy-on-write child that is made \
        in it while its threads stand still for some milliseconds, never runs, and is gone \
        afterwards. Memory that the process changes meanwhile is held twice"
    )]
    pub frozen: bool,
    /// Stop all threads until objects are copied, for at most MS milliseconds
    #[arg(long, value_name = "MS", num_args = 0..=1, require_equals = true)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=60_000))]
    #[arg(help_heading = "How it is read")]
    #[arg(
        long_help = "Stop all threads until page table, spans and objects are copied, for at \
        most MS milliseconds (if not said: four times what is predicted, at least 500 and at most \
        10000). Nothing is made in the process, and the account is of one moment and sums to RSS \
        exactly"
    )]
    pub stop: Option<Option<u64>>,
    /// The longest pause that is planned without --stop or --frozen
    #[arg(
        long,
        value_name = "MS",
        default_value_t = 200,
        hide_default_value = true
    )]
    #[arg(help_heading = "How it is read")]
    #[arg(
        long_help = "The longest pause, in milliseconds, that is planned where neither --stop \
        nor --frozen asks for one (200 if not said). What is predicted to take longer is read \
        while it runs, as with --no-pause"
    )]
    pub max_pause: u64,
}

impl HoldArgs {
    /// As readings want to know it.
    pub fn hold(&self) -> Hold {
        match self.stop {
            Some(most) => Hold::Stop(most.map(Duration::from_millis)),
            None if self.no_pause => Hold::Nothing,
            None if self.frozen => Hold::Freeze,
            None => Hold::Choose(Duration::from_millis(self.max_pause)),
        }
    }
}

/// A pid, or the path of a file that is there.
pub(super) fn place(text: &str) -> Result<Place, String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return pid(text).map(Place::Pid);
    }
    let path = PathBuf::from(text);
    if path.is_file() {
        return Ok(Place::File(path));
    }
    Err("it is neither a pid nor a file; to find a process by its name use --name".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_a_pid_and_files_are_files() {
        assert_eq!(place("4242"), Ok(Place::Pid(4242)));
        assert!(place("0").is_err());
        let own = env!("CARGO_MANIFEST_PATH");
        assert_eq!(place(own), Ok(Place::File(own.into())));
        let wrong = place("api").unwrap_err();
        assert!(wrong.contains("--name"), "{wrong}");
    }
}
