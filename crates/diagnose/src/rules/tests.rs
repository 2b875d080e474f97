//! What rules say of one shape of trouble and another; their boundaries are in
//! [`super::boundaries`].

use letgo_account::Leaf;

use super::NEED_RESIDENCY;
use crate::facts::{Facts, Malloc, Mapping, Measure, Profile, SizeClass, State, Thp};
use crate::finding::{Confidence, Finding, Severity};
use crate::group::Verdict;
use crate::testing::{MIB, container, edited, find, healthy, rates, receivers, spiral};
use crate::{Thresholds, diagnose};

const SECOND: u64 = 1_000_000_000;

#[test]
fn a_healthy_program_gets_no_finding() {
    assert_eq!(diagnose(&healthy()), []);
    let in_a_container = edited(|facts| facts.container = container(1 << 30, 260 * MIB));
    assert_eq!(diagnose(&in_a_container), []);
    let under_a_limit = edited(|facts| {
        facts.container = container(1 << 30, 260 * MIB);
        facts.stats.memory_limit = 900 << 20;
        facts.environment.gomemlimit = Some("900MiB".into());
    });
    assert_eq!(diagnose(&under_a_limit), []);
    let without_rates = edited(|facts| facts.rates = None);
    assert_eq!(diagnose(&without_rates), []);
}

#[test]
fn a_small_healthy_program_gets_no_finding() {
    let facts = edited(|facts| {
        for leaf in facts.leaves.values_mut() {
            leaf.resident_bytes /= 30;
            leaf.virtual_bytes /= 30;
        }
        facts.rss_bytes /= 30;
        facts.stats.heap_marked = MIB;
        facts.stats.heap_live = 2 * MIB;
        facts.stats.heap_alloc = 2 * MIB;
        facts.stats.heap_inuse = 3 * MIB;
        facts.stats.next_gc = 4 * MIB;
        facts.rates = None;
    });
    assert_eq!(diagnose(&facts), []);
}

#[test]
fn facts_of_which_nothing_is_known_say_nothing_but_the_setting() {
    // GOGC=0 and a memory limit of 0 are what zeroed counters mean.
    assert_eq!(diagnose(&Facts::default()), []);
}

#[test]
fn the_headroom_of_a_busy_program_is_not_idle() {
    let busy = |idle: u64| {
        let mut facts = healthy();
        rates(&mut facts).alloc_bytes_per_s = 1e9;
        find(&facts.with(Leaf::HeapIdle, idle), "idle-not-returned")
    };
    // 200 MiB goal x 160/140 spread x 1.1, less 160 MiB in use: 91 MiB.
    assert_eq!(busy(90 * MIB), None);
    let finding = busy(200 * MIB).expect("more than headroom");
    assert!(
        (108 * MIB..110 * MIB).contains(&finding.bytes),
        "{}",
        finding.bytes
    );
}

#[test]
fn what_the_scavenger_keeps_for_a_busy_heap_is_not_idle() {
    let overshot = |goal: Option<u64>, rate: f64| {
        let mut facts = healthy();
        rates(&mut facts).alloc_bytes_per_s = rate;
        facts.stats.heap_inuse = 222 * MIB;
        facts.stats.heap_idle = 320 * MIB;
        facts.scavenge_goal = goal;
        find(&facts.with(Leaf::HeapIdle, 300 * MIB), "idle-not-returned")
    };
    assert_eq!(overshot(Some(u64::MAX), 1e9), None);
    assert_eq!(overshot(Some(222 * MIB + 295 * MIB), 1e9), None);
    assert!(overshot(Some(250 * MIB), 1e9).is_some());
    assert!(
        overshot(Some(u64::MAX), 0.0).is_some(),
        "an idle program has no use for it"
    );
    assert!(overshot(None, 1e9).is_some());
}

#[test]
fn what_one_cycle_turns_over_is_not_idle() {
    let churning = |cycles: f64| {
        let mut facts = healthy();
        rates(&mut facts).alloc_bytes_per_s = 1e9;
        rates(&mut facts).gc_cycles_per_s = cycles;
        find(&facts.with(Leaf::HeapIdle, 300 * MIB), "idle-not-returned")
    };
    // 1 GB/s x 160/140 spread: 363 MiB in a cycle, or 36.
    assert_eq!(churning(3.0), None);
    assert!(churning(30.0).is_some());
}

