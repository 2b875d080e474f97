//! [`Word`]: everything that is read of what steers the GC, by variable and field.
//!
//! Knows names, widths and places; not what a value means (see `state` and `sane`).

use super::Place;
use crate::layout::{Layout, Member};
use crate::{Error, Runtime};

/// Declares the words: `Name = "name in Go": variable, widths, field;`, where an optional word is
/// marked `may`.
macro_rules! words {
    ($layout:ident: $(
        $presence:ident $name:ident = $go:literal in $variable:literal [$($width:literal),*]
            $field:expr;
    )*) => {
        /// A word of the runtime that is read, and perhaps written.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(super) enum Word {
            $($name,)*
        }

        impl Word {
            /// Every word, each at its own index.
            pub(super) const ALL: [Word; Word::COUNT] = [$(Word::$name,)*];
            /// How many there are.
            pub(super) const COUNT: usize = [$(Word::$name,)*].len();

            /// Its name in the runtime.
            pub(super) fn name(self) -> &'static str {
                match self {
                    $(Word::$name => $go,)*
                }
            }

            /// The variable that it is a part of, the widths that it may have, and where in it it
            /// lies; whether nothing goes without it.
            fn source(
                self,
                $layout: &Layout,
            ) -> (&'static str, &'static [u32], Option<Member>, bool) {
                match self {
                    $(Word::$name => (
                        $variable,
                        &[$($width),*],
                        $field,
                        is_needed!($presence),
                    ),)*
                }
            }
        }
    };
}

/// Whether `need` or `may`.
macro_rules! is_needed {
    (need) => {
        true
    };
    (may) => {
        false
    };
}

/// A variable that is one number.
fn whole(size: u32) -> Option<Member> {
    Some(Member { offset: 0, size })
}

words! { layout:
    need GcPercent = "gcController.gcPercent" in "runtime.gcController" [4]
        Some(layout.gc_controller.gc_percent);
    need MemoryLimit = "gcController.memoryLimit" in "runtime.gcController" [8]
        Some(layout.gc_controller.memory_limit);
    need HeapMinimum = "gcController.heapMinimum" in "runtime.gcController" [8]
        layout.gc_controller.heap_minimum;
    need GcPercentHeapGoal = "gcController.gcPercentHeapGoal" in "runtime.gcController" [8]
        Some(layout.gc_controller.gc_percent_heap_goal);
    need Triggered = "gcController.triggered" in "runtime.gcController" [8]
        Some(layout.gc_controller.triggered);
    need HeapLive = "gcController.heapLive" in "runtime.gcController" [8]
        Some(layout.gc_controller.heap_live);
    need HeapMarked = "gcController.heapMarked" in "runtime.gcController" [8]
        Some(layout.gc_controller.heap_marked);
    need LastStackScan = "gcController.lastStackScan" in "runtime.gcController" [8]
        layout.gc_controller.last_stack_scan;
    need MaxStackScan = "gcController.maxStackScan" in "runtime.gcController" [8]
        layout.gc_controller.max_stack_scan;
    need GlobalsScan = "gcController.globalsScan" in "runtime.gcController" [8]
        layout.gc_controller.globals_scan;
    need HeapInUse = "gcController.heapInUse" in "runtime.gcController" [8]
        Some(layout.gc_controller.heap_in_use);
    need HeapReleased = "gcController.heapReleased" in "runtime.gcController" [8]
        Some(layout.gc_controller.heap_released);
    need HeapFree = "gcController.heapFree" in "runtime.gcController" [8]
        Some(layout.gc_controller.heap_free);
    need TotalAlloc = "gcController.totalAlloc" in "runtime.gcController" [8]
        Some(layout.gc_controller.total_alloc);
    need TotalFree = "gcController.totalFree" in "runtime.gcController" [8]
        Some(layout.gc_controller.total_free);
    need MappedReady = "gcController.mappedReady" in "runtime.gcController" [8]
        Some(layout.gc_controller.mapped_ready);

    need NumGc = "memstats.numgc" in "runtime.memstats" [4]
        Some(layout.mstats.numgc);
    need LastGcNanotime = "memstats.last_gc_nanotime" in "runtime.memstats" [8]
        Some(layout.mstats.last_gc_nanotime);
    need EnableGc = "memstats.enablegc" in "runtime.memstats" [1]
        layout.mstats.enablegc;

    need GcPhase = "gcphase" in "runtime.gcphase" [4] whole(4);
    need GcCycles = "work.cycles" in "runtime.work" [4]
        Some(layout.work.cycles);
    need ForcegcPeriod = "forcegcperiod" in "runtime.forcegcperiod" [8] whole(8);
    need Sweepgen = "mheap_.sweepgen" in "runtime.mheap_" [4]
        Some(layout.mheap.sweepgen);
    may SweepActive = "sweep.active.state" in "runtime.sweep" [4]
        layout.sweep.and_then(|sweep| sweep.active_state);

    need ScavengeGcPercentGoal = "scavenge.gcPercentGoal" in "runtime.scavenge" [8]
        layout.scavenge.and_then(|scavenge| scavenge.gc_percent_goal);
    need ScavengeMemoryLimitGoal = "scavenge.memoryLimitGoal" in "runtime.scavenge" [8]
        layout.scavenge.and_then(|scavenge| scavenge.memory_limit_goal);

    need ScavengerParked = "scavenger.parked" in "runtime.scavenger" [1]
        layout.scavenger.and_then(|scavenger| scavenger.parked);
    need ScavengerSysmonWake = "scavenger.sysmonWake" in "runtime.scavenger" [4]
        layout.scavenger.and_then(|scavenger| scavenger.sysmon_wake);
    need ScavengerSleepRatio = "scavenger.sleepRatio" in "runtime.scavenger" [8]
        layout.scavenger.and_then(|scavenger| scavenger.sleep_ratio);
    need ControllerKp = "scavenger.sleepController.kp" in "runtime.scavenger" [8]
        layout.scavenger.and_then(|scavenger| scavenger.kp);
    need ControllerTi = "scavenger.sleepController.ti" in "runtime.scavenger" [8]
        layout.scavenger.and_then(|scavenger| scavenger.ti);
    need ControllerTt = "scavenger.sleepController.tt" in "runtime.scavenger" [8]
        layout.scavenger.and_then(|scavenger| scavenger.tt);
    need ControllerMin = "scavenger.sleepController.min" in "runtime.scavenger" [8]
        layout.scavenger.and_then(|scavenger| scavenger.min);
    need ControllerMax = "scavenger.sleepController.max" in "runtime.scavenger" [8]
        layout.scavenger.and_then(|scavenger| scavenger.max);

    need SchedLock = "sched.lock.key" in "runtime.sched" [8]
        layout.sched.lock_key;
    need Gcwaiting = "sched.gcwaiting" in "runtime.sched" [1]
        layout.sched.gcwaiting;
    need Sysmonwait = "sched.sysmonwait" in "runtime.sched" [1]
        layout.sched.sysmonwait;
    need Sysmonnote = "sched.sysmonnote.key" in "runtime.sched" [8]
        layout.sched.sysmonnote_key;
    need Npidle = "sched.npidle" in "runtime.sched" [4]
        Some(layout.sched.npidle);
    need Gomaxprocs = "len(allp)" in "runtime.allp" [8]
        Some(Member { offset: 8, size: 8 });

    may Madvdontneed = "debug.madvdontneed" in "runtime.debug" [4]
        layout.debug.and_then(|debug| debug.madvdontneed);
    may Disablethp = "debug.disablethp" in "runtime.debug" [4]
        layout.debug.and_then(|debug| debug.disablethp);
    may Harddecommit = "debug.harddecommit" in "runtime.debug" [4]
        layout.debug.and_then(|debug| debug.harddecommit);
}

