//! [`FrozenCopy`]: a process as it was at one instant, to be read at leisure while it runs on.
//!
//! All threads are stopped, one of them is made to call `clone`, and all run on: milliseconds. The
//! child shares every page with its parent until one of them is written to, never runs, and is read
//! as any process is. When it is released it is killed and waited for, and nothing is left.
//!
//! The child has the target's open files as a thread has them (`CLONE_FILES | CLONE_FS`), not a
//! copy of its table: what the target closes is closed.
//!
//! letgo may be killed at any instant. Whatever was set in the target leads it back by itself
//! ([`seat`], [`frame`]), the child dies with us, and its zombie is removed by a watchdog that the
//! caller has started before, or by the next letgo, with [`reap_orphans`].
//!
//! Terms: the *target* is the process that is copied, the *copy* its child; a *gadget* is code of
//! the target that a thread is sent through; a thread is *idle* while it waits in a call where its
//! program keeps nothing in vector registers.
//!
//! Does not find the gadgets (see `gobin`), does not start a watchdog, and decides nothing: whether
//! a copy is worth its price is for the caller to say, who asks [`FrozenCopy::prediction`].
//!
//! Invariants:
//! - no register is changed before the way back lies on the thread's stack;
//! - nothing is written but below the stack pointer of an idle thread;
//! - nothing is run but what the gadgets name, compared with the process's memory before.
//!
//! Source: clone(2), ptrace(2); docs/design/0006-frozen-copy.md.

mod frame;
mod gadgets;
mod hindrance;
mod holder;
mod pace;
mod prediction;
mod reaping;
mod residency;
mod seat;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::{Error, Process, StopReport, StoppedThread};

pub use frame::ROOM;
pub use gadgets::{Gadgets, Snippet};
pub use hindrance::Hindrance;
pub use prediction::Prediction;
pub use reaping::reap_orphans;
pub use residency::{joined_residency, joined_smaps};

use holder::{Job, Made};

/// How often all threads are stopped in search of an idle one.
const TRIES: usize = 10;
/// Between two tries, so that threads come to rest.
const BETWEEN: Duration = Duration::from_millis(2);

/// A copy of a process. Dropping it removes it, as [`FrozenCopy::release`] does.
///
/// May be used from any thread of ours.
#[derive(Debug)]
pub struct FrozenCopy {
    target: Process,
    child: Process,
    threads: Vec<StoppedThread>,
    report: FrozenReport,
    /// Its end tells the holder to remove the child.
    release: Option<Sender<()>>,
    end: Receiver<Released>,
    released: Released,
    holder: Option<JoinHandle<()>>,
}

/// What making a copy took.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FrozenReport {
    /// The stop in which it was made; its `pause_ns_max` is the pause.
    pub stop: StopReport,
    /// Of that, making the child.
    pub clone_ns: u64,
    /// Of making the child, what the thread that made it spent on a processor; 0 where the kernel
    /// does not tell.
    pub clone_cpu_ns: u64,
    /// Of making the child, how long that thread waited for a processor.
    pub clone_wait_ns: u64,
    /// How often all threads were stopped: each in vain took less than the last.
    pub tries: usize,
}

/// What removing a copy came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Released {
    /// Nothing is left of it. Where not, its zombie is: a watchdog or [`reap_orphans`] removes it,
    /// or the end of the target.
    pub whole: bool,
    /// The longest that one thread of the target was held for it.
    pub pause_ns_max: u64,
}

impl FrozenCopy {
    /// What a copy of `process` would cost, and all that is known to stand against it, in no order.
    /// Reads `smaps`, which is as costly as that is.
    ///
    /// # Errors
    /// [`Error::Denied`], [`Error::Gone`].
    pub fn prediction(process: &Process) -> Result<(Prediction, Vec<Hindrance>), Error> {
        prediction::predict(process)
    }

