//! [`Controls`]: where the runtime keeps what steers its GC and scavenger, for verbs that write.
//!
//! A *control* is a variable that a writing verb may store into; a *word* is anything that is read
//! with them to see whether that is safe and what came of it. This module says where, how wide and
//! what is there now. It never writes, does not decide what to write (see the `govern` crate), and
//! answers only for what was tested: see [`Runtime::controls`].
//!
//! Invariants: a [`Place`] lies in a variable that was found without contradiction, at an offset
//! that this release's own layout names, and is aligned to its width.
//!
//! Source: src/runtime/mgcpacer.go, mgcscavenge.go, mgcsweep.go, proc.go (`sysmon`), mgc.go
//! (`gcTrigger.test`), go1.21 to go1.27.

mod pacer;
mod sane;
mod state;
mod tested;
mod words;

use letgo_target::{Addr, Fault, Piece, ReadMemory};

pub use self::pacer::{HEAP_MINIMUM, heap_goal, heap_minimum};
pub use self::state::{ControlState, DebugState, PiController};
use self::words::Word;
use crate::{Error, Runtime};

/// A variable of the runtime that a writing verb may store into.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Control {
    /// GOGC, a signed number; acts when a cycle ends.
    GcPercent,
    /// The heap goal by GOGC; acts at once, and is computed anew when a cycle ends.
    GcPercentHeapGoal,
    /// The least heap goal; acts when a cycle ends.
    HeapMinimum,
    /// GOMEMLIMIT; acts at once.
    MemoryLimit,
    /// End of the last cycle by the monotonic clock: one that is long past asks for a cycle, and
    /// the runtime sets it anew when that ends.
    LastGcNanotime,
    /// What the background scavenger leaves by GOGC; acts at once, and is computed anew when a
    /// cycle ends.
    ScavengeGcPercentGoal,
    /// What it leaves by the memory limit, likewise.
    ScavengeMemoryLimitGoal,
    /// 1 lets the monitor wake the scavenger, which clears it.
    ScavengerSysmonWake,
    /// Time that the scavenger works by time that it sleeps, a 64-bit float.
    ScavengerSleepRatio,
    /// The least that its controller sets that to, a 64-bit float.
    ScavengerSleepControllerMin,
    /// Whether the monitor is in its long sleep; guarded by `sched.lock`.
    SchedSysmonwait,
    /// What it sleeps on; guarded by `sched.lock`.
    SchedSysmonnote,
}

impl Control {
    /// Every control.
    pub const ALL: [Control; 12] = [
        Control::GcPercent,
        Control::GcPercentHeapGoal,
        Control::HeapMinimum,
        Control::MemoryLimit,
        Control::LastGcNanotime,
        Control::ScavengeGcPercentGoal,
        Control::ScavengeMemoryLimitGoal,
        Control::ScavengerSysmonWake,
        Control::ScavengerSleepRatio,
        Control::ScavengerSleepControllerMin,
        Control::SchedSysmonwait,
        Control::SchedSysmonnote,
    ];

    /// Its name in the runtime: `gcController.gcPercent`.
    pub fn name(self) -> &'static str {
        self.word().name()
    }

    /// The control of this name, as [`Control::name`] gives it.
    pub fn named(name: &str) -> Option<Control> {
        Control::ALL
            .into_iter()
            .find(|control| control.name() == name)
    }

    fn word(self) -> Word {
        match self {
            Control::GcPercent => Word::GcPercent,
            Control::GcPercentHeapGoal => Word::GcPercentHeapGoal,
            Control::HeapMinimum => Word::HeapMinimum,
            Control::MemoryLimit => Word::MemoryLimit,
            Control::LastGcNanotime => Word::LastGcNanotime,
            Control::ScavengeGcPercentGoal => Word::ScavengeGcPercentGoal,
            Control::ScavengeMemoryLimitGoal => Word::ScavengeMemoryLimitGoal,
            Control::ScavengerSysmonWake => Word::ScavengerSysmonWake,
            Control::ScavengerSleepRatio => Word::ScavengerSleepRatio,
            Control::ScavengerSleepControllerMin => Word::ControllerMin,
            Control::SchedSysmonwait => Word::Sysmonwait,
            Control::SchedSysmonnote => Word::Sysmonnote,
        }
    }
}