impl Word {
    /// Where it lies in the target; absent where it may be and is.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where a word that nothing goes without was not found, or is not as
    /// wide as in the releases that were tested.
    pub(super) fn find(self, runtime: &Runtime) -> Result<Option<Place>, Error> {
        let (variable, widths, member, needed) = self.source(&runtime.layout);
        let place = runtime.global(variable).zip(member).and_then(|found| {
            let (base, member) = found;
            let addr = member.at(base);
            let fits = widths.contains(&member.size) && addr.0.is_multiple_of(member.size.into());
            let size = u8::try_from(member.size).ok()?;
            fits.then_some(Place { addr, size })
        });
        if place.is_none() && needed {
            return Err(Error::Unsupported {
                found: runtime.version.raw.clone(),
                why: format!("{} was not found as it should be", self.name()),
            });
        }
        Ok(place)
    }

    /// The variables that nothing goes without.
    pub(super) fn needed_variables(layout: &Layout) -> impl Iterator<Item = &'static str> {
        let sources = Word::ALL.into_iter().map(|word| word.source(layout));
        sources.filter(|source| source.3).map(|source| source.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout;

    #[test]
    fn every_table_of_a_tested_release_names_every_word() {
        for key in layout::keys() {
            let release = layout::key_release(key).unwrap();
            if release < (21, 0) {
                continue;
            }
            let version = match key.split_once('-') {
                Some((release, experiment)) => format!("{release} X:{experiment}"),
                None => key.to_owned(),
            };
            let choice = layout::choose(&version.parse().unwrap()).unwrap();
            let layout = Layout::resolve(&choice.layouts).unwrap();
            for word in Word::ALL {
                let (_, widths, member, _) = word.source(&layout);
                // It came with 1.21.6.
                if word == Word::Disablethp && release < (21, 6) {
                    continue;
                }
                let member = member.unwrap_or_else(|| panic!("{key}: no {}", word.name()));
                assert!(widths.contains(&member.size), "{key}: {}", word.name());
            }
        }
    }

    #[test]
    fn each_word_is_at_its_index() {
        for (index, word) in Word::ALL.into_iter().enumerate() {
            assert_eq!(word as usize, index);
        }
    }
}
