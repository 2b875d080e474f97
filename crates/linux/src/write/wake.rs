//! Waking a thread of the target that sleeps until a word changes, as the target itself would.
//!
//! Some programs have a thread that goes to sleep under a lock: it sets a flag (*waits*), lets the
//! lock go, and waits for a word (*note*) to become other than 0 with futex(2). Who wants it awake
//! takes the lock, and if the flag is set, clears it, sets the note to 1 and wakes the futex. The
//! flag keeps two from waking at once, which such programs treat as a fatal error.
//!
//! We do the same with all threads stopped: if the lock is free, the flag set, the note 0 and a
//! thread waits in futex(2) on that very word, we clear the flag and set the note. No futex call is
//! needed: stopping a thread takes it out of futex(2), and when it is let go the kernel restarts
//! the call (restart_syscall(2)), which looks at the word first, finds it changed and returns to
//! the program.
//!
//! No thread can be in the middle of something that matters: whoever reads or writes flag and note
//! together holds the lock, so a free lock means that nobody does. A thread that read the flag
//! without the lock reads it again under it. A sleeper that is about to enter futex(2), or has
//! returned to the program, is not taken for asleep: its registers say so. One that the stop
//! caught on its way out of the call still shows the call, and may be taken for asleep. No harm is
//! done: it looks at the note first, finds it set, takes the lock and clears both, as if it had
//! been woken a moment earlier.
//!
//! The two stores are one system call, made by the thread that holds the target: no time that runs
//! out can let the target go between them. If letgo is killed exactly there, only the first can
//! have been made. Then the flag is cleared and the thread sleeps on with nobody to wake it but its
//! own timeout; the journal has the wake, and who comes next finishes it. The other order would
//! leave the flag set and the note too, which can end the program.
//!
//! Does not know whose thread that is. Changes no register.
//!
//! Source: futex(2), restart_syscall(2), ptrace(2) "Interaction with interrupted system calls",
//! kernel/futex/waitwake.c `futex_wait_restart`; src/runtime/proc.go `sysmon`,
//! src/runtime/lock_futex.go `notetsleep`, go1.21 to go1.27.

use std::thread;
use std::time::Duration;

use letgo_target::Addr;
use nix::libc;

use super::{Word, WriteError, Writer, place, write_words};
use crate::StoppedThread;
use crate::journal::record::{Line, WakePlaces, now_ms};
use crate::steps::step;

/// How often a lock that is held, or a sleeper on its way, is looked at again.
const TRIES: usize = 5;
/// How long the target runs in between.
const BETWEEN: Duration = Duration::from_millis(1);

/// Where the words of a sleeping thread lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sleeper<'a> {
    /// What it is called: `sysmon`.
    pub name: &'a str,
    /// The lock, eight bytes: free if they are 0.
    pub lock: Addr,
    /// The flag: the thread waits if it is not 0.
    pub waits: Addr,
    /// Bytes of the flag: 1 or 4.
    pub waits_width: usize,
    /// The word that it waits for, eight bytes of which futex(2) looks at the low four.
    pub note: Addr,
}

/// What became of a wake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wake {
    /// It was asleep and wakes up.
    Woken {
        /// How long the threads were held.
        pause_ns: u64,
    },
    /// It was awake.
    Awake {
        /// How long the threads were held to see it; 0 where they were not.
        pause_ns: u64,
    },
    /// Whenever we looked, the lock was taken or the thread was on its way to sleep. Nothing was
    /// written.
    Locked {
        /// How long the threads were held in all.
        pause_ns: u64,
    },
}

/// What one look found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Look {
    Asleep,
    Awake,
    Busy,
    /// Another note than 0: it is being woken.
    Waking,
    /// A wake of ours was cut off between its stores.
    Half,
}

impl Writer {
    /// Wakes `sleeper` if it is asleep.
    ///
    /// # Errors
    /// [`WriteError::Place`] and the like for the places, [`WriteError::Target`] where the process
    /// cannot be stopped; nothing was written then.
    pub fn wake(&mut self, sleeper: Sleeper<'_>) -> Result<Wake, WriteError> {
        let places = WakePlaces {
            lock: sleeper.lock.0,
            waits: sleeper.waits.0,
            waits_width: sleeper.waits_width,
            note: sleeper.note.0,
        };
        self.check_places(sleeper.name, places)?;
        let mut held = 0;
        for _ in 0..TRIES {
            // Most often it is awake, and then nobody has to be stopped.
            if self.read(sleeper.waits, sleeper.waits_width)?.bits() == 0 {
                return Ok(Wake::Awake { pause_ns: held });
            }
            let (look, pause_ns) = self.try_wake(places, Look::Asleep)?;
            held += pause_ns;
            match look {
                Look::Asleep => return Ok(Wake::Woken { pause_ns: held }),
                Look::Awake | Look::Waking => return Ok(Wake::Awake { pause_ns: held }),
                Look::Busy | Look::Half => thread::sleep(BETWEEN),
            }
        }
        Ok(Wake::Locked { pause_ns: held })
    }

