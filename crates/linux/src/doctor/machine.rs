//! What kind of machine this is: kernel, `/proc`, containers, cgroups, pressure, huge pages.

use std::fs;
use std::path::Path;

use super::Check;
use crate::cgroup::{Version, parse_mounts};
use crate::denial::hidden_proc;
use crate::{Process, system};

/// Inode of the first pid namespace. Source: include/linux/proc_ns.h `PROC_PID_INIT_INO`.
const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";

const MIB: u64 = 1 << 20;

pub(super) fn kernel() -> Check {
    let name = "kernel";
    let kernel = system::kernel();
    let release = &kernel.release;
    if kernel.is_at_least(6, 7) {
        return Check::ok(name, format!("Linux {release}"));
    }
    if kernel.is_at_least(4, 14) {
        return Check::limited(
            name,
            format!("Linux {release}: no PAGEMAP_SCAN, so the page table is read word by word"),
            "Linux 6.7 or later tells huge pages and the zero page without a privilege",
        );
    }
    Check::limited(
        name,
        format!("Linux {release} is older than what letgo is tested on"),
        "Linux 4.14 or later",
    )
}

fn in_first_pid_namespace() -> bool {
    fs::read_link("/proc/self/ns/pid")
        .is_ok_and(|link| link.to_string_lossy() == FIRST_PID_NAMESPACE)
}

pub(super) fn processes() -> Check {
    let name = "see processes";
    if hidden_proc() {
        return Check::limited(
            name,
            "/proc is mounted with hidepid: the processes of others cannot be seen",
            "`sudo mount -o remount,hidepid=0 /proc`, or run letgo as root",
        );
    }
    if !in_first_pid_namespace() {
        return Check::limited(
            name,
            "we are in a pid namespace of our own: processes outside of it cannot be seen",
            "in Docker `--pid=host` or `--pid=container:NAME`; in Kubernetes `hostPID: true` or \
             `shareProcessNamespace: true`",
        );
    }
    Check::ok(name, "all processes of this host can be seen")
}

pub(super) fn container() -> Check {
    let name = "outside of a container";
    let marks = ["/.dockerenv", "/run/.containerenv"];
    let marked = marks.iter().any(|mark| Path::new(mark).exists());
    let ours = Process::open_self().and_then(|process| process.container());
    match ours {
        // An image that was made into a machine keeps the mark; a container with the host's pids
        // is as good as none.
        Ok(None) if marked && in_first_pid_namespace() => Check::ok(
            name,
            "there are marks of a container, but it shares the host's processes",
        ),
        Ok(Some(container)) => Check::limited(
            name,
            format!(
                "letgo runs in a container itself ({:.12}): it sees what its namespaces show",
                container.id
            ),
            "share the pid namespace of the target, and add CAP_SYS_PTRACE",
        ),
        _ if marked => Check::limited(
            name,
            "letgo runs in a container itself: it sees what its namespaces show",
            "share the pid namespace of the target, and add CAP_SYS_PTRACE",
        ),
        _ => Check::ok(name, "letgo runs on the host"),
    }
}

pub(super) fn cgroup() -> Check {
    let name = "container limits";
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mounts = parse_mounts(&mounts);
    let fix = "mount the host's cgroup file system (in Docker `-v \
               /sys/fs/cgroup:/sys/fs/cgroup:ro --cgroupns=host`), and boot with memory accounting \
               (`cgroup_enable=memory` on some distributions)";
    let v1 = mounts
        .iter()
        .any(|mount| mount.controllers.iter().any(|name| name == "memory"));
    let v2 = mounts
        .iter()
        .find(|mount| mount.version == Version::V2)
        .and_then(|mount| {
            fs::read_to_string(format!("{}/cgroup.controllers", mount.mount_point)).ok()
        })
        .is_some_and(|controllers| controllers.split_whitespace().any(|name| name == "memory"));
    if !v1 && !v2 {
        let detail = "no cgroup hierarchy with the memory controller is mounted: limits of \
                      containers are not known";
        return Check::missing(name, detail, fix);
    }
    let version = if v1 { 1 } else { 2 };
    let ours = Process::open_self().and_then(|process| process.memory_cgroup());
    let own = match ours {
        Ok(Some(memory)) => match memory.limit {
            Some(limit) => format!("; our own limit is {} MiB", limit.bytes / MIB),
            None => "; our own cgroup has no limit".to_owned(),
        },
        _ => String::new(),
    };
    Check::ok(
        name,
        format!("cgroup version {version} with memory accounting{own}"),
    )
}

pub(super) fn pressure() -> Check {
    let name = "memory pressure";
    if Path::new("/proc/pressure/memory").exists() {
        return Check::ok(name, "the kernel tells how long tasks wait for memory");
    }
    Check::missing(
        name,
        "the kernel does not tell how long tasks wait for memory",
        "a kernel with CONFIG_PSI, booted with `psi=1` where it is off by default",
    )
}

pub(super) fn huge_pages() -> Check {
    let name = "huge pages";
    let set = system::huge_pages();
    let detail = match (set.enabled.as_deref(), set.max_ptes_none) {
        (Some("always"), Some(holes)) => format!(
            "transparent huge pages are always on, and khugepaged fills up to {holes} untouched \
             pages each: memory that Go gave back may come back"
        ),
        (Some(enabled), _) => format!("transparent huge pages: {enabled}"),
        (None, _) => "the kernel has no transparent huge pages".to_owned(),
    };
    Check::ok(name, detail)
}
