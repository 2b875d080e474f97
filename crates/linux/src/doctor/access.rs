//! The settings that decide whether we may look into a process: capabilities, Yama, user
//! namespace, seccomp, security modules.

use std::fs;

use super::Check;
use crate::denial::{
    CAP_SYS_ADMIN, CAP_SYS_PTRACE, Credentials, GRANT_PTRACE, yama_meaning, yama_scope,
};

/// Inode of the first user namespace. Source: include/linux/proc_ns.h `PROC_USER_INIT_INO`.
const FIRST_USER_NAMESPACE: &str = "user:[4026531837]";

pub(super) fn all(ours: &Credentials) -> Vec<Check> {
    let namespace = fs::read_link("/proc/self/ns/user").unwrap_or_default();
    let in_first = namespace.to_string_lossy() == FIRST_USER_NAMESPACE;
    vec![
        capabilities(ours),
        yama(ours, yama_scope()),
        user_namespace(in_first),
        seccomp(ours.seccomp),
        security_module(&ours.label),
    ]
}

fn capabilities(ours: &Credentials) -> Check {
    let name = "CAP_SYS_PTRACE";
    if !ours.has(CAP_SYS_PTRACE) {
        let detail = format!(
            "not there: only processes of user {} that are dumpable can be read",
            ours.uid[1]
        );
        return Check::limited(name, detail, GRANT_PTRACE);
    }
    if !ours.has(CAP_SYS_ADMIN) {
        return Check::ok(
            name,
            "there: processes of all users can be read (without CAP_SYS_ADMIN page frames are \
             hidden, which matters before Linux 6.7 only)",
        );
    }
    Check::ok(name, "there: processes of all users can be read")
}

fn yama(ours: &Credentials, scope: Option<u32>) -> Check {
    let name = "Yama";
    let Some(scope) = scope else {
        return Check::ok(name, "this kernel has no Yama");
    };
    let capable = ours.has(CAP_SYS_PTRACE);
    let meaning = yama_meaning(scope);
    let detail = format!("kernel.yama.ptrace_scope={scope}: {meaning} may read memory");
    match scope {
        0 => Check::ok(name, detail),
        1 | 2 if capable => Check::ok(name, format!("{detail}; we have the capability")),
        1 => Check::limited(
            name,
            detail,
            format!("`sudo sysctl kernel.yama.ptrace_scope=0`; or {GRANT_PTRACE}"),
        ),
        2 => Check::missing(
            name,
            detail,
            format!("`sudo sysctl kernel.yama.ptrace_scope=0`; or {GRANT_PTRACE}"),
        ),
        _ => Check::missing(
            name,
            detail,
            "set `kernel.yama.ptrace_scope = 0` in /etc/sysctl.d and boot again",
        ),
    }
}

fn user_namespace(in_first: bool) -> Check {
    let name = "user namespace";
    if in_first {
        return Check::ok(name, "the first one: our capabilities count everywhere");
    }
    Check::limited(
        name,
        "not the first one: our capabilities count only for processes inside of it",
        "run letgo on the host, or in a container without user namespace (rootless runtimes and \
         `userns-remap` make one)",
    )
}

fn seccomp(mode: u32) -> Check {
    let name = "seccomp";
    if mode == 0 {
        return Check::ok(name, "no filter is on us");
    }
    Check::limited(
        name,
        "a filter is on us; what it refuses is told by the attempts below",
        "in Docker `--cap-add SYS_PTRACE` (opens ptrace and process_vm_readv in the default \
         profile) or `--security-opt seccomp=unconfined`; in Kubernetes `seccompProfile.type: \
         Unconfined`",
    )
}

fn security_module(label: &str) -> Check {
    let name = "security modules";
    if label.is_empty() || label.contains("unconfined") {
        return Check::ok(name, "none confines us");
    }
    Check::limited(
        name,
        format!("we run as `{label}`, which may not be allowed to look into other processes"),
        "AppArmor: a profile with `ptrace (read, trace)`, in Docker `--security-opt \
         apparmor=unconfined`; SELinux: `sudo setsebool deny_ptrace 0`",
    )
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn yama_depends_on_the_capability() {
        let plain = Credentials::default();
        let capable = Credentials {
            effective: 1 << CAP_SYS_PTRACE,
            ..Credentials::default()
        };
        let table = [
            (None, State::Ok, State::Ok),
            (Some(0), State::Ok, State::Ok),
            (Some(1), State::Limited, State::Ok),
            (Some(2), State::Missing, State::Ok),
            (Some(3), State::Missing, State::Missing),
        ];
        for (scope, without, with) in table {
            assert_eq!(yama(&plain, scope).state, without, "{scope:?}");
            assert_eq!(yama(&capable, scope).state, with, "{scope:?}");
        }
    }

    #[test]
    fn without_the_capability_the_fix_names_docker_and_kubernetes() {
        let check = capabilities(&Credentials::default());
        let fix = check.fix.unwrap();
        for way in ["sudo", "setcap", "--cap-add SYS_PTRACE", "securityContext"] {
            assert!(fix.contains(way), "{way}");
        }
    }
}
