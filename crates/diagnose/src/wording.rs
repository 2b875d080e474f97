//! How findings read, as snapshots. The numbers are of the server that DESIGN draws.

use std::fmt::Write as _;

use letgo_account::Leaf;

use crate::backlog::{Backlog, Doing};
use crate::containers::{ContainerGroup, Containers, Slack};
use crate::diagnose;
use crate::facts::{Container, Facts, Goroutines, Profile, SizeClass, Thp};
use crate::group::{Change, GoroutineGroup, Outliving, Verdict};
use crate::holder::{Counted, Elements, Holder, Later};
use crate::testing::{MIB, healthy, place, receivers, spans, with_graph, with_groups};

/// All findings as text, plain and whole.
fn text(facts: &Facts) -> String {
    let mut out = String::new();
    for finding in diagnose(facts) {
        let _ = writeln!(
            out,
            "{}  {} {} {} MiB{}",
            finding.id,
            finding.severity,
            finding.confidence,
            finding.bytes / MIB,
            finding
                .count
                .map(|count| format!(", {count}"))
                .unwrap_or_default()
        );
        let _ = writeln!(out, "  {}", finding.title);
        if let Some(at) = &finding.location {
            let _ = writeln!(out, "    {}  {}:{}", at.function, at.file, at.line);
        }
        for share in &finding.also {
            let _ = writeln!(out, "    also {} {} MiB", share.id, share.bytes / MIB);
        }
        for sentence in &finding.evidence {
            let _ = writeln!(out, "    {sentence}");
        }
        for remedy in &finding.remedies {
            let _ = writeln!(
                out,
                "    {}: {}  [{}]",
                remedy.what, remedy.command, remedy.expect
            );
        }
    }
    out
}

/// 2.31 GiB of RSS after a burst: 412 MiB live, 1.6 GiB idle, GOGC=400.
fn after_a_burst() -> Facts {
    let mut facts = healthy()
        .with(Leaf::HeapObjects, 412 * MIB)
        .with(Leaf::HeapGarbage, 38 * MIB)
        .with(Leaf::HeapFreeSlots, 121 * MIB)
        .with(Leaf::HeapIdle, 1638 * MIB)
        .with(Leaf::StacksGoroutine, 64 * MIB)
        .with(Leaf::RuntimeGc, 45 * MIB)
        .with(Leaf::CgoMalloc, 22 * MIB);
    facts.target.go_minor = 24;
    facts.target.go_patch = 11;
    facts.environment.gogc = Some("400".into());
    facts.stats.gc_percent = 400;
    facts.stats.heap_alloc = 450 * MIB;
    facts.stats.heap_live = 450 * MIB;
    facts.stats.heap_marked = 412 * MIB;
    facts.stats.heap_inuse = 571 * MIB;
    facts.stats.heap_idle = 1638 * MIB;
    facts.stats.heap_released = 0;
    facts.stats.heap_sys = 2209 * MIB;
    facts.stats.stack_sys = 64 * MIB;
    facts.stats.mapped_ready = 2330 * MIB;
    facts.stats.next_gc = 2060 * MIB;
    facts.rates.as_mut().unwrap().alloc_bytes_per_s = 0.0;
    facts.container = Some(Container {
        id: "3f2a".into(),
        version: 2,
        limit: Some(3 << 30),
        current: 2500 * MIB,
        working_set: 2437 * MIB,
        ..Container::default()
    });
    facts
}

#[test]
fn a_server_after_a_burst() {
    insta::assert_snapshot!(text(&after_a_burst()));
}

#[test]
fn a_server_in_a_death_spiral_in_a_full_container() {
    let mut facts = healthy();
    facts.stats.memory_limit = 190 << 20;
    facts.stats.next_gc = 103 * MIB;
    facts.environment.gomemlimit = Some("190MiB".into());
    let rates = facts.rates.as_mut().unwrap();
    rates.gc_cycles_per_s = 12.0;
    rates.gc_cpu_fraction = Some(0.47);
    rates.gc_idle_cpu_fraction = Some(0.02);
    facts.container = Some(Container {
        id: "3f2a".into(),
        version: 1,
        limit: Some(256 << 20),
        current: 251 * MIB,
        working_set: 250 * MIB,
        peak: Some(256 << 20),
        file: Some(12 * MIB),
        oom_kills: Some(2),
        pressure_some_10s: Some(0.31),
        ..Container::default()
    });
    insta::assert_snapshot!(text(&facts));
}

