//! [`Goroutine`] and [`Thread`]: `runtime.g` and `runtime.m` as plain data.

use letgo_target::{Addr, AddrRange};

/// A goroutine's status. Source: src/runtime/runtime2.go, `_Gidle`..`_Gpreempted`; the scan bit
/// is masked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Status {
    /// `_Gidle`
    Idle,
    /// `_Grunnable`
    Runnable,
    /// `_Grunning`
    Running,
    /// `_Gsyscall`
    Syscall,
    /// `_Gwaiting`
    Waiting,
    /// `_Gdead`
    Dead,
    /// `_Gcopystack`
    CopyStack,
    /// `_Gpreempted`
    Preempted,
    /// `_Gleaked`, 1.26 and later: the GC proved that it can never run again.
    Leaked,
    /// `_Gdeadextra`, 1.26 and later: dead, and kept for a thread that C code makes.
    DeadExtra,
    /// A number that this release of the runtime should not have.
    Other(u32),
}

impl Status {
    /// The status of this number, without the scan bit.
    pub fn from_number(number: u32) -> Status {
        match number {
            0 => Status::Idle,
            1 => Status::Runnable,
            2 => Status::Running,
            3 => Status::Syscall,
            4 => Status::Waiting,
            6 => Status::Dead,
            8 => Status::CopyStack,
            9 => Status::Preempted,
            10 => Status::Leaked,
            11 => Status::DeadExtra,
            other => Status::Other(other),
        }
    }

    /// Whether there is no goroutine, only a structure that waits to be used again.
    pub fn is_dead(self) -> bool {
        matches!(self, Status::Dead | Status::DeadExtra | Status::Idle)
    }
}

/// One `runtime.g` of `allgs` that is not dead.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Goroutine {
    /// Where the g lies.
    pub g: Addr,
    /// `g.goid`
    pub goid: u64,
    /// `g.atomicstatus` without the scan bit.
    pub status: Status,
    /// `g.waitreason` in the runtime's words (`chan receive`), empty where it is not waiting.
    pub wait_reason: &'static str,
    /// `g.waitsince`, ns of the target's monotonic clock; 0 until a GC saw it wait, then the time
    /// at which the GC before that one ended.
    pub wait_since_ns: u64,
    /// `g.startpc`: entry of its function.
    pub start_pc: Addr,
    /// `g.gopc`: pc of the go statement.
    pub go_pc: Addr,
    /// `g.parentGoid`, 0 where the release has none.
    pub parent_goid: u64,
    /// `g.labels`: where its labels lie, null where it has none.
    pub labels: Addr,
    /// `g.stack`: bounds.
    pub stack: AddrRange,
    /// `g.sched.sp`, or `g.syscallsp` in a system call; 0 while running.
    pub sp: Addr,
    /// Started by the runtime itself (`runtime.` start function, other than main).
    pub system: bool,
}

/// One `runtime.m`: a thread of the Go scheduler.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Thread {
    /// Where the m lies.
    pub m: Addr,
    /// `m.id`
    pub id: i64,
    /// `m.procid`: thread id in the target's pid namespace.
    pub procid: u64,
    /// `m.g0.stack`: bounds; for a cgo thread an estimate inside the pthread stack.
    pub g0_stack: AddrRange,
    /// `m.gsignal.stack`: bounds.
    pub gsignal_stack: AddrRange,
}
