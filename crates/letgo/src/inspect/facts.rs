//! [`facts`]: a reading as the rules want to know it.

use std::collections::BTreeMap;

use letgo_account::Leaf;
use letgo_diagnose::{
    Container, DebugVars, Environment, Facts, Goroutines, LeafBytes, Malloc, Mapping, Measure,
    Profile, Rates, SizeClass, State, Target, Threads,
};
use letgo_gobin::BuildInfo;

use super::{Program, Reading, Surroundings, extent};

/// Joins a reading with what surrounds the process.
pub fn facts(program: &Program, reading: &Reading, around: &Surroundings) -> Facts {
    let census = &reading.census;
    Facts {
        target: target(program, around),
        measure: match reading.rss {
            Some(_) => Measure::Resident,
            None => Measure::Virtual,
        },
        rss_bytes: match reading.rss {
            Some(rss) => rss.rss,
            None => extent::bytes(&reading.account),
        },
        swap_bytes: reading.residency.swapped(),
        locked_bytes: reading.rss.map_or(0, |rss| rss.locked),
        lazy_free_bytes: reading.rss.map_or(0, |rss| rss.lazy_free),
        leaves: leaves(reading),
        stats: reading.stats(),
        last_gc_age_ns: reading.last_gc_age_ns(),
        scavenge_goal: None,
        rates: rates(reading),
        size_classes: size_classes(reading),
        reached: reading.account.reached.clone(),
        goroutines: goroutines(reading),
        goroutine_groups: None,
        outliving: None,
        backlogs: None,
        holders: None,
        containers: None,
        threads: Threads {
            count: around.threads,
            runtime_count: census.threads.len() as u64,
        },
        profile: profile(reading),
        mappings: mappings(reading),
        thp: around.thp,
        container: container(around),
        host_memory_bytes: around.host_memory_bytes,
        environment: Environment {
            known: around.environment.is_some(),
            gogc: around.variable("GOGC"),
            gomemlimit: around.variable("GOMEMLIMIT"),
            godebug: around.variable("GODEBUG"),
            malloc_arena_max: around.variable("MALLOC_ARENA_MAX"),
        },
        debug: DebugVars {
            madvdontneed: census.debug.madvdontneed,
            disablethp: census.debug.disablethp,
            profstackdepth: None,
            mem_profile_rate: None,
        },
        malloc: Malloc {
            arenas: reading.account.malloc_arenas.count,
            arena_resident_bytes: reading.account.malloc_arenas.resident.0,
        },
    }
}

fn target(program: &Program, around: &Surroundings) -> Target {
    let build = &program.binary.build;
    Target {
        pid: program.pid,
        exe: program.exe.clone(),
        uptime_ns: around.uptime.map_or(0, nanoseconds),
        go_minor: build.version.minor,
        go_patch: build.version.patch,
        cgo: program.binary.cgo(),
        modules: modules(build),
        state: around.state.unwrap_or(State::Runs),
        file: program.file.as_ref().map(|file| file.display().to_string()),
    }
}

/// Its own module and those that it depends on.
fn modules(build: &BuildInfo) -> Vec<String> {
    let own = build.module.iter().map(|(path, _)| path);
    own.chain(&build.dependencies).cloned().collect()
}

fn nanoseconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn leaves(reading: &Reading) -> BTreeMap<Leaf, LeafBytes> {
    let bytes = |leaf: Leaf| {
        let tally = reading.account.leaf(leaf);
        LeafBytes {
            resident_bytes: match reading.rss {
                Some(_) => tally.resident.0,
                None => extent::of(leaf, tally),
            },
            virtual_bytes: tally.virt.0,
            swap_bytes: tally.swapped,
            huge_bytes: tally.huge.0,
        }
    };
    Leaf::ALL
        .into_iter()
        .map(|leaf| (leaf, bytes(leaf)))
        .collect()
}

fn rates(reading: &Reading) -> Option<Rates> {
    let (delta, second) = (reading.delta?, reading.second?.stats);
    let first = reading.first.stats;
    let offered = delta.window_ns.saturating_mul(u64::from(second.gomaxprocs));
    let idle = match (second.gc_idle_cpu_ns, first.gc_idle_cpu_ns) {
        (Some(now), Some(then)) if offered > 0 => {
            Some(now.saturating_sub(then) as f64 / offered as f64)
        }
        _ => None,
    };
    Some(Rates {
        window_ns: delta.window_ns,
        alloc_bytes_per_s: delta.alloc_bytes_per_s(),
        gc_cycles_per_s: delta.gc_cycles_per_s(),
        gc_cpu_fraction: delta
            .gc_cpu_fraction
            .map(|busy| (busy + idle.unwrap_or(0.0)).min(1.0)),
        gc_idle_cpu_fraction: idle,
        heap_live_before: first.heap_live,
        heap_live_after: second.heap_live,
        heap_released_before: first.heap_released,
        heap_released_after: second.heap_released,
    })
}

/// Classes with and without pointers together: what is lost does not depend on it.
fn size_classes(reading: &Reading) -> Vec<SizeClass> {
    let mut joined: BTreeMap<u8, SizeClass> = BTreeMap::new();
    for class in &reading.account.size_classes {
        let sum = joined.entry(class.class).or_default();
        sum.class = class.class;
        sum.slot_bytes = class.elem_size;
        sum.spans += class.spans;
        sum.slots += class.slots;
        sum.used_slots += class.used;
        sum.free_resident_bytes += class.free_bytes.0;
    }
    joined.into_values().collect()
}

fn goroutines(reading: &Reading) -> Goroutines {
    let census = &reading.census;
    let g_bytes = census
        .goroutines
        .first()
        .and_then(|one| census.span_of(one.g));
    Goroutines {
        count: census.goroutines.len() as u64,
        dead: census.dead_goroutines,
        g_bytes: g_bytes.map_or(0, |span| span.elem_size),
        stack_bytes: census.goroutines.iter().map(|one| one.stack.len()).sum(),
    }
}

fn profile(reading: &Reading) -> Profile {
    let buckets = &reading.census.buckets;
    Profile {
        memory_count: buckets.memory.count,
        memory_bytes: buckets.memory.bytes,
        block_count: buckets.block.count,
        block_bytes: buckets.block.bytes,
        mutex_count: buckets.mutex.count,
        mutex_bytes: buckets.mutex.bytes,
    }
}

fn mappings(reading: &Reading) -> Vec<Mapping> {
    let largest = reading.account.largest.iter();
    largest
        .map(|large| Mapping {
            leaf: large.leaf,
            name: large.name.clone(),
            resident_bytes: large.tally.resident.0,
            virtual_bytes: large.tally.virt.0,
        })
        .collect()
}

fn container(around: &Surroundings) -> Option<Container> {
    let memory = around.memory.as_ref()?;
    Some(Container {
        id: around.container_id().unwrap_or_default(),
        version: memory.version.number(),
        limit: memory.limit.as_ref().map(|limit| limit.bytes),
        current: memory.usage,
        working_set: memory.working_set,
        peak: memory.peak,
        file: memory.file,
        kernel: memory.kernel,
        sock: memory.sock,
        oom_kills: memory.oom_kills,
        pressure_some_10s: around.pressure().map(|pressure| pressure.some.avg10),
    })
}
