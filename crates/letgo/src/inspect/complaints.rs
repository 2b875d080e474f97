//! Errors from below as complaints: what is wrong, and what to do next.

use std::path::Path;

use letgo_linux::process::ExePath;
use letgo_linux::{Error as ProcessError, Refusal};
use letgo_target::Fault;

use crate::complaint::Complaint;

const LIST: &str = "`letgo ps` lists the Go programs that run on this host";

/// What can be read, where something else was found.
const READS: &str =
    "Build it for x86-64 Linux with Go 1.19 or later, or see whether a newer letgo reads it";

/// What went wrong with a process.
pub(crate) fn of_process(error: &ProcessError) -> Complaint {
    let wrong = match error {
        // The error's own sentence ends with what is our next step.
        ProcessError::Denied(denial) => format!(
            "the kernel does not allow {} of process {}: {}",
            denial.what,
            denial.pid,
            denial.reasons()
        ),
        other => other.to_string(),
    };
    let next = match error {
        ProcessError::NoSuchProcess { .. } | ProcessError::KernelThread { .. } => LIST.into(),
        ProcessError::Thread { process, .. } => format!("Run `letgo why {process}`"),
        ProcessError::Zombie { parent, .. } => {
            format!("Its memory is gone already; its parent is process {parent}")
        }
        ProcessError::Gone { .. } => "There is nothing left to read".into(),
        ProcessError::Replaced { .. } => "`letgo ps` shows what it runs now".into(),
        ProcessError::Denied(denial) => format!("To be let in: {}", denial.fix()),
        ProcessError::Busy { .. } => {
            "Leave --stop out: reading without stopping needs no tracer".into()
        }
        ProcessError::Deadline { .. } => {
            "Allow more time with --stop=MS, or leave --stop out".into()
        }
        _ => "`letgo doctor` says what this machine allows".into(),
    };
    Complaint::no_report(wrong, next)
}

/// What went wrong when the executable was opened. Where the kernel tells its path, it lets us
/// look at the process, and what keeps us out is the file.
pub(crate) fn of_executable(error: &ProcessError, path: Option<ExePath>) -> Complaint {
    match (error, path) {
        (ProcessError::Denied(denial), Some(exe)) => Complaint::no_report(
            format!(
                "the executable of process {} may not be read: the permissions of {} keep us out",
                denial.pid,
                exe.path.display()
            ),
            "Run letgo as root, or let the file be read (`chmod +r`)",
        ),
        _ => of_process(error),
    }
}

/// What went wrong with the executable of process `pid`.
pub(crate) fn of_binary(error: &letgo_gobin::Error, pid: u32) -> Complaint {
    use letgo_gobin::Error;
    let wrong = format!("process {pid}: {error}");
    let next = match error {
        Error::NotGo { .. } => LIST.into(),
        Error::Unsupported { .. } => READS.into(),
        Error::Denied { .. } => format!("`letgo doctor {pid}` says which rule forbids it"),
        _ => "Its executable may be damaged; compare it with the one that was deployed".into(),
    };
    Complaint::no_report(wrong, next)
}

/// What went wrong with a debug file.
pub(crate) fn of_debug_file(why: &str, path: &Path) -> Complaint {
    Complaint::no_report(
        format!("no names from {}: {why}", path.display()),
        "Give the file that the running one was stripped from, or leave --debug-file out",
    )
}

/// What went wrong with a core file.
pub(crate) fn of_core(error: &letgo_corefile::Error, path: &Path) -> Complaint {
    use letgo_corefile::Error;
    let next = match error {
        Error::OtherFile { .. } | Error::NoSuchFile { .. } => {
            "Give the executable that dumped the core with --exe FILE"
        }
        Error::Denied { .. } => "Run letgo as root, or let the file be read (`chmod +r`)",
        Error::TooLarge { .. } => "Give the core as it is then",
        _ => "Give a core file of an x86-64 Go program, a snapshot, or a pid",
    };
    Complaint::no_report(format!("file {}: {error}", path.display()), next)
}

/// What went wrong with a snapshot.
pub(crate) fn of_snapshot(error: &letgo_snapshot::Error, path: &Path) -> Complaint {
    use letgo_snapshot::Error;
    let next = match error {
        Error::Exists { .. } => "Name another file, or say --force",
        Error::Denied { .. } => "Run letgo as a user who may read and write there",
        Error::Unsupported { .. } => "A newer letgo may read it",
        Error::File { .. } => "See whether there is room for it, or name another file",
        Error::NoFolder { .. } => "Make the folder, or name a file elsewhere",
        _ => "Take it again; it was changed or cut since it was written",
    };
    let wrong = match error {
        // The error's own sentence ends with what is our next step.
        Error::Exists { path } => format!("the file {path} is there already"),
        // Those that name it already.
        other if other.to_string().contains(&path.display().to_string()) => other.to_string(),
        other => format!("file {}: {other}", path.display()),
    };
    Complaint::no_report(wrong, next)
}

/// What went wrong with the runtime in memory.
pub(crate) fn of_runtime(error: &letgo_goruntime::Error) -> Complaint {
    use letgo_goruntime::Error;
    let next = match error {
        Error::Fault(Fault::Gone) => "There is nothing left to read",
        Error::Fault(Fault::Denied { .. }) => "`letgo doctor PID` says which rule forbids it",
        Error::Unsupported { .. } => READS,
        Error::Inconsistent { .. } => {
            "If it has only just started, try again; otherwise please report it, with the \
             output of `letgo doctor`"
        }
        _ => "`letgo doctor` says what this machine allows",
    };
    Complaint::no_report(error.to_string(), next)
}

/// What went wrong with the account.
pub(crate) fn of_account(error: &letgo_account::Error) -> Complaint {
    match error {
        letgo_account::Error::Runtime(error) => of_runtime(error),
    }
}

/// Why nothing may be written: the release, the layout or the values are not what was tested.
pub(crate) fn of_control(error: &letgo_goruntime::Error) -> Complaint {
    use letgo_goruntime::Error;
    match error {
        Error::Unsupported { .. } => Complaint::no_report(
            format!("letgo writes to releases that it was tested on only: {error}"),
            "Nothing was written. `letgo why` still reads it",
        ),
        Error::Inconsistent { .. } => Complaint::no_report(
            format!("the runtime's settings are not as expected: {error}"),
            "Nothing was written. If the program has only just started, try again",
        ),
        _ => of_runtime(error),
    }
}

/// Why nothing may be written to a process.
pub(crate) fn of_refusal(refusal: &Refusal) -> Complaint {
    match refusal {
        Refusal::Target(error) => of_process(error),
        Refusal::Denied(denial) => Complaint::no_report(
            format!(
                "the kernel does not allow {} of process {}: {}",
                denial.what,
                denial.pid,
                denial.reasons()
            ),
            format!("Nothing was written. To be let in: {}", denial.fix()),
        ),
        other => {
            // Its sentence is what is wrong, and what to do behind the last colon.
            let text = other.to_string();
            let (wrong, next) = text.rsplit_once(": ").unwrap_or((&text, "Try again later"));
            Complaint::no_report(wrong, format!("Nothing was written. To go on, {next}"))
        }
    }
}
