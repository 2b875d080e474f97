//! [`Writer`]: the only thing that writes to the variables of a live process.
//!
//! A store goes this way, and no other:
//!
//! 1. the place is one that may be written to: aligned, in a writable private mapping that is not
//!    executable (see [`place`]); the process is the one that was opened; the word reads as the
//!    caller says;
//! 2. an [`Entry`] is appended to the journal and made durable;
//! 3. the process and the word are looked at once more, and the word is stored, whole;
//! 4. it is read back.
//!
//! A word is stored by one `process_vm_writev`, which copies eight bytes with one instruction, but
//! four of them one by one on processors without fast short `rep movsb`
//! (arch/x86/lib/copy_user_64.S, `rep_movs_alternative`). So a four-byte word of which more than
//! one byte changes is stored while all threads are stopped. A caller that owns the four bytes
//! above it stores eight, and spares the program the pause.
//!
//! Does not know what a variable means or when a store acts, never writes code or a page table, and
//! changes no register. Transient stores are put back by [`Writer::restore_transient`], when the
//! writer is dropped, by a watchdog (see [`crate::watchdog`]), or by the next writer.
//!
//! Invariants:
//! - no byte of a target is written but by `Writer::put` and `Writer::wake_now` (and, where nothing
//!   lives, below the stack pointer of a stopped thread: see [`crate::frozen`]);
//! - nothing is written that is not in the journal, on the disk;
//! - a value that is neither the one we wrote nor the one we found is the program's own, and stays.
//!
//! # Consistency
//! Between the last look at a word and the store the program may write it itself; the store wins
//! then. That window is a few microseconds, and none where the threads are stopped.
//!
//! Source: process_vm_writev(2); docs/design/0004-writing.md.

mod error;
mod place;
mod restore;
mod wake;
mod word;

use std::time::{Duration, Instant};

use letgo_target::{Addr, ReadMemory};
use nix::errno::Errno;

use crate::journal::file::Journal;
use crate::journal::record::{Line, now_ms};
use crate::journal::{Entry, Fate, JournalDir, Kind, Who};
use crate::steps::step;
use crate::sys::writev::write_words;
use crate::{Denial, Error, LiveMemory, Process, Refusal, Stop, StoppedThread, preflight};

pub use error::WriteError;
pub use restore::{Outcome, Restored, Undone};
pub use wake::{Sleeper, Wake};
pub use word::Word;

/// How long the threads may be held for one store.
const STOP_MOST: Duration = Duration::from_millis(50);
/// How often stopping is tried: on a busy machine a thread may not get its turn to stop in time.
const STOP_TRIES: usize = 5;
/// How long somebody who puts values back waits for a letgo that is dying.
pub(crate) const HANDOVER: Duration = Duration::from_secs(10);

/// A store to be made.
#[derive(Clone, Copy, Debug)]
pub struct Store<'a> {
    /// The variable, as the journal and people shall know it: `runtime.gcController.gcPercent`.
    pub name: &'a str,
    /// Where it lies.
    pub addr: Addr,
    /// What must be there, else nothing is written.
    pub old: Word,
    /// What shall be there: a word of the same width.
    pub new: Word,
    /// What becomes of it.
    pub kind: Kind,
    /// Why.
    pub reason: &'a str,
}

/// A store that was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stored {
    /// Its number in the journal; nothing where the word was there already and nothing was done.
    pub number: Option<u64>,
    /// What was read back. Of a self-healing store it may be the program's own next value.
    pub read_back: Word,
    /// How long the threads were held for it; 0 where they were not.
    pub pause_ns: u64,
}

/// Writes into one process. Holds its lock; there is one at a time.
///
/// Dropping it puts transient stores back as [`Writer::restore_transient`] does.
#[derive(Debug)]
pub struct Writer {
    process: Process,
    raw_pid: i32,
    memory: LiveMemory,
    journal: Journal,
    recovered: Restored,
}

