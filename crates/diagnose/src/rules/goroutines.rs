//! What is said of goroutines that are blocked, become more, or are many.

use letgo_account::Leaf;

use crate::diagnose;
use crate::facts::Facts;
use crate::finding::{Confidence, Finding, Severity};
use crate::group::{Change, GoroutineGroup, Verdict};
use crate::testing::{MIB, find, healthy, place, receivers, with_groups};

fn all(facts: &Facts, id: &str) -> Vec<Finding> {
    let findings = diagnose(facts).into_iter();
    findings.filter(|finding| finding.id == id).collect()
}

/// Proven receivers that hold so much of the heap.
fn holders(count: u64, heap: u64, function: &str) -> GoroutineGroup {
    GoroutineGroup {
        location: place(function, "leak.go", 7),
        heap_resident_bytes: heap,
        heap_objects: count,
        ..receivers(Verdict::Proven, count)
    }
}

#[expect(clippy::unnecessary_wraps, reason = "as the field wants it")]
fn change(came: u64, went: u64) -> Option<Change> {
    Some(Change { came, went })
}

fn network(count: u64) -> GoroutineGroup {
    GoroutineGroup {
        wait_reason: "IO wait".into(),
        ..receivers(Verdict::None, count)
    }
}

#[test]
fn goroutines_of_a_healthy_server_get_no_finding() {
    // 900 connections, each with a writer beside; a pool that works; some blocked for good.
    let mut young = receivers(Verdict::None, 1500);
    young.waiting_least_ns = Some(0);
    young.change = change(40, 40);
    let groups = vec![
        network(900),
        receivers(Verdict::None, 900),
        young,
        receivers(Verdict::Proven, 3),
    ];
    assert_eq!(diagnose(&with_groups(groups)), []);
    assert_eq!(diagnose(&with_groups(Vec::new())), []);
}

#[test]
fn a_leak_is_charged_its_stacks_and_what_only_it_holds() {
    let facts = with_groups(vec![holders(6000, 77 * MIB, "main.leak")]);
    let leak = find(&facts, "goroutine-leak").expect("leak");
    assert_eq!(leak.bytes, 6000 * 4096 + 77 * MIB);
    assert_eq!(leak.confidence, Confidence::Proven);
    assert_eq!(leak.severity, Severity::High);
    assert_eq!(leak.count, Some(6000));
    assert_eq!(leak.location, place("main.leak", "leak.go", 7));
    assert_eq!(
        leak.title,
        "6,000 goroutines can never run again; they hold 100 MiB"
    );
    assert!(leak.evidence[0].starts_with("chan receive, for 20 min to 3 days; nothing"));
    assert_eq!(
        leak.evidence[1],
        "Started by api.(*Server).Handle (server.go:141)."
    );
    let commands: Vec<&str> = leak
        .remedies
        .iter()
        .map(|one| one.command.as_str())
        .collect();
    assert_eq!(commands[0], "letgo goroutines 4242");
    assert!(commands[1].starts_with("close the channel"), "{commands:?}");
    assert_eq!(commands[2], "restart it");
}

#[test]
fn one_that_holds_much_is_a_leak_too() {
    let mut one = holders(1, 40 * MIB, "main.keep");
    one.waiting_least_ns = None;
    let leak = find(&with_groups(vec![one]), "goroutine-leak").expect("leak");
    assert_eq!(
        leak.title,
        "1 goroutine can never run again; it holds 40.0 MiB"
    );
    assert!(leak.evidence[0].starts_with("chan receive, for 3 days;"));
}

#[test]
fn large_leaks_are_findings_of_their_own_and_small_ones_one_together() {
    let mut groups = vec![
        holders(4000, 40 * MIB, "main.first"),
        holders(50, 30 * MIB, "main.second"),
    ];
    let small = (0..5).map(|number| holders(20 + number, MIB, "main.small"));
    groups.extend(small);
    let leaks = all(&with_groups(groups), "goroutine-leak");
    assert_eq!(leaks.len(), 3, "{leaks:?}");
    assert_eq!(leaks[0].location, place("main.first", "leak.go", 7));
    assert_eq!(leaks[1].location, place("main.second", "leak.go", 7));
    assert_eq!(leaks[2].count, Some(20 + 21 + 22 + 23 + 24));
    assert!(leaks[2].evidence[0].starts_with("24 in main.small (leak.go:7): chan receive"));
    assert!(leaks[2].evidence.contains(&"And 2 places more.".to_owned()));
    let sum: u64 = leaks.iter().map(|leak| leak.bytes).sum();
    assert_eq!(sum, (4000 + 50 + 110) * 4096 + 75 * MIB);
}

