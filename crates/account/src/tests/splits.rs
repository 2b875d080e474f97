//! Each way in which memory is split among owners.

use super::*;
use letgo_goruntime::{Goroutine, Metadata, PageCache, Status, Sys};

#[test]
fn a_resident_span_is_split_by_its_counters() {
    // 100 slots of 80 bytes: 8000 of 8192, 128 of them bitmap.
    let census = heap(vec![Span {
        bitmap_bytes: 128,
        ..span(0, 1, 80, 100)
    }]);
    let account = take(&census, &pages(&[(HEAP, PAGE, PageKind::Anon)]), &[]);
    assert_eq!(
        resident(&account),
        [
            (Leaf::HeapObjects, 4000),
            (Leaf::HeapFreeSlots, 4000),
            (Leaf::HeapSpanTail, 64),
            (Leaf::HeapSpanBitmap, 128),
        ]
    );
    let class = account.size_classes[0];
    assert_eq!(
        (class.class, class.spans, class.slots, class.used),
        (5, 1, 100, 50)
    );
    assert_eq!(class.free_bytes.0, 4000);
}

#[test]
fn a_half_resident_span_is_split_by_its_bits() {
    // 4 slots of 2048, object free object free; only the second os page is resident.
    let census = heap(vec![span(0, 1, 2048, 4)]);
    let account = take(&census, &pages(&[(HEAP + 4096, 4096, PageKind::Anon)]), &[]);
    assert_eq!(
        resident(&account),
        [(Leaf::HeapObjects, 2048), (Leaf::HeapFreeSlots, 2048)]
    );
    assert_eq!(account.leaf(Leaf::HeapObjects).virt.0, 4096);
    assert_eq!(account.untouched.0, 4096);
}

#[test]
fn an_object_that_crosses_into_a_missing_page_counts_in_part() {
    // One large object of three os pages in two runtime pages; the middle one is swapped.
    let census = heap(vec![Span {
        alloc_count: 1,
        span_class: 0,
        ..span(0, 2, 2 * PAGE, 1)
    }]);
    let runs = [
        (HEAP, 4096, PageKind::Anon),
        (HEAP + 4096, 4096, PageKind::Swapped),
        (HEAP + 8192, 4096, PageKind::AnonHuge),
    ];
    let account = take(&census, &pages(&runs), &[]);
    let objects = account.leaf(Leaf::HeapObjects);
    assert_eq!((objects.resident.0, objects.swapped), (8192, 4096));
    assert_eq!(objects.huge.0, 4096);
    assert_eq!(account.untouched.0, 4096);
}

#[test]
fn garbage_is_split_from_objects_only_before_sweeping() {
    let unswept = Span {
        needs_sweep: true,
        ..span(0, 1, 1024, 8)
    };
    let census = heap(vec![unswept, span(1, 1, 1024, 8)]);
    let account = take(&census, &pages(&[(HEAP, 2 * PAGE, PageKind::Anon)]), &[]);
    assert_eq!(account.leaf(Leaf::HeapGarbage).resident.0, 2048);
    assert_eq!(account.leaf(Leaf::HeapObjects).resident.0, 2048 + 4096);
    assert_eq!(account.leaf(Leaf::HeapFreeSlots).resident.0, 4096 + 4096);
}

#[test]
fn free_pages_are_idle_or_returned_by_the_allocators_bits() {
    let mut census = heap(vec![span(3, 1, 8192, 1)]);
    census.pages.chunks[0].scavenged[0] = 0b10;
    let account = take(&census, &pages(&[(HEAP, 3 * PAGE, PageKind::Anon)]), &[]);
    assert_eq!(account.leaf(Leaf::HeapIdle).resident.0, 2 * PAGE);
    assert_eq!(account.leaf(Leaf::HeapReturnedResident).resident.0, PAGE);
    assert_eq!(account.leaf(Leaf::HeapReturnedResident).virt.0, PAGE);
    assert_eq!(account.leaf(Leaf::HeapIdle).virt.0, 510 * PAGE);
}

#[test]
fn pages_in_a_ps_cache_are_idle_or_returned_by_the_caches_bits() {
    let mut census = heap(vec![]);
    // The chunk's bits say allocated and returned; the cache knows better.
    census.pages.chunks[0].alloc[1] = 0b11;
    census.pages.chunks[0].scavenged[1] = 0b01;
    census.pages.caches = vec![PageCache {
        base: Addr(HEAP + 64 * PAGE),
        cache: 0b11,
        scavenged: 0b10,
    }];
    let account = take(&census, &Residency::default(), &[]);
    assert_eq!(account.leaf(Leaf::HeapReturnedResident).virt.0, PAGE);
    let runs = [(HEAP + 64 * PAGE, PAGE, PageKind::Anon)];
    let account = take(&census, &pages(&runs), &[]);
    assert_eq!(resident(&account), [(Leaf::HeapIdle, PAGE)]);
}

