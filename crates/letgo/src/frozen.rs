//! [`Frozen`]: a frozen copy of a Go program, with a watchdog beside it.
//!
//! Joins what only the binary may join: where Go's runtime keeps the code that a thread is led
//! through (`gobin`), the copy (`linux`), and the hidden verb that the watchdog is.
//!
//! Does not decide whether a copy is worth its price, and reads nothing of it.

use std::ops::Deref;
use std::time::{Duration, Instant};

use letgo_gobin::{CallCode, CodePiece};
use letgo_linux::frozen::{Hindrance, Released, Snippet, reap_orphans};
use letgo_linux::watchdog::Watchdog;
use letgo_linux::{Error, FrozenCopy, Gadgets, Process};

use crate::inspect::Opened;

/// How long a copy that a dead letgo left is waited for: it is ending, if it is there at all.
pub const ORPHANS: Duration = Duration::from_secs(10);
/// As [`ORPHANS`], where nobody may have died.
const OLD_ORPHANS: Duration = Duration::from_secs(1);

/// A copy of a process, removed when dropped.
#[derive(Debug)]
pub struct Frozen {
    copy: FrozenCopy,
    watchdog: Option<Watchdog>,
}

/// The code of the program that a thread of it can be led through, at its addresses in the process.
///
/// # Errors
/// [`Hindrance::Code`] where its runtime is not recognised.
pub fn gadgets(opened: &Opened) -> Result<Gadgets, Error> {
    let unrecognised = || {
        let what = "the system calls of Go's runtime".to_owned();
        let pid = opened.process.pid();
        Error::from(Hindrance::Code { pid, what })
    };
    let code = opened.program.binary.call_code().ok().flatten();
    let code: CallCode = code.ok_or_else(unrecognised)?;
    let place = |piece: CodePiece| Snippet {
        addr: piece.addr.biased(opened.program.bias),
        bytes: piece.bytes,
    };
    Ok(Gadgets {
        syscall_ret: place(code.syscall_ret),
        sigreturn: place(code.sigreturn),
        exit: place(code.exit),
        idle: code.idle.into_iter().map(place).collect(),
    })
}

impl Frozen {
    /// Makes a copy, whose threads are held for `most` at each try, after a watchdog was started.
    ///
    /// # Errors
    /// As [`FrozenCopy::make`]; also where the watchdog cannot be started. The process runs on in
    /// any case.
    pub fn make(opened: &Opened, most: Duration) -> Result<Frozen, Error> {
        let gadgets = gadgets(opened)?;
        let watchdog = watchdog(&opened.process, &gadgets)?;
        match FrozenCopy::make(&opened.process, &gadgets, most) {
            Ok(copy) => Ok(Frozen {
                copy,
                watchdog: Some(watchdog),
            }),
            Err(error) => {
                // It may have died itself, and had nothing to do in any case.
                let _ = watchdog.done();
                Err(error)
            }
        }
    }

    /// Removes the copy.
    pub fn release(mut self) -> Released {
        self.remove()
    }

    fn remove(&mut self) -> Released {
        let released = self.copy.release();
        // Where something is left, the end of the pipe without a word tells the watchdog to see
        // to it.
        if let Some(watchdog) = self.watchdog.take()
            && (released.whole || self.copy.target().verify().is_err())
        {
            let _ = watchdog.done();
        }
        released
    }
}

impl Deref for Frozen {
    type Target = FrozenCopy;

    fn deref(&self) -> &FrozenCopy {
        &self.copy
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        if self.watchdog.is_some() {
            self.remove();
        }
    }
}

/// Removes what a letgo that died together with its watchdog has left; answers how many copies.
///
/// # Errors
/// As [`reap_orphans`].
pub fn clean(opened: &Opened) -> Result<usize, Error> {
    let gadgets = gadgets(opened)?;
    reap_orphans(&opened.process, &gadgets, Instant::now() + OLD_ORPHANS)
}

fn watchdog(process: &Process, gadgets: &Gadgets) -> Result<Watchdog, Error> {
    let args = [
        "watchdog".to_owned(),
        process.pid().to_string(),
        process.start_ticks().to_string(),
        "--copies".to_owned(),
        gadgets.encode(),
    ];
    Watchdog::start(args).map_err(|source| Error::Io {
        what: "starting the watchdog that removes the copy if letgo dies".to_owned(),
        source,
    })
}