#[test]
fn leaks_of_a_hundred_places_are_not_a_hundred_findings() {
    let groups = (0..15).map(|_| holders(100, 20 * MIB, "main.leak"));
    let mut facts = with_groups(groups.collect()).with(Leaf::HeapReachable, 300 * MIB);
    facts.stats.heap_marked = 300 * MIB;
    let leaks = all(&facts, "goroutine-leak");
    assert_eq!(leaks.len(), 4);
    assert_eq!(leaks[0].count, Some(1200), "the others hold most");
}

#[test]
fn bytes_of_a_leak_are_not_the_graveyards_as_well() {
    let mut facts = with_groups(vec![holders(6000, 190 * MIB, "main.leak")]);
    facts.goroutines.dead = 200_000;
    let graves = find(&facts, "goroutine-graveyard").expect("graves");
    assert_eq!(graves.bytes, 10 * MIB);
    assert_eq!(graves.also[0].id, "goroutine-leak");
}

#[test]
fn what_was_left_out_makes_it_at_least() {
    let mut group = holders(6000, 77 * MIB, "main.leak");
    group.is_whole = false;
    let leak = find(&with_groups(vec![group]), "goroutine-leak").expect("leak");
    assert!(leak.title.ends_with("they hold at least 100 MiB"));
    assert!(leak.evidence[2].contains("at least 77.0 MiB in 6,000 objects"));
}

#[test]
fn a_wait_that_no_gc_saw_has_no_age() {
    let mut group = holders(6000, 77 * MIB, "main.leak");
    (group.waiting_ns, group.waiting_least_ns) = (None, None);
    let leak = find(&with_groups(vec![group]), "goroutine-leak").expect("leak");
    assert!(leak.evidence[0].starts_with("chan receive, since when is not known;"));
}

#[test]
fn a_small_leak_that_grows_is_low() {
    let severity = |change| {
        let mut group = receivers(Verdict::Proven, 10);
        group.change = change;
        let leak = find(&with_groups(vec![group]), "goroutine-leak").expect("leak");
        (
            leak.severity,
            leak.evidence.iter().any(|one| {
                one.contains("two looks, 1.0 s apart, 3 came and none went: from 10 to 13")
            }),
        )
    };
    assert_eq!(severity(change(3, 0)), (Severity::Low, true));
    assert_eq!(severity(change(2, 2)), (Severity::Info, false));
    assert_eq!(severity(None), (Severity::Info, false));
}

#[test]
fn what_to_change_depends_on_what_they_wait_for() {
    let advice = |reason: &str, minor: u32| {
        let mut group = receivers(Verdict::Proven, 100);
        group.wait_reason = reason.into();
        let mut facts = with_groups(vec![group]);
        facts.target.go_minor = minor;
        let leak = find(&facts, "goroutine-leak").expect("leak");
        let changes = leak.remedies.iter().filter(|one| one.what == "for good");
        changes
            .map(|one| one.command.clone())
            .collect::<Vec<_>>()
            .join("; ")
    };
    for (reason, minor, word) in [
        ("chan send", 27, "a buffer of 1"),
        ("chan receive", 27, "close the channel"),
        ("select", 27, "<-ctx.Done()"),
        ("select (no cases)", 27, "return instead"),
        ("chan send (nil chan)", 27, "make the channel"),
        ("sync.Mutex.Lock", 27, "in one order"),
        ("sync.WaitGroup.Wait", 27, "Add before the go statement"),
        ("semacquire", 23, "Add before the go statement"),
        ("semacquire", 19, "unlock with defer"),
        ("sync.Cond.Wait", 27, "Broadcast"),
    ] {
        let changes = advice(reason, minor);
        assert!(changes.contains(word), "{reason}: {changes}");
    }
    assert!(!advice("semacquire", 23).contains("unlock"));
    assert_eq!(advice("coroutine", 27), "");
}

#[test]
fn old_ones_that_grow_are_likely_leaked_and_can_still_be_reached() {
    let mut group = receivers(Verdict::None, 12_000);
    group.change = change(30, 0);
    let facts = with_groups(vec![group]);
    let leak = find(&facts, "goroutine-leak").expect("leak");
    assert_eq!(leak.confidence, Confidence::Likely);
    assert!(
        leak.title
            .starts_with("12,000 goroutines likely never run again")
    );
    assert!(!leak.evidence[0].contains("nothing that can still run"));
    assert!(
        leak.evidence
            .iter()
            .any(|one| one.contains("can still be reached"))
    );
    assert!(leak.remedies.iter().all(|one| one.command != "restart it"));
    assert_eq!(find(&facts, "goroutine-growth"), None, "it is told already");
}

