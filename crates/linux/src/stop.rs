//! [`Stop`]: all threads of a process stopped, for a bounded time.
//!
//! A thread of ours, the *holder*, attaches to every thread of the target without stopping it
//! (`PTRACE_SEIZE`), then asks all to stop (`PTRACE_INTERRUPT`), and lists the threads again until
//! no new one shows up. It then waits, and lets all go at [`Stopped::release`], when [`Stopped`]
//! is dropped, or when the time is over, whichever is first. When letgo dies, whatever the reason,
//! the kernel detaches and resumes the target.
//!
//! A thread in an uninterruptible wait (`D`, as a parent in `vfork` is) counts as stopped: it will
//! trap before it runs user code. Its registers are not known. Signals that were on their way at
//! the stop are given back. A target that was stopped by SIGSTOP before stays so.
//!
//! Does not trace forks or clones of the target: catching a `vfork` child would hang both. Does
//! not change a register or a byte.
//!
//! Invariants:
//! - every ptrace call and every wait is made by the holder, which attached;
//! - no thread is held longer than the time that the caller allowed, plus the time that the
//!   detaching takes; what [`Stop::during`] runs is begun within that time, and ended before any
//!   thread is let go.
//!
//! Source: ptrace(2), kernel/ptrace.c, kernel/signal.c.

pub(crate) mod holder;
mod registers;

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::{Error, Process};

pub use letgo_target::Registers;

/// Stops processes.
#[derive(Debug)]
pub struct Stop;

/// A thread of a stopped process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoppedThread {
    /// Its number.
    pub tid: u32,
    /// Its registers; nothing where it is in an uninterruptible wait.
    pub registers: Option<Registers>,
}

/// A process whose threads are stopped. Dropping it lets them go.
///
/// May be used from any thread of ours.
#[derive(Debug)]
pub struct Stopped {
    threads: Vec<StoppedThread>,
    until: Instant,
    /// Its end tells the holder to let go.
    release: Option<Sender<()>>,
    report: Receiver<StopReport>,
    holder: Option<JoinHandle<()>>,
}

/// What a stop took.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StopReport {
    /// Attaching to all threads, while they ran.
    pub seize_ns: u64,
    /// From the first request to stop until all threads had stopped.
    pub stop_ns: u64,
    /// The longest that any thread can have been held: from the first request to stop until the
    /// last thread was let go.
    pub pause_ns_max: u64,
    /// Threads held.
    pub threads: usize,
    /// Of these, threads in an uninterruptible wait.
    pub uninterruptible: usize,
    /// The time was over before the caller released: what was read after that is of a running
    /// process.
    pub expired: bool,
}

impl Stop {
    /// Stops all threads of `process` for at most `most`, which includes the time that stopping
    /// takes.
    ///
    /// # Errors
    /// [`Error::Busy`] where another tracer holds it, [`Error::Denied`], [`Error::Gone`];
    /// [`Error::Deadline`] where some thread did not stop in time. All threads run again then.
    pub fn all_threads(process: &Process, most: Duration) -> Result<Stopped, Error> {
        process.verify()?;
        let until = Instant::now() + most;
        let files = process.again()?;
        let (release, released) = channel();
        let (tell_start, start) = channel();
        let (tell_end, report) = channel();
        let holder = thread::Builder::new()
            .name("letgo-stop".to_owned())
            .spawn(move || holder::run(&files, most, until, &tell_start, &released, &tell_end))
            .map_err(|source| Error::Io {
                what: "starting the thread that holds the target".to_owned(),
                source,
            })?;
        let mut stopped = Stopped {
            threads: Vec::new(),
            until,
            release: Some(release),
            report,
            holder: Some(holder),
        };
        let gone = Error::Gone { pid: process.pid() };
        stopped.threads = start.recv().unwrap_or(Err(gone))?;
        Ok(stopped)
    }
}

impl Stop {
    /// Stops all threads of `process`, runs `work` while they stand still, and lets them go.
    ///
    /// `work` runs on the thread that holds the target, so that no time that runs out can let the
    /// target go in the middle of it: it is begun within `most`, or not at all. The target waits
    /// for as long as `work` takes, so it has to be short and must not wait for anything.
    ///
    /// # Errors
    /// As [`Stop::all_threads`]; `work` was not run then.
    pub fn during<T: Send>(
        process: &Process,
        most: Duration,
        work: impl FnOnce(&[StoppedThread]) -> T + Send,
    ) -> Result<(T, StopReport), Error> {
        process.verify()?;
        let until = Instant::now() + most;
        let holder = "the thread that holds the target";
        let panicked = |_| Err(Error::inconsistent(holder, "it panicked"));
        thread::scope(|scope| {
            let named = thread::Builder::new().name("letgo-stop".to_owned());
            let run = || holder::during(process, most, until, work);
            let started = named.spawn_scoped(scope, run);
            let started = started.map_err(|source| Error::Io {
                what: format!("starting {holder}"),
                source,
            })?;
            // Joined, and so at its end: the kernel has detached what could not be detached.
            started.join().unwrap_or_else(panicked)
        })
    }

    /// Whether `process` could be stopped: attaches to its first thread, which goes on running,
    /// and detaches.
    ///
    /// # Errors
    /// As [`Stop::all_threads`], without [`Error::Deadline`].
    pub fn is_possible(process: &Process) -> Result<(), Error> {
        process.verify()?;
        let files = process.again()?;
        let holder = thread::spawn(move || holder::try_first(&files));
        holder.join().unwrap_or_else(|_| {
            Err(Error::inconsistent(
                "the thread that attaches",
                "it panicked",
            ))
        })
    }
}

impl Stopped {
    /// The threads, by number.
    pub fn threads(&self) -> &[StoppedThread] {
        &self.threads
    }

    /// How long the target will still be held at most.
    pub fn time_left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// Lets all threads go and tells what it took.
    pub fn release(mut self) -> StopReport {
        self.let_go()
    }

    fn let_go(&mut self) -> StopReport {
        self.release = None;
        let report = self.report.recv().unwrap_or_default();
        if let Some(holder) = self.holder.take() {
            // A holder that panicked has let go all the same: the kernel detached at its end.
            let _ = holder.join();
        }
        report
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        if self.holder.is_some() {
            self.let_go();
        }
    }
}

/// Waits until the caller releases or the time is over; answers whether it was over.
fn wait(released: &Receiver<()>, until: Instant) -> bool {
    let left = until.saturating_duration_since(Instant::now());
    released.recv_timeout(left) == Err(RecvTimeoutError::Timeout)
}
