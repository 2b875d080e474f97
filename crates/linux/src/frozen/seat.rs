//! [`Seat`]: a stopped, idle thread of the target, in which a system call is made.
//!
//! Whatever is set in the thread stays set when letgo dies, and the kernel lets it run on. So it is
//! led back by its own stack from the first register on that is changed (see [`super::frame`]), and
//! each step leaves a state from which it gets there alone:
//!
//! 1. the frames are written, below the thread's stack pointer, where nothing lives;
//! 2. its registers are set to where the `syscall` of the gadget has just ended: run on, it returns
//!    into rt_sigreturn and goes on as if nothing had been;
//! 3. all signals are blocked, so that none is taken meanwhile: the frame restores the mask. A
//!    child that is made inherits this mask, which tells it from all others (see
//!    [`super::reaping`]);
//! 4. its registers are set to the call; it is run to its start, to its end, and to the next place
//!    at which it may be stopped for a signal;
//! 5. there mask and registers are set back, in that order. As the thread stands where the kernel
//!    looks at an interrupted call, that call is restarted as after any stop.
//!
//! The thread is never single-stepped: the trap flag would outlive us and kill the target.
//!
//! Does not choose the thread, attach or detach.
//!
//! Source: ptrace(2); kernel/ptrace.c `exit_ptrace`, `__ptrace_unlink`; arch/x86/kernel/signal.c
//! `arch_do_signal_or_restart`.

use std::time::Instant;

use letgo_target::{Addr, AddrRange, Mapping};
use nix::errno::Errno;
use nix::libc::user_regs_struct;

use super::frame::Frame;
use super::gadgets::Gadgets;
use crate::Process;
use crate::steps::step;
use crate::stop::holder::pause;
use crate::sys::ptrace::{self, Halt, Watch};
use crate::sys::writev::write_words;

/// All signals; the kernel leaves out those that cannot be blocked.
const ALL_SIGNALS: u64 = !0;
/// "Try again without telling the program": a fork that met a signal.
const ERESTARTNOINTR: i64 = -513;
/// How often a call that asks for it is made again.
const TRIES: usize = 100;

/// What a call came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Answer {
    /// What it returned.
    pub(super) value: i64,
    /// The child that it made, in our pid namespace.
    pub(super) child: Option<u32>,
    /// A signal that the thread stopped for, to be given back, or 0.
    pub(super) signal: i32,
}

/// A thread to make calls in. Stopped at a place where the kernel may stop it for a signal.
pub(super) struct Seat<'a> {
    raw_pid: i32,
    tid: u32,
    gadgets: &'a Gadgets,
    regs: user_regs_struct,
    mask: u64,
    frame: Frame,
    until: Instant,
    signal: i32,
}

