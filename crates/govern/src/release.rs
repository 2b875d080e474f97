//! [`Release`]: give back the free heap of a running program, now.
//!
//! What the runtime does by itself within minutes, asked for within a fraction of a second:
//!
//! 1. **collect**: two forced cycles. One is not enough: the scavenger leaves a 4 MiB chunk alone
//!    that was nearly full in this cycle or the last. A cycle is forced by an old
//!    `last_gc_nanotime`, which sysmon finds at its next turn, and which every cycle writes anew.
//! 2. **give back**: the scavenger's goals at zero and its pacing at full speed, woken until
//!    nothing more goes.
//! 3. everything put back.
//!
//! With GOGC=off no cycle is forced, so 100 is held meanwhile; `heapMinimum` still is what GOGC=off
//! made of it, so no cycle starts by the heap's size. A program that sets its own GOGC back keeps
//! it: after the second time we stop.
//!
//! A pure state machine: [`Release::next`] takes a [`Look`] and answers with a [`Move`]; [`run`]
//! drives it. It stores into no other knob than those named here, each bounded in number.
//!
//! Source: src/runtime/mgc.go, `gcTrigger.test`; proc.go, `sysmon`; mgcscavenge.go,
//! `scavengerState`, `shouldScavenge`; go1.21 to go1.27.

mod collect;
mod drive;
mod give_back;

use std::time::Duration;

use crate::{Look, Store};

pub use drive::{Outcome, Point, run};

/// What bounds a release.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Time that all of it may take.
    pub time: Duration,
    /// Cycles to force. Two is what it takes, see the module.
    pub cycles: u32,
    /// Free heap that is not worth another wake of the scavenger, in bytes.
    pub floor: u64,
    /// Bytes less of free heap that count as progress.
    pub gain: u64,
    /// Time without progress after which the scavenger is left alone.
    pub patience: Duration,
    /// Wakes of the scavenger in a row that may bring nothing, and the time that they are given.
    pub idle_wakes: u32,
    /// Time without progress before a wake counts as having brought nothing: a thread that waits
    /// for a processor takes that long.
    pub idle_time: Duration,
    /// Stores into one knob: more of them means that the program and we disagree.
    pub stores: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            time: Duration::from_secs(30),
            cycles: 2,
            floor: 1 << 20,
            gain: 256 << 10,
            patience: Duration::from_millis(1500),
            idle_wakes: 2,
            idle_time: Duration::from_millis(50),
            stores: 200,
        }
    }
}

/// What is to be done next.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Move {
    /// A store.
    Store(Store),
    /// Wake sysmon.
    WakeSysmon,
    /// Look again after a while.
    Wait(Duration),
    /// It is over; what is transient is to be put back.
    End(End),
}

/// How a release ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// Nothing more goes.
    Flat,
    /// The cycles that were asked for did not come, or the scavenger did not get on, in time.
    TimedOut,
    /// The program sets GOGC by itself.
    ProgramSetsGcPercent,
    /// Somebody asked for an early end.
    Interrupted,
}

/// Where it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// A cycle that began before us is let end.
    Settle,
    Collect(collect::Collect),
    GiveBack(give_back::GiveBack),
    Over(End),
}

/// A release in progress.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Release {
    limits: Limits,
    began_ns: Option<u64>,
    phase: Phase,
}

/// The tick of [`Move::Wait`] while something is about to happen.
const TICK: Duration = Duration::from_millis(1);

impl Release {
    /// A release that has not begun.
    pub fn new(limits: Limits) -> Release {
        Release {
            limits,
            began_ns: None,
            phase: Phase::Settle,
        }
    }

    /// What to do now. After [`Move::End`] it answers with that for ever.
    pub fn next(&mut self, look: &Look) -> Move {
        let began = *self.began_ns.get_or_insert(look.at_ns);
        let late = look.at_ns.saturating_sub(began) > nanoseconds(self.limits.time);
        if late && !matches!(self.phase, Phase::Over(_)) {
            self.phase = Phase::Over(End::TimedOut);
        }
        loop {
            match &mut self.phase {
                Phase::Settle if look.gc_running => return Move::Wait(TICK),
                Phase::Settle => self.phase = Phase::Collect(collect::Collect::new(look)),
                Phase::Collect(collect) => match collect.next(&self.limits, look) {
                    Some(next) => return self.note(next),
                    None => self.phase = Phase::GiveBack(give_back::GiveBack::new(look)),
                },
                Phase::GiveBack(give_back) => {
                    let next = give_back.next(&self.limits, look);
                    return self.note(next);
                }
                Phase::Over(end) => return Move::End(*end),
            }
        }
    }

    /// Whether the scavenger is at work: what is looked at now is the decay.
    pub fn is_giving_back(&self) -> bool {
        matches!(self.phase, Phase::GiveBack(_))
    }

    /// Ends it early.
    pub fn interrupt(&mut self) {
        if !matches!(self.phase, Phase::Over(_)) {
            self.phase = Phase::Over(End::Interrupted);
        }
    }

    fn note(&mut self, next: Move) -> Move {
        if let Move::End(end) = next {
            self.phase = Phase::Over(end);
        }
        next
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
