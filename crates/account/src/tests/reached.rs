//! Splitting by the graph: single shapes, and sums against a naive one, slot by slot.

use super::*;
use crate::{Reach, SlotWord, VirtBytes};
use proptest::prelude::*;

/// A made-up graph: the words of each span of the census, `None` where it does not know the span.
#[derive(Clone, Debug, Default)]
pub(super) struct Made {
    pub(super) spans: Vec<Option<Vec<SlotWord>>>,
    pub(super) awaiting: Vec<u32>,
}

impl Reach for Made {
    fn words(&self, span: u32, words: &mut Vec<SlotWord>) -> bool {
        let known = self.spans.get(span as usize).and_then(Option::as_ref);
        words.clear();
        words.extend(known.into_iter().flatten());
        known.is_some()
    }

    fn awaits_finalizer(&self, span: u32) -> bool {
        self.awaiting.contains(&span)
    }
}

fn word(in_use: u64, reachable: u64) -> SlotWord {
    SlotWord {
        in_use,
        reachable,
        ..SlotWord::default()
    }
}

fn known(words: &[SlotWord]) -> Option<Vec<SlotWord>> {
    Some(words.to_vec())
}

pub(super) fn take_with(
    census: &Census,
    residency: &Residency,
    reach: Option<&dyn Reach>,
) -> Account {
    let inputs = Inputs {
        census,
        slots: &Pattern,
        reach,
        memory: &SliceMemory::default(),
        residency,
        mappings: &[],
        program: &[],
        sanitizer: None,
        stack_pointers: &[],
        rss: None,
        method: Method::Frozen,
    };
    drawn(&inputs)
}

/// A span of 8 slots of 1 KiB with so many in use.
fn eighths(page: u64, alloc_count: u32) -> Span {
    Span {
        alloc_count,
        ..span(page, 1, 1024, 8)
    }
}

#[test]
fn slots_in_use_are_reachable_or_garbage() {
    let census = heap(vec![eighths(0, 5), eighths(1, 5)]);
    let reach = Made {
        spans: vec![
            known(&[word(0b1_1111, 0b1_0001)]),
            // A graph may not say that a free slot is reachable, nor know more slots.
            known(&[word(u64::MAX << 3, u64::MAX), word(1, 1)]),
        ],
        ..Made::default()
    };
    // All of the first span, and the second os page of the second.
    let runs = [
        (HEAP, 8192, PageKind::Anon),
        (HEAP + PAGE + 4096, 4096, PageKind::Anon),
    ];
    let account = take_with(&census, &pages(&runs), Some(&reach));
    assert_eq!(
        resident(&account),
        [
            (Leaf::HeapReachable, 2048 + 4096),
            (Leaf::HeapGarbage, 3072),
            (Leaf::HeapFreeSlots, 3072),
        ]
    );
    let virt = account.leaf(Leaf::HeapReachable).virt;
    assert_eq!(virt, VirtBytes(2048 + 5 * 1024));
    let reached = account.reached.unwrap();
    assert_eq!(reached.reachable.objects, 7);
    assert_eq!(reached.reachable.slot_bytes, 7 * 1024);
    assert_eq!(reached.reachable.resident.0, 2048 + 4096);
    assert_eq!((reached.garbage.objects, reached.unknown.objects), (3, 0));
    assert_eq!(account.size_classes[0].garbage_bytes.0, 3072);
}

#[test]
fn guessed_and_once_dead_objects_are_weighed_apart() {
    let census = heap(vec![eighths(0, 4), eighths(1, 4)]);
    let one = SlotWord {
        in_use: 0b1111,
        reachable: 0b0111,
        guessed: 0b1010,
        dead: 0b1001,
    };
    let reach = Made {
        spans: vec![known(&[one]), known(&[one])],
        ..Made::default()
    };
    let whole = [
        (HEAP, 8192, PageKind::Anon),
        (HEAP + 8192, 1024, PageKind::AnonHuge),
    ];
    let account = take_with(&census, &pages(&whole), Some(&reach));
    let reached = account.reached.unwrap();
    // Slot 1 of each span is guessed, slot 0 was dead; of the second span slot 0 is resident.
    assert_eq!(
        (reached.guessed.objects, reached.guessed.resident.0),
        (2, 1024)
    );
    assert_eq!((reached.dead.objects, reached.dead.resident.0), (2, 2048));
}

