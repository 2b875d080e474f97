//! Facts for tests: a healthy server, to be made sick in one way at a time.

use letgo_account::{Held, Leaf, ReachClass, Reached, ResidentBytes, Shares};
use letgo_goruntime::RuntimeStats;

use crate::diagnose;
use crate::facts::{Container, Environment, Facts, Goroutines, LeafBytes, Rates, Target, Threads};
use crate::finding::{Finding, Location};
use crate::group::{GoroutineGroup, Verdict};

pub(crate) const MIB: u64 = 1 << 20;

/// A server under moderate load: 100 MiB live, GOGC=100, halfway to its next GC.
pub(crate) fn healthy() -> Facts {
    let leaves = [
        (Leaf::HeapObjects, 140),
        (Leaf::HeapFreeSlots, 20),
        (Leaf::HeapIdle, 60),
        (Leaf::StacksGoroutine, 4),
        (Leaf::RuntimeGc, 6),
        (Leaf::RuntimeMspan, 2),
        (Leaf::RuntimeProfileBuckets, 2),
        (Leaf::BinaryText, 4),
        (Leaf::BinaryRodata, 3),
    ];
    let leaves: std::collections::BTreeMap<Leaf, LeafBytes> = leaves
        .into_iter()
        .map(|(leaf, mib)| (leaf, resident(mib * MIB)))
        .collect();
    Facts {
        target: Target {
            pid: 4242,
            exe: "/srv/api".into(),
            uptime_ns: 86_400_000_000_000,
            go_minor: 26,
            go_patch: 6,
            ..Target::default()
        },
        rss_bytes: leaves.values().map(|leaf| leaf.resident_bytes).sum(),
        leaves,
        stats: healthy_stats(),
        last_gc_age_ns: Some(3_000_000_000),
        rates: Some(Rates {
            window_ns: 1_000_000_000,
            alloc_bytes_per_s: 20e6,
            gc_cycles_per_s: 0.2,
            gc_cpu_fraction: Some(0.02),
            gc_idle_cpu_fraction: Some(0.01),
            ..Rates::default()
        }),
        goroutines: Goroutines {
            count: 200,
            dead: 300,
            g_bytes: 480,
            stack_bytes: 4 * MIB,
        },
        threads: Threads {
            count: 12,
            runtime_count: 12,
        },
        environment: Environment {
            known: true,
            ..Environment::default()
        },
        host_memory_bytes: 16 << 30,
        ..Facts::default()
    }
}

fn healthy_stats() -> RuntimeStats {
    RuntimeStats {
        heap_alloc: 140 * MIB,
        heap_live: 140 * MIB,
        heap_marked: 100 * MIB,
        heap_inuse: 160 * MIB,
        heap_idle: 80 * MIB,
        heap_released: 20 * MIB,
        heap_sys: 240 * MIB,
        stack_inuse: 4 * MIB,
        stack_sys: 4 * MIB,
        mspan_sys: 2 * MIB,
        gc_sys: 6 * MIB,
        next_gc: 205 * MIB,
        num_gc: 900,
        gc_percent: 100,
        memory_limit: i64::MAX,
        mapped_ready: 240 * MIB,
        goroutines: 200,
        gomaxprocs: 4,
        ..RuntimeStats::default()
    }
}

/// A leaf that is resident as a whole.
pub(crate) fn resident(bytes: u64) -> LeafBytes {
    LeafBytes {
        resident_bytes: bytes,
        virtual_bytes: bytes,
        ..LeafBytes::default()
    }
}

impl Facts {
    /// Sets a leaf's resident bytes, and RSS with it.
    pub(crate) fn with(mut self, leaf: Leaf, bytes: u64) -> Facts {
        self.leaves.entry(leaf).or_default().resident_bytes = bytes;
        self.rss_bytes = self.leaves.values().map(|leaf| leaf.resident_bytes).sum();
        self
    }
}

/// The finding of one rule, if it speaks.
pub(crate) fn find(facts: &Facts, id: &str) -> Option<Finding> {
    diagnose(facts).into_iter().find(|finding| finding.id == id)
}

/// The healthy server with something changed.
pub(crate) fn edited(edit: impl FnOnce(&mut Facts)) -> Facts {
    let mut facts = healthy();
    edit(&mut facts);
    facts
}

