//! [`Denial`]: who says no, why, and how to be let in.
//!
//! The kernel answers EPERM or EACCES without a reason. The reasons are found again here, in the
//! order in which `__ptrace_may_access` asks: user and group, dumpable, then the security
//! modules (capabilities, Yama, others). Several may hold at once; each is named.
//!
//! Reading a map or a page table asks for `PTRACE_MODE_READ`, reading memory and stopping threads
//! for `PTRACE_MODE_ATTACH`; Yama only minds the latter.
//!
//! Does not try anything on the target: it reads world-readable files of `/proc` only.
//!
//! Source: kernel/ptrace.c, security/commoncap.c, security/yama/yama_lsm.c,
//! Documentation/admin-guide/LSM/Yama.rst, ptrace(2).

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::process::Status;

/// Bit of `CAP_SYS_PTRACE` in a capability set.
pub(crate) const CAP_SYS_PTRACE: u32 = 19;
/// Bit of `CAP_SYS_ADMIN` in a capability set.
pub(crate) const CAP_SYS_ADMIN: u32 = 21;

/// A thing that keeps us out.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Obstacle {
    /// It runs as another user or group, and we lack `CAP_SYS_PTRACE`.
    OtherUser {
        /// Our effective user id.
        ours: u32,
        /// Its effective user id.
        theirs: u32,
    },
    /// It is not dumpable (set-user-id, file capabilities, or `PR_SET_DUMPABLE`).
    NotDumpable,
    /// It holds capabilities that we do not, so only `CAP_SYS_PTRACE` would do.
    MoreCapable,
    /// Yama restricts attaching.
    Yama {
        /// `/proc/sys/kernel/yama/ptrace_scope`
        scope: u32,
    },
    /// It lives in another user namespace, in which our capabilities do not count.
    UserNamespace,
    /// A security module confines us or it (AppArmor, SELinux `deny_ptrace`, Landlock).
    SecurityModule {
        /// Its label, as the kernel writes it.
        label: String,
    },
    /// A seccomp filter is on us, and may refuse the system call.
    Seccomp,
    /// `/proc` is mounted so that the processes of others are hidden.
    HiddenProc,
    /// Nothing that can be seen from here.
    Unknown,
}

/// The usual ways to get `CAP_SYS_PTRACE`.
pub(crate) const GRANT_PTRACE: &str = "run it with sudo; or `sudo setcap cap_sys_ptrace=ep \
     \"$(command -v letgo)\"`; in Docker `--cap-add SYS_PTRACE --pid=container:NAME` (or \
     `--pid=host`); in Kubernetes `securityContext.capabilities.add: [SYS_PTRACE]` with \
     `shareProcessNamespace: true` or `hostPID: true`";

impl Obstacle {
    /// How to take it away.
    pub fn fix(&self) -> String {
        match self {
            Obstacle::OtherUser { theirs: 0, .. } => GRANT_PTRACE.to_owned(),
            Obstacle::OtherUser { theirs, .. } => {
                format!("run letgo as user {theirs}; {GRANT_PTRACE}")
            }
            Obstacle::NotDumpable | Obstacle::MoreCapable => GRANT_PTRACE.to_owned(),
            Obstacle::Yama { scope: 3 } => {
                "ptrace_scope 3 cannot be lowered before the next boot: set \
                 `kernel.yama.ptrace_scope = 0` in /etc/sysctl.d and boot again"
                    .to_owned()
            }
            Obstacle::Yama { scope: 2 } => {
                format!("`sudo sysctl kernel.yama.ptrace_scope=0`; or {GRANT_PTRACE}")
            }
            Obstacle::Yama { .. } => format!(
                "`sudo sysctl kernel.yama.ptrace_scope=0`; or start the program with `letgo run`; \
                 or {GRANT_PTRACE}"
            ),
            Obstacle::UserNamespace => "run letgo in the parent of that user namespace (on the \
                 host, as root), or inside of it: `nsenter --user --target PID`"
                .to_owned(),
            Obstacle::SecurityModule { .. } => "AppArmor: a profile with `ptrace (read, trace)`, \
                 in Docker `--security-opt apparmor=unconfined`; SELinux: `setsebool \
                 deny_ptrace 0`"
                .to_owned(),
            Obstacle::Seccomp => "in Docker `--cap-add SYS_PTRACE` also opens the system call in \
                 the default profile, or `--security-opt seccomp=unconfined`; in Kubernetes \
                 `seccompProfile.type: Unconfined`"
                .to_owned(),
            Obstacle::HiddenProc => "mount /proc without `hidepid` (`mount -o \
                 remount,hidepid=0 /proc`), or run letgo as root"
                .to_owned(),
            Obstacle::Unknown => {
                format!("`letgo doctor` tells what is allowed here; {GRANT_PTRACE}")
            }
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Obstacle::OtherUser { ours, theirs } if ours == theirs => {
                write!(
                    f,
                    "its group or its saved user is another, and we lack CAP_SYS_PTRACE"
                )
            }
            Obstacle::OtherUser { ours, theirs } => write!(
                f,
                "it runs as user {theirs}, we as user {ours} without CAP_SYS_PTRACE"
            ),
            Obstacle::NotDumpable => write!(
                f,
                "it is not dumpable (set-user-id, file capabilities or PR_SET_DUMPABLE), and we \
                 lack CAP_SYS_PTRACE"
            ),
            Obstacle::MoreCapable => write!(f, "it holds capabilities that we do not have"),
            Obstacle::Yama { scope } => write!(
                f,
                "Yama is set to kernel.yama.ptrace_scope={scope} ({})",
                yama_meaning(*scope)
            ),
            Obstacle::UserNamespace => write!(
                f,
                "it lives in another user namespace, in which our capabilities do not count"
            ),
            Obstacle::SecurityModule { label } => {
                write!(f, "a security module confines it or us ({label})")
            }
            Obstacle::Seccomp => write!(f, "a seccomp filter is on us and may refuse the call"),
            Obstacle::HiddenProc => write!(f, "/proc hides the processes of others (hidepid)"),
            Obstacle::Unknown => write!(f, "nothing that can be seen from here says why"),
        }
    }
}

