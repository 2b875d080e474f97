//! What holds for any facts, nonsense from a hostile target included.

use letgo_account::{Leaf, ReachClass, Reached, ResidentBytes, Shares};
use letgo_goruntime::RuntimeStats;
use proptest::prelude::*;

use crate::facts::{Container, Facts, Goroutines, LeafBytes, Rates, SizeClass, Threads};
use crate::finding::Severity;
use crate::group::{Change, GoroutineGroup, Outliving, Verdict};
use crate::testing::held;
use crate::{diagnose, rule_ids};

/// Sizes from nothing to the absurd, the ordinary ones most often.
fn size() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0..(8u64 << 30),
        1 => Just(0),
        1 => any::<u64>(),
    ]
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![4 => 0.0..1e10, 1 => any::<f64>()]
}

fn leaves() -> impl Strategy<Value = std::collections::BTreeMap<Leaf, LeafBytes>> {
    let leaf = (0..Leaf::ALL.len()).prop_map(|index| Leaf::ALL[index]);
    let bytes = (size(), size(), size()).prop_map(|(resident_bytes, virtual_bytes, huge_bytes)| {
        LeafBytes {
            resident_bytes,
            virtual_bytes,
            huge_bytes,
            swap_bytes: 0,
        }
    });
    prop::collection::btree_map(leaf, bytes, 0..26)
}

fn stats() -> impl Strategy<Value = RuntimeStats> {
    let sizes = prop::collection::vec(size(), 12);
    (
        sizes,
        any::<i32>(),
        prop_oneof![Just(i64::MAX), any::<i64>()],
        any::<(u32, bool)>(),
    )
        .prop_map(
            |(sizes, gc_percent, memory_limit, (num_gc, gc_running))| RuntimeStats {
                heap_alloc: sizes[0],
                heap_live: sizes[1],
                heap_marked: sizes[2],
                heap_inuse: sizes[3],
                heap_idle: sizes[4],
                heap_released: sizes[5],
                heap_sys: sizes[6],
                stack_sys: sizes[7],
                mspan_sys: sizes[8],
                gc_sys: sizes[9],
                next_gc: sizes[10],
                mapped_ready: sizes[11],
                gc_percent,
                memory_limit,
                num_gc,
                gc_running,
                ..RuntimeStats::default()
            },
        )
}

fn rates() -> impl Strategy<Value = Option<Rates>> {
    let some = (
        size(),
        number(),
        number(),
        prop::option::of(number()),
        prop::option::of(number()),
    );
    prop::option::of(some.prop_map(|(window_ns, alloc, cycles, gc, idle)| Rates {
        window_ns,
        alloc_bytes_per_s: alloc,
        gc_cycles_per_s: cycles,
        gc_cpu_fraction: gc,
        gc_idle_cpu_fraction: idle,
        ..Rates::default()
    }))
}

fn container() -> impl Strategy<Value = Option<Container>> {
    let some = (prop::option::of(size()), size(), prop::option::of(size()));
    prop::option::of(some.prop_map(|(limit, working_set, peak)| Container {
        limit,
        working_set,
        peak,
        ..Container::default()
    }))
}

/// Spans of one class in every share, some of which may be.
fn reached() -> impl Strategy<Value = Option<Reached>> {
    let part = prop::collection::vec(0..(1u64 << 40), 6);
    let class = prop::collection::vec(part, letgo_account::SHARES + 1);
    let classes = prop::collection::vec(class, 0..4);
    prop::option::of(classes.prop_map(|classes| {
        let share = |part: &Vec<u64>| Shares {
            spans: part[0],
            slots: part[1],
            resident: ResidentBytes(part[2]),
            reachable: held(part[3] >> 20, 1 << 10),
            garbage: held(part[4] >> 20, 1 << 10),
            free: ResidentBytes(part[5]),
            ..Shares::default()
        };
        let class = |parts: Vec<Vec<u64>>| {
            let mut class = ReachClass {
                class: 1,
                elem_size: 1 << 10,
                awaiting_finalizer: share(&parts[letgo_account::SHARES]),
                ..ReachClass::default()
            };
            let shares = class.shares.iter_mut().zip(&parts);
            shares.for_each(|(into, part)| *into = share(part));
            class
        };
        Reached {
            classes: classes.into_iter().map(class).collect(),
            reachable: held(1 << 10, 1 << 10),
            ..Reached::default()
        }
    }))
}