#[test]
fn stacks_of_the_dead_go_with_the_next_gc() {
    let mut facts = healthy().with(Leaf::StacksFree, 390 * MIB);
    facts.goroutines.dead = 200_000;
    let finding = find(&facts, "goroutine-graveyard").expect("graves");
    assert!(finding.bytes > 390 * MIB);
    assert_eq!(finding.remedies[0].command, "letgo release 4242");
}

#[test]
fn churn_under_a_limit_that_binds_asks_for_a_higher_limit() {
    let facts = spiral(130 * MIB, 0.2);
    let finding = find(&facts, "alloc-churn").expect("churn");
    assert!(
        finding.remedies[1]
            .command
            .starts_with("letgo tune 4242 --limit ")
    );
}

#[test]
fn what_the_runtime_does_by_itself_depends_on_its_settings() {
    let sentence = |edit: fn(&mut Facts)| {
        let mut facts = healthy().with(Leaf::HeapIdle, 900 * MIB);
        rates(&mut facts).alloc_bytes_per_s = 0.0;
        edit(&mut facts);
        find(&facts, "idle-not-returned")
            .expect("idle")
            .evidence
            .remove(1)
    };
    assert!(sentence(|_| ()).contains("about 5 min of idling keeps 16.0 MiB"));
    assert!(sentence(|facts| facts.target.go_minor = 20).contains("about 3 min of idling"));
    assert!(sentence(|facts| facts.stats.gc_percent = -1).contains("GC is off"));
    assert!(sentence(|facts| facts.stats.num_gc = 0).contains("No GC has run yet"));
    assert!(sentence(|facts| facts.rates = None).contains("in about 5 min if idle"));
    assert!(
        sentence(|facts| rates(facts).alloc_bytes_per_s = 1e9).contains("for as long as it does")
    );
    let limited = sentence(|facts| {
        facts.stats.gc_percent = -1;
        facts.stats.memory_limit = 4 << 30;
    });
    assert!(limited.contains("only when the memory limit is reached"));
}

#[test]
fn a_locked_process_is_not_told_to_release() {
    let mut facts = healthy().with(Leaf::HeapIdle, 900 * MIB);
    facts.locked_bytes = 900 * MIB;
    let finding = find(&facts, "idle-not-returned").expect("idle");
    assert!(
        finding
            .remedies
            .iter()
            .all(|remedy| !remedy.command.contains("release"))
    );
}

#[test]
fn madv_free_huge_pages_and_neither_are_told_apart() {
    let returned = |edit: fn(&mut Facts)| {
        let mut facts = healthy().with(Leaf::HeapReturnedResident, 200 * MIB);
        edit(&mut facts);
        find(&facts, "returned-still-resident").expect("resident")
    };
    let lazy = returned(|facts| {
        facts.lazy_free_bytes = 200 * MIB;
        facts.environment.godebug = Some("madvdontneed=0".into());
    });
    assert_eq!(lazy.confidence, Confidence::Proven);
    assert!(lazy.evidence[1].contains("in the environment"));
    let huge = returned(|facts| {
        facts.thp = Thp::Always;
        facts
            .leaves
            .entry(Leaf::HeapReturnedResident)
            .or_default()
            .huge_bytes = 190 * MIB;
    });
    assert_eq!(huge.confidence, Confidence::Proven);
    assert!(huge.remedies[0].command.contains("disablethp=1"));
    let neither = returned(|_| ());
    let mut busy = healthy().with(Leaf::HeapReturnedResident, 200 * MIB);
    rates(&mut busy).alloc_bytes_per_s = 1e9;
    assert_eq!(
        find(&busy, "returned-still-resident"),
        None,
        "torn, or not: nobody can tell"
    );
    assert_eq!(neither.confidence, Confidence::Possible);
}

#[test]
fn disablethp_is_named_only_where_the_release_has_it() {
    let advice = |minor, patch| {
        let mut facts = healthy().with(Leaf::StacksOsThread, 200 * MIB);
        facts
            .leaves
            .entry(Leaf::StacksOsThread)
            .or_default()
            .huge_bytes = 200 * MIB;
        facts.target.go_minor = minor;
        facts.target.go_patch = patch;
        let finding = find(&facts, "thp-bloat").expect("bloat");
        finding.remedies[0].command.contains("disablethp")
    };
    assert!(!advice(20, 14));
    assert!(!advice(21, 5));
    assert!(advice(21, 6));
    assert!(advice(27, 0));
}

