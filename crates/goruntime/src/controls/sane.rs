//! [`ControlState::check`]: whether what was read can be what we take it for.
//!
//! Variables that were found in a stripped program by the code that uses them are believed here
//! only where their values are those of the runtime: constants that never change, switches, sums.
//! A value that a killed letgo may have left behind is no flaw, since somebody has to put it right.
//!
//! Source: src/runtime/mgcpacer.go, mgcscavenge.go, proc.go, go1.21 to go1.27.

use letgo_target::Addr;

use super::{ControlState, HEAP_MINIMUM, PiController, heap_minimum};
use crate::Error;

/// Largest GOGC that is believed.
const MOST_PERCENT: i32 = 1_000_000;
/// Largest heap that is believed: the address space.
const MOST_HEAP: u64 = 1 << 47;
/// `forcegcperiod`, ns. Source: proc.go.
const FORCEGC_PERIOD: i64 = 120_000_000_000;
/// The last of the GC's phases, `_GCmarktermination`. Source: mgc.go.
const LAST_PHASE: u32 = 2;
/// Most Ps that are believed.
const MOST_PROCESSORS: u32 = 1 << 16;
/// How far counters that are updated one after the other may be apart in a running target, at
/// least; and a part of the larger one, one eighth.
const SLACK: u64 = 64 << 20;

impl ControlState {
    /// Whether this can be what steers a Go runtime's GC. What fails once may hold in a second
    /// reading of a running target.
    ///
    /// # Errors
    /// [`Error::Inconsistent`], a sentence for the first rule that is broken.
    pub fn check(&self) -> Result<(), Error> {
        if let Some((name, value)) = self.odd_switch {
            return broken(name, format!("{value} is neither on nor off"));
        }
        self.check_pacer()?;
        self.check_heap()?;
        self.check_cycle()?;
        self.check_scavenger()?;
        self.check_scheduler()
    }

    fn check_pacer(&self) -> Result<(), Error> {
        let percent = self.gc_percent;
        if !(-1..=MOST_PERCENT).contains(&percent) {
            return broken("gcController.gcPercent", format!("no GOGC is {percent}"));
        }
        if self.memory_limit < 0 {
            let why = format!("no memory limit is {}", self.memory_limit);
            return broken("gcController.memoryLimit", why);
        }
        if !is_heap_minimum(self.heap_minimum) {
            let why = format!("{} is not the least goal of any GOGC", self.heap_minimum);
            return broken("gcController.heapMinimum", why);
        }
        Ok(())
    }

    fn check_heap(&self) -> Result<(), Error> {
        let sizes = [
            ("gcController.heapLive", self.heap_live),
            ("gcController.heapMarked", self.heap_marked),
            ("gcController.lastStackScan", self.last_stack_scan),
            ("gcController.maxStackScan", self.max_stack_scan),
            ("gcController.globalsScan", self.globals_scan),
            ("gcController.heapInUse", self.heap_in_use),
            ("gcController.heapReleased", self.heap_released),
            ("gcController.heapFree", self.heap_free),
            ("gcController.mappedReady", self.mapped_ready),
        ];
        if let Some((name, value)) = sizes.into_iter().find(|(_, value)| *value > MOST_HEAP) {
            return broken(name, format!("{value} is more than there is address space"));
        }
        let heap = self.heap_in_use.saturating_add(self.heap_free);
        if exceeds(heap, self.mapped_ready) {
            let why = format!(
                "the heap has {heap} bytes in use or free, and only {} are mapped",
                self.mapped_ready
            );
            return broken("gcController.mappedReady", why);
        }
        if exceeds(self.total_free, self.total_alloc) {
            let why = format!(
                "{} bytes were freed, and only {} were ever allocated",
                self.total_free, self.total_alloc
            );
            return broken("gcController.totalFree", why);
        }
        Ok(())
    }