impl Writer {
    /// Takes the lock of `process`, checks that it may be written to, and puts back what a letgo
    /// that died has left.
    ///
    /// # Errors
    /// The [`Refusal`]; nothing was written.
    pub fn open(process: &Process, dir: JournalDir, who: Who) -> Result<Writer, Refusal> {
        preflight::check_permission(process)?;
        // The lock comes first: a process that another letgo holds still is in use, not traced.
        let journal = Journal::open(process, dir, who, Duration::ZERO)?;
        preflight::may_write(process)?;
        let mut writer = Writer::new(process, journal)?;
        writer.recovered = writer.restore_transient();
        Ok(writer)
    }

    /// Puts back what a letgo that died has left in `process`, also where that is stopped, frozen
    /// or traced. Waits ten seconds for the dying one's lock.
    ///
    /// # Errors
    /// The [`Refusal`]; [`Refusal::InUse`] where another letgo has the lock, which then has put
    /// everything back itself.
    pub fn recover(process: &Process, dir: JournalDir, who: Who) -> Result<Restored, Refusal> {
        preflight::check_permission(process)?;
        let journal = Journal::open(process, dir, who, HANDOVER)?;
        Ok(Writer::new(process, journal)?.restore_transient())
    }

    fn new(process: &Process, journal: Journal) -> Result<Writer, Refusal> {
        process.verify()?;
        let pid = process.pid();
        Ok(Writer {
            process: process.again()?,
            raw_pid: i32::try_from(pid).map_err(|_| Error::NoSuchProcess { pid })?,
            memory: LiveMemory::new(process)?,
            journal,
            recovered: Restored::default(),
        })
    }

    /// What was put back when it was opened.
    pub fn recovered(&self) -> &Restored {
        &self.recovered
    }

    /// The process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Transient stores that are to be put back.
    pub fn transient(&self) -> Vec<Entry> {
        self.journal.log.transient()
    }

    /// Stores that last; see [`crate::journal::lasting`].
    pub fn lasting(&self) -> Vec<Entry> {
        self.journal.log.lasting()
    }

    /// Makes a store. Where the word is there already, nothing is done.
    ///
    /// # Errors
    /// The [`WriteError`]; [`WriteError::wrote`] tells whether anything was written.
    pub fn store(&mut self, store: Store<'_>) -> Result<Stored, WriteError> {
        self.check(&store)?;
        if store.new == store.old {
            return Ok(Stored {
                number: None,
                read_back: store.old,
                pause_ns: 0,
            });
        }
        let entry = self.entry(&store);
        self.append(Line::Store(entry.clone()))?;
        let pause_ns = match self.put_checked(&entry) {
            Ok(pause_ns) => pause_ns,
            Err(error) => {
                self.settle(&entry, Fate::Void, None)?;
                return Err(error);
            }
        };
        self.journal.note("store", &entry, None);
        let read_back = self.read(store.addr, store.new.width())?;
        if read_back != store.new && store.kind != Kind::SelfHealing {
            return Err(WriteError::Overwritten {
                name: store.name.to_owned(),
                found: read_back,
            });
        }
        Ok(Stored {
            number: Some(entry.number),
            read_back,
            pause_ns,
        })
    }

    /// Everything that can be known before anything is written down.
    fn check(&self, store: &Store<'_>) -> Result<(), WriteError> {
        if store.old.width() != store.new.width() {
            return Err(WriteError::Width {
                name: store.name.to_owned(),
            });
        }
        self.process.verify()?;
        place::check(&self.process, store.name, store.addr, store.new.width())?;
        self.expect(store.name, store.addr, store.old)
    }

    fn entry(&self, store: &Store<'_>) -> Entry {
        Entry {
            number: self.journal.log.next_number(),
            name: store.name.to_owned(),
            addr: store.addr,
            old: store.old,
            new: store.new,
            kind: store.kind,
            reason: store.reason.to_owned(),
            who: self.journal.who.clone(),
            at_ms: now_ms(),
        }
    }