    /// Makes a copy of `process`, whose threads are held for `most` in all at each try. A watchdog
    /// should watch already. The time that the kernel takes to copy the page table cannot be
    /// bounded: see [`FrozenCopy::prediction`].
    ///
    /// # Errors
    /// [`Error::Hindered`] where something stands against it that is cheap to know, or where it
    /// failed; else as [`crate::Stop::all_threads`]. The target runs on as before.
    pub fn make(process: &Process, gadgets: &Gadgets, most: Duration) -> Result<FrozenCopy, Error> {
        process.verify()?;
        let status = process.status()?;
        if let Some(hindrance) = prediction::of_process(process, &status)?.into_iter().next() {
            return Err(hindrance.into());
        }
        gadgets.check(process)?;
        let mut tries = 1;
        loop {
            match FrozenCopy::try_to_make(process, gadgets, most) {
                Ok(mut copy) => {
                    copy.report.tries = tries;
                    return Ok(copy);
                }
                Err(error) if tries >= TRIES || !is_unlucky(&error) => {
                    return Err(count_tries(error, tries));
                }
                Err(_) => tries += 1,
            }
            thread::sleep(BETWEEN);
        }
    }

    fn try_to_make(
        process: &Process,
        gadgets: &Gadgets,
        most: Duration,
    ) -> Result<FrozenCopy, Error> {
        let job = Job {
            process: process.again()?,
            gadgets: gadgets.clone(),
            maps: process.maps()?,
            most,
            until: Instant::now() + most,
        };
        let (release, released) = channel();
        let (tell, told) = channel();
        let (tell_end, end) = channel();
        let holder = thread::Builder::new()
            .name("letgo-frozen".to_owned())
            .spawn(move || holder::run(&job, &tell, &released, &tell_end))
            .map_err(|source| Error::Io {
                what: "starting the thread that holds the copy".to_owned(),
                source,
            })?;
        let gone = Error::Gone { pid: process.pid() };
        let made = told.recv().unwrap_or(Err(gone));
        let Made {
            child,
            threads,
            report,
        } = match made {
            Ok(made) => made,
            Err(error) => {
                // Joined, and so at its end: the kernel has detached what could not be.
                let _ = holder.join();
                return Err(error);
            }
        };
        Ok(FrozenCopy {
            target: process.again()?,
            child,
            threads,
            report,
            release: Some(release),
            end,
            released: Released::default(),
            holder: Some(holder),
        })
    }

    /// The copy, to be read as any process is. It has one thread, which never runs.
    pub fn process(&self) -> &Process {
        &self.child
    }

    /// The process that it is a copy of.
    pub fn target(&self) -> &Process {
        &self.target
    }

    /// The threads of the target at the pause, by number.
    pub fn threads(&self) -> &[StoppedThread] {
        &self.threads
    }

    /// What making it took.
    pub fn report(&self) -> &FrozenReport {
        &self.report
    }

    /// Whether the copy still lives and has room: each page that the target writes to is copied
    /// meanwhile. Cheap; to be asked often. Where it fails, the copy should be released, and what
    /// was read last may not be of it.
    ///
    /// # Errors
    /// [`Error::Gone`] of the copy's pid where it was killed, as the OOM killer does first;
    /// [`Error::Hindered`] with [`Hindrance::Memory`] where less than `least` bytes are left.
    pub fn check(&self, least: u64) -> Result<(), Error> {
        self.child.verify()?;
        let Some((headroom, at)) = prediction::headroom(&self.target)? else {
            return Ok(());
        };
        if headroom >= least {
            return Ok(());
        }
        let pid = self.target.pid();
        Err(Hindrance::Memory {
            pid,
            needed: least,
            headroom,
            at,
        }
        .into())
    }

    /// Removes the copy; from then on there is nothing to read. Takes some milliseconds, ten
    /// seconds at most where it does not end or no thread of the target comes to rest.
    pub fn release(&mut self) -> Released {
        let Some(holder) = self.holder.take() else {
            return self.released;
        };
        self.release = None;
        self.released = self.end.recv().unwrap_or_default();
        // One that panicked has let go all the same, and the child died with it.
        let _ = holder.join();
        self.released
    }
}

impl Drop for FrozenCopy {
    fn drop(&mut self) {
        self.release();
    }
}

/// Whether another try may have better luck.
fn is_unlucky(error: &Error) -> bool {
    let Error::Hindered(hindrance) = error else {
        return false;
    };
    matches!(**hindrance, Hindrance::NoIdleThread { .. })
}

fn count_tries(error: Error, tries: usize) -> Error {
    match error {
        Error::Hindered(hindrance) => match *hindrance {
            Hindrance::NoIdleThread { pid, .. } => Hindrance::NoIdleThread { pid, tries }.into(),
            other => other.into(),
        },
        error => error,
    }
}