    fn check_cycle(&self) -> Result<(), Error> {
        if self.gc_phase > LAST_PHASE {
            return broken("gcphase", format!("there is no phase {}", self.gc_phase));
        }
        let running = self.gc_cycles.wrapping_sub(self.num_gc);
        if running > 1 {
            let why = format!("{} cycles began, and {} ended", self.gc_cycles, self.num_gc);
            return broken("work.cycles", why);
        }
        if self.last_gc_nanotime.cast_signed() < 0 {
            let why = format!("no cycle ended at {}", self.last_gc_nanotime);
            return broken("memstats.last_gc_nanotime", why);
        }
        if !self.sweepgen.is_multiple_of(2) {
            let why = format!("the sweep generation {} is odd", self.sweepgen);
            return broken("mheap_.sweepgen", why);
        }
        if self.forcegc_period != FORCEGC_PERIOD {
            let why = format!(
                "it is {} ns, and two minutes in every program that nobody changed",
                self.forcegc_period
            );
            return broken("forcegcperiod", why);
        }
        Ok(())
    }

    fn check_scavenger(&self) -> Result<(), Error> {
        let found = self.scavenger_sleep_controller;
        let usual = PiController::default();
        let same = |a: f64, b: f64| a.to_bits() == b.to_bits();
        if !(same(found.kp, usual.kp)
            && same(found.ti, usual.ti)
            && same(found.tt, usual.tt)
            && same(found.max, usual.max))
        {
            let why = format!("{found:?} is not what every release starts with");
            return broken("scavenger.sleepController", why);
        }
        let pace = 0.0..=found.max;
        let ratios = [
            ("scavenger.sleepController.min", found.min),
            ("scavenger.sleepRatio", self.scavenger_sleep_ratio),
        ];
        let sane = |ratio: f64| ratio > 0.0 && pace.contains(&ratio);
        if let Some((name, ratio)) = ratios.into_iter().find(|(_, ratio)| !sane(*ratio)) {
            return broken(name, format!("no pace of the scavenger is {ratio}"));
        }
        let goals = [
            ("scavenge.gcPercentGoal", self.scavenge_gc_percent_goal),
            ("scavenge.memoryLimitGoal", self.scavenge_memory_limit_goal),
        ];
        // The runtime sets one only where more than that is mapped.
        let beyond = |goal: u64| goal != u64::MAX && goal > MOST_HEAP;
        if let Some((name, goal)) = goals.into_iter().find(|(_, goal)| beyond(*goal)) {
            return broken(name, format!("no goal of the scavenger is {goal}"));
        }
        Ok(())
    }

    fn check_scheduler(&self) -> Result<(), Error> {
        if self.gomaxprocs == 0 || self.gomaxprocs > MOST_PROCESSORS {
            let why = format!("no program has {} of them", self.gomaxprocs);
            return broken("allp", why);
        }
        if self.npidle > MOST_PROCESSORS {
            let why = format!("no program has {} idle Ps", self.npidle);
            return broken("sched.npidle", why);
        }
        Ok(())
    }
}

fn broken(what: &str, why: String) -> Result<(), Error> {
    Err(Error::inconsistent(what, Addr::NULL, why))
}

/// Whether `part` is larger than `whole`, and not just because they were read one after the other.
fn exceeds(part: u64, whole: u64) -> bool {
    part > whole.saturating_add((whole / 8).max(SLACK))
}