    /// Stores what `entry` says if what it says is there; answers how long the threads were held.
    fn put_checked(&self, entry: &Entry) -> Result<u64, WriteError> {
        let make = || {
            self.process.verify()?;
            self.expect(&entry.name, entry.addr, entry.old)?;
            self.put(&entry.name, entry.addr, entry.new)
        };
        if is_whole(entry.old, entry.new) {
            return make().map(|()| 0);
        }
        let (made, pause_ns) = self.while_stopped(|_| make())?;
        made.map(|()| pause_ns)
    }

    /// Runs `work` once while all threads are stopped. Answers how long they were held in all.
    fn while_stopped<T: Send>(
        &self,
        work: impl Fn(&[StoppedThread]) -> T + Sync,
    ) -> Result<(T, u64), Error> {
        let began = Instant::now();
        let mut tries = 1;
        loop {
            // In vain tries hold the target too, and are counted whole.
            let before = began.elapsed();
            match Stop::during(&self.process, STOP_MOST, &work) {
                Err(Error::Deadline { .. }) if tries < STOP_TRIES => tries += 1,
                Err(error) => return Err(error),
                Ok((answer, report)) => {
                    let before = u64::try_from(before.as_nanos()).unwrap_or(u64::MAX);
                    return Ok((answer, before.saturating_add(report.pause_ns_max)));
                }
            }
        }
    }

    /// The one place where a word of a target is written.
    fn put(&self, name: &str, addr: Addr, word: Word) -> Result<(), WriteError> {
        let bytes = word.bytes();
        let bytes = bytes.get(..word.width()).unwrap_or_default();
        step("store.before");
        let written = write_words(self.raw_pid, &[(addr, bytes)]);
        step("store.after");
        match written {
            Ok(len) if len == word.width() => Ok(()),
            Ok(_) | Err(Errno::EFAULT) => Err(WriteError::Fault {
                name: name.to_owned(),
                addr,
            }),
            Err(errno) => Err(self.refused(errno)),
        }
    }

    fn refused(&self, errno: Errno) -> WriteError {
        let (pid, what) = (self.process.pid(), "writing to the memory");
        match errno {
            Errno::ENOSYS => {
                let denial = Denial::explain(pid, what, errno as i32);
                Error::Denied(Box::new(denial)).into()
            }
            errno => Error::from_errno(pid, what, errno).into(),
        }
    }

    fn read(&self, addr: Addr, width: usize) -> Result<Word, WriteError> {
        let mut bytes = [0; 8];
        let part = bytes.get_mut(..width).unwrap_or_default();
        self.memory.read(addr, part).map_err(Error::from)?;
        let word = Word::new(width, u64::from_le_bytes(bytes));
        word.ok_or_else(|| Error::inconsistent("a word", format!("of {width} bytes")).into())
    }

    fn expect(&self, name: &str, addr: Addr, expected: Word) -> Result<(), WriteError> {
        let found = self.read(addr, expected.width())?;
        if found == expected {
            return Ok(());
        }
        Err(WriteError::Changed {
            name: name.to_owned(),
            expected,
            found,
        })
    }

    fn append(&mut self, line: Line) -> Result<(), WriteError> {
        self.journal
            .append(line)
            .map_err(|source| WriteError::Journal {
                path: self.journal.path(),
                source,
            })
    }

    /// Writes down what became of an entry.
    fn settle(&mut self, entry: &Entry, fate: Fate, found: Option<Word>) -> Result<(), WriteError> {
        let line = Line::Undone {
            number: entry.number,
            fate,
            found: found.map(|word| word.to_string()),
            who: self.journal.who.clone(),
            at_ms: now_ms(),
        };
        self.append(line)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // What cannot be put back stays in the journal, for the watchdog or the next writer.
        let _ = self.restore_transient();
    }
}

/// Whether a change arrives in one piece however the kernel copies it.
fn is_whole(old: Word, new: Word) -> bool {
    new.width() == 8 || old.bytes_changed(new) <= 1
}
