//! [`may_write`]: whether a process may be written to, and the [`Refusal`] where not.
//!
//! Asked before the first store. Each refusal is about the process as a whole, says what stands in
//! the way and what to do about it, and means that nothing was written. Whether a place in memory
//! may be written to is asked at each store (see [`crate::write`]); whether the program is one that
//! we know is for others to say.
//!
//! A seccomp filter on the target does not matter: nothing runs in it.
//!
//! Does not write, and stops nothing.
//!
//! # Consistency
//! The process may be traced, stopped or frozen right afterwards. A store then still arrives as it
//! should; what it asks for waits until the process runs again.
//!
//! Source: proc(5), ptrace(2), process_vm_writev(2), mlockall(2).

use std::io;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use crate::process::Status;
use crate::sys::writev;
use crate::{Denial, Error, Process, cgroup};

/// How long a frozen process is given to thaw: a checkpoint takes that long, a pause by hand not.
const THAW_PATIENCE: Duration = Duration::from_secs(1);
/// How often it is looked at meanwhile.
const THAW_POLL: Duration = Duration::from_millis(20);
/// Threads whose tracer and state are looked at. More are taken to be like these.
const THREAD_LIMIT: usize = 4096;
/// Locked bytes up to which some code or a few keys are locked, rather than the heap.
const LOCKED_LIMIT: u64 = 64 << 20;
/// Locked bytes that do not matter even to a small process.
const LOCKED_SMALL: u64 = 1 << 20;
/// The class byte of a 64-bit ELF file. Source: elf(5), `EI_CLASS`, `ELFCLASS64`.
const CLASS_64: (usize, u8) = (4, 2);