#[test]
fn stacks_belong_to_goroutines_or_to_nobody() {
    let mut census = heap(vec![Span {
        used_for: SpanUse::Stack,
        nelems: 0,
        ..span(0, 4, 2048, 0)
    }]);
    census.goroutines = vec![Goroutine {
        g: Addr(1),
        goid: 1,
        status: Status::Waiting,
        wait_reason: "",
        wait_since_ns: 0,
        start_pc: Addr(0),
        go_pc: Addr(0),
        parent_goid: 0,
        labels: Addr::NULL,
        stack: range(HEAP + 2048, 2048),
        sp: Addr(0),
        system: false,
    }];
    let account = take(&census, &pages(&[(HEAP, 4096, PageKind::Anon)]), &[]);
    assert_eq!(
        resident(&account),
        [(Leaf::StacksGoroutine, 2048), (Leaf::StacksFree, 2048)]
    );
    assert_eq!(account.leaf(Leaf::StacksFree).virt.0, 4 * PAGE - 2048);
}

#[test]
fn metadata_counts_by_the_byte_and_the_rest_of_its_page_is_uncounted() {
    let metadata = |start, len, sys| Metadata {
        range: range(start, len),
        sys,
        what: "made up",
    };
    let census = Census {
        metadata: vec![
            metadata(0x10000, 100, Sys::Gc),
            metadata(0x10100, 0x100, Sys::Mspan),
            metadata(0x20000, 0x1000, Sys::BuckHash),
        ],
        ..Census::default()
    };
    let mappings = [writable(0x10000, 0x11000)];
    let runs = [
        (0x10000, 0x2000, PageKind::Anon),
        (0x20000, 0x1000, PageKind::Anon),
    ];
    let account = take(&census, &pages(&runs), &mappings);
    assert_eq!(
        resident(&account),
        [
            (Leaf::RuntimeGc, 100),
            (Leaf::RuntimeMspan, 0x100),
            (Leaf::RuntimeProfileBuckets, 0x1000),
            (Leaf::RuntimeUncounted, 0x1000 - 100 - 0x100),
            (Leaf::MapsAnon, 0x1000),
        ]
    );
    assert_eq!(account.leaf(Leaf::RuntimeGc).virt.0, 100);
}

#[test]
fn a_page_outside_of_every_mapping_is_unattributed() {
    let account = take(
        &Census::default(),
        &pages(&[(0x5000, 0x2000, PageKind::Anon)]),
        &[writable(0x5000, 0x1000)],
    );
    assert_eq!(
        resident(&account),
        [(Leaf::MapsAnon, 0x1000), (Leaf::Unattributed, 0x1000)]
    );
}

#[test]
fn reserved_address_space_is_not_virtual_memory() {
    let reserved = Mapping {
        permissions: Permissions::default(),
        ..writable(0x10_0000, 1 << 30)
    };
    let account = take(&Census::default(), &Residency::default(), &[reserved]);
    assert_eq!(virt(&account), []);
}

#[test]
fn a_faulted_user_arena_chunk_is_no_heap_memory() {
    let chunk = |page, span_class| Span {
        user_arena: true,
        span_class,
        alloc_count: 1,
        ..span(page, 1, 8000, 1)
    };
    let mut census = heap(vec![chunk(0, 0), chunk(1, 1)]);
    census.pages.in_use.clear();
    let account = take(&census, &Residency::default(), &[]);
    assert_eq!(
        virt(&account),
        [(Leaf::HeapObjects, 8000), (Leaf::HeapSpanTail, 192)]
    );
}

#[test]
fn a_parent_is_the_sum_of_its_children() {
    fn check(node: &crate::Node) {
        if node.children.is_empty() {
            return;
        }
        let sum: u64 = node
            .children
            .iter()
            .map(|child| child.tally.resident.0)
            .sum();
        assert_eq!(sum, node.tally.resident.0, "{}", node.id);
        node.children.iter().for_each(check);
    }
    let census = heap(vec![span(0, 1, 80, 100)]);
    let runs = [
        (0x5000, 0x1000, PageKind::File),
        (HEAP, 9 * PAGE, PageKind::Anon),
    ];
    let account = take(&census, &pages(&runs), &[]);
    check(&account.tree);
    assert_eq!(account.total().resident.0, 0x1000 + 9 * PAGE);
    let ids: Vec<_> = account.tree.children.iter().map(|node| node.id).collect();
    assert_eq!(ids.first(), Some(&"heap"));
    assert!(ids.contains(&"unattributed") && ids.contains(&"kernel"));
}