#[test]
fn profstackdepth_is_named_only_where_the_release_has_it() {
    let advice = |minor, asked: Option<&str>| {
        let mut facts = healthy().with(Leaf::RuntimeProfileBuckets, 100 * MIB);
        facts.target.go_minor = minor;
        facts.environment.godebug = asked.map(str::to_owned);
        facts.profile = Profile {
            memory_count: 1,
            memory_bytes: 1,
            ..Profile::default()
        };
        let finding = find(&facts, "profile-buckets").expect("buckets");
        finding
            .remedies
            .iter()
            .any(|remedy| remedy.command.contains("profstackdepth"))
    };
    assert!(!advice(22, None));
    assert!(advice(23, None));
    assert!(advice(23, Some("gctrace=1,profstackdepth=64")));
    assert!(!advice(23, Some("profstackdepth=32")), "it is so already");
}

#[test]
fn gc_off_is_worse_without_a_limit_and_worst_while_it_grows() {
    let severity = |edit: fn(&mut Facts)| {
        let mut facts = healthy();
        facts.stats.gc_percent = -1;
        facts.stats.heap_marked = facts.stats.heap_live;
        rates(&mut facts).alloc_bytes_per_s = 0.0;
        edit(&mut facts);
        find(&facts, "gc-off").expect("off").severity
    };
    assert_eq!(
        severity(|facts| facts.stats.memory_limit = 4 << 30),
        Severity::Info
    );
    assert_eq!(severity(|_| ()), Severity::Low);
    assert_eq!(
        severity(|facts| rates(facts).alloc_bytes_per_s = 1e6),
        Severity::Medium
    );
}

#[test]
fn a_stopped_process_is_said_to_be_stopped() {
    let stalled = |state| {
        let mut facts = healthy();
        facts.last_gc_age_ns = Some(3600 * SECOND);
        facts.target.state = state;
        find(&facts, "gc-stalled").expect("stalled")
    };
    assert!(stalled(State::Stopped).evidence[0].contains("stopped"));
    assert!(stalled(State::Frozen).evidence[0].contains("frozen"));
    assert_eq!(stalled(State::Runs).confidence, Confidence::Likely);
    let never = edited(|facts| {
        facts.last_gc_age_ns = Some(3600 * SECOND);
        facts.stats.num_gc = 0;
    });
    assert_eq!(
        find(&never, "gc-stalled"),
        None,
        "none is forced before the first"
    );
}

#[test]
fn a_spiral_is_not_also_churn_and_asks_for_a_higher_limit() {
    let facts = spiral(102 * MIB, 0.45);
    assert_eq!(find(&facts, "alloc-churn"), None);
    let finding = find(&facts, "gc-death-spiral").expect("spiral");
    assert_eq!(finding.severity, Severity::High);
    assert!(
        finding.remedies[0]
            .command
            .starts_with("letgo tune 4242 --limit ")
    );
    let mut cramped = facts;
    cramped.container = container(210 * MIB, 200 * MIB);
    let finding = find(&cramped, "gc-death-spiral").expect("spiral");
    assert!(
        finding
            .remedies
            .iter()
            .all(|remedy| !remedy.command.contains("tune"))
    );
}

#[test]
fn idle_mark_workers_are_not_a_cost() {
    let facts = edited(|facts| {
        let rates = rates(facts);
        rates.gc_cpu_fraction = Some(0.40);
        rates.gc_idle_cpu_fraction = Some(0.38);
    });
    assert_eq!(find(&facts, "alloc-churn"), None);
}