/// Where a variable lies in the target, and how wide it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Place {
    /// Its first byte; a multiple of `size`.
    pub addr: Addr,
    /// Bytes: 1, 4 or 8.
    pub size: u8,
}

impl Place {
    fn end(self) -> u64 {
        self.addr.0.saturating_add(u64::from(self.size))
    }
}

/// Bytes that one reading may take; it takes about 1 KiB.
const MOST_BYTES: usize = 4 << 10;
/// Pieces that one reading may take; there are some ten variables.
const MOST_PIECES: usize = 32;
/// What lies between two words of one piece at most: less than a page, so that a piece touches no
/// page that its words do not.
const GAP: u64 = 512;

/// A run of words that are read together, and where in the buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Part {
    addr: Addr,
    at: usize,
    len: usize,
}

/// Where everything lies that steers the GC and the scavenger of one process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Controls {
    /// The place of each of [`Word::ALL`], in that order; only optional ones are absent.
    places: [Option<Place>; Word::COUNT],
    parts: Vec<Part>,
}

impl Controls {
    fn of(runtime: &Runtime) -> Result<Controls, Error> {
        let mut places = [None; Word::COUNT];
        for (word, place) in Word::ALL.into_iter().zip(&mut places) {
            *place = word.find(runtime)?;
        }
        let parts = parts_of(&places);
        let bytes: usize = parts.iter().map(|part| part.len).sum();
        if bytes > MOST_BYTES || parts.len() > MOST_PIECES {
            return Err(Error::Unsupported {
                found: runtime.version.raw.clone(),
                why: format!("what steers its GC takes {bytes} bytes"),
            });
        }
        Ok(Controls { places, parts })
    }

    /// Where `control` lies in the target.
    pub fn place(&self, control: Control) -> Place {
        // Never absent: `Word::find` fails for a control that is.
        self.place_of(control.word()).unwrap_or_default()
    }

    /// Where the scheduler's lock lies, `sched.lock.key`: 8 bytes, 0 where nobody holds it.
    pub fn sched_lock(&self) -> Addr {
        // Never absent, as above.
        let place = self.place_of(Word::SchedLock).unwrap_or_default();
        place.addr
    }

    fn place_of(&self, word: Word) -> Option<Place> {
        self.places.get(word as usize).copied().flatten()
    }

    /// Reads everything with one scattered read, cheap enough for every few milliseconds. What was
    /// read is not judged: see [`ControlState::check`].
    ///
    /// # Errors
    /// Where a piece cannot be read.
    ///
    /// # Consistency
    /// Pieces are read one after the other within microseconds. Each word is whole; words of one
    /// moment they are only while the target is stopped.
    pub fn read(&self, memory: &dyn ReadMemory) -> Result<ControlState, Error> {
        let mut buf = [0; MOST_BYTES];
        self.fill(memory, &mut buf)?;
        let get = |word: Word| {
            let place = self.place_of(word)?;
            self.parts.iter().find_map(|part| part.word(&buf, place))
        };
        Ok(ControlState::of(&get))
    }