/// What a value of `kernel.yama.ptrace_scope` means.
pub(crate) fn yama_meaning(scope: u32) -> &'static str {
    match scope {
        0 => "any process of the same user",
        1 => "only descendants, without CAP_SYS_PTRACE",
        2 => "only with CAP_SYS_PTRACE",
        _ => "nobody, until the next boot",
    }
}

/// A refusal by the kernel, explained.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the kernel does not allow {what} of process {pid}: {}. To be let in: {}", self.reasons(), self.fix())]
pub struct Denial {
    /// The process.
    pub pid: u32,
    /// What was being done: `reading the memory`.
    pub what: String,
    /// What the system call answered; 0 where nothing was tried.
    pub errno: i32,
    /// Who says no; never empty.
    pub by: Vec<Obstacle>,
}

impl Denial {
    /// Finds out why `what` was refused on process `pid` with `errno`.
    pub fn explain(pid: u32, what: &str, errno: i32) -> Denial {
        let mut by = obstacles(pid);
        if by.is_empty() {
            by.push(Obstacle::Unknown);
        }
        Denial {
            pid,
            what: what.to_owned(),
            errno,
            by,
        }
    }

    /// All reasons in one sentence.
    pub fn reasons(&self) -> String {
        let reasons: Vec<String> = self.by.iter().map(Obstacle::to_string).collect();
        reasons.join("; ")
    }

    /// How to be let in, from the first reason.
    pub fn fix(&self) -> String {
        self.by.first().unwrap_or(&Obstacle::Unknown).fix()
    }
}

/// What of a process matters to `__ptrace_may_access`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Credentials {
    /// Real, effective, saved, file system user.
    pub(crate) uid: [u32; 4],
    /// Real, effective, saved, file system group.
    pub(crate) gid: [u32; 4],
    pub(crate) permitted: u64,
    pub(crate) effective: u64,
    /// The owner of its `/proc` directory: root where it is not dumpable.
    pub(crate) owner: u32,
    /// `uid_map`, which tells user namespaces apart without a permission.
    pub(crate) uid_map: String,
    /// Label of the security module, empty where there is none.
    pub(crate) label: String,
    pub(crate) seccomp: u32,
}

impl Credentials {
    pub(crate) fn read(who: &str) -> Option<Credentials> {
        let status = fs::read_to_string(format!("/proc/{who}/status")).ok()?;
        let status = Status::parse(&status);
        let text = |name: &str| fs::read_to_string(format!("/proc/{who}/{name}"));
        Some(Credentials {
            uid: status.uid,
            gid: status.gid,
            permitted: status.cap_permitted,
            effective: status.cap_effective,
            owner: fs::metadata(format!("/proc/{who}/status")).ok()?.uid(),
            uid_map: text("uid_map").unwrap_or_default(),
            label: text("attr/current")
                .map(|label| label.trim_end_matches(['\0', '\n']).to_owned())
                .unwrap_or_default(),
            seccomp: status.seccomp,
        })
    }

    pub(crate) fn has(&self, capability: u32) -> bool {
        self.effective >> capability & 1 == 1
    }

    /// Whether all ids map to themselves, as in the first user namespace, whose capabilities count
    /// in every other.
    fn in_first_namespace(&self) -> bool {
        self.uid_map.split_whitespace().eq(["0", "0", "4294967295"])
    }
}

fn obstacles(pid: u32) -> Vec<Obstacle> {
    let Some(ours) = Credentials::read("self") else {
        return Vec::new();
    };
    let Some(theirs) = Credentials::read(&pid.to_string()) else {
        return if hidden_proc() {
            vec![Obstacle::HiddenProc]
        } else {
            Vec::new()
        };
    };
    judge(&ours, &theirs, yama_scope())
}