#[test]
fn spans_are_told_apart_by_their_share_of_reachable_slots() {
    let spans = (0..5).map(|page| eighths(page, 8)).collect();
    let census = heap(spans);
    let with = |reachable| known(&[word(0xff, reachable)]);
    let reach = Made {
        spans: vec![with(0), with(0), with(1), with(0b11), with(0xff)],
        awaiting: vec![1],
    };
    let account = take_with(
        &census,
        &pages(&[(HEAP, 5 * PAGE, PageKind::Anon)]),
        Some(&reach),
    );
    let reached = account.reached.unwrap();
    let [class] = reached.classes[..] else {
        panic!("one class")
    };
    let spans = class.shares.map(|shares| shares.spans);
    assert_eq!(spans, [1, 1, 1, 0, 0, 0, 0, 0, 1]);
    assert_eq!(class.awaiting_finalizer.spans, 1);
    assert_eq!(class.awaiting_finalizer.garbage.resident.0, 8192);
    assert_eq!(
        (
            class.going().spans,
            class.staying().spans,
            class.all().spans
        ),
        (1, 4, 5)
    );
    assert_eq!(class.shares[1].garbage.resident.0, 7 * 1024);
    assert_eq!((class.class, class.elem_size), (5, 1024));
}

#[test]
fn a_span_that_the_graph_does_not_know_stays_what_it_is() {
    // The bits of the second were not read: nothing is in use there, it says.
    let census = heap(vec![eighths(0, 4), eighths(1, 4), eighths(2, 0)]);
    let reach = Made {
        spans: vec![None, known(&[word(0, 0)]), known(&[word(0, 0)])],
        ..Made::default()
    };
    let account = take_with(
        &census,
        &pages(&[(HEAP, 3 * PAGE, PageKind::Anon)]),
        Some(&reach),
    );
    assert_eq!(
        resident(&account),
        [(Leaf::HeapObjects, 8192), (Leaf::HeapFreeSlots, 2 * 8192)]
    );
    let reached = account.reached.clone().unwrap();
    assert_eq!(
        (reached.unknown.objects, reached.unknown.resident.0),
        (8, 8192)
    );
    let ids = leaf_ids(&account);
    assert!(ids.contains(&"heap.objects") && ids.contains(&"heap.reachable"));
}

fn leaf_ids(account: &Account) -> Vec<&'static str> {
    let groups = account.tree.children.iter();
    groups
        .flat_map(|group| group.children.iter().map(|leaf| leaf.id))
        .collect()
}

#[test]
fn the_tree_has_objects_or_reachable_objects() {
    let census = heap(vec![eighths(0, 4)]);
    let pages = pages(&[(HEAP, PAGE, PageKind::Anon)]);
    let without = leaf_ids(&take_with(&census, &pages, None));
    assert!(without.contains(&"heap.objects") && !without.contains(&"heap.reachable"));
    let reach = Made {
        spans: vec![known(&[word(0b1111, 0b1)])],
        ..Made::default()
    };
    let with = leaf_ids(&take_with(&census, &pages, Some(&reach)));
    assert!(!with.contains(&"heap.objects") && with.contains(&"heap.reachable"));
}

/// One span that is in order, and what a graph says of it.
fn any_reached() -> impl Strategy<Value = (Span, Option<Vec<SlotWord>>)> {
    let shape = prop_oneof![
        Just((1u32, 8u64, 1008u32)),
        Just((1, 48, 170)),
        Just((1, 1024, 8)),
        Just((2, 1152, 14)),
        Just((3, 24_000, 1)),
    ];
    let bits = (any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>());
    let words = prop::collection::vec(bits, 16);
    (shape, any::<bool>(), 0u8..8, words).prop_map(
        |((npages, elem_size, nelems), needs_sweep, known, words)| {
            let mut made = Span {
                needs_sweep,
                ..span(0, npages, elem_size, nelems)
            };
            let pattern = |slot: u32| PatternBits(&made).slot(slot) != Slot::Free;
            let in_use = |first: u32| {
                let slots = (first..nelems.min(first + 64)).filter(|slot| pattern(*slot));
                slots.fold(0, |word, slot| word | 1u64 << (slot - first))
            };
            let words = (0..nelems)
                .step_by(64)
                .zip(words)
                .map(|(first, (a, b, guessed, dead))| SlotWord {
                    in_use: in_use(first),
                    reachable: a & b,
                    guessed,
                    dead,
                });
            let words: Vec<SlotWord> = words.collect();
            made.alloc_count = words.iter().map(|word| word.in_use.count_ones()).sum();
            (made, (known > 0).then_some(words))
        },
    )
}