#[test]
fn a_program_with_gc_off_that_allocates() {
    let mut facts = healthy().with(Leaf::HeapObjects, 900 * MIB);
    facts.stats.gc_percent = -1;
    facts.stats.heap_marked = 0;
    facts.stats.num_gc = 0;
    facts.stats.heap_live = 900 * MIB;
    facts.stats.heap_alloc = 900 * MIB;
    facts.stats.heap_inuse = 910 * MIB;
    facts.stats.next_gc = u64::MAX;
    facts.last_gc_age_ns = None;
    insta::assert_snapshot!(text(&facts));
}

#[test]
fn a_program_of_many_small_sins() {
    let mut facts = healthy()
        .with(Leaf::HeapObjects, 400 * MIB)
        .with(Leaf::HeapFreeSlots, 200 * MIB)
        .with(Leaf::HeapReturnedResident, 40 * MIB)
        .with(Leaf::RuntimeProfileBuckets, 80 * MIB)
        .with(Leaf::StacksOsThread, 50 * MIB)
        .with(Leaf::MapsShm, 60 * MIB)
        .with(Leaf::CgoMalloc, 90 * MIB);
    facts.thp = Thp::Always;
    facts
        .leaves
        .entry(Leaf::HeapReturnedResident)
        .or_default()
        .huge_bytes = 38 * MIB;
    facts.goroutines = Goroutines {
        count: 40,
        dead: 400_000,
        g_bytes: 480,
        stack_bytes: MIB,
    };
    facts.profile = Profile {
        memory_count: 61_000,
        memory_bytes: 70 * MIB,
        mutex_count: 900,
        mutex_bytes: MIB,
        ..Profile::default()
    };
    facts.size_classes = vec![SizeClass {
        class: 40,
        slot_bytes: 1152,
        spans: 31_000,
        slots: 217_000,
        used_slots: 67_270,
        free_resident_bytes: 164 * MIB,
    }];
    facts.malloc.arenas = 8;
    facts.malloc.arena_resident_bytes = 70 * MIB;
    facts
        .leaves
        .entry(Leaf::StacksOsThread)
        .or_default()
        .virtual_bytes = 5000 * MIB;
    facts.threads.count = 640;
    facts.threads.runtime_count = 630;
    insta::assert_snapshot!(text(&facts));
}

/// 412 MiB of sessions that are used, beside the survivors of a burst, and spans half used.
#[test]
fn a_server_whose_survivors_keep_spans() {
    let mut few = spans(51_200, 1, 4);
    (few.elem_size, few.class) = (48, 5);
    few.noscan = true;
    let facts = with_graph(vec![spans(6_400, 8, 0), few, spans(25_600, 4, 1)]);
    insta::assert_snapshot!(text(&facts));
}

#[test]
fn a_program_with_gc_off_and_a_graph() {
    let mut facts = with_graph(vec![spans(12_800, 7, 0), spans(25_600, 0, 8)]);
    facts.stats.gc_percent = -1;
    facts.stats.next_gc = u64::MAX;
    insta::assert_snapshot!(text(&facts));
}

/// One large leak, two small ones, senders that become more, and connections.
#[test]
fn a_server_whose_goroutines_are_leaked() {
    let mut large = receivers(Verdict::Proven, 12_211);
    (large.heap_resident_bytes, large.heap_objects) = (120 * MIB, 1_200_300);
    large.change = Some(Change { came: 4, went: 0 });
    let mut locked = receivers(Verdict::Proven, 30);
    locked.wait_reason = "sync.Mutex.Lock".into();
    locked.location = place("cache.(*Cache).Get", "cache.go", 12);
    let mut cases = receivers(Verdict::Proven, 12);
    cases.wait_reason = "select".into();
    (cases.location, cases.is_whole) = (None, false);
    let mut senders = receivers(Verdict::None, 1300);
    senders.wait_reason = "chan send".into();
    senders.location = place("api.(*Server).Handle.func1", "server.go", 150);
    senders.change = Some(Change { came: 19, went: 2 });
    let mut connections = receivers(Verdict::None, 600);
    connections.wait_reason = "IO wait".into();
    insta::assert_snapshot!(text(&with_groups(vec![
        connections,
        senders,
        cases,
        locked,
        large
    ])));
}

