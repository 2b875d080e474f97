//! [`run`]: drives a [`Release`] through an actuator, and keeps the curve.

use super::{End, Limits, Move, Release};
use crate::{Knob, Look, Running, Store};

/// A point of the decay curve.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Point {
    /// Time since the release began, ns.
    pub at_ns: u64,
    /// Resident memory of the process, bytes.
    pub rss: u64,
    /// Free heap that was not returned, bytes.
    pub heap_free: u64,
    /// Cycles that the program has ended since its start.
    pub num_gc: u32,
}

/// What a release did.
#[derive(Clone, PartialEq, Debug)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// The first look.
    pub before: Look,
    /// The last look before values were put back.
    pub after: Look,
    /// RSS and free heap over time, a point for each change.
    pub curve: Vec<Point>,
    /// Cycles that ended meanwhile, ours and the program's own.
    pub cycles: u32,
    /// Stores made.
    pub stores: u32,
    /// Times that sysmon was woken, for which all threads stood still.
    pub wakes: u32,
    /// The longest of these stops, ns.
    pub pause_ns_max: u64,
    /// From the first look to the last, ns.
    pub took_ns: u64,
}

/// Points that a curve has at most; later ones replace the last.
const MOST_POINTS: usize = 4096;
/// Changes of RSS or free heap that are worth a point, in bytes.
const WORTH: u64 = 256 << 10;

/// Releases, telling `seen` of each look.
///
/// Whatever happens, the actuator is asked to put back what is transient.
///
/// # Errors
/// The actuator's own; what was transient was put back, or the error of that is returned.
pub fn run<R: Running>(
    target: &mut R,
    limits: Limits,
    seen: &mut dyn FnMut(&Look),
) -> Result<Outcome, R::Error> {
    let driven = drive(target, limits, seen);
    target.restore()?;
    let outcome = driven?;
    settle(target, &outcome.before)?;
    Ok(outcome)
}

fn drive<R: Running>(
    target: &mut R,
    limits: Limits,
    seen: &mut dyn FnMut(&Look),
) -> Result<Outcome, R::Error> {
    let mut release = Release::new(limits);
    let mut outcome = Outcome::begin(target.look()?);
    let mut look = outcome.before;
    loop {
        seen(&look);
        outcome.note(&look);
        if target.is_interrupted() {
            release.interrupt();
        }
        match release.next(&look) {
            Move::Store(store) => {
                outcome.stores += 1;
                target.store(&store)?;
            }
            Move::WakeSysmon => {
                outcome.wakes += 1;
                let wake = target.wake_sysmon()?;
                outcome.pause_ns_max = outcome.pause_ns_max.max(wake.pause_ns());
                // It takes a moment until it says that it no longer waits.
                target.wait(super::TICK);
            }
            Move::Wait(time) => target.wait(time),
            Move::End(end) => {
                outcome.end = end;
                return Ok(outcome);
            }
        }
        look = target.look()?;
    }
}

/// Hastens what the runtime would put right by itself.
///
/// The scavenger's controller brings the sleep ratio down the next time that it works; and in a
/// program with GOGC=off our cycles left a heap goal behind, where there was none.
fn settle<R: Running>(target: &mut R, before: &Look) -> Result<(), R::Error> {
    let now = target.look()?;
    if now.scavenger_sleep_ratio > before.scavenger_sleep_ratio {
        let bits = before.bits(Knob::ScavengerSleepRatio);
        let reason = "the scavenger's pace, as it was";
        target.store(&Store::self_healing(
            Knob::ScavengerSleepRatio,
            bits,
            reason,
        ))?;
    }
    let goal = before.gc_percent_heap_goal;
    let was_off = before.gc_percent < 0 && goal == u64::MAX;
    if was_off && now.gc_percent < 0 && now.gc_percent_heap_goal != goal {
        let reason = "GOGC=off has no heap goal";
        target.store(&Store::self_healing(Knob::GcPercentHeapGoal, goal, reason))?;
    }
    Ok(())
}

impl Outcome {
    fn begin(before: Look) -> Outcome {
        Outcome {
            end: End::TimedOut,
            before,
            after: before,
            curve: Vec::new(),
            cycles: 0,
            stores: 0,
            wakes: 0,
            pause_ns_max: 0,
            took_ns: 0,
        }
    }

    fn note(&mut self, look: &Look) {
        self.after = *look;
        self.cycles = look.num_gc.wrapping_sub(self.before.num_gc);
        self.took_ns = look.at_ns.saturating_sub(self.before.at_ns);
        let point = Point {
            at_ns: self.took_ns,
            rss: look.rss,
            heap_free: look.heap_free,
            num_gc: look.num_gc,
        };
        let moved = self.curve.last().is_none_or(|last| {
            last.rss
                .abs_diff(point.rss)
                .max(last.heap_free.abs_diff(point.heap_free))
                >= WORTH
        });
        if moved && self.curve.len() < MOST_POINTS {
            self.curve.push(point);
        } else if moved && let Some(last) = self.curve.last_mut() {
            *last = point;
        }
    }
}
