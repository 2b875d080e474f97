//! The account of a 4 GB heap with half a million spans, without reading anything.
//!
//! Run with `cargo bench -p letgo-account`. The census and the page table are made up: spans of
//! all size classes, one in twenty with a page missing, one in five not swept yet.

use criterion::{Criterion, criterion_group, criterion_main};
use letgo_account::{Error, Inputs, Method, Slot, SlotBits, SlotSource, account};
use letgo_goruntime::{Census, Chunk, Span};
use letgo_target::{
    Addr, AddrRange, Coverage, Mapping, PageKind, PageRun, Permissions, Residency, SliceMemory,
};

const HEAP: u64 = 0xc0_0000_0000;
const PAGE: u64 = 8192;
const SPANS: u64 = 500_000;

/// Every other slot is in use.
struct Alternating;

struct Bits(u32);

impl SlotBits for Bits {
    fn slot(&self, index: u32) -> Slot {
        if index.is_multiple_of(2) {
            Slot::Object
        } else {
            Slot::Free
        }
    }

    fn counts(&self) -> (u32, u32) {
        (self.0.div_ceil(2), 0)
    }
}

impl SlotSource for Alternating {
    fn slots(
        &self,
        spans: &[Span],
        each: &mut dyn FnMut(&Span, &dyn SlotBits),
    ) -> Result<Coverage, Error> {
        for span in spans {
            each(span, &Bits(span.nelems));
        }
        Ok(Coverage::default())
    }
}

fn census() -> Census {
    let mut census = Census::default();
    let sizes = [16u64, 32, 48, 64, 96, 128, 512, 1024, 2048, 8192];
    for (index, size) in (0..SPANS).zip(sizes.iter().cycle()) {
        let nelems = u32::try_from(PAGE / size).unwrap_or(1);
        census.spans.push(Span {
            base: Addr(HEAP + index * PAGE),
            npages: 1,
            nelems,
            elem_size: *size,
            alloc_count: nelems.div_ceil(2),
            needs_sweep: index % 5 == 0,
            span_class: u8::try_from(2 * (index % 10)).unwrap_or(0),
            ..Span::default()
        });
    }
    let chunks = SPANS.div_ceil(512);
    census.pages.in_use = vec![AddrRange::sized(Addr(HEAP), chunks * 512 * PAGE)];
    census.pages.chunks = (0..chunks)
        .map(|index| Chunk {
            base: Addr(HEAP + index * 512 * PAGE),
            alloc: [u64::MAX; 8],
            scavenged: [0; 8],
        })
        .collect();
    census
}

fn residency() -> Residency {
    let mut residency = Residency::default();
    for page in (0..SPANS * 2).filter(|page| page % 40 != 7) {
        residency.push(PageRun {
            range: AddrRange::sized(Addr(HEAP + page * 4096), 4096),
            kind: PageKind::Anon,
        });
    }
    residency
}

fn bench(criterion: &mut Criterion) {
    let (census, residency) = (census(), residency());
    let mappings = [Mapping {
        range: AddrRange::sized(Addr(HEAP), 4 << 30),
        permissions: Permissions {
            read: true,
            write: true,
            ..Permissions::default()
        },
        ..Mapping::default()
    }];
    let inputs = Inputs {
        census: &census,
        slots: &Alternating,
        reach: None,
        memory: &SliceMemory::default(),
        residency: &residency,
        mappings: &mappings,
        program: &[],
        sanitizer: None,
        stack_pointers: &[],
        rss: None,
        method: Method::Frozen,
    };
    criterion.bench_function("account, 4 GB heap, 500k spans", |bencher| {
        bencher.iter(|| account(&inputs).map(|account| account.total()));
    });
}

criterion_group!(benches, bench);
criterion_main!(benches);