/// Its rates, to change.
pub(crate) fn rates(facts: &mut Facts) -> &mut Rates {
    facts.rates.get_or_insert_default()
}

/// A container of a limit and a working set.
pub(crate) fn container(limit: u64, working_set: u64) -> Option<Container> {
    Some(Container {
        id: "c1".into(),
        version: 2,
        limit: Some(limit),
        current: working_set,
        working_set,
        ..Container::default()
    })
}

/// 100 MiB live under a limit that leaves so much, at so much GC.
pub(crate) fn spiral(goal: u64, cost: f64) -> Facts {
    edited(|facts| {
        facts.stats.memory_limit = 200 << 20;
        facts.stats.next_gc = goal;
        let rates = rates(facts);
        rates.gc_cpu_fraction = Some(cost);
        rates.gc_idle_cpu_fraction = Some(0.0);
        rates.gc_cycles_per_s = 4.0;
    })
}

/// Objects of one size that are resident as a whole.
pub(crate) fn held(objects: u64, elem_size: u64) -> Held {
    Held {
        objects,
        slot_bytes: objects * elem_size,
        resident: ResidentBytes(objects * elem_size),
    }
}

/// Resident spans of 8 slots of 1 KiB, each with so many reachable and so many garbage.
pub(crate) fn spans(number: u64, reachable: u64, garbage: u64) -> ReachClass {
    let mut class = ReachClass {
        class: 35,
        elem_size: 1024,
        ..ReachClass::default()
    };
    class.shares[usize::try_from(reachable).unwrap()] = Shares {
        spans: number,
        span_bytes: number * 8192,
        resident: ResidentBytes(number * 8192),
        slots: number * 8,
        reachable: held(number * reachable, 1024),
        garbage: held(number * garbage, 1024),
        free: ResidentBytes(number * (8 - reachable - garbage) * 1024),
    };
    class
}

/// The healthy server with a graph, its heap made of these spans and nothing idle.
pub(crate) fn with_graph(classes: Vec<ReachClass>) -> Facts {
    let mut all = Shares::default();
    classes.iter().for_each(|class| all.add(&class.all()));
    let mut facts = healthy()
        .with(Leaf::HeapObjects, 0)
        .with(Leaf::HeapIdle, 0)
        .with(Leaf::HeapReachable, all.reachable.resident.0)
        .with(Leaf::HeapGarbage, all.garbage.resident.0)
        .with(Leaf::HeapFreeSlots, all.free.0);
    facts.stats.heap_inuse = all.span_bytes;
    facts.stats.heap_alloc = all.reachable.slot_bytes + all.garbage.slot_bytes;
    facts.stats.heap_live = facts.stats.heap_alloc;
    facts.stats.heap_marked = all.reachable.slot_bytes;
    facts.reached = Some(Reached {
        reachable: all.reachable,
        garbage: all.garbage,
        classes,
        ..Reached::default()
    });
    facts
}

/// A place in some package.
pub(crate) fn place(function: &str, file: &str, line: u32) -> Option<Location> {
    Some(Location {
        function: function.into(),
        file: format!("/src/api/{file}"),
        line,
    })
}

/// So many that wait to receive, for 20 min to 3 days, with 4 KiB of stack each.
pub(crate) fn receivers(verdict: Verdict, count: u64) -> GoroutineGroup {
    GoroutineGroup {
        verdict,
        count,
        status: "waiting".into(),
        wait_reason: "chan receive".into(),
        waiting_ns: Some(3 * 86_400_000_000_000),
        waiting_least_ns: Some(1_200_000_000_000),
        location: place("queue.(*Worker).loop", "queue.go", 88),
        created_by: place("api.(*Server).Handle", "server.go", 141),
        stack_resident_bytes: count * 4096,
        stack_virtual_bytes: count * 8192,
        is_whole: true,
        ..GoroutineGroup::default()
    }
}

/// 200 MiB reachable, and goroutines: these, whose stacks are all that there are.
pub(crate) fn with_groups(groups: Vec<GoroutineGroup>) -> Facts {
    let stacks = groups.iter().map(|group| group.stack_resident_bytes).sum();
    let mut facts = with_graph(vec![spans(25_600, 8, 0)]).with(Leaf::StacksGoroutine, stacks);
    facts.goroutines.count = groups.iter().map(|group| group.count).sum();
    facts.goroutine_groups = Some(groups);
    facts
}
