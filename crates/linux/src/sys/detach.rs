//! A child that no terminal and no signal of the session reaches.

#![allow(unsafe_code, reason = "what runs between fork and exec")]

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;
use nix::libc;

/// Makes the program of `command` start in a session of its own, with SIGINT, SIGTERM and SIGHUP
/// ignored: a dying terminal, Ctrl-C and a polite kill of the group must not end it.
pub(crate) fn detach(command: &mut Command) {
    // SAFETY: `leave` makes only calls that are safe in a signal handler, takes no lock and
    // allocates nothing, as what runs between fork and exec must.
    unsafe { command.pre_exec(leave) };
}

fn leave() -> io::Result<()> {
    // SAFETY: takes no pointer.
    Errno::result(unsafe { libc::setsid() })?;
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: `SIG_IGN` is no handler, so nothing of ours is run.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    Ok(())
}
