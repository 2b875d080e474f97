//! The ptrace requests and waits that a bounded stop needs.
//!
//! `nix` answers an error for a wait status with a real-time signal, so waits and detaches are
//! made here. All calls must come from the thread that attached; see [`crate::stop`].
//!
//! Source: ptrace(2), waitpid(2), kernel/ptrace.c.

#![allow(unsafe_code, reason = "ptrace and waitpid take raw values")]

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace;
use nix::unistd::Pid;

/// What a wait reports of a thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Report {
    /// Stopped for us, or in the group-stop that it was in already.
    Trapped,
    /// Stopped on its way to a signal, which must be given back to it.
    Signal(i32),
    /// Ended.
    Ended,
}

fn raw(tid: u32) -> Pid {
    Pid::from_raw(i32::try_from(tid).unwrap_or(-1))
}

/// Attaches without stopping.
pub(crate) fn seize(tid: u32) -> Result<(), Errno> {
    ptrace::seize(raw(tid), ptrace::Options::empty())
}

/// Asks a seized thread to stop.
pub(crate) fn interrupt(tid: u32) -> Result<(), Errno> {
    ptrace::interrupt(raw(tid))
}

/// The registers of a stopped thread.
pub(crate) fn registers(tid: u32) -> Result<libc::user_regs_struct, Errno> {
    ptrace::getregs(raw(tid))
}

/// Lets a stopped thread go, with the signal that it was about to take, or 0.
pub(crate) fn detach(tid: u32, signal: i32) -> Result<(), Errno> {
    let none = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: PTRACE_DETACH takes no address, and a number in `data`.
    let answer = unsafe {
        libc::ptrace(
            libc::PTRACE_DETACH,
            raw(tid).as_raw(),
            none,
            libc::c_long::from(signal),
        )
    };
    Errno::result(answer).map(drop)
}

/// The next report of any thread that the calling thread traces, without waiting; nothing where
/// there is none. `Err(ECHILD)` where it traces nobody.
pub(crate) fn next_report() -> Result<Option<(u32, Report)>, Errno> {
    let mut status = 0;
    let options = libc::__WALL | libc::WNOHANG | libc::__WNOTHREAD;
    // SAFETY: `status` is ours to write. `__WNOTHREAD` keeps other threads' children out.
    let tid = Errno::result(unsafe { libc::waitpid(-1, &raw mut status, options) })?;
    if tid == 0 {
        return Ok(None);
    }
    let report = if !libc::WIFSTOPPED(status) {
        Report::Ended
    } else if status >> 16 != 0 {
        Report::Trapped
    } else {
        Report::Signal(libc::WSTOPSIG(status))
    };
    Ok(Some((tid.unsigned_abs(), report)))
}