#[test]
fn a_limit_that_was_made_for_a_larger_container_is_one_finding() {
    let facts = edited(|facts| {
        facts.container = container(512 * MIB, 300 * MIB);
        facts.stats.memory_limit = 900 << 20;
        facts.target.modules = vec!["github.com/KimMachineGun/automemlimit".into()];
    });
    let finding = find(&facts, "limit-stale").expect("stale");
    assert_eq!(finding.confidence, Confidence::Likely);
    assert_eq!(find(&facts, "limit-too-high"), None);
    let by_hand = edited(|facts| {
        facts.container = container(512 * MIB, 300 * MIB);
        facts.stats.memory_limit = 900 << 20;
    });
    assert_eq!(find(&by_hand, "limit-stale"), None);
    let finding = find(&by_hand, "limit-too-high").expect("too high");
    assert_eq!(finding.confidence, Confidence::Proven);
}

#[test]
fn memory_of_others_in_the_container_makes_a_limit_too_high() {
    let facts = edited(|facts| {
        facts.container = container(1000 * MIB, 500 * MIB);
        facts.stats.memory_limit = 900 << 20;
    });
    // 500 less what the limit counts: 234 MiB.
    let finding = find(&facts, "limit-too-high").expect("too high");
    assert_eq!(finding.confidence, Confidence::Likely);
    assert!(
        finding.evidence[0].starts_with("266 MiB of the working set"),
        "{}",
        finding.evidence[0]
    );
    assert!(
        finding.remedies[0].command.ends_with("--limit 690MiB"),
        "{:?}",
        finding.remedies
    );
}

#[test]
fn near_the_containers_limit_medium_is_high() {
    let mut facts = healthy().with(Leaf::MapsFile, 30 * MIB);
    assert_eq!(
        find(&facts, "mapped-file").map(|f| f.severity),
        Some(Severity::Medium)
    );
    facts.container = container(300 * MIB, 290 * MIB);
    assert_eq!(
        find(&facts, "mapped-file").map(|f| f.severity),
        Some(Severity::High)
    );
}

#[test]
fn a_dear_headroom_tells_what_idle_spans_it_shares() {
    let mut facts = healthy().with(Leaf::HeapIdle, 900 * MIB);
    facts.stats.gc_percent = 400;
    facts.stats.next_gc = 510 * MIB;
    rates(&mut facts).alloc_bytes_per_s = 0.0;
    let idle = find(&facts, "idle-not-returned").expect("idle");
    let headroom = find(&facts, "headroom-high").expect("headroom");
    let share = &headroom.also[0];
    assert_eq!(share.id, "idle-not-returned");
    assert!(share.bytes > 0 && share.bytes <= idle.bytes);
}

#[test]
fn the_worst_size_classes_are_named_first() {
    let mut facts = healthy().with(Leaf::HeapFreeSlots, 300 * MIB);
    let class = |slot_bytes, free_mib| SizeClass {
        class: 1,
        slot_bytes,
        spans: 10,
        slots: 1000,
        used_slots: 310,
        free_resident_bytes: free_mib * MIB,
    };
    facts.size_classes = vec![class(64, 1), class(1152, 200), class(512, 90), class(32, 9)];
    let finding = find(&facts, "fragmentation").expect("fragmented");
    assert!(finding.evidence[1].starts_with("1152 B slots: 31 % of 1,000 used"));
    assert!(finding.evidence[3].starts_with("32 B slots"));
}

#[test]
fn arenas_and_mappings_are_named() {
    let mut facts = healthy()
        .with(Leaf::CgoMalloc, 300 * MIB)
        .with(Leaf::MapsFile, 200 * MIB);
    facts.malloc = Malloc {
        arenas: 16,
        arena_resident_bytes: 250 * MIB,
    };
    facts.mappings = vec![Mapping {
        leaf: Leaf::MapsFile,
        name: "/data/index.db".into(),
        resident_bytes: 200 * MIB,
        virtual_bytes: 1 << 30,
    }];
    let malloc = find(&facts, "cgo-growth").expect("malloc");
    assert!(malloc.evidence[0].contains("250 MiB in 16 arenas"));
    assert!(malloc.remedies[0].command.contains("MALLOC_ARENA_MAX=2"));
    facts.malloc.arena_resident_bytes = 10 * MIB;
    let elsewhere = find(&facts, "cgo-growth").expect("malloc");
    let advice = elsewhere.remedies.iter().map(|remedy| &remedy.command);
    assert!(advice.clone().all(|advice| !advice.contains("ARENA_MAX")));
    let files = find(&facts, "mapped-file").expect("files");
    assert_eq!(
        files.evidence[0],
        "/data/index.db: 200 MiB resident of 1.00 GiB mapped."
    );
}

