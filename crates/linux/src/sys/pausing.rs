//! [`Pausing`]: a child of ours that does nothing, to try things on.

#![allow(unsafe_code, reason = "fork, and what a forked child may do")]

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork};

/// Seconds after which the child ends by itself.
const LIFE: libc::c_uint = 30;

/// A child that sleeps; killed and waited for when dropped.
#[derive(Debug)]
pub(crate) struct Pausing {
    pid: Pid,
}

impl Pausing {
    /// Forks a child. It is a copy of us, has one thread, and runs nothing of ours.
    pub(crate) fn start() -> Result<Pausing, Errno> {
        // SAFETY: the child makes only calls that are safe in a signal handler, touches no lock,
        // and leaves by `_exit`.
        match unsafe { fork() }? {
            ForkResult::Parent { child } => Ok(Pausing { pid: child }),
            ForkResult::Child => {
                // SAFETY: ends the child with the thread that started it; takes no pointer.
                unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
                // SAFETY: takes no pointer.
                unsafe { libc::sleep(LIFE) };
                // SAFETY: ends the child without running anything of ours.
                unsafe { libc::_exit(0) }
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw().unsigned_abs()
    }
}

impl Drop for Pausing {
    fn drop(&mut self) {
        // It is a child that was not waited for, so the number is still its own.
        let _ = kill(self.pid, Signal::SIGKILL);
        let _ = waitpid(self.pid, None);
    }
}