    fn fill(&self, memory: &dyn ReadMemory, buf: &mut [u8]) -> Result<(), Error> {
        let mut pieces: [Piece<'_>; MOST_PIECES] =
            std::array::from_fn(|_| Piece::new(Addr::NULL, &mut []));
        let mut rest = buf;
        for (part, piece) in self.parts.iter().zip(&mut pieces) {
            let (head, tail) = rest.split_at_mut_checked(part.len).unwrap_or_default();
            rest = tail;
            *piece = Piece::new(part.addr, head);
        }
        let pieces = pieces.get_mut(..self.parts.len()).unwrap_or_default();
        memory.read_scattered(pieces)?;
        match pieces.iter().find(|piece| !piece.filled) {
            None => Ok(()),
            Some(piece) => Err(Error::Fault(Fault::Unmapped {
                addr: piece.addr,
                len: piece.buf.len() as u64,
            })),
        }
    }
}

impl Part {
    /// A word's value, zero-extended, where this part holds it.
    fn word(&self, buf: &[u8], place: Place) -> Option<u64> {
        let inside = usize::try_from(place.addr.0.checked_sub(self.addr.0)?).ok()?;
        let size = usize::from(place.size);
        if inside.checked_add(size)? > self.len {
            return None;
        }
        let bytes = buf.get(self.at.checked_add(inside)?..)?.get(..size)?;
        let mut word = [0; 8];
        word.get_mut(..size)?.copy_from_slice(bytes);
        Some(u64::from_le_bytes(word))
    }
}

/// The fewest pieces that hold all places, in order of address.
fn parts_of(places: &[Option<Place>]) -> Vec<Part> {
    let mut places: Vec<Place> = places.iter().copied().flatten().collect();
    places.sort_by_key(|place| place.addr);
    let mut parts: Vec<Part> = Vec::new();
    let mut used = 0;
    for place in places {
        let near = parts.last_mut().filter(|part| {
            let end = part.addr.0.saturating_add(part.len as u64);
            place.addr.0 <= end.saturating_add(GAP)
        });
        let (part, start) = match near {
            Some(part) => {
                let start = part.addr.0;
                (part, start)
            }
            None => {
                parts.push(Part {
                    addr: place.addr,
                    at: used,
                    len: 0,
                });
                let Some(part) = parts.last_mut() else {
                    continue;
                };
                (part, place.addr.0)
            }
        };
        let len = usize::try_from(place.end().saturating_sub(start)).unwrap_or(usize::MAX);
        used = used.saturating_add(len.saturating_sub(part.len));
        part.len = part.len.max(len);
    }
    parts
}

impl Runtime {
    /// Where everything lies that steers this program's GC and scavenger.
    ///
    /// # Errors
    /// [`Error::Unsupported`], in a sentence that names the release, where anything is not as it
    /// was tested: a release outside of go1.21 to go1.27, a development tree or a candidate, a
    /// layout that is neither the program's own nor made for its release, a variable that was not
    /// found, did not mean what it should, or about which rules disagree.
    pub fn controls(&self) -> Result<Controls, Error> {
        tested::refuse_untested(self)?;
        Controls::of(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_control_is_found_again_by_its_name() {
        for control in Control::ALL {
            assert_eq!(Control::named(control.name()), Some(control));
        }
        assert_eq!(Control::named("debug.schedtrace"), None);
    }

    #[test]
    fn words_that_lie_close_are_one_piece_and_read_at_their_width() {
        let place = |addr, size| {
            Some(Place {
                addr: Addr(addr),
                size,
            })
        };
        let places = [place(0x2000, 4), place(0x1010, 1), None, place(0x1000, 8)];
        let parts = parts_of(&places);
        let whole = |addr, at, len| Part {
            addr: Addr(addr),
            at,
            len,
        };
        assert_eq!(parts, [whole(0x1000, 0, 17), whole(0x2000, 17, 4)]);
        let mut buf = [0xff; 32];
        buf[16] = 7;
        buf[17..21].copy_from_slice(&9u32.to_le_bytes());
        let read = |place: Option<Place>| {
            let place = place.unwrap();
            parts.iter().find_map(|part| part.word(&buf, place))
        };
        assert_eq!(read(places[0]), Some(9));
        assert_eq!(read(places[1]), Some(7));
        assert_eq!(read(places[3]), Some(u64::MAX));
        assert_eq!(read(place(0x3000, 8)), None);
        assert_eq!(read(place(0x100c, 8)), None, "past the end");
    }
}
