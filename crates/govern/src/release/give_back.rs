//! [`GiveBack`]: the scavenger, unpaced, until nothing more goes.

use super::{End, Limits, Move, TICK, nanoseconds};
use crate::{Knob, Look, Store};

/// Work for each sleep, times: the scavenger sleeps for 1 % of its time instead of 99 %.
const FULL_SPEED: f64 = 100.0;

/// The scavenger at work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct GiveBack {
    /// The least free heap so far, and when it was last less by a gain.
    least: u64,
    progress_ns: u64,
    /// Wakes in a row without a gain.
    idle_wakes: u32,
    /// The least free heap when the scavenger was last woken; nothing before the first time.
    woken_at: Option<u64>,
    stores: u32,
}

impl GiveBack {
    pub(super) fn new(look: &Look) -> GiveBack {
        GiveBack {
            least: look.heap_free,
            progress_ns: look.at_ns,
            idle_wakes: 0,
            woken_at: None,
            stores: 0,
        }
    }

    pub(super) fn next(&mut self, limits: &Limits, look: &Look) -> Move {
        if look.heap_free.saturating_add(limits.gain) <= self.least {
            self.least = look.heap_free;
            self.progress_ns = look.at_ns;
        }
        if look.heap_free <= limits.floor {
            return Move::End(End::Flat);
        }
        if look.at_ns.saturating_sub(self.progress_ns) > nanoseconds(limits.patience) {
            return Move::End(End::Flat);
        }
        if let Some(store) = wanted(look) {
            self.stores += 1;
            // A program that collects all the time sets the goals as often.
            let most = limits.stores;
            return if self.stores > most {
                Move::End(End::Flat)
            } else {
                Move::Store(store)
            };
        }
        if !look.scavenger_parked {
            return Move::Wait(TICK);
        }
        self.wake(limits, look)
    }

    /// The scavenger sleeps: it is woken as long as that brings something.
    fn wake(&mut self, limits: &Limits, look: &Look) -> Move {
        if look.scavenger_sysmon_wake {
            return if look.sysmon_waiting {
                Move::WakeSysmon
            } else {
                Move::Wait(TICK)
            };
        }
        let quiet = look.at_ns.saturating_sub(self.progress_ns) > nanoseconds(limits.idle_time);
        match self.woken_at {
            Some(before) if self.least >= before && !quiet => return Move::Wait(TICK),
            Some(before) if self.least >= before => self.idle_wakes += 1,
            _ => self.idle_wakes = 0,
        }
        if self.idle_wakes >= limits.idle_wakes {
            return Move::End(End::Flat);
        }
        self.woken_at = Some(self.least);
        Move::Store(Store::self_healing(
            Knob::ScavengerSysmonWake,
            1,
            "sysmon wakes the scavenger",
        ))
    }
}

/// A knob that is not as the scavenger needs it.
fn wanted(look: &Look) -> Option<Store> {
    let slow = |ratio: f64| ratio < FULL_SPEED;
    if slow(look.scavenger_sleep_controller_min) {
        return Some(Store::transient(
            Knob::ScavengerSleepControllerMin,
            FULL_SPEED.to_bits(),
            "the scavenger's controller keeps it at full speed",
        ));
    }
    if slow(look.scavenger_sleep_ratio) {
        // Its controller moves it from there, so what is put back is not what we stored.
        return Some(Store::self_healing(
            Knob::ScavengerSleepRatio,
            FULL_SPEED.to_bits(),
            "the scavenger works at full speed",
        ));
    }
    let goals = [Knob::ScavengeGcPercentGoal, Knob::ScavengeMemoryLimitGoal];
    let high = goals.into_iter().find(|goal| look.bits(*goal) != 0)?;
    Some(Store::transient(high, 0, "the scavenger keeps nothing"))
}
