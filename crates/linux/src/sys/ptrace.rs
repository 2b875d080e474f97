//! The ptrace requests and waits that a bounded stop and a call made in a thread need.
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

/// What one thread that runs under us has come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Halt {
    /// The start or the end of a system call.
    Call,
    /// It has made a child.
    Child,
    /// Stopped for us, or in a group-stop.
    Trapped,
    /// Stopped on its way to a signal, which must be given back to it.
    Signal(i32),
    /// Ended.
    Ended,
}

/// What a thread under us stops for beside signals.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Watch {
    /// Nothing.
    Nothing,
    /// System calls are told from signals, and a child is attached to as it is made.
    Children,
    /// Nothing, and it is killed when we die.
    DieWithUs,
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

/// Sets what a stopped thread stops for.
pub(crate) fn watch(tid: u32, watch: Watch) -> Result<(), Errno> {
    use ptrace::Options;
    let options = match watch {
        Watch::Nothing => Options::empty(),
        Watch::Children => {
            Options::PTRACE_O_TRACESYSGOOD
                | Options::PTRACE_O_TRACECLONE
                | Options::PTRACE_O_TRACEFORK
        }
        Watch::DieWithUs => Options::PTRACE_O_EXITKILL,
    };
    ptrace::setoptions(raw(tid), options)
}

/// Lets a stopped thread run until a system call starts or ends, or it stops otherwise.
pub(crate) fn run_to_call(tid: u32) -> Result<(), Errno> {
    ptrace::syscall(raw(tid), None)
}

/// Lets a stopped thread run until it stops.
pub(crate) fn run(tid: u32) -> Result<(), Errno> {
    ptrace::cont(raw(tid), None)
}

/// The child that a thread stopped at [`Halt::Child`] has made.
pub(crate) fn new_child(tid: u32) -> Result<u32, Errno> {
    let child = ptrace::getevent(raw(tid))?;
    u32::try_from(child).map_err(|_| Errno::ERANGE)
}

/// Sets the registers of a stopped thread.
pub(crate) fn set_registers(tid: u32, registers: libc::user_regs_struct) -> Result<(), Errno> {
    ptrace::setregs(raw(tid), registers)
}

/// The blocked signals of a stopped thread, bit `n - 1` for signal `n`.
pub(crate) fn blocked(tid: u32) -> Result<u64, Errno> {
    let mut mask = 0_u64;
    // SAFETY: the kernel writes the 8 bytes that `addr` tells into `mask`.
    let answer = unsafe {
        libc::ptrace(
            libc::PTRACE_GETSIGMASK,
            raw(tid).as_raw(),
            size_of::<u64>(),
            &raw mut mask,
        )
    };
    Errno::result(answer).map(|_| mask)
}

/// Sets the blocked signals of a stopped thread.
pub(crate) fn set_blocked(tid: u32, mask: u64) -> Result<(), Errno> {
    // SAFETY: the kernel reads the 8 bytes that `addr` tells from `mask`.
    let answer = unsafe {
        libc::ptrace(
            libc::PTRACE_SETSIGMASK,
            raw(tid).as_raw(),
            size_of::<u64>(),
            &raw const mask,
        )
    };
    Errno::result(answer).map(drop)
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

/// What `tid`, which the calling thread traces, has come to, without waiting; nothing where it
/// runs.
pub(crate) fn halt_of(tid: u32) -> Result<Option<Halt>, Errno> {
    let mut status = 0;
    let options = libc::__WALL | libc::WNOHANG | libc::__WNOTHREAD;
    // SAFETY: `status` is ours to write.
    let found = unsafe { libc::waitpid(raw(tid).as_raw(), &raw mut status, options) };
    if Errno::result(found)? == 0 {
        return Ok(None);
    }
    if !libc::WIFSTOPPED(status) {
        return Ok(Some(Halt::Ended));
    }
    let signal = libc::WSTOPSIG(status);
    Ok(Some(match status >> 16 {
        libc::PTRACE_EVENT_CLONE | libc::PTRACE_EVENT_FORK => Halt::Child,
        0 if signal == libc::SIGTRAP | 0x80 => Halt::Call,
        0 => Halt::Signal(signal),
        _ => Halt::Trapped,
    }))
}