#[test]
fn threads_that_near_the_runtimes_maximum_are_high() {
    let facts = edited(|facts| {
        facts.threads.count = 5000;
        facts.threads.runtime_count = 5000;
    });
    assert_eq!(
        find(&facts, "thread-stacks").map(|f| f.severity),
        Some(Severity::High)
    );
    let few = edited(|facts| facts.threads.count = 199);
    assert_eq!(find(&few, "thread-stacks"), None);
}

#[test]
fn thresholds_can_be_others() {
    let mut facts = healthy();
    rates(&mut facts).alloc_bytes_per_s = 0.0;
    let facts = facts.with(Leaf::HeapIdle, 20 * MIB);
    assert_eq!(diagnose(&facts), []);
    let strict = Thresholds {
        least_bytes: MIB,
        ..Thresholds::default()
    };
    let findings = crate::diagnose_with(&facts, &strict);
    assert!(
        findings
            .iter()
            .any(|finding| finding.id == "idle-not-returned")
    );
}

#[test]
fn the_book_explains_each_finding() {
    let book = include_str!("../../../../docs/findings.md");
    let sections: Vec<&str> = book
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .collect();
    let ids: Vec<String> = crate::rule_ids().map(|id| format!("`{id}`")).collect();
    for id in &ids {
        assert!(
            sections.contains(&id.as_str()),
            "docs/findings.md has no section {id}"
        );
    }
    for section in sections.iter().filter(|section| section.starts_with('`')) {
        assert!(
            ids.iter().any(|id| id == section),
            "{section} is no finding"
        );
    }
}

/// The same program as its core shows it.
fn of_a_core(facts: &Facts) -> Facts {
    let mut facts = facts.clone();
    facts.measure = Measure::Virtual;
    facts.target.file = Some("/var/crash/core of api".into());
    facts.container = None;
    facts.rates = None;
    facts.last_gc_age_ns = None;
    facts
}

#[test]
fn what_needs_residency_is_not_said_of_a_core() {
    for id in NEED_RESIDENCY {
        assert!(crate::rule_ids().any(|rule| rule == id), "{id}");
    }
    let large = healthy().with(Leaf::CgoMalloc, 900 * MIB);
    let large = large.with(Leaf::HeapReturnedResident, 900 * MIB);
    assert!(find(&large, "cgo-growth").is_some());
    let findings = diagnose(&of_a_core(&large));
    let said = |finding: &Finding| NEED_RESIDENCY.contains(&finding.id);
    assert!(!findings.iter().any(said), "{findings:?}");
}

#[test]
fn remedies_of_a_core_act_on_no_process_and_claim_no_rss() {
    let mut facts = of_a_core(&healthy().with(Leaf::HeapIdle, 900 * MIB));
    facts.stats.gc_percent = 400;
    let free = of_a_core(&healthy().with(Leaf::HeapFreeSlots, 900 * MIB));
    let findings = [diagnose(&facts), diagnose(&free)].concat();
    let commands = findings.iter().flat_map(|finding| &finding.remedies);
    let commands: Vec<&str> = commands.map(|remedy| remedy.command.as_str()).collect();
    assert!(
        commands.contains(&"letgo heap '/var/crash/core of api'"),
        "{commands:?}"
    );
    assert!(
        commands
            .iter()
            .any(|command| command.starts_with("start it with GOGC=100"))
    );
    for finding in &findings {
        let text = format!("{finding:?}");
        assert!(!text.contains("RSS") && !text.contains("4242"), "{text}");
    }
}

#[test]
fn nothing_is_called_resident_of_a_core() {
    let mut facts = healthy();
    facts.goroutine_groups = Some(vec![receivers(Verdict::Proven, 20_000)]);
    let stacks = |facts: &Facts| {
        let leak = find(facts, "goroutine-leak").expect("a leak");
        let mut lines = leak.evidence.into_iter();
        lines.find(|line| line.starts_with("Stacks: ")).unwrap()
    };
    assert!(stacks(&facts).contains("resident of 156 MiB."));
    assert_eq!(stacks(&of_a_core(&facts)), "Stacks: 156 MiB.");
}
