//! [`Knob`]: a variable of the Go runtime that a policy may store into; [`Store`]: one such store.
//!
//! Does not know where a knob lies or how wide it is.
//!
//! Source: src/runtime/mgcpacer.go, mgcscavenge.go, proc.go, go1.21 to go1.27.

/// A variable of the runtime.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Knob {
    /// GOGC. Acts at the end of the next cycle.
    GcPercent,
    /// The heap goal by GOGC. Acts at once, until the end of the next cycle.
    GcPercentHeapGoal,
    /// The least heap goal: 4 MiB x GOGC / 100.
    HeapMinimum,
    /// GOMEMLIMIT. Acts at once.
    MemoryLimit,
    /// End of the last cycle. A GC is forced where it is long ago, and writes it anew.
    LastGcNanotime,
    /// Retained heap down to which the scavenger works; written anew at the end of each cycle.
    ScavengeGcPercentGoal,
    /// Mapped memory down to which the scavenger works; written anew at the end of each cycle.
    ScavengeMemoryLimitGoal,
    /// Asks sysmon to wake the scavenger, which clears it.
    ScavengerSysmonWake,
    /// Time that the scavenger works for each time that it sleeps.
    ScavengerSleepRatio,
    /// The least that the scavenger's controller makes of that ratio.
    ScavengerSleepControllerMin,
}

impl Knob {
    /// All of them.
    pub const ALL: [Knob; 10] = [
        Knob::GcPercent,
        Knob::GcPercentHeapGoal,
        Knob::HeapMinimum,
        Knob::MemoryLimit,
        Knob::LastGcNanotime,
        Knob::ScavengeGcPercentGoal,
        Knob::ScavengeMemoryLimitGoal,
        Knob::ScavengerSysmonWake,
        Knob::ScavengerSleepRatio,
        Knob::ScavengerSleepControllerMin,
    ];
}

/// How long a stored value stays, and who puts it right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lifetime {
    /// Stays until it is undone on request.
    Lasting,
    /// Put back by us, whatever happens to us.
    Transient,
    /// The runtime overwrites it by itself.
    SelfHealing,
}

/// One store that a policy wants.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Store {
    /// Into which variable.
    pub knob: Knob,
    /// The new value: the bits of the variable's type, sign-extended to 64.
    pub bits: u64,
    /// How long it stays.
    pub lifetime: Lifetime,
    /// Why, for the action log.
    pub reason: &'static str,
}

impl Store {
    /// A value that we put back.
    pub fn transient(knob: Knob, bits: u64, reason: &'static str) -> Store {
        Store {
            knob,
            bits,
            lifetime: Lifetime::Transient,
            reason,
        }
    }

    /// A value that the runtime overwrites by itself.
    pub fn self_healing(knob: Knob, bits: u64, reason: &'static str) -> Store {
        Store {
            lifetime: Lifetime::SelfHealing,
            ..Store::transient(knob, bits, reason)
        }
    }

    /// A value that stays.
    pub fn lasting(knob: Knob, bits: u64, reason: &'static str) -> Store {
        Store {
            lifetime: Lifetime::Lasting,
            ..Store::transient(knob, bits, reason)
        }
    }
}
