//! The watchdog: a child of ours that puts transient stores back if we die.
//!
//! [`Watchdog::start`] starts this very program again, in a session of its own, deaf to Ctrl-C and
//! to a polite kill, with its standard input at the end of a pipe that only we hold. The child
//! calls [`wait_for_parent`]: a byte through the pipe means that we have put everything back
//! ourselves, and the end of the pipe without one that we have died, of whatever. It then calls
//! [`recover`].
//!
//! The child does not hold the target's lock while we live: our handles are closed by `execve`. It
//! waits for the lock that the kernel takes from us as we die.
//!
//! What kills both at once (a cgroup kill, the machine) leaves an orphan journal, which the next
//! verb that writes puts right. A letgo that is merely stopped is not dead: nothing is put back
//! then.
//!
//! Does not choose the arguments of the child: which hidden verb it is, is the binary's business.
//!
//! Source: setsid(2), signal(7), pipe(7).

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};

use crate::journal::{JournalDir, Who};
use crate::steps::{DIE_AT, WATCHDOG_DIE_AT};
use crate::sys::detach::detach;
use crate::write::{Restored, Writer};
use crate::{Process, Refusal};

/// What the parent says when all is well.
const DONE: u8 = b'd';

/// A child that watches over us.
#[derive(Debug)]
pub struct Watchdog {
    child: Child,
    pipe: Option<ChildStdin>,
}

/// How the parent ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// It has put back what it had to.
    Done,
    /// It died.
    Died,
}

impl Watchdog {
    /// Starts this program with `args`. Whatever it writes to its standard error goes to ours.
    ///
    /// # Errors
    /// Where it could not be started. Nothing transient should be written then.
    pub fn start(args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> io::Result<Watchdog> {
        // The path of the file that runs may have been replaced; this leads to it all the same.
        let mut command = Command::new("/proc/self/exe");
        command
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::null());
        command.env_remove(DIE_AT);
        if let Some(number) = std::env::var_os(WATCHDOG_DIE_AT) {
            command.env(DIE_AT, number);
        }
        detach(&mut command);
        let mut child = command.spawn()?;
        let pipe = child.stdin.take();
        Ok(Watchdog { child, pipe })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still watches.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Tells it that everything was put back, and waits for its end.
    ///
    /// # Errors
    /// Where it had died before.
    pub fn done(mut self) -> io::Result<ExitStatus> {
        let told = self
            .pipe
            .take()
            .map_or(Ok(()), |mut pipe| pipe.write_all(&[DONE]));
        let status = self.child.wait()?;
        told.map(|()| status)
    }
}

/// Waits in the child until the parent has ended, or said that it is done.
pub fn wait_for_parent() -> Ending {
    ending(&mut io::stdin().lock())
}

fn ending(pipe: &mut impl Read) -> Ending {
    let mut byte = [0];
    loop {
        match pipe.read(&mut byte) {
            Ok(1..) if byte == [DONE] => return Ending::Done,
            Ok(1..) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // The end, or a pipe that cannot be read any more: nobody is there.
            Ok(0) | Err(_) => return Ending::Died,
        }
    }
}

/// Puts back what the dead parent has left in process `pid` that started at `start_ticks`. Answers
/// nothing where that process is gone, or another letgo has taken over, which then has done so.
///
/// # Errors
/// The [`Refusal`] where it could not be looked at.
pub fn recover(
    pid: u32,
    start_ticks: u64,
    dir: JournalDir,
    who: Who,
) -> Result<Option<Restored>, Refusal> {
    let process = match Process::open(pid) {
        Ok(process) if process.start_ticks() == start_ticks => process,
        Ok(_) => return Ok(None),
        Err(error) if error.is_gone() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    match Writer::recover(&process, dir, who) {
        Ok(restored) => Ok(Some(restored)),
        Err(Refusal::InUse { .. }) => Ok(None),
        Err(Refusal::Target(error)) if error.is_gone() => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_byte_means_done() {
        assert_eq!(ending(&mut &b"d"[..]), Ending::Done);
        assert_eq!(ending(&mut &b"xxd"[..]), Ending::Done);
        assert_eq!(ending(&mut &b"xx"[..]), Ending::Died);
        assert_eq!(ending(&mut &b""[..]), Ending::Died);
    }
}