/// Goroutines that keep requests, some old and some of this moment.
#[test]
fn a_server_whose_requests_are_kept() {
    let kept = |count: u64, heap: u64| GoroutineGroup {
        wait_reason: "sleep".into(),
        location: place("main.refresh", "refresh.go", 12),
        created_by: place("main.startRefresh", "refresh.go", 7),
        heap_resident_bytes: heap,
        heap_objects: count * 5,
        ..receivers(Verdict::None, count)
    };
    let old = kept(400, 82 * MIB);
    let mut young = kept(1, 66 * MIB);
    (young.waiting_ns, young.waiting_least_ns) = (None, None);
    young.wait_reason = "IO wait".into();
    let mut facts = with_groups(vec![old.clone(), young.clone()]);
    let outliving = |group: GoroutineGroup| Outliving {
        requests: group.count,
        group,
    };
    facts.outliving = Some(vec![outliving(young), outliving(old)]);
    insta::assert_snapshot!(text(&facts));
}

/// A full queue with those who send, and those of many clients.
#[test]
fn a_server_whose_queues_are_full() {
    let doing = |count: u64, does: &str, function: &str| Doing {
        count,
        does: does.into(),
        location: place(function, "queue.go", 30),
    };
    let one = Backlog {
        go_type: "chan *main.Job".into(),
        channels: 1,
        queued: 4_096,
        room: 4_096,
        full: 1,
        variable: Some("main.jobs".into()),
        resident_bytes: 96 * MIB,
        objects: 12_001,
        senders: vec![doing(12, "chan send", "main.produce")],
        others: vec![
            doing(2, "sleep", "main.work"),
            doing(1, "IO wait", "main.flush"),
            doing(1, "running", "main.a"),
            doing(1, "select", "main.b"),
        ],
    };
    let many = Backlog {
        go_type: "chan main.Event".into(),
        channels: 1_200,
        queued: 19_200,
        room: 38_400,
        full: 7,
        resident_bytes: 70 * MIB,
        objects: 20_400,
        ..Backlog::default()
    };
    let mut facts = with_graph(vec![spans(25_600, 8, 0)]);
    facts.backlogs = Some(vec![one, many]);
    insta::assert_snapshot!(text(&facts));
}

/// Variables that hold much, grow, and hold more room than they need.
#[test]
fn a_server_whose_caches_grow() {
    let holder = |name: &str, go_type: &str, mib: u64| Holder {
        name: name.into(),
        is_named: true,
        go_type: Some(go_type.into()),
        resident_bytes: mib * MIB,
        objects: mib * 12_000,
        stored_by: place("main.(*Store).Put", "store.go", 41)
            .into_iter()
            .collect(),
        ..Holder::default()
    };
    let entries = |count| {
        let of = Counted::Entries;
        Some(Elements { of, count })
    };
    let growing = Holder {
        elements: entries(1_200_000),
        later: Some(Later {
            window_ns: 30_000_000_000,
            heap_grew: 40 * MIB,
            resident_bytes: 120 * MIB,
            objects: 1_440_000,
            elements: entries(1_500_000),
        }),
        ..holder("main.sessions", "map[string]*main.Session", 96)
    };
    let group = |name: &str, go_type: &str| ContainerGroup {
        name: name.into(),
        is_named: true,
        go_type: go_type.into(),
        stored_by: place("main.put", "pool.go", 12).into_iter().collect(),
        ..ContainerGroup::default()
    };
    let slack = |count, used, room, mib: u64| Slack {
        count,
        used,
        room,
        bytes: mib * MIB,
    };
    let sparse = ContainerGroup {
        sparse: slack(1, 4_000, 600_000, 40),
        ..group("main.profiles", "map[int]main.profile")
    };
    let pinned = ContainerGroup {
        pinned: slack(3_000, 6 * MIB, 60 * MIB, 30),
        ..group("main.names[]", "string")
    };
    let roomy = ContainerGroup {
        roomy: slack(900, MIB, 28 * MIB, 20),
        ..group("main.pool.items[].body", "[]uint8")
    };
    let facts = Facts {
        holders: Some(vec![growing, holder("main.pool", "*main.Pool", 80)]),
        containers: Some(Containers {
            groups: vec![sparse, pinned, roomy],
            is_cut: true,
        }),
        ..with_graph(vec![spans(40_000, 8, 0)])
    };
    insta::assert_snapshot!(text(&facts));
}
