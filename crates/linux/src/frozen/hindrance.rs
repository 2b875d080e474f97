//! [`Hindrance`]: what stands against a frozen copy of a process.
//!
//! Each is a sentence. None of them has touched the target, but for [`Hindrance::NoIdleThread`] and
//! [`Hindrance::Failed`], which have stopped it for a moment.

use nix::errno::Errno;

/// What stands against a frozen copy.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Hindrance {
    /// A seccomp filter might kill it for the call.
    #[error(
        "process {pid} runs under a seccomp filter (Seccomp: {mode}), which may kill it for a call \
         that it does not expect"
    )]
    Seccomp {
        /// The process.
        pid: u32,
        /// 1 strict, 2 filter.
        mode: u32,
    },
    /// Another tracer, such as a debugger, holds it.
    #[error("process {pid} is already traced by process {tracer} ({name}): only one can")]
    Traced {
        /// The process.
        pid: u32,
        /// Who traces it.
        tracer: u32,
        /// The tracer's name, empty where it is not known.
        name: String,
    },
    /// Its memory does not have the instructions that were to be run.
    #[error("process {pid} has unrecognised code where {what} should be")]
    Code {
        /// The process.
        pid: u32,
        /// What was expected there.
        what: String,
    },
    /// None of its threads waited at a place where a call can be made.
    #[error("no thread of process {pid} was idle, in {tries} tries")]
    NoIdleThread {
        /// The process.
        pid: u32,
        /// How often all threads were stopped to look.
        tries: usize,
    },
    /// Its cgroup may not have another process.
    #[error("the cgroup of process {pid} has {now} of at most {most} processes and threads")]
    Processes {
        /// The process.
        pid: u32,
        /// `pids.current`.
        now: u64,
        /// `pids.max`.
        most: u64,
    },
    /// Strict overcommit leaves no room for a second copy.
    #[error(
        "the machine overcommits no memory (vm.overcommit_memory=2): a copy of process {pid} counts \
         {needed} bytes, {left} are left"
    )]
    Commit {
        /// The process.
        pid: u32,
        /// Bytes that count.
        needed: u64,
        /// `CommitLimit` less `Committed_AS`.
        left: u64,
    },
    /// Page tables and copied pages would not fit.
    #[error("a copy of process {pid} may take {needed} bytes, and {at} has {headroom} left")]
    Memory {
        /// The process.
        pid: u32,
        /// Page tables, and the reserve for copied pages.
        needed: u64,
        /// What is left.
        headroom: u64,
        /// Of what: the path of a cgroup, or `the machine`.
        at: String,
    },
    /// Some of its memory does not go into a copy.
    #[error(
        "process {pid} keeps {bytes} bytes from a copy (madvise MADV_DONTFORK or MADV_WIPEONFORK)"
    )]
    NotCopied {
        /// The process.
        pid: u32,
        /// Resident bytes of such mappings.
        bytes: u64,
    },
    /// Its cgroup is frozen: no call can be made.
    #[error("process {pid} is frozen by its cgroup {cgroup}")]
    Frozen {
        /// The process.
        pid: u32,
        /// The cgroup, as a path in its hierarchy.
        cgroup: String,
    },
    /// Its children start in another pid namespace.
    #[error("children of process {pid} start in a pid namespace of their own")]
    PidNamespace {
        /// The process.
        pid: u32,
    },
    /// A shadow stack would not have the way back.
    #[error("process {pid} runs with a shadow stack, which allows no return that it did not call")]
    ShadowStack {
        /// The process.
        pid: u32,
    },
    /// It is no 64-bit program.
    #[error("process {pid} is a 32-bit program")]
    ThirtyTwoBit {
        /// The process.
        pid: u32,
    },
    /// The kernel made no copy.
    #[error("process {pid} could not be copied: {}", errno.desc())]
    Failed {
        /// The process.
        pid: u32,
        /// What clone(2) or the tracing answered.
        errno: Errno,
    },
}
