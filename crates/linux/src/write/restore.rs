//! Putting back what was there: transient stores at the end, lasting ones on demand.
//!
//! The newest store is undone first, so that the values go back the way they came. A word that is
//! neither what we wrote nor what we found is the program's own: it stays, and is written down as
//! kept. What cannot be put back now (the process cannot be written to) stays pending in the
//! journal, and is reported.
//!
//! Does not decide when.

use letgo_target::Addr;

use super::{Word, WriteError, Writer, is_whole, place};
use crate::journal::{Entry, Fate};
use crate::steps::step;

/// What became of one entry.
#[derive(Debug)]
pub enum Outcome {
    /// The old value was put back.
    Restored,
    /// The old value was there already.
    AsItWas,
    /// The program has set this value since, and keeps it.
    Kept(Word),
    /// The process is gone, or runs another program: nothing is left to put back.
    Gone,
    /// It could not be put back now. It stays in the journal.
    Failed(WriteError),
}

/// An entry and what became of it.
#[derive(Debug)]
pub struct Undone {
    /// The store.
    pub entry: Entry,
    /// What became of it.
    pub outcome: Outcome,
}

/// What was put back, newest store first.
#[derive(Debug, Default)]
pub struct Restored {
    /// Each entry that was pending.
    pub entries: Vec<Undone>,
    /// What else went wrong: an interrupted wake could not be looked at.
    pub trouble: Option<WriteError>,
}

impl Restored {
    /// Whether there was nothing to do.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.trouble.is_none()
    }

    /// Whether nothing of ours is left in the process.
    pub fn is_whole(&self) -> bool {
        let failed = |undone: &Undone| matches!(undone.outcome, Outcome::Failed(_));
        self.trouble.is_none() && !self.entries.iter().any(failed)
    }
}

impl Writer {
    /// Puts back every transient store, and finishes a wake that was cut off.
    pub fn restore_transient(&mut self) -> Restored {
        let mut restored = Restored {
            trouble: self.finish_wakes().err(),
            ..Restored::default()
        };
        for entry in self.transient().into_iter().rev() {
            let outcome = self.undo(&entry, entry.old);
            restored.entries.push(Undone { entry, outcome });
        }
        restored
    }

    /// Puts back what was there before the lasting stores, newest place first. A place that the
    /// program has written to since is left.
    pub fn undo_lasting(&mut self) -> Restored {
        let mut restored = Restored::default();
        for chain in self.journal.log.chains().into_iter().rev() {
            let outcome = self.undo(&chain.entry, chain.found);
            restored.entries.push(Undone {
                entry: chain.entry,
                outcome,
            });
        }
        restored
    }

    /// Puts `entry.old` back where `entry.new` or `also` is, and writes down what became of it.
    fn undo(&mut self, entry: &Entry, also: Word) -> Outcome {
        step("restore.before");
        let outcome = match self.put_back(entry, also) {
            Ok(outcome) => outcome,
            Err(WriteError::Target(error)) if error.is_gone() => Outcome::Gone,
            Err(error) => return Outcome::Failed(error),
        };
        let (fate, found) = match outcome {
            Outcome::Restored => (Fate::Restored, None),
            Outcome::AsItWas => (Fate::AsItWas, None),
            Outcome::Kept(found) => (Fate::Kept, Some(found)),
            // Its journal is removed with it.
            Outcome::Gone | Outcome::Failed(_) => return outcome,
        };
        if let Err(error) = self.settle(entry, fate, found) {
            return Outcome::Failed(error);
        }
        match fate {
            Fate::Restored => self.journal.note("restored", entry, None),
            Fate::Kept => self.journal.note("kept", entry, found),
            Fate::AsItWas | Fate::Void => {}
        }
        step("restore.after");
        outcome
    }

    fn put_back(&self, entry: &Entry, also: Word) -> Result<Outcome, WriteError> {
        self.process.verify()?;
        // The journal is ours, but a place is looked at whoever names it.
        place::check(&self.process, &entry.name, entry.addr, entry.new.width())?;
        let found = self.read(entry.addr, entry.new.width())?;
        if found == entry.old {
            return Ok(Outcome::AsItWas);
        }
        if found != entry.new && found != also {
            return Ok(Outcome::Kept(found));
        }
        self.put_whole(&entry.name, entry.addr, found, entry.old)?;
        Ok(Outcome::Restored)
    }

    /// Stores `new` in one piece where that is possible. A process that cannot be stopped (another
    /// traces it, it sits in a frozen cgroup) gets its value all the same: a value that stays wrong
    /// is worse than one that is half-written for a nanosecond.
    fn put_whole(&self, name: &str, addr: Addr, found: Word, new: Word) -> Result<(), WriteError> {
        if !is_whole(found, new) {
            let put = || self.put(name, addr, new);
            match self.while_stopped(|_| put()) {
                Ok((put, _)) => return put,
                Err(error) if error.is_gone() => return Err(error.into()),
                Err(_) => {}
            }
        }
        self.put(name, addr, new)
    }
}
