//! The real thing, tried on a child of ours: reading memory, the page table, stopping.
//!
//! A child is always ours to trace as far as users and Yama go; what fails here is a seccomp
//! filter, a security module, or a kernel that does not have it.

use std::time::Duration;

use letgo_target::{Addr, read_u64};

use super::Check;
use crate::residency::residency_by;
use crate::sys::Pausing;
use crate::{Error, LiveMemory, Method, Process, Stop};

/// Where the child, a copy of us, keeps a known word.
static KNOWN: u64 = 0x6c65_7467_6f21_2121;

const FILTER: &str = "a seccomp filter or security module refuses it: in Docker `--cap-add \
                      SYS_PTRACE --security-opt seccomp=unconfined`; in Kubernetes \
                      `seccompProfile.type: Unconfined`";

const TIME_TO_STOP: Duration = Duration::from_millis(500);

pub(super) fn all() -> Vec<Check> {
    let child = match Pausing::start() {
        Ok(child) => child,
        Err(errno) => {
            return vec![Check::missing(
                "start a child",
                format!("a child process could not be started ({errno}): nothing was tried"),
                "raise the limit of processes (`ulimit -u`, pids.max of the cgroup)",
            )];
        }
    };
    let process = match Process::open(child.pid()) {
        Ok(process) => process,
        Err(error) => {
            let detail = format!("our own child cannot be seen: {error}");
            return vec![Check::missing("see a child", detail, "mount /proc")];
        }
    };
    vec![memory(&process), page_table(&process), stop(&process)]
}

fn memory(process: &Process) -> Check {
    let name = "read memory";
    let addr = Addr(std::ptr::from_ref(&KNOWN).expose_provenance() as u64);
    let read = LiveMemory::new(process).and_then(|memory| {
        let word = read_u64(&memory, addr)?;
        Ok((word, memory.uses_mem_file()))
    });
    match read {
        Ok((word, false)) if word == KNOWN => {
            Check::ok(name, "process_vm_readv works on a child of ours")
        }
        Ok((word, true)) if word == KNOWN => Check::limited(
            name,
            "process_vm_readv is refused; /proc/PID/mem works, at about half the speed",
            FILTER,
        ),
        Ok(_) => Check::missing(
            name,
            "what was read from a child of ours is not what is there",
            "this is no Linux as we know it (gVisor?): run letgo on the host",
        ),
        Err(error) => Check::missing(name, error.to_string(), FILTER),
    }
}

fn page_table(process: &Process) -> Check {
    let name = "read the page table";
    let maps = match process.maps() {
        Ok(maps) => maps,
        Err(error) => return Check::missing(name, error.to_string(), FILTER),
    };
    match residency_by(process, &maps, Method::Scan) {
        Ok(_) => return Check::ok(name, "PAGEMAP_SCAN works: resident pages are told exactly"),
        Err(Error::Unsupported { .. }) => {}
        Err(error) => return Check::missing(name, error.to_string(), FILTER),
    }
    match residency_by(process, &maps, Method::Table) {
        Ok(scan) if scan.undecided_bytes == 0 => Check::ok(
            name,
            "/proc/PID/pagemap works, with page frames: resident pages are told exactly",
        ),
        Ok(_) => Check::limited(
            name,
            "/proc/PID/pagemap works, but without page frames: the shared zero page cannot be \
             told from resident memory, so sums may exceed Rss",
            "Linux 6.7 or later, or CAP_SYS_ADMIN",
        ),
        Err(error) => Check::missing(name, error.to_string(), FILTER),
    }
}

fn stop(process: &Process) -> Check {
    let name = "stop threads";
    match Stop::all_threads(process, TIME_TO_STOP) {
        Ok(stopped) => {
            let report = stopped.release();
            let pause = match report.pause_ns_max / 1000 {
                micros @ 0..1000 => format!("{micros} us"),
                micros => format!("{} ms", micros / 1000),
            };
            Check::ok(
                name,
                format!("ptrace works: a child of ours was stopped for {pause}"),
            )
        }
        Err(error) => Check::missing(name, error.to_string(), FILTER),
    }
}
