//! [`facts`]: a reading as the rules want to know it.

use std::collections::BTreeMap;

use letgo_account::{Leaf, Tally};
use letgo_diagnose::{
    Container, DebugVars, Environment, Facts, Goroutines, LeafBytes, Malloc, Mapping, Profile,
    Rates, SizeClass, Target, Threads,
};
use letgo_linux::cgroup;

use super::{Opened, Reading, Surroundings};

/// Joins a reading with what surrounds the process.
pub fn facts(opened: &Opened, reading: &Reading, around: &Surroundings) -> Facts {
    let census = &reading.census;
    Facts {
        target: target(opened, around),
        rss_bytes: reading.rss.rss,
        swap_bytes: reading.residency.swapped(),
        locked_bytes: reading.rss.locked,
        lazy_free_bytes: reading.rss.lazy_free,
        leaves: leaves(reading),
        stats: reading.stats(),
        last_gc_age_ns: reading.last_gc_age_ns(),
        scavenge_goal: census.scavenge_goal,
        rates: reading.delta.map(|_| rates(reading)).flatten(),
        size_classes: size_classes(reading),
        goroutines: goroutines(reading),
        threads: Threads {
            count: around.threads,
            runtime_count: census.threads.len() as u64,
        },
        profile: profile(reading),
        mappings: mappings(reading),
        thp: around.thp,
        container: around.memory.as_ref().map(|memory| container(around, memory)),
        host_memory_bytes: around.host_memory_bytes,
        environment: environment(around),
        debug: DebugVars {
            madvdontneed: census.debug.madvdontneed,
            disablethp: census.debug.disablethp,
            profstackdepth: census.debug.profstackdepth,
            mem_profile_rate: census.debug.mem_profile_rate,
        },
        malloc: Malloc {
            arenas: reading.account.malloc.arenas,
            arena_resident_bytes: reading.account.malloc.arena_resident.0,
        },
    }
}
