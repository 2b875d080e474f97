//! What is allowed on one process, and who says no.

use letgo_target::Mapping;

use super::Check;
use crate::{Denial, Error, LiveMemory, Process, Stop, residency};

pub(super) fn all(pid: u32) -> Vec<Check> {
    let process = match Process::open(pid) {
        Ok(process) => process,
        Err(error) => {
            let detail = error.to_string();
            let check = Check::missing("target: see it", detail, fix_of(&error));
            return vec![check];
        }
    };
    let mut checks = vec![seen(&process)];
    let maps = process.maps();
    checks.push(map_and_page_table(&process, maps));
    checks.push(memory(&process));
    checks.push(stop(&process));
    checks.push(namespaces(&process));
    checks
}

fn seen(process: &Process) -> Check {
    let name = process.stat().map(|stat| stat.name).unwrap_or_default();
    let pid = process.pid();
    Check::ok("target: see it", format!("process {pid} ({name}) runs"))
}

fn map_and_page_table(process: &Process, maps: Result<Vec<Mapping>, Error>) -> Check {
    let name = "target: read its map and page table";
    let scan = maps.and_then(|maps| residency(process, &maps));
    match scan {
        Ok(scan) => {
            let mib = scan.residency.resident().0 >> 20;
            Check::ok(name, format!("allowed: {mib} MiB are resident"))
        }
        Err(error) => refused(name, &error),
    }
}

fn memory(process: &Process) -> Check {
    let name = "target: read its memory";
    match LiveMemory::new(process) {
        Ok(_) => Check::ok(name, "allowed"),
        Err(error) => refused(name, &error),
    }
}

/// Whether it could be stopped; it is not.
fn stop(process: &Process) -> Check {
    let name = "target: stop its threads";
    if process.pid() == std::process::id() {
        return Check::ok(name, "it is letgo itself, which is never stopped");
    }
    match Stop::is_possible(process) {
        Ok(()) => Check::ok(name, "allowed, and nobody else traces it"),
        Err(error) => refused(name, &error),
    }
}

fn namespaces(process: &Process) -> Check {
    let name = "target: namespaces";
    let Ok(same) = process.namespaces() else {
        return Check::limited(
            name,
            "they cannot be compared with ours, which asks for the same permission as its map",
            Denial::explain(process.pid(), "comparing the namespaces", 0).fix(),
        );
    };
    let kinds = [
        ("pid", same.same_pid),
        ("mount", same.same_mount),
        ("user", same.same_user),
        ("time", same.same_time),
        ("cgroup", same.same_cgroup),
    ];
    let other: Vec<&str> = kinds
        .iter()
        .filter(|kind| !kind.1)
        .map(|kind| kind.0)
        .collect();
    if other.is_empty() {
        return Check::ok(name, "all are ours");
    }
    let detail = format!(
        "another one of: {}; letgo reads through /proc all the same",
        other.join(", ")
    );
    Check::ok(name, detail)
}

fn refused(name: &str, error: &Error) -> Check {
    Check::missing(name, reason_of(error), fix_of(error))
}

fn reason_of(error: &Error) -> String {
    match error {
        Error::Denied(denial) => format!("refused: {}", denial.reasons()),
        error => error.to_string(),
    }
}

fn fix_of(error: &Error) -> String {
    match error {
        Error::Denied(denial) => denial.fix(),
        Error::Busy { tracer, .. } => {
            format!("end the debugger or tracer (process {tracer}), then try again")
        }
        Error::Thread { process, .. } => format!("ask for {process}"),
        Error::KernelThread { .. } => "ask for a process that has memory of its own".to_owned(),
        error if error.is_gone() => {
            "`letgo ps` lists what runs; in a container, share the target's pid namespace"
                .to_owned()
        }
        _ => "`letgo doctor` without a pid tells what this machine allows".to_owned(),
    }
}