/// Goroutines that hold what they like, the same bytes several times among it.
fn groups() -> impl Strategy<Value = Option<Vec<GoroutineGroup>>> {
    let verdict = prop::sample::select(vec![Verdict::None, Verdict::Likely, Verdict::Proven]);
    let reason = prop::sample::select(vec!["", "select", "chan send", "IO wait", "nonsense"]);
    let ages = (
        prop::option::of(any::<u64>()),
        prop::option::of(any::<u64>()),
    );
    let change = prop::option::of(any::<(u64, u64)>());
    let sizes = prop::array::uniform4(size());
    let group = (verdict, reason, ages, change, sizes).prop_map(
        |(verdict, reason, (waiting_ns, waiting_least_ns), change, sizes)| GoroutineGroup {
            verdict,
            count: sizes[0],
            wait_reason: reason.into(),
            waiting_ns,
            waiting_least_ns,
            stack_resident_bytes: sizes[1],
            heap_resident_bytes: sizes[2],
            heap_objects: sizes[3],
            change: change.map(|(came, went)| Change { came, went }),
            ..GoroutineGroup::default()
        },
    );
    prop::option::of(prop::collection::vec(group, 0..12))
}

/// Findings of whole kinds of groups: at most so many of an id are there.
fn most_of(id: &str) -> usize {
    match id {
        // Three kinds, of each three groups by themselves and the others together.
        "goroutine-leak" | "goroutine-growth" => 12,
        // Variables, each by itself.
        "global-holder" | "channel-backlog" | "context-retained" => 3,
        _ => 1,
    }
}

prop_compose! {
    fn facts()(
        rss_bytes in size(),
        leaves in leaves(),
        stats in stats(),
        rates in rates(),
        container in container(),
        last_gc_age_ns in prop::option::of(any::<u64>()),
        counts in prop::array::uniform5(size()),
        locked_bytes in prop_oneof![Just(0), size()],
        lazy_free_bytes in size(),
        go_minor in 19u32..30,
        reached in reached(),
        goroutine_groups in groups(),
        outliving in groups(),
    ) -> Facts {
        let [count, dead, g_bytes, threads, host] = counts;
        let mut facts = Facts {
            rss_bytes, leaves, stats, rates, container, last_gc_age_ns, locked_bytes,
            lazy_free_bytes, reached, goroutine_groups,
            outliving: outliving.map(|groups| {
                let one = |group: GoroutineGroup| Outliving { requests: group.count, group };
                groups.into_iter().map(one).collect()
            }),
            goroutines: Goroutines { count, dead, g_bytes, stack_bytes: 0 },
            threads: Threads { count: threads, runtime_count: threads },
            host_memory_bytes: host,
            size_classes: vec![SizeClass {
                class: 1, slot_bytes: 8, spans: count, slots: dead, used_slots: count,
                free_resident_bytes: g_bytes,
            }],
            ..Facts::default()
        };
        facts.target.go_minor = go_minor;
        facts.target.cgo = true;
        facts
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn bytes_are_assigned_once(facts in facts()) {
        let findings = diagnose(&facts);
        let sum: u128 = findings.iter().map(|finding| u128::from(finding.bytes)).sum();
        let resident: u128 =
            facts.leaves.values().map(|leaf| u128::from(leaf.resident_bytes)).sum();
        prop_assert!(sum <= u128::from(facts.rss_bytes));
        prop_assert!(sum <= resident);
    }

    #[test]
    fn findings_are_ranked_and_no_rule_says_too_much(facts in facts()) {
        let findings = diagnose(&facts);
        for pair in findings.windows(2) {
            prop_assert!((pair[0].severity, pair[0].bytes) >= (pair[1].severity, pair[1].bytes));
        }
        for finding in &findings {
            let same = findings.iter().filter(|other| other.id == finding.id).count();
            prop_assert!(same <= most_of(finding.id));
            prop_assert!(rule_ids().any(|id| id == finding.id));
            for share in &finding.also {
                let owners = findings.iter().filter(|other| other.id == share.id);
                prop_assert!(share.id != finding.id);
                prop_assert!(share.bytes <= owners.map(|owner| owner.bytes).sum());
            }
        }
    }

    #[test]
    fn what_is_high_by_the_contract_is_not_called_less(facts in facts()) {
        for finding in diagnose(&facts) {
            let high = finding.bytes >= 64 << 20
                && u128::from(finding.bytes) * 5 > u128::from(facts.rss_bytes);
            // GOGC=off under a limit is a setting that its user chose.
            prop_assert!(!high || finding.severity == Severity::High || finding.id == "gc-off");
        }
    }

    #[test]
    fn an_advised_limit_leaves_room_for_what_is_live(facts in facts()) {
        prop_assume!(facts.stats.heap_marked < 1 << 40 && facts.stats.mapped_ready < 1 << 40);
        let pacer = crate::pacer::Pacer::new(&facts);
        let advice = pacer.advice();
        prop_assert!((50..=100).contains(&advice.gogc));
        if let Some(limit) = advice.limit {
            prop_assert!(limit >= pacer.least_limit());
            prop_assert!(pacer.room().is_none_or(|room| limit <= room));
        }
    }
}