impl<'a> Seat<'a> {
    /// The thread `tid`, which the calling thread traces and which is stopped for no signal.
    /// Nothing where it is not idle, or its stack has no room.
    pub(super) fn take(
        process: &Process,
        gadgets: &'a Gadgets,
        maps: &[Mapping],
        tid: u32,
        until: Instant,
    ) -> Option<Seat<'a>> {
        let regs = ptrace::registers(tid).ok()?;
        gadgets.idle_at(Addr(regs.rip))?;
        let mask = ptrace::blocked(tid).ok()?;
        let frame = Frame::new(gadgets, &regs, mask)?;
        has_room(maps, &frame, regs.rsp).then_some(())?;
        Some(Seat {
            raw_pid: i32::try_from(process.pid()).ok()?,
            tid,
            gadgets,
            regs,
            mask,
            frame,
            until,
            signal: 0,
        })
    }

    /// The stack pointer for a child that is to end by itself if nobody holds it.
    pub(super) fn child_sp(&self) -> u64 {
        self.frame.child_sp()
    }

    /// Makes a system call.
    ///
    /// # Errors
    /// Where the thread has ended, or did not come back in time: it finds its own way then, once it
    /// is let go.
    pub(super) fn call(&mut self, number: i64, arguments: [u64; 4]) -> Result<Answer, Errno> {
        self.write_frame()?;
        ptrace::watch(self.tid, Watch::Children)?;
        ptrace::set_registers(self.tid, self.way_back())?;
        step("frozen.back");
        ptrace::set_blocked(self.tid, ALL_SIGNALS)?;
        step("frozen.blocked");
        let answer = self.make(number, arguments)?;
        ptrace::set_blocked(self.tid, self.mask)?;
        step("frozen.unblocked");
        ptrace::set_registers(self.tid, self.regs)?;
        step("frozen.restored");
        ptrace::watch(self.tid, Watch::Nothing)?;
        Ok(answer)
    }

    /// The one place where bytes are written into a target for a call: below a stack pointer.
    fn write_frame(&self) -> Result<(), Errno> {
        step("frozen.frame.before");
        let written = write_words(self.raw_pid, &[(self.frame.base, &self.frame.bytes)])?;
        step("frozen.frame.after");
        match written == self.frame.bytes.len() {
            true => Ok(()),
            false => Err(Errno::EFAULT),
        }
    }

    /// Registers of a thread for which a call has just ended, about to return to its frame. It is
    /// in no call that the kernel would restart.
    fn way_back(&self) -> user_regs_struct {
        user_regs_struct {
            rip: self.gadgets.syscall_ret.addr.0 + 2,
            rsp: self.frame.thread_sp(),
            rax: 0,
            orig_rax: u64::MAX,
            ..self.regs
        }
    }

    fn make(&mut self, number: i64, arguments: [u64; 4]) -> Result<Answer, Errno> {
        let [rdi, rsi, rdx, r10] = arguments;
        let regs = user_regs_struct {
            rip: self.gadgets.syscall_ret.addr.0,
            rax: number.cast_unsigned(),
            rdi,
            rsi,
            rdx,
            r10,
            r8: 0,
            ..self.way_back()
        };
        for _ in 0..TRIES {
            ptrace::set_registers(self.tid, regs)?;
            step("frozen.call");
            let answer = self.run_through()?;
            if answer.value != ERESTARTNOINTR {
                return Ok(answer);
            }
        }
        Err(Errno::EAGAIN)
    }

    /// From before the `syscall` to the next place behind it at which the thread may be stopped for
    /// a signal.
    fn run_through(&mut self) -> Result<Answer, Errno> {
        let mut child = None;
        self.run_to_call()?;
        step("frozen.enter");
        while self.run_to_call()? == Halt::Child {
            step("frozen.child");
            child = Some(ptrace::new_child(self.tid)?);
        }
        step("frozen.leave");
        let value = ptrace::registers(self.tid)?.rax.cast_signed();
        ptrace::interrupt(self.tid)?;
        ptrace::run(self.tid)?;
        if let Halt::Signal(signal) = self.wait()? {
            self.signal = signal;
        }
        step("frozen.left");
        let signal = self.signal;
        Ok(Answer {
            value,
            child,
            signal,
        })
    }

    /// Runs on until a call starts or ends, or a child was made.
    fn run_to_call(&mut self) -> Result<Halt, Errno> {
        loop {
            ptrace::run_to_call(self.tid)?;
            match self.wait()? {
                halt @ (Halt::Call | Halt::Child) => return Ok(halt),
                // Only SIGSTOP, which cannot be blocked.
                Halt::Signal(signal) => self.signal = signal,
                Halt::Trapped => {}
                Halt::Ended => return Err(Errno::ESRCH),
            }
        }
    }

    fn wait(&self) -> Result<Halt, Errno> {
        wait_for(self.tid, self.until)
    }
}

/// Waits until `tid`, which the calling thread traces, stops or ends.
pub(super) fn wait_for(tid: u32, until: Instant) -> Result<Halt, Errno> {
    let mut idle = 0;
    loop {
        match ptrace::halt_of(tid) {
            Ok(Some(Halt::Ended)) => return Err(Errno::ESRCH),
            Ok(Some(halt)) => return Ok(halt),
            Ok(None) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
        if Instant::now() >= until {
            return Err(Errno::ETIMEDOUT);
        }
        idle += 1;
        pause(idle);
    }
}

/// Whether the frames lie in the private writable mapping that the stack pointer points into.
fn has_room(maps: &[Mapping], frame: &Frame, sp: u64) -> bool {
    let needed = AddrRange::new(frame.base, Addr(sp));
    Mapping::find(maps, frame.base).is_some_and(|mapping| {
        let permissions = mapping.permissions;
        permissions.read && permissions.write && !permissions.shared && mapping.range.covers(needed)
    })
}