/// Spans one behind the other, with a free runtime page here and there.
fn any_heap() -> impl Strategy<Value = (Census, Made)> {
    prop::collection::vec((any_reached(), 0u64..2), 0..9).prop_map(|parts| {
        let mut page = 0;
        let mut reach = Made::default();
        let mut spans = Vec::new();
        for ((span, words), gap) in parts {
            page += gap;
            let base = Addr(HEAP + page * PAGE);
            page += u64::from(span.npages);
            spans.push(Span { base, ..span });
            reach.spans.push(words);
        }
        (heap(spans), reach)
    })
}

/// Resident bytes of a range, run by run.
fn naive(pages: &Residency, range: AddrRange) -> u64 {
    let runs = pages.runs().iter().filter(|run| run.kind.is_resident());
    runs.map(|run| run.range.intersect(range).len()).sum()
}

/// Resident bytes of slots for which `of` holds.
fn naive_slots(
    census: &Census,
    reach: &Made,
    pages: &Residency,
    of: impl Fn(SlotWord, u32) -> bool,
) -> u64 {
    let mut sum = 0;
    for (span, words) in census.spans.iter().zip(&reach.spans) {
        let Some(words) = words else { continue };
        for slot in 0..span.nelems {
            if of(words[slot as usize / 64], slot % 64) {
                let start = span.base.0 + u64::from(slot) * span.elem_size;
                sum += naive(pages, range(start, span.elem_size));
            }
        }
    }
    sum
}

fn any_pages() -> impl Strategy<Value = Residency> {
    prop::collection::vec((0u64..60, 1u64..20, 0u8..3), 0..20).prop_map(|mut runs| {
        runs.sort_unstable();
        let kinds = [PageKind::Anon, PageKind::AnonHuge, PageKind::Swapped];
        let run = |&(page, len, kind): &(u64, u64, u8)| {
            (HEAP + page * 4096, len * 4096, kinds[usize::from(kind)])
        };
        pages(&runs.iter().map(run).collect::<Vec<_>>())
    })
}

proptest! {
    #[test]
    fn the_graph_moves_bytes_between_objects_and_garbage_only(
        (census, reach) in any_heap(),
        pages in any_pages(),
    ) {
        let (with, without) = (
            take_with(&census, &pages, Some(&reach)),
            take_with(&census, &pages, None),
        );
        let used = [Leaf::HeapReachable, Leaf::HeapObjects, Leaf::HeapGarbage];
        let sum = |account: &Account| {
            let mut sum = crate::Tally::default();
            used.iter().for_each(|leaf| sum += account.leaf(*leaf));
            sum
        };
        prop_assert_eq!(sum(&with), sum(&without));
        for leaf in Leaf::ALL.into_iter().filter(|leaf| !used.contains(leaf)) {
            prop_assert_eq!(with.leaf(leaf), without.leaf(leaf), "{:?}", leaf);
        }
        prop_assert_eq!(with.total(), without.total());
        prop_assert_eq!(with.total().resident, pages.resident());
        prop_assert_eq!(with.untouched, without.untouched);
    }

    #[test]
    fn the_sums_are_those_of_single_slots(
        (census, reach) in any_heap(),
        pages in any_pages(),
    ) {
        let account = take_with(&census, &pages, Some(&reach));
        let reached = account.reached.as_ref().unwrap();
        let has = |bits: u64, slot: u32| bits >> slot & 1 == 1;
        let naive = |of: &dyn Fn(SlotWord) -> u64| {
            naive_slots(&census, &reach, &pages, |word, slot| has(of(word), slot))
        };
        let found = naive(&|word| word.in_use & word.reachable);
        prop_assert_eq!(account.leaf(Leaf::HeapReachable).resident.0, found);
        prop_assert_eq!(reached.reachable.resident.0, found);
        let garbage = naive(&|word| word.in_use & !word.reachable);
        prop_assert_eq!(reached.garbage.resident.0, garbage);
        let guessed = naive(&|word| word.in_use & word.reachable & word.guessed);
        prop_assert_eq!(reached.guessed.resident.0, guessed);
        let dead = naive(&|word| word.in_use & word.reachable & word.dead);
        prop_assert_eq!(reached.dead.resident.0, dead);
        let free = naive(&|word| !word.in_use);
        let classes = reached.classes.iter().map(|class| class.all().free.0);
        prop_assert_eq!(classes.sum::<u64>(), free);
    }
}