#[test]
fn what_swings_does_not_grow() {
    let found = |came, went| {
        let mut group = receivers(Verdict::None, 12_000);
        group.change = change(came, went);
        find(&with_groups(vec![group]), "goroutine-leak").map(|leak| leak.confidence)
    };
    // Nine by nobody's going are three swings of nine; of a thousand each way they are nothing.
    assert_eq!(found(9, 0), Some(Confidence::Likely));
    assert_eq!(found(8, 0), Some(Confidence::Possible));
    assert_eq!(found(1100, 1000), Some(Confidence::Possible));
    assert_eq!(found(1150, 1000), Some(Confidence::Likely));
    assert_eq!(found(0, 3000), Some(Confidence::Possible));
}

#[test]
fn young_ones_that_grow_may_be_load() {
    let mut group = receivers(Verdict::None, 12_000);
    (group.waiting_ns, group.waiting_least_ns) = (Some(60_000_000_000), Some(0));
    group.change = change(400, 100);
    let facts = with_groups(vec![group]);
    assert_eq!(find(&facts, "goroutine-leak"), None);
    let growth = find(&facts, "goroutine-growth").expect("grew");
    assert_eq!(growth.confidence, Confidence::Possible);
    let looks = "Between two looks, 1.0 s apart, 400 came and 100 went: from 12,000 to 12,300.";
    assert!(growth.evidence.iter().any(|one| one == looks), "{growth:?}");
}

#[test]
fn what_the_caller_calls_likely_is_told_so() {
    let facts = with_groups(vec![receivers(Verdict::Likely, 10)]);
    let leak = find(&facts, "goroutine-leak").expect("leak");
    assert_eq!(leak.confidence, Confidence::Likely);
}

#[test]
fn old_ones_that_do_not_grow_may_be_workers() {
    let facts = with_groups(vec![receivers(Verdict::None, 12_000)]);
    let leak = find(&facts, "goroutine-leak").expect("leak");
    assert_eq!(leak.confidence, Confidence::Possible);
    assert_eq!(find(&facts, "goroutine-growth"), None, "it is told already");
    let pool = with_groups(vec![receivers(Verdict::None, 1200)]);
    assert_eq!(diagnose(&pool), [], "a pool of few bytes");
}

#[test]
fn writers_of_connections_are_not_called_leaked() {
    let mut writers = receivers(Verdict::None, 6000);
    writers.change = change(30, 0);
    let served = with_groups(vec![network(3000), writers.clone()]);
    assert_eq!(find(&served, "goroutine-leak"), None);
    let alone = with_groups(vec![network(2999), writers]);
    assert!(find(&alone, "goroutine-leak").is_some());
}

#[test]
fn many_connections_are_possibly_too_many() {
    let facts = with_groups(vec![network(20_000)]);
    let growth = find(&facts, "goroutine-growth").expect("many");
    assert_eq!(growth.confidence, Confidence::Possible);
    assert_eq!(growth.bytes, 20_000 * 4096);
    assert_eq!(growth.title, "20,000 goroutines at one place hold 78.1 MiB");
    assert!(
        growth.evidence[0].starts_with("20,000 in queue.(*Worker).loop (queue.go:88): IO wait")
    );
    let mut more = network(20_000);
    more.change = change(600, 100);
    let growth = find(&with_groups(vec![more.clone()]), "goroutine-growth").expect("grew");
    assert_eq!(growth.confidence, Confidence::Likely);
    assert!(growth.title.ends_with("and become more"));
    more.waiting_ns = Some(0);
    let growth = find(&with_groups(vec![more]), "goroutine-growth").expect("grew");
    assert_eq!(growth.confidence, Confidence::Possible);
}

#[test]
fn what_few_goroutines_with_deep_stacks_hold_of_the_heap_is_not_theirs() {
    let mut one = receivers(Verdict::None, 1);
    (one.wait_reason, one.status) = (String::new(), "running".into());
    one.stack_resident_bytes = 64 * MIB;
    one.heap_resident_bytes = 150 * MIB;
    let deep = find(&with_groups(vec![one.clone()]), "goroutine-growth").expect("deep");
    assert_eq!(deep.bytes, 64 * MIB);
    assert_eq!(deep.title, "1 goroutine has 64.0 MiB of stack");
    assert!(deep.remedies[1].command.contains("recursion"));
    one.stack_resident_bytes = 8192;
    assert_eq!(diagnose(&with_groups(vec![one])), [], "it works on much");
}

#[test]
fn without_groups_only_number_and_stacks_speak() {
    let quick = |count: u64, stacks: u64| {
        let mut facts = healthy().with(Leaf::StacksGoroutine, stacks);
        facts.goroutines.count = count;
        facts
    };
    let growth = find(&quick(10_000, 80 * MIB), "goroutine-growth").expect("many");
    assert_eq!(growth.bytes, 80 * MIB);
    assert_eq!(growth.confidence, Confidence::Possible);
    assert_eq!(diagnose(&quick(9_999, 80 * MIB)), []);
    assert_eq!(diagnose(&quick(10_000, 7 * MIB)), []);
}
