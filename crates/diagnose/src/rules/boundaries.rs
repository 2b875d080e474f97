//! Every rule at its boundary: it fires just beyond, and is silent just before.

use letgo_account::{Leaf, ResidentBytes};

use super::sentry::tests::sentry;
use crate::backlog::Backlog;
use crate::containers::{ContainerGroup, Containers, Slack};
use crate::facts::Facts;
use crate::group::{Change, GoroutineGroup, Outliving, Verdict};
use crate::holder::{Holder, Later};
use crate::testing::{
    MIB, container, edited, find, healthy, rates, receivers, spans, spiral, with_graph, with_groups,
};

const SECOND: u64 = 1_000_000_000;

/// A rule, facts on which it fires, and facts just before that.
type Boundary = (&'static str, Facts, Facts);

/// 100 MiB in spans that are full, and so many free bytes in spans of some eighths.
fn with_free(eighths: usize, free: u64) -> Facts {
    let mut class = spans(12_800, 8, 0);
    class.shares[eighths].free = ResidentBytes(free);
    let facts = with_graph(vec![class]);
    assert_eq!(facts.rss_bytes - free, 121 * MIB);
    facts
}

fn boundaries_by_bytes() -> Vec<Boundary> {
    let still = |leaf: Leaf, bytes: u64| {
        let mut facts = healthy();
        rates(&mut facts).alloc_bytes_per_s = 0.0;
        facts.with(leaf, bytes)
    };
    let idling = |idle: u64| still(Leaf::HeapIdle, idle);
    // What an idling program keeps is a tenth of its 160 MiB of spans.
    let kept = 16 * MIB;
    let at = |leaf: Leaf, bytes: u64| healthy().with(leaf, bytes);
    // So many bytes are 5 % of all, beside 241 MiB of others.
    let twentieth = 241 * MIB / 19 + 1;
    vec![
        (
            "idle-not-returned",
            idling(kept + 8 * MIB),
            idling(kept + 8 * MIB - 1),
        ),
        (
            "returned-still-resident",
            still(Leaf::HeapReturnedResident, 8 * MIB),
            still(Leaf::HeapReturnedResident, 8 * MIB - 1),
        ),
        // 200 MiB goal less 140 MiB of objects are headroom; 221 MiB are others.
        (
            "fragmentation",
            at(Leaf::HeapFreeSlots, 60 * MIB + 281 * MIB / 19 + 1),
            at(Leaf::HeapFreeSlots, 60 * MIB + 281 * MIB / 19),
        ),
        // 100 MiB are reachable, so 120 MiB are headroom; beside free slots there are 121 MiB.
        (
            "pinned-spans",
            with_free(1, 2521 * MIB / 19 + 1),
            with_free(1, 2521 * MIB / 19),
        ),
        (
            "fragmentation",
            with_free(2, 2521 * MIB / 19 + 1),
            with_free(2, 2521 * MIB / 19),
        ),
        (
            "profile-buckets",
            at(Leaf::RuntimeProfileBuckets, 8 * MIB),
            at(Leaf::RuntimeProfileBuckets, 8 * MIB - 1),
        ),
        (
            "thread-stacks",
            at(Leaf::StacksOsThread, 8 * MIB),
            at(Leaf::StacksOsThread, 8 * MIB - 1),
        ),
        (
            "mapped-file",
            at(Leaf::MapsFile, twentieth),
            at(Leaf::MapsFile, twentieth - 1),
        ),
        (
            "cgo-growth",
            at(Leaf::CgoMalloc, twentieth),
            at(Leaf::CgoMalloc, twentieth - 1),
        ),
    ]
}

fn boundaries_by_state() -> Vec<Boundary> {
    let marked_at = |age: u64| edited(|facts| facts.last_gc_age_ns = Some(age));
    let huge = |bytes: u64| {
        let mut facts = healthy().with(Leaf::StacksOsThread, 64 * MIB);
        facts
            .leaves
            .entry(Leaf::StacksOsThread)
            .or_default()
            .huge_bytes = bytes;
        facts
    };
    let graves = |dead: u64| {
        edited(|facts| {
            facts.goroutines.count = 1000;
            facts.goroutines.dead = dead;
        })
    };
    let gogc = |percent: i32, goal: u64| {
        edited(|facts| {
            facts.stats.gc_percent = percent;
            facts.stats.next_gc = goal;
        })
    };
    let off = |percent: i32| edited(|facts| facts.stats.gc_percent = percent);
    vec![
        ("gc-off", off(-1), off(0)),
        (
            "gc-stalled",
            marked_at(240 * SECOND),
            marked_at(240 * SECOND - 1),
        ),
        ("thp-bloat", huge(8 * MIB), huge(8 * MIB - 1)),
        ("goroutine-graveyard", graves(10_000), graves(9_999)),
        (
            "gvisor-sentry",
            sentry("/usr/local/bin/runsc", &[]),
            sentry("/usr/local/bin/crun", &[]),
        ),
        ("headroom-high", gogc(151, 251 * MIB), gogc(150, 251 * MIB)),
        (
            "headroom-high",
            gogc(400, 220 * MIB),
            gogc(400, 200 * MIB + 8 * MIB - 1),
        ),
    ]
}

fn boundaries_of_cost() -> Vec<Boundary> {
    let churn = |fraction: f64, cycles: f64| {
        edited(|facts| {
            let rates = rates(facts);
            rates.gc_cpu_fraction = Some(fraction);
            rates.gc_idle_cpu_fraction = None;
            rates.gc_cycles_per_s = cycles;
        })
    };
    vec![
        ("alloc-churn", churn(0.10, 1.0), churn(0.099, 9.9)),
        ("alloc-churn", churn(0.01, 10.0), churn(0.01, 9.9)),
        (
            "gc-death-spiral",
            spiral(149 * MIB, 0.25),
            spiral(150 * MIB, 0.25),
        ),
        (
            "gc-death-spiral",
            spiral(149 * MIB, 0.25),
            spiral(149 * MIB, 0.24),
        ),
    ]
}

fn boundaries_of_limits() -> Vec<Boundary> {
    let limited = |limit: u64, working_set: u64| {
        edited(|facts| facts.container = container(limit, working_set))
    };
    // Without bytes outside of the runtime, and 234 MiB inside.
    let set = |memory_limit: i64, limit: u64| {
        edited(|facts| {
            facts.container = container(limit, 200 * MIB);
            facts.stats.memory_limit = memory_limit;
        })
    };
    let resized = |peak: u64| {
        let mut facts = set(600 << 20, 512 * MIB);
        if let Some(container) = facts.container.as_mut() {
            container.peak = Some(peak);
        }
        facts
    };
    let forgotten = |goal: u64| {
        let mut facts = set(200 << 20, 4096 * MIB);
        facts.stats.next_gc = goal;
        facts
    };
    vec![
        (
            "limit-missing",
            limited(300 * MIB, 100 * MIB),
            limited(400 * MIB, 100 * MIB),
        ),
        (
            "limit-too-high",
            set((512 << 20) + 1, 512 * MIB),
            set(512 << 20, 512 * MIB),
        ),
        (
            "limit-stale",
            resized(512 * MIB + 512 * MIB / 50 + 1),
            resized(512 * MIB + 512 * MIB / 50),
        ),
        ("limit-stale", forgotten(149 * MIB), forgotten(150 * MIB)),
        (
            "container-limit-near",
            limited(1000 * MIB, 900 * MIB),
            limited(1000 * MIB, 900 * MIB - 1),
        ),
    ]
}

fn boundaries_of_holders() -> Vec<Boundary> {
    let held = |bytes: u64| Facts {
        holders: Some(vec![Holder {
            name: "main.cache".into(),
            resident_bytes: bytes,
            objects: 1,
            ..Holder::default()
        }]),
        ..healthy()
    };
    let queued = |bytes: u64| Facts {
        backlogs: Some(vec![Backlog {
            go_type: "chan *main.Job".into(),
            channels: 1,
            resident_bytes: bytes,
            ..Backlog::default()
        }]),
        ..healthy()
    };
    let grown = |bytes: u64, later: u64| {
        let mut facts = held(bytes);
        for holder in facts.holders.iter_mut().flatten() {
            holder.later = Some(Later {
                window_ns: SECOND,
                heap_grew: u64::MAX,
                resident_bytes: later,
                objects: 1,
                elements: None,
            });
        }
        facts
    };
    vec![
        ("global-holder", held(64 * MIB), held(64 * MIB - 1)),
        ("channel-backlog", queued(64 * MIB), queued(64 * MIB - 1)),
        (
            "growing-holder",
            grown(MIB, 9 * MIB),
            grown(MIB, 9 * MIB - 1),
        ),
        (
            "growing-holder",
            grown(200 * MIB, 210 * MIB),
            grown(200 * MIB, 210 * MIB - 1),
        ),
    ]
}

fn boundaries_of_contexts() -> Vec<Boundary> {
    let kept = |count: u64, heap: u64, longest: u64, least: u64| {
        let group = GoroutineGroup {
            waiting_ns: Some(longest * SECOND),
            waiting_least_ns: Some(least * SECOND),
            heap_resident_bytes: heap,
            change: Some(Change { came: 9, went: 0 }),
            ..receivers(Verdict::None, count)
        };
        Facts {
            outliving: Some(vec![Outliving {
                group: group.clone(),
                requests: count,
            }]),
            ..with_groups(vec![group])
        }
    };
    let id = "context-retained";
    vec![
        (id, kept(10, 0, 600, 600), kept(9, 0, 600, 600)),
        (id, kept(10, 0, 600, 0), kept(10, 0, 599, 0)),
        (
            id,
            kept(1, 64 * MIB - 4096, 1, 0),
            kept(1, 64 * MIB - 4097, 1, 0),
        ),
    ]
}

fn boundaries_of_containers() -> Vec<Boundary> {
    let with = |edit: &dyn Fn(&mut ContainerGroup)| {
        let mut group = ContainerGroup::default();
        edit(&mut group);
        Facts {
            containers: Some(Containers {
                groups: vec![group],
                is_cut: true,
            }),
            ..healthy()
        }
    };
    let slack = |bytes: u64| Slack {
        count: 2,
        bytes,
        ..Slack::default()
    };
    let least = 16 * MIB;
    assert!(healthy().rss_bytes <= 320 * MIB);
    let both = |set: &dyn Fn(&mut ContainerGroup, Slack)| {
        let at = |bytes: u64| with(&|group| set(group, slack(bytes)));
        (at(least), at(least - 1))
    };
    let maps = both(&|group, slack| group.sparse = slack);
    let pins = both(&|group, slack| group.pinned = slack);
    let room = both(&|group, slack| group.roomy = slack);
    vec![
        ("map-never-shrinks", maps.0, maps.1),
        ("slice-pinning", pins.0, pins.1),
        ("buffer-slack", room.0, room.1),
    ]
}

fn boundaries_of_goroutines() -> Vec<Boundary> {
    let proven = |count: u64, heap: u64| {
        let mut group = receivers(Verdict::Proven, count);
        group.heap_resident_bytes = heap;
        with_groups(vec![group])
    };
    let edited = |count: u64, edit: &dyn Fn(&mut GoroutineGroup)| {
        let mut group = receivers(Verdict::None, count);
        edit(&mut group);
        with_groups(vec![group])
    };
    // 16 KiB of stack each, so that a thousand of them stand out.
    let came = |came: u64| Some(Change { came, went: 0 });
    let aged = |longest: u64, least: u64, grown: u64| {
        edited(1000, &|group| {
            group.waiting_ns = Some(longest * SECOND);
            group.waiting_least_ns = Some(least * SECOND);
            group.change = came(grown);
            group.stack_resident_bytes = 1000 << 14;
        })
    };
    let growing = |count: u64| edited(count, &|group| group.change = came(9));
    let network = |count: u64, grown: u64| {
        edited(count, &|group| {
            group.wait_reason = "IO wait".into();
            group.change = came(grown);
        })
    };
    let with_stacks = |count: u64, stacks: u64| {
        edited(count, &|group| {
            group.wait_reason = "IO wait".into();
            group.stack_resident_bytes = stacks;
        })
    };
    let deep = |stacks: u64| with_stacks(3, stacks);
    // Others than the stacks: 200 MiB of objects, and 17 MiB.
    let twentieth = 217 * MIB / 19 + 1;
    assert_eq!(deep(MIB).rss_bytes, 218 * MIB);
    vec![
        ("goroutine-leak", proven(10, 0), proven(9, 0)),
        (
            "goroutine-leak",
            proven(1, 8 * MIB - 4096),
            proven(1, 8 * MIB - 4097),
        ),
        ("goroutine-leak", growing(1000), growing(999)),
        ("goroutine-leak", aged(600, 599, 9), aged(600, 599, 8)),
        ("goroutine-leak", aged(600, 599, 9), aged(599, 599, 9)),
        ("goroutine-leak", aged(600, 600, 0), aged(600, 599, 0)),
        ("goroutine-growth", network(4000, 40), network(4000, 39)),
        ("goroutine-growth", network(10_000, 0), network(9_999, 0)),
        (
            "goroutine-growth",
            with_stacks(1000, 217 * MIB / 4),
            with_stacks(999, 217 * MIB / 4),
        ),
        (
            "goroutine-growth",
            with_stacks(1000, 217 * MIB / 4),
            with_stacks(1000, 217 * MIB / 4 - 1),
        ),
        ("goroutine-growth", deep(twentieth), deep(twentieth - 1)),
        (
            "goroutine-growth",
            with_stacks(200, 200 << 16),
            with_stacks(200, (200 << 16) - 1),
        ),
    ]
}

#[test]
fn each_rule_fires_at_its_boundary_and_not_before() {
    let groups = [
        boundaries_by_bytes(),
        boundaries_by_state(),
        boundaries_of_cost(),
        boundaries_of_limits(),
        boundaries_of_holders(),
        boundaries_of_contexts(),
        boundaries_of_containers(),
        boundaries_of_goroutines(),
    ];
    let mut seen = std::collections::BTreeSet::new();
    for (id, beyond, before) in groups.into_iter().flatten() {
        let finding = find(&beyond, id).unwrap_or_else(|| panic!("{id} is silent"));
        assert!(!finding.evidence.is_empty(), "{id} shows nothing");
        assert!(!finding.remedies.is_empty(), "{id} has no remedy");
        assert!(!finding.title.ends_with('.'), "{id}: {}", finding.title);
        assert_eq!(find(&before, id), None, "{id} speaks too early");
        seen.insert(id);
    }
    let unseen: Vec<_> = crate::rule_ids().filter(|id| !seen.contains(id)).collect();
    assert!(unseen.is_empty(), "no boundary for {unseen:?}");
}
