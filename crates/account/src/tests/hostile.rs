//! Whatever a census claims, every resident byte has exactly one owner and nothing panics.

use super::reached::{Made, take_with};
use super::*;
use crate::SlotWord;
use letgo_goruntime::{Metadata, PageCache, Sys, Thread};
use proptest::prelude::*;

/// Addresses near each other, so that things overlap, and a few at the ends.
fn addr() -> impl Strategy<Value = u64> {
    prop_oneof![
        8 => (0u64..64).prop_map(|page| HEAP + page * 4096),
        2 => (0u64..0x8_0000).prop_map(|byte| HEAP + byte),
        1 => Just(0),
        1 => Just(u64::MAX - 4096),
    ]
}

fn any_range() -> impl Strategy<Value = AddrRange> {
    (
        addr(),
        prop_oneof![9 => 0u64..0x2_0000, 1 => Just(u64::MAX)],
    )
        .prop_map(|(start, len)| range(start, len))
}

fn any_span() -> impl Strategy<Value = Span> {
    let shape = (0u64..40, 0u32..5, 0u64..9000, 0u32..600, any::<u8>());
    (shape, any::<bool>(), 0u32..3, 0u32..700, 0u32..4).prop_map(
        |(
            (page, npages, elem_size, nelems, span_class),
            needs_sweep,
            bitmaps,
            alloc_count,
            kind,
        )| {
            Span {
                span_class,
                needs_sweep,
                alloc_count,
                bitmap_bytes: bitmaps * 128,
                user_arena: span_class == 1,
                used_for: match kind {
                    0 => SpanUse::Stack,
                    1 => SpanUse::WorkBuf,
                    _ => SpanUse::Heap,
                },
                ..span(page, npages, elem_size, nelems)
            }
        },
    )
}

fn any_census() -> impl Strategy<Value = Census> {
    let spans = prop::collection::vec(any_span(), 0..12);
    let in_use = prop::collection::vec(any_range(), 0..4);
    let bits = (any::<[u64; 8]>(), any::<[u64; 8]>());
    let chunks = prop::collection::vec((0u64..3, bits), 0..4);
    let caches = prop::collection::vec((0u64..9, any::<u64>(), any::<u64>()), 0..4);
    let metadata = prop::collection::vec((any_range(), 0u8..3), 0..8);
    let stacks = prop::collection::vec((any_range(), any_range()), 0..5);
    (spans, in_use, chunks, caches, metadata, stacks).prop_map(
        |(spans, in_use, chunks, caches, metadata, stacks)| {
            let mut census = Census {
                spans,
                ..Census::default()
            };
            census.pages.in_use = in_use;
            let chunk = |(index, (alloc, scavenged))| Chunk {
                base: Addr(HEAP + index * 512 * PAGE),
                alloc,
                scavenged,
            };
            census.pages.chunks = chunks.into_iter().map(chunk).collect();
            let cache = |(index, cache, scavenged)| PageCache {
                base: Addr(HEAP + index * 64 * PAGE),
                cache,
                scavenged,
            };
            census.pages.caches = caches.into_iter().map(cache).collect();
            let metadata = metadata.into_iter().map(|(range, sys)| Metadata {
                range,
                sys: [Sys::Gc, Sys::Other, Sys::OsStack][usize::from(sys)],
                what: "made up",
            });
            census.metadata = metadata.collect();
            let thread = |(g0_stack, gsignal_stack)| Thread {
                m: Addr(1),
                id: 1,
                procid: 1,
                g0_stack,
                gsignal_stack,
            };
            census.threads = stacks.into_iter().map(thread).collect();
            census
        },
    )
}

fn any_pages() -> impl Strategy<Value = Residency> {
    prop::collection::vec((0u64..200, 1u64..20, 0u8..4), 0..20).prop_map(|mut runs| {
        runs.sort_unstable();
        let kinds = [
            PageKind::Anon,
            PageKind::AnonHuge,
            PageKind::File,
            PageKind::Swapped,
        ];
        let run = |&(page, len, kind): &(u64, u64, u8)| {
            let start = HEAP - 0x1_0000 + page * 4096;
            (start, len * 4096, kinds[usize::from(kind)])
        };
        pages(&runs.iter().map(run).collect::<Vec<_>>())
    })
}

