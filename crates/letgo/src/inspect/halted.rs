//! [`Halted`]: a process whose threads are held, and what is done to hold them for less long.
//!
//! The threads of ours that read come before others meanwhile, if they may. `smaps` walks the whole
//! page table and is only needed at the end, so a thread reads it beside everything else; nothing
//! moves, so its sums are of the same moment as what is read before it.

use std::thread::{self, JoinHandle};
use std::time::Duration;

use letgo_linux::process::Use;
use letgo_linux::{Error, Haste, Process, Stop, StopReport, Stopped, StoppedThread};

/// A process whose threads are held. Dropping it lets them go.
pub(super) struct Halted {
    stopped: Stopped,
    smaps: Option<JoinHandle<Result<Use, Error>>>,
    /// Let go last. Of the thread that stopped it, whose threads inherit it.
    _haste: Haste,
}

impl Halted {
    /// Stops all threads of `process` for at most `most`, and begins to read its `smaps`.
    ///
    /// # Errors
    /// As [`Stop::all_threads`].
    pub(super) fn new(process: &Process, most: Duration) -> Result<Halted, Error> {
        let again = Process::open(process.pid())?;
        process.verify()?;
        let haste = Haste::of_this_thread();
        let stopped = Stop::all_threads(process, most)?;
        let reader = thread::Builder::new().name("letgo-smaps".to_owned());
        let smaps = reader.spawn(move || again.smaps().map(|smaps| smaps.total));
        let smaps = smaps.map_err(|source| Error::Io {
            what: "starting the thread that reads smaps".to_owned(),
            source,
        })?;
        Ok(Halted {
            stopped,
            smaps: Some(smaps),
            _haste: haste,
        })
    }

    /// The threads, by number.
    pub(super) fn threads(&self) -> &[StoppedThread] {
        self.stopped.threads()
    }

    /// Whether they will be held for a while.
    pub(super) fn stands(&self) -> bool {
        !self.stopped.time_left().is_zero()
    }

    /// Waits for the sums of `smaps`; nothing where they were asked for before.
    pub(super) fn smaps(&mut self) -> Option<Result<Use, Error>> {
        let sums = self.smaps.take()?.join();
        Some(sums.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    }

    /// Lets all threads go and tells what it took.
    pub(super) fn release(self) -> StopReport {
        self.stopped.release()
    }
}