/// Whether some GOGC has this least goal.
fn is_heap_minimum(found: u64) -> bool {
    if found == heap_minimum(-1) {
        return true;
    }
    let percent = u128::from(found) * 100 / u128::from(HEAP_MINIMUM);
    let Ok(percent) = i32::try_from(percent) else {
        return false;
    };
    // The runtime rounds down, and so did we.
    let near = [percent, percent.saturating_add(1)];
    percent <= MOST_PERCENT
        && near
            .into_iter()
            .any(|percent| heap_minimum(percent) == found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Family;

    /// An idle program on GOGC=100 without a limit.
    fn idle() -> ControlState {
        ControlState {
            gc_percent: 100,
            memory_limit: i64::MAX,
            heap_minimum: 4 << 20,
            gc_percent_heap_goal: 20 << 20,
            triggered: u64::MAX,
            heap_live: 11 << 20,
            heap_marked: 10 << 20,
            heap_in_use: 12 << 20,
            heap_released: 1 << 20,
            heap_free: 7 << 20,
            total_alloc: 90 << 20,
            total_free: 80 << 20,
            mapped_ready: 30 << 20,
            num_gc: 5,
            gc_cycles: 5,
            last_gc_nanotime: 1,
            enable_gc: true,
            forcegc_period: 120_000_000_000,
            sweepgen: 10,
            scavenge_gc_percent_goal: u64::MAX,
            scavenge_memory_limit_goal: u64::MAX,
            scavenger_parked: true,
            scavenger_sleep_ratio: 0.001,
            npidle: 2,
            gomaxprocs: 2,
            ..ControlState::default()
        }
    }

    /// What the check says of the idle program after `change`; empty where it is content.
    fn said(change: impl Fn(&mut ControlState)) -> String {
        let mut state = idle();
        change(&mut state);
        match state.check() {
            Ok(()) => String::new(),
            Err(error) => {
                assert_eq!(error.family(), Family::Inconsistent);
                error.to_string()
            }
        }
    }

    #[test]
    fn an_idle_program_and_what_letgo_may_have_left_are_sane() {
        assert_eq!(said(|_| {}), "");
        let left = said(|state| {
            state.scavenger_sleep_ratio = 100.0;
            state.scavenger_sleep_controller.min = 100.0;
            state.scavenge_gc_percent_goal = 0;
            state.scavenge_memory_limit_goal = 0;
            state.scavenger_sysmon_wake = 1;
            state.gc_percent = -1;
        });
        assert_eq!(left, "");
        let off = said(|state| {
            state.gc_percent = -1;
            state.heap_minimum = heap_minimum(-1);
            state.gc_percent_heap_goal = u64::MAX;
            state.memory_limit = 1 << 28;
        });
        assert_eq!(off, "");
    }

    #[test]
    fn a_cycle_under_way_is_sane() {
        let marking = said(|state| {
            state.gc_phase = 1;
            state.gc_cycles = 6;
            state.triggered = 15 << 20;
        });
        assert_eq!(marking, "");
    }

    #[test]
    fn every_broken_rule_is_named() {
        type Change = fn(&mut ControlState);
        let rules: [(&str, Change); 19] = [
            ("gcController.gcPercent", |s| s.gc_percent = -2),
            ("gcController.gcPercent", |s| s.gc_percent = 1_000_001),
            ("gcController.memoryLimit", |s| s.memory_limit = -1),
            ("gcController.heapMinimum", |s| s.heap_minimum = 12_345),
            ("gcController.heapMinimum", |s| s.heap_minimum = 1 << 60),
            ("gcController.heapLive", |s| s.heap_live = 1 << 48),
            ("gcController.globalsScan", |s| s.globals_scan = u64::MAX),
            ("gcController.mappedReady", |s| s.heap_free = 1 << 40),
            ("gcController.totalFree", |s| s.total_free = 1 << 40),
            ("gcphase", |s| s.gc_phase = 3),
            ("work.cycles", |s| s.gc_cycles = 7),
            ("work.cycles", |s| s.gc_cycles = 4),
            ("memstats.last_gc_nanotime", |s| {
                s.last_gc_nanotime = 1 << 63
            }),
            ("mheap_.sweepgen", |s| s.sweepgen = 11),
            ("forcegcperiod", |s| s.forcegc_period = 1),
            ("scavenger.sleepController", |s| {
                s.scavenger_sleep_controller.kp = 0.5;
            }),
            ("scavenger.sleepRatio", |s| {
                s.scavenger_sleep_ratio = f64::NAN
            }),
            ("scavenger.sleepController.min", |s| {
                s.scavenger_sleep_controller.min = 0.0;
            }),
            ("scavenge.gcPercentGoal", |s| {
                s.scavenge_gc_percent_goal = u64::MAX - 1;
            }),
        ];
        for (name, change) in rules {
            let said = said(change);
            assert!(said.starts_with(&format!("{name} ")), "{name}: {said}");
        }
    }

    #[test]
    fn a_switch_that_is_neither_on_nor_off_is_something_else() {
        let said = said(|state| state.odd_switch = Some(("sched.sysmonwait", 77)));
        assert!(said.contains("77 is neither on nor off"), "{said}");
    }

    #[test]
    fn the_least_goal_of_any_gogc_is_one() {
        for percent in [-1, 0, 1, 3, 7, 33, 100, 101, 999, 1_000_000] {
            assert!(is_heap_minimum(heap_minimum(percent)), "{percent}");
        }
        for other in [1, 100, (4 << 20) + 1, u64::MAX] {
            assert!(!is_heap_minimum(other), "{other}");
        }
    }
}