    /// Finishes wakes of which the journal does not know whether they were made whole.
    pub(super) fn finish_wakes(&mut self) -> Result<(), WriteError> {
        for (number, places) in self.journal.log.wakes() {
            let finished = self
                .check_places("a sleeping thread", places)
                .and_then(|()| self.look_and_wake(places, Look::Half).map(drop));
            match finished {
                Err(WriteError::Target(error)) if error.is_gone() => {}
                finished => finished?,
            }
            self.append(Line::Woken {
                number,
                at_ms: now_ms(),
            })?;
        }
        Ok(())
    }

    fn check_places(&self, name: &str, places: WakePlaces) -> Result<(), WriteError> {
        self.process.verify()?;
        let words = [
            (places.lock, 8),
            (places.waits, places.waits_width),
            (places.note, 8),
        ];
        let sane = matches!(places.waits_width, 1 | 4);
        if !sane {
            let name = name.to_owned();
            return Err(WriteError::Width { name });
        }
        words
            .into_iter()
            .try_for_each(|(addr, width)| place::check(&self.process, name, Addr(addr), width))
    }

    /// One journalled try.
    fn try_wake(&mut self, places: WakePlaces, wanted: Look) -> Result<(Look, u64), WriteError> {
        let number = self.journal.log.next_number();
        self.append(Line::Wake {
            number,
            places,
            who: self.journal.who.clone(),
            at_ms: now_ms(),
        })?;
        // After an error it is not known what was stored: the journal keeps the wake.
        let answer = self.look_and_wake(places, wanted)?;
        self.append(Line::Woken {
            number,
            at_ms: now_ms(),
        })?;
        Ok(answer)
    }

    /// Stops all threads, and wakes the sleeper if it is as `wanted`.
    fn look_and_wake(&self, places: WakePlaces, wanted: Look) -> Result<(Look, u64), WriteError> {
        let (look, pause_ns) = self.while_stopped(|threads| {
            let look = self.look(places, threads)?;
            if look == wanted {
                self.wake_now(places)?;
            }
            Ok::<_, WriteError>(look)
        })?;
        Ok((look?, pause_ns))
    }

    /// How things stand while all threads are stopped.
    fn look(&self, places: WakePlaces, threads: &[StoppedThread]) -> Result<Look, WriteError> {
        let lock = self.read(Addr(places.lock), 8)?.bits();
        let waits = self.read(Addr(places.waits), places.waits_width)?.bits();
        let note = self.read(Addr(places.note), 8)?.bits();
        let asleep = threads.iter().any(|thread| waits_for(thread, places.note));
        Ok(match (lock, waits, note) {
            (1.., _, _) => Look::Busy,
            (0, _, 1..) => Look::Waking,
            (0, 0, 0) if asleep => Look::Half,
            (0, 0, 0) => Look::Awake,
            (0, 1.., 0) if asleep => Look::Asleep,
            (0, 1.., 0) => Look::Busy,
        })
    }

    /// The flag first, then the note; see the module.
    fn wake_now(&self, places: WakePlaces) -> Result<(), WriteError> {
        let zeros = [0; 4];
        let flag = zeros.get(..places.waits_width).unwrap_or_default();
        let one = Word::U64(1).bytes();
        step("wake.before");
        let words = [(Addr(places.waits), flag), (Addr(places.note), &one[..])];
        let written = write_words(self.raw_pid, &words);
        step("wake.after");
        match written {
            Ok(len) if len == flag.len() + one.len() => Ok(()),
            Ok(_) => Err(WriteError::Fault {
                name: "a sleeping thread".to_owned(),
                addr: Addr(places.note),
            }),
            Err(errno) => Err(self.refused(errno)),
        }
    }
}

/// Whether a thread is inside of futex(2) on `word`. A call that was interrupted before shows as
/// restart_syscall(2), with the same arguments.
fn waits_for(thread: &StoppedThread, word: u64) -> bool {
    const CALLS: [libc::c_long; 2] = [libc::SYS_futex, libc::SYS_restart_syscall];
    let Some(registers) = thread.registers else {
        return false;
    };
    let inside = |call: &libc::c_long| registers.system_call == Some(call.cast_unsigned());
    CALLS.iter().any(inside) && registers.rdi == word
}