/// Names what keeps `ours` from attaching to `theirs`, in the kernel's order.
pub(crate) fn judge(ours: &Credentials, theirs: &Credentials, yama: Option<u32>) -> Vec<Obstacle> {
    let mut by = Vec::new();
    let other_namespace = ours.uid_map != theirs.uid_map;
    let capable = ours.has(CAP_SYS_PTRACE);
    if capable && other_namespace && !ours.in_first_namespace() {
        by.push(Obstacle::UserNamespace);
    }
    if !capable {
        judge_without_capability(ours, theirs, &mut by);
        if other_namespace {
            by.push(Obstacle::UserNamespace);
        }
    }
    if let Some(scope) = yama
        && (scope >= 3 || (scope >= 1 && !capable))
    {
        by.push(Obstacle::Yama { scope });
    }
    let confined = |label: &str| !label.is_empty() && !label.contains("unconfined");
    for label in [&ours.label, &theirs.label] {
        if confined(label) && by.is_empty() {
            by.push(Obstacle::SecurityModule {
                label: label.clone(),
            });
        }
    }
    if ours.seccomp == 2 && by.is_empty() {
        by.push(Obstacle::Seccomp);
    }
    by
}

fn judge_without_capability(ours: &Credentials, theirs: &Credentials, by: &mut Vec<Obstacle>) {
    let [real, effective, saved, _] = theirs.uid;
    let same_user = [real, effective, saved] == [ours.uid[0]; 3];
    let [real_group, effective_group, saved_group, _] = theirs.gid;
    let same_group = [real_group, effective_group, saved_group] == [ours.gid[0]; 3];
    if !same_user || !same_group {
        by.push(Obstacle::OtherUser {
            ours: ours.uid[1],
            theirs: effective,
        });
    }
    if theirs.owner != effective {
        by.push(Obstacle::NotDumpable);
    }
    if theirs.permitted & !ours.permitted != 0 {
        by.push(Obstacle::MoreCapable);
    }
}

/// `kernel.yama.ptrace_scope`; nothing where the kernel has no Yama.
pub(crate) fn yama_scope() -> Option<u32> {
    let text = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").ok()?;
    text.trim().parse().ok()
}

/// Whether `/proc` is mounted with `hidepid`.
pub(crate) fn hidden_proc() -> bool {
    let Ok(mounts) = fs::read_to_string("/proc/self/mounts") else {
        return false;
    };
    mounts
        .lines()
        .filter(|line| line.split(' ').nth(1) == Some("/proc"))
        .filter_map(|line| line.split(' ').nth(3))
        .flat_map(|options| options.split(','))
        .filter_map(|option| option.strip_prefix("hidepid="))
        .any(|level| !matches!(level, "0" | "off"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(uid: u32) -> Credentials {
        Credentials {
            uid: [uid; 4],
            gid: [uid; 4],
            owner: uid,
            uid_map: "0 0 4294967295".into(),
            ..Credentials::default()
        }
    }

    #[test]
    fn the_same_user_is_only_kept_out_by_yama() {
        assert_eq!(judge(&user(7), &user(7), None), []);
        assert_eq!(judge(&user(7), &user(7), Some(0)), []);
        let scope = |scope| [Obstacle::Yama { scope }];
        assert_eq!(judge(&user(7), &user(7), Some(1)), scope(1));
        assert_eq!(judge(&user(7), &user(7), Some(2)), scope(2));
    }

    #[test]
    fn each_obstacle_is_named() {
        let mut theirs = user(9);
        theirs.owner = 0;
        theirs.permitted = 1 << 10;
        let by = judge(&user(7), &theirs, None);
        assert_eq!(
            by,
            [
                Obstacle::OtherUser { ours: 7, theirs: 9 },
                Obstacle::NotDumpable,
                Obstacle::MoreCapable
            ]
        );
    }

    #[test]
    fn the_capability_opens_all_but_namespaces_and_scope_three() {
        let mut ours = user(7);
        ours.effective = 1 << CAP_SYS_PTRACE;
        assert_eq!(judge(&ours, &user(9), Some(2)), []);
        assert_eq!(
            judge(&ours, &user(9), Some(3)),
            [Obstacle::Yama { scope: 3 }]
        );
        let mut theirs = user(9);
        theirs.uid_map = "0 100000 65536".into();
        assert_eq!(judge(&ours, &theirs, None), [], "capable in all below");
        ours.uid_map = "0 200000 65536".into();
        assert_eq!(judge(&ours, &theirs, None), [Obstacle::UserNamespace]);
    }

    #[test]
    fn a_confined_process_is_suspected_only_when_nothing_else_is() {
        let mut theirs = user(7);
        theirs.label = "docker-default (enforce)".into();
        let by = judge(&user(7), &theirs, None);
        assert!(matches!(by.as_slice(), [Obstacle::SecurityModule { .. }]));
        theirs.label = "unconfined".into();
        assert_eq!(judge(&user(7), &theirs, None), []);
    }

    #[test]
    fn the_sentence_names_reason_and_fix() {
        let denial = Denial {
            pid: 42,
            what: "reading the memory".into(),
            errno: 1,
            by: vec![Obstacle::Yama { scope: 1 }],
        };
        let text = denial.to_string();
        assert!(
            text.contains("process 42") && text.contains("ptrace_scope=1"),
            "{text}"
        );
        assert!(text.contains("sysctl kernel.yama.ptrace_scope=0"), "{text}");
    }
}
