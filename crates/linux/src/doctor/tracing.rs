//! What the kernel allows of tracing: perf events and eBPF. Both are for later verbs (`alloc`,
//! `watch`); reading a process needs neither.

use std::fs;
use std::path::Path;

use super::Check;
use crate::denial::{CAP_SYS_ADMIN, Credentials};

/// Bit of `CAP_PERFMON`.
const CAP_PERFMON: u32 = 38;
/// Bit of `CAP_BPF`.
const CAP_BPF: u32 = 39;

pub(super) fn all(ours: &Credentials) -> Vec<Check> {
    let number = |path: &str| fs::read_to_string(path).ok()?.trim().parse().ok();
    vec![
        perf(ours, number("/proc/sys/kernel/perf_event_paranoid")),
        bpf(ours, number("/proc/sys/kernel/unprivileged_bpf_disabled")),
        btf(Path::new("/sys/kernel/btf/vmlinux").exists()),
    ]
}

fn perf(ours: &Credentials, paranoid: Option<i32>) -> Check {
    let name = "perf events";
    let capable = ours.has(CAP_PERFMON) || ours.has(CAP_SYS_ADMIN);
    let Some(level) = paranoid else {
        return Check::missing(
            name,
            "this kernel has no perf events",
            "a kernel with CONFIG_PERF_EVENTS",
        );
    };
    if capable {
        return Check::ok(
            name,
            format!("allowed (perf_event_paranoid={level}, with capability)"),
        );
    }
    let fix = "`sudo sysctl kernel.perf_event_paranoid=1`, or CAP_PERFMON";
    match level {
        ..=1 => Check::ok(
            name,
            format!("perf_event_paranoid={level}: of our own processes"),
        ),
        2 => Check::limited(
            name,
            "perf_event_paranoid=2: of our own processes, without the kernel's part",
            fix,
        ),
        _ => Check::missing(
            name,
            format!("perf_event_paranoid={level}: not allowed"),
            fix,
        ),
    }
}

fn bpf(ours: &Credentials, disabled: Option<i32>) -> Check {
    let name = "eBPF";
    if disabled.is_none() && !Path::new("/proc/sys/kernel/unprivileged_bpf_disabled").exists() {
        return Check::missing(
            name,
            "this kernel has no eBPF",
            "a kernel with CONFIG_BPF_SYSCALL",
        );
    }
    if ours.has(CAP_SYS_ADMIN) || (ours.has(CAP_BPF) && ours.has(CAP_PERFMON)) {
        return Check::ok(name, "allowed: allocations can be watched");
    }
    Check::missing(
        name,
        "not allowed: allocations cannot be watched; no verb of this version does",
        "CAP_BPF and CAP_PERFMON: `sudo setcap cap_sys_ptrace,cap_bpf,cap_perfmon=ep \
         \"$(command -v letgo)\"`; in Docker `--cap-add BPF --cap-add PERFMON`",
    )
}

fn btf(present: bool) -> Check {
    let name = "kernel types (BTF)";
    if present {
        return Check::ok(
            name,
            "/sys/kernel/btf/vmlinux is there: one eBPF build fits all kernels",
        );
    }
    Check::missing(
        name,
        "/sys/kernel/btf/vmlinux is missing: eBPF programs cannot adapt to this kernel",
        "a kernel with CONFIG_DEBUG_INFO_BTF, and /sys mounted",
    )
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn perf_depends_on_level_and_capability() {
        let plain = Credentials::default();
        let states = [-1, 1, 2, 3].map(|level| perf(&plain, Some(level)).state);
        assert_eq!(
            states,
            [State::Ok, State::Ok, State::Limited, State::Missing]
        );
        let capable = Credentials {
            effective: 1 << CAP_PERFMON,
            ..Credentials::default()
        };
        assert_eq!(perf(&capable, Some(4)).state, State::Ok);
        assert_eq!(perf(&capable, None).state, State::Missing);
    }

    #[test]
    fn bpf_needs_both_capabilities() {
        let with = |effective| Credentials {
            effective,
            ..Credentials::default()
        };
        let both = with(1 << CAP_BPF | 1 << CAP_PERFMON);
        assert_eq!(bpf(&both, Some(2)).state, State::Ok);
        assert_eq!(bpf(&with(1 << CAP_BPF), Some(2)).state, State::Missing);
    }
}
