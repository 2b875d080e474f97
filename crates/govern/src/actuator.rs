//! [`Actuator`]: whoever carries out stores; [`Running`]: one that can also look at its target.

use std::time::Duration;

use crate::{Knob, Store};

/// Carries out stores.
///
/// There is one for a running process, which journals each store before it makes it, and one for a
/// child that is about to be started ([`Environment`](crate::Environment)).
pub trait Actuator {
    /// Why a store was not made.
    type Error;

    /// Makes one store.
    ///
    /// # Errors
    /// Where it was refused or failed; the target is then as it was.
    fn store(&mut self, store: &Store) -> Result<(), Self::Error>;
}

/// An actuator whose target runs.
pub trait Running: Actuator {
    /// Looks at the target's counters.
    ///
    /// # Errors
    /// Where the target is gone or no longer makes sense.
    fn look(&mut self) -> Result<Look, Self::Error>;

    /// Wakes sysmon, which sleeps for up to a minute in a program that idles.
    ///
    /// # Errors
    /// Where the target could not be stopped for it.
    fn wake_sysmon(&mut self) -> Result<Wake, Self::Error>;

    /// Puts every transient value back, the newest first.
    ///
    /// # Errors
    /// Where that failed: the journal then still names what is left to do.
    fn restore(&mut self) -> Result<(), Self::Error>;

    /// Lets time pass.
    fn wait(&mut self, time: Duration);

    /// Whether somebody asked for an early end, by a signal for example.
    fn is_interrupted(&self) -> bool {
        false
    }
}

/// What waking sysmon came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wake {
    /// It was asleep and is awake; the target stood still for so many nanoseconds.
    Woken {
        /// The longest that any of its threads was held.
        pause_ns: u64,
    },
    /// It was awake.
    Awake {
        /// The longest that any of its threads was held.
        pause_ns: u64,
    },
    /// A thread held the scheduler's lock each time that we looked: try again.
    Locked {
        /// The longest that any of its threads was held.
        pause_ns: u64,
    },
}

impl Wake {
    /// How long the target stood still.
    pub fn pause_ns(self) -> u64 {
        match self {
            Wake::Woken { pause_ns } | Wake::Awake { pause_ns } | Wake::Locked { pause_ns } => {
                pause_ns
            }
        }
    }
}

/// The counters that policies look at, at one moment. Bytes unless said otherwise.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Look {
    /// Time on the actuator's clock, from any start, in nanoseconds.
    pub at_ns: u64,
    /// The process's resident memory, as near as the kernel tells without walking its page table.
    pub rss: u64,
    /// Cycles that ended.
    pub num_gc: u32,
    /// A cycle runs.
    pub gc_running: bool,
    /// GOGC in percent; -1 is off.
    pub gc_percent: i32,
    /// GOMEMLIMIT; `i64::MAX` is none.
    pub memory_limit: i64,
    /// The heap goal by GOGC; `u64::MAX` is none.
    pub gc_percent_heap_goal: u64,
    /// The least heap goal.
    pub heap_minimum: u64,
    /// Allocated since, or marked by, the last cycle.
    pub heap_live: u64,
    /// Marked by the last cycle.
    pub heap_marked: u64,
    /// Objects: allocated less freed.
    pub heap_alloc: u64,
    /// Spans in use.
    pub heap_in_use: u64,
    /// Free spans that were not returned.
    pub heap_free: u64,
    /// Free spans that were returned.
    pub heap_released: u64,
    /// Everything that the memory limit counts.
    pub mapped_ready: u64,
    /// End of the last cycle by the target's monotonic clock, ns; 0 before the first.
    pub last_gc_nanotime: u64,
    /// See [`Knob::ScavengeGcPercentGoal`].
    pub scavenge_gc_percent_goal: u64,
    /// See [`Knob::ScavengeMemoryLimitGoal`].
    pub scavenge_memory_limit_goal: u64,
    /// The scavenger sleeps until it is woken.
    pub scavenger_parked: bool,
    /// See [`Knob::ScavengerSysmonWake`].
    pub scavenger_sysmon_wake: bool,
    /// See [`Knob::ScavengerSleepRatio`].
    pub scavenger_sleep_ratio: f64,
    /// See [`Knob::ScavengerSleepControllerMin`].
    pub scavenger_sleep_controller_min: f64,
    /// sysmon sleeps until it is woken, or for up to a minute.
    pub sysmon_waiting: bool,
}

impl Look {
    /// What is in a knob, as [`Store::bits`] has it.
    pub fn bits(&self, knob: Knob) -> u64 {
        match knob {
            Knob::GcPercent => i64::from(self.gc_percent).cast_unsigned(),
            Knob::GcPercentHeapGoal => self.gc_percent_heap_goal,
            Knob::HeapMinimum => self.heap_minimum,
            Knob::MemoryLimit => self.memory_limit.cast_unsigned(),
            Knob::LastGcNanotime => self.last_gc_nanotime,
            Knob::ScavengeGcPercentGoal => self.scavenge_gc_percent_goal,
            Knob::ScavengeMemoryLimitGoal => self.scavenge_memory_limit_goal,
            Knob::ScavengerSysmonWake => u64::from(self.scavenger_sysmon_wake),
            Knob::ScavengerSleepRatio => self.scavenger_sleep_ratio.to_bits(),
            Knob::ScavengerSleepControllerMin => self.scavenger_sleep_controller_min.to_bits(),
        }
    }

    /// What the memory limit counts beside objects and free spans: stacks, structures, free
    /// slots. Source: mgcpacer.go, `memoryLimitHeapGoal`.
    pub fn non_heap(&self) -> u64 {
        let heap = self.heap_free.saturating_add(self.heap_alloc);
        self.mapped_ready.saturating_sub(heap)
    }

    /// Objects that the last cycle found live; all that was allocated before the first.
    pub fn live(&self) -> u64 {
        if self.num_gc == 0 || self.heap_marked == 0 {
            self.heap_live
        } else {
            self.heap_marked
        }
    }
}
