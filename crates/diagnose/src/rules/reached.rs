//! What the object graph changes: which rule has which bytes, and who is silent.

use letgo_account::{Leaf, ReachClass};

use crate::diagnose;
use crate::facts::Facts;
use crate::testing::{MIB, find, spans, with_graph};

fn bytes(facts: &Facts, id: &str) -> Option<u64> {
    find(facts, id).map(|finding| finding.bytes)
}

/// Survivors of a burst: 1 of 8 in 400 MiB of spans, 50 MiB of objects.
fn survivors() -> ReachClass {
    spans(51_200, 1, 0)
}

#[test]
fn a_healthy_heap_has_neither_right_before_a_gc_nor_right_after() {
    // Of the last, a quarter has died since the last GC.
    for (reachable, garbage) in [(4, 4), (4, 0), (3, 4)] {
        let mut facts = with_graph(vec![spans(25_600, reachable, garbage)]);
        facts.stats.heap_marked = 100 * MIB;
        assert_eq!(diagnose(&facts), [], "{reachable} of 8, {garbage} garbage");
    }
    // Spans that hold nothing but garbage go back.
    let facts = with_graph(vec![spans(12_800, 8, 0), spans(12_800, 0, 8)]);
    assert_eq!(diagnose(&facts), []);
}

#[test]
fn survivors_pin_their_spans_and_nothing_is_said_twice() {
    let facts = with_graph(vec![survivors()]);
    let pinned = find(&facts, "pinned-spans").expect("pinned");
    // 350 MiB are free; at a goal of 100 MiB and a tenth, 60 MiB are filled again.
    assert_eq!(pinned.bytes, 350 * MIB - 60 * MIB);
    assert_eq!(pinned.count, Some(51_200));
    assert!(pinned.evidence[1].contains("keep 51,200 spans with 400 MiB resident"));
    assert!(pinned.remedies[0].command.contains("letgo heap 4242"));
    assert_eq!(find(&facts, "fragmentation"), None);
}

#[test]
fn garbage_in_a_pinned_span_is_lost_like_a_free_slot() {
    let half_dead = with_graph(vec![spans(51_200, 1, 4)]);
    let pinned = find(&half_dead, "pinned-spans").expect("pinned");
    assert_eq!(pinned.bytes, 290 * MIB);
    // A GC that does not run is told of what would go back, not of what is pinned anyway.
    let mut off = half_dead;
    off.stats.gc_percent = -1;
    let share = &find(&off, "gc-off").expect("off").also[0];
    assert_eq!((share.id, share.bytes), ("pinned-spans", 140 * MIB));
}

#[test]
fn what_lies_in_better_used_spans_is_fragmentation() {
    // 2 of 8: 300 MiB of 400 are free, and 100 MiB reachable fill 120.
    let facts = with_graph(vec![spans(51_200, 2, 0)]);
    assert_eq!(bytes(&facts, "fragmentation"), Some(180 * MIB));
    assert_eq!(find(&facts, "pinned-spans"), None);
    let finding = find(&facts, "fragmentation").expect("fragmented");
    assert!(
        finding.evidence[1].starts_with("1024 B slots: 25 % of 409,600 reachable in 51,200 spans"),
        "{finding:?}"
    );
}

#[test]
fn each_has_the_bytes_of_its_own_spans() {
    let facts = with_graph(vec![survivors(), spans(51_200, 2, 0)]);
    // 650 MiB are free in all, 150 MiB reachable: 180 MiB are filled again, of the better used.
    let pinned = find(&facts, "pinned-spans").expect("pinned");
    let rest = find(&facts, "fragmentation").expect("fragmented");
    assert_eq!((pinned.bytes, rest.bytes), (350 * MIB, 120 * MIB));
    assert!(rest.also.is_empty(), "{rest:?}");
    assert!(rest.evidence[1].contains("350 MiB lie in spans that few objects keep"));
}

#[test]
fn pinned_spans_too_few_to_stand_out_are_fragmentation() {
    let facts = with_graph(vec![spans(800, 1, 0), spans(51_200, 2, 0)]);
    assert_eq!(find(&facts, "pinned-spans"), None);
    // 5.5 MiB of it in pinned spans, whose objects let the goal grow a little.
    let rest = bytes(&facts, "fragmentation").expect("fragmented");
    assert!(rest > 184 * MIB && rest < 186 * MIB, "{rest}");
}

#[test]
fn spans_that_wait_for_a_finalizer_are_not_counted() {
    let mut class = spans(12_800, 8, 0);
    class.awaiting_finalizer = spans(51_200, 1, 7).shares[1];
    assert_eq!(diagnose(&with_graph(vec![class])), []);
}

#[test]
fn without_a_graph_nobody_says_what_is_pinned() {
    let mut facts = with_graph(vec![survivors()]);
    facts.reached = None;
    assert_eq!(find(&facts, "pinned-spans"), None);
    assert!(find(&facts, "fragmentation").is_some());
}

#[test]
fn gc_that_is_off_is_told_what_is_garbage() {
    let mut facts = with_graph(vec![spans(12_800, 8, 0), spans(25_600, 0, 8)]);
    facts.stats.gc_percent = -1;
    let off = find(&facts, "gc-off").expect("off");
    assert_eq!(off.bytes, 200 * MIB);
    assert!(
        off.evidence[0].contains("200 MiB in the heap are garbage now"),
        "{off:?}"
    );
}

#[test]
fn dead_goroutines_are_reachable_objects() {
    let mut facts = with_graph(vec![spans(25_600, 8, 0)]);
    facts.goroutines.dead = 200_000;
    let graves = find(&facts, "goroutine-graveyard").expect("graves");
    assert_eq!(graves.bytes, 200_000 * 488);
    assert!(facts.resident(Leaf::HeapReachable) > graves.bytes);
}