fn any_mappings() -> impl Strategy<Value = Vec<Mapping>> {
    let one = (0u64..200, 1u64..30, 0u8..6);
    prop::collection::vec(one, 0..12).prop_map(|mut mappings| {
        mappings.sort_unstable();
        let mut floor = 0;
        let mut made = Vec::new();
        for (page, len, kind) in mappings {
            let page = page.max(floor);
            floor = page + len;
            let mut mapping = writable(HEAP - 0x1_0000 + page * 4096, len * 4096);
            match kind {
                0 => mapping.permissions = Permissions::default(),
                1 => (mapping.inode, mapping.name) = (7, "/lib/x.so".to_owned()),
                2 => mapping.name = "[heap]".to_owned(),
                3 => mapping.name = "[stack]".to_owned(),
                4 => mapping.name = "[vdso]".to_owned(),
                _ => {}
            }
            made.push(mapping);
        }
        made
    })
}

proptest! {
    #[test]
    fn every_resident_byte_has_exactly_one_owner(
        census in any_census(),
        pages in any_pages(),
        mappings in any_mappings(),
    ) {
        let account = take(&census, &pages, &mappings);
        let leaves = Leaf::ALL.map(|leaf| account.leaf(leaf));
        let sum: u64 = leaves.iter().map(|tally| tally.resident.0).sum();
        let swapped: u64 = leaves.iter().map(|tally| tally.swapped).sum();
        let huge: u64 = leaves.iter().map(|tally| tally.huge.0).sum();
        let kind = |kind| pages.runs().iter().filter(move |run| run.kind == kind);
        prop_assert_eq!(sum, pages.resident().0);
        prop_assert_eq!(account.total().resident.0, sum);
        prop_assert_eq!(swapped, pages.swapped());
        let huge_pages: u64 = kind(PageKind::AnonHuge).map(|run| run.range.len()).sum();
        prop_assert_eq!(huge, huge_pages);
    }
}

/// A graph that fits no census.
fn any_reach() -> impl Strategy<Value = Made> {
    let word = any::<(u64, u64, u64, u64)>();
    let words = prop::collection::vec(word, 0..12);
    let spans = prop::collection::vec(prop::option::of(words), 0..12);
    spans.prop_map(|spans| {
        let word = |(in_use, reachable, guessed, dead)| SlotWord {
            in_use,
            reachable,
            guessed,
            dead,
        };
        let words = |words: Vec<_>| words.into_iter().map(word).collect();
        Made {
            spans: spans.into_iter().map(|span| span.map(words)).collect(),
            awaiting: vec![1, 2],
        }
    })
}

proptest! {
    #[test]
    fn no_graph_makes_or_loses_a_byte(
        census in any_census(),
        pages in any_pages(),
        reach in any_reach(),
    ) {
        let account = take_with(&census, &pages, Some(&reach));
        prop_assert_eq!(account.total().resident, pages.resident());
        let reached = account.reached.as_ref().unwrap();
        let in_spans: u64 = reached.classes.iter().map(|class| class.all().resident.0).sum();
        prop_assert!(in_spans <= pages.resident().0);
        for part in [reached.guessed, reached.dead] {
            prop_assert!(part.resident <= reached.reachable.resident);
            prop_assert!(part.objects <= reached.reachable.objects);
        }
        let leaf = account.leaf(Leaf::HeapReachable).resident;
        prop_assert_eq!(leaf, reached.reachable.resident);
    }
}

#[test]
fn a_heap_as_large_as_the_address_space_ends_in_time() {
    let mut census = heap(vec![span(0, u32::MAX, u64::MAX, u32::MAX)]);
    census.pages.in_use = vec![range(0, u64::MAX), range(4096, u64::MAX)];
    census.pages.chunks.push(Chunk {
        base: Addr(u64::MAX - 4095),
        alloc: [0; 8],
        scavenged: [u64::MAX; 8],
    });
    let runs = [(HEAP, 3 * 4096, PageKind::Anon)];
    let account = take(&census, &pages(&runs), &[]);
    assert_eq!(account.total().resident.0, 3 * 4096);
}