/// Why nothing may be written to a process. Nothing was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It is gone, is another program now, or could not be looked at.
    #[error(transparent)]
    Target(#[from] Error),
    /// The kernel says no.
    #[error(transparent)]
    Denied(Box<Denial>),
    /// Another tracer, such as a debugger, holds it.
    #[error(
        "process {pid} is traced by process {tracer} ({name}), which may hold it still or change \
         it itself: end that first"
    )]
    Traced {
        /// The process.
        pid: u32,
        /// Who traces it.
        tracer: u32,
        /// The tracer's name, empty where it is not known.
        name: String,
    },
    /// All of its threads are stopped by a signal.
    #[error(
        "process {pid} is stopped, so it could not act on it: continue it (`kill -CONT {pid}`)"
    )]
    Stopped {
        /// The process.
        pid: u32,
    },
    /// Its cgroup is frozen.
    #[error(
        "process {pid} is frozen by its cgroup {cgroup}, and was still after {} ms: thaw it \
         (`docker unpause`, `echo THAWED > freezer.state`, `echo 0 > cgroup.freeze`)",
        waited.as_millis()
    )]
    Frozen {
        /// The process.
        pid: u32,
        /// The cgroup, as a path in its hierarchy.
        cgroup: String,
        /// How long it was given to thaw.
        waited: Duration,
    },
    /// Its memory is locked, so that it cannot be returned.
    #[error(
        "process {pid} has locked {locked} of its {resident} resident bytes into memory \
         (mlockall), so the kernel would not take them back: start it without mlockall"
    )]
    Locked {
        /// The process.
        pid: u32,
        /// Locked bytes.
        locked: u64,
        /// Resident bytes.
        resident: u64,
    },
    /// It is a 32-bit program.
    #[error("process {pid} is a 32-bit program: letgo writes to 64-bit ones only")]
    ThirtyTwoBit {
        /// The process.
        pid: u32,
    },
    /// Another letgo writes to it now.
    #[error("process {pid} is being changed by {}: let it end first", by_whom(*by, verb))]
    InUse {
        /// The process.
        pid: u32,
        /// The pid of that letgo, 0 where it is not known.
        by: u32,
        /// What it does: `release`, `tune`, `govern`; empty where it is not known.
        verb: String,
    },
    /// The directory of the journals cannot be trusted or used.
    #[error("the directory {} for letgo's journals {why}: name another by LETGO_STATE_DIR", path.display())]
    StateDir {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The journal cannot be kept, and without one nothing is written.
    #[error("the journal {} cannot be kept: {source}", path.display())]
    Journal {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The journal is of a newer letgo.
    #[error("the journal {} was begun by a newer letgo (format {version}): use that", path.display())]
    NewerJournal {
        /// The file.
        path: PathBuf,
        /// The version of its format.
        version: u64,
    },
}

fn by_whom(pid: u32, verb: &str) -> String {
    match (pid, verb) {
        (0, _) => "another letgo".to_owned(),
        (_, "") => format!("another letgo (process {pid})"),
        _ => format!("`letgo {verb}` (process {pid})"),
    }
}

/// Whether `process` may be written to now. Waits a second where it is frozen.
///
/// # Errors
/// The [`Refusal`]. Nothing was written in any case.
pub fn may_write(process: &Process) -> Result<(), Refusal> {
    process.verify()?;
    check_permission(process)?;
    check_class(process)?;
    let status = process.status()?;
    check_locked(process, &status)?;
    check_frozen(process)?;
    check_threads(process)
}

/// Whether the kernel lets us write, and nothing else: what putting old values back needs.
pub(crate) fn check_permission(process: &Process) -> Result<(), Refusal> {
    let pid = process.pid();
    let raw = i32::try_from(pid).map_err(|_| Error::NoSuchProcess { pid })?;
    writev::is_allowed(raw).map_err(|errno| match errno {
        Errno::EPERM | Errno::EACCES | Errno::ENOSYS => {
            let what = "writing to the memory";
            Refusal::Denied(Box::new(Denial::explain(pid, what, errno as i32)))
        }
        errno => Error::from_errno(pid, "writing to the memory", errno).into(),
    })
}

fn check_class(process: &Process) -> Result<(), Refusal> {
    match has_class_64(process)? {
        true => Ok(()),
        false => Err(Refusal::ThirtyTwoBit { pid: process.pid() }),
    }
}

/// Whether its executable is a 64-bit ELF file.
pub(crate) fn has_class_64(process: &Process) -> Result<bool, Error> {
    use std::os::unix::fs::FileExt;

    let (at, wanted) = CLASS_64;
    let mut head = [0; 5];
    let pid = process.pid();
    let file = process.exe_file()?;
    let read = file.read_exact_at(&mut head, 0);
    read.map_err(|error| Error::from_io(pid, "reading the executable", error))?;
    Ok(head.get(at) == Some(&wanted))
}

fn check_locked(process: &Process, status: &Status) -> Result<(), Refusal> {
    let (locked, resident) = (status.vm_lck, status.vm_rss);
    if locked > LOCKED_LIMIT || (locked > LOCKED_SMALL && locked > resident / 2) {
        return Err(Refusal::Locked {
            pid: process.pid(),
            locked,
            resident,
        });
    }
    Ok(())
}

fn check_frozen(process: &Process) -> Result<(), Refusal> {
    let began = Instant::now();
    loop {
        let Some(cgroup) = cgroup::frozen_by(process)? else {
            return Ok(());
        };
        let waited = began.elapsed();
        if waited >= THAW_PATIENCE {
            return Err(Refusal::Frozen {
                pid: process.pid(),
                cgroup,
                waited,
            });
        }
        thread::sleep(THAW_POLL);
    }
}

fn check_threads(process: &Process) -> Result<(), Refusal> {
    let pid = process.pid();
    let mut runs = false;
    for tid in process.threads()?.into_iter().take(THREAD_LIMIT) {
        let Some(status) = process.thread_status(tid) else {
            continue;
        };
        if status.tracer != 0 {
            let (tracer, name) = tracer_of(status.tracer);
            return Err(Refusal::Traced { pid, tracer, name });
        }
        runs |= !matches!(
            process.thread_state(tid),
            None | Some('T' | 't' | 'Z' | 'X')
        );
    }
    if !runs {
        process.verify()?;
        return Err(Refusal::Stopped { pid });
    }
    Ok(())
}

/// The process, and its name, of a thread that traces.
pub(crate) fn tracer_of(thread: u32) -> (u32, String) {
    let text = std::fs::read_to_string(format!("/proc/{thread}/status"));
    let status = Status::parse(&text.unwrap_or_default());
    let process = if status.tgid == 0 {
        thread
    } else {
        status.tgid
    };
    (process, status.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_at_work_is_named_as_far_as_it_is_known() {
        let text = |by, verb: &str| {
            let verb = verb.to_owned();
            Refusal::InUse { pid: 7, by, verb }.to_string()
        };
        assert!(text(9, "release").contains("`letgo release` (process 9)"));
        assert!(text(9, "").contains("another letgo (process 9)"));
        assert!(text(0, "x").contains("by another letgo:"));
    }

    #[test]
    fn a_few_locked_pages_are_no_mlockall() {
        let process = Process::open_self().unwrap();
        let status = |vm_lck, vm_rss| Status {
            vm_lck,
            vm_rss,
            ..Status::default()
        };
        let mib = 1 << 20;
        for (locked, resident, refused) in [
            (0, 0, false),
            (mib, mib, false),
            (2 * mib, 3 * mib, true),
            (2 * mib, 5 * mib, false),
            (64 * mib, 1000 * mib, false),
            (65 * mib, 1000 * mib, true),
        ] {
            let answer = check_locked(&process, &status(locked, resident));
            assert_eq!(answer.is_err(), refused, "{locked} of {resident}");
        }
    }
}
