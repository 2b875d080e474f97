//! [`Collect`]: so many forced cycles, one after the other.

use super::{End, Limits, Move, TICK};
use crate::{Knob, Look, Store};

/// GOGC that is held while cycles are forced in a program that has it off.
const HELD_GC_PERCENT: u64 = 100;
/// Times that a program may set GOGC back before we leave it alone.
const MOST_HELD: u32 = 2;
/// `last_gc_nanotime` that is long ago, and not 0, which means never.
const LONG_AGO: u64 = 1;

/// Forced cycles in progress.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Collect {
    from: u32,
    held: u32,
    asked: u32,
}

impl Collect {
    pub(super) fn new(look: &Look) -> Collect {
        Collect {
            from: look.num_gc,
            held: 0,
            asked: 0,
        }
    }

    /// What to do; nothing when the cycles are through.
    pub(super) fn next(&mut self, limits: &Limits, look: &Look) -> Option<Move> {
        if look.gc_running {
            return Some(Move::Wait(TICK));
        }
        if look.num_gc.wrapping_sub(self.from) >= limits.cycles {
            return None;
        }
        if look.gc_percent < 0 {
            self.held += 1;
            if self.held > MOST_HELD {
                return Some(Move::End(End::ProgramSetsGcPercent));
            }
            return Some(Move::Store(Store::transient(
                Knob::GcPercent,
                HELD_GC_PERCENT,
                "no cycle is forced while GOGC is off",
            )));
        }
        if look.last_gc_nanotime != LONG_AGO {
            self.asked += 1;
            if self.asked > limits.stores {
                return Some(Move::End(End::TimedOut));
            }
            return Some(Move::Store(Store::self_healing(
                Knob::LastGcNanotime,
                LONG_AGO,
                "a cycle is forced when the last one is long ago",
            )));
        }
        if look.sysmon_waiting {
            return Some(Move::WakeSysmon);
        }
        Some(Move::Wait(TICK))
    }
}
