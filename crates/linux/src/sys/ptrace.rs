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

/// What `tid`, which the calling thread traces, has come to, without waiting; nothing where it
/// runs. `Err(ECHILD)` where it is not traced.
pub(crate) fn report_of(tid: u32) -> Result<Option<Report>, Errno> {
    Ok(halt_of(tid)?.map(|halt| match halt {
        Halt::Trapped | Halt::Call | Halt::Child => Report::Trapped,
        Halt::Signal(signal) => Report::Signal(signal),
        Halt::Ended => Report::Ended,
    }))
}

/// As [`report_of`], told apart for a thread that is led through a call.
///
/// A stop is looked at and left to be waited for (`WNOWAIT`): the wait that takes it also takes the
/// signal that the thread is about to meet out of its hands, and the signal would be lost if we
/// died before we gave it back. (kernel/exit.c `wait_task_stopped`, kernel/signal.c
/// `ptrace_signal`.)
pub(crate) fn halt_of(tid: u32) -> Result<Option<Halt>, Errno> {
    let looks = libc::WEXITED | libc::WSTOPPED | libc::WNOHANG | libc::WNOWAIT;
    let Some((code, status)) = look(tid, looks)? else {
        return Ok(None);
    };
    if code != libc::CLD_TRAPPED && code != libc::CLD_STOPPED {
        // Its end is to be taken, or it stays a zombie of ours.
        look(tid, libc::WEXITED | libc::WNOHANG)?;
        return Ok(Some(Halt::Ended));
    }
    let signal = status & 0xff;
    Ok(Some(match status >> 8 {
        libc::PTRACE_EVENT_CLONE | libc::PTRACE_EVENT_FORK => Halt::Child,
        0 if signal == libc::SIGTRAP | 0x80 => Halt::Call,
        0 => Halt::Signal(signal),
        _ => Halt::Trapped,
    }))
}

/// `si_code` and `si_status` of `waitid` on one thread; nothing where there is nothing to tell.
fn look(tid: u32, options: libc::c_int) -> Result<Option<(i32, i32)>, Errno> {
    // `__WNOTHREAD` keeps other threads' tracees out.
    let options = options | libc::__WALL | libc::__WNOTHREAD;
    // SAFETY: a structure of integers and a union of such, for which all zeros are valid.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: `info` is ours to write.
    let answer = unsafe { libc::waitid(libc::P_PID, tid, &raw mut info, options) };
    Errno::result(answer)?;
    // SAFETY: waitid fills in the fields of SIGCHLD, or leaves the zeros.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    Ok((pid != 0).then_some((info.si_code, status)))
}
