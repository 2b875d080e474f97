//! Hand-made censuses and page tables: each way of splitting, and hostile ones.

mod hostile;
mod reached;
mod splits;

use letgo_goruntime::{Census, Chunk, Span, SpanUse};
use letgo_target::{
    Addr, AddrRange, Coverage, Mapping, PageKind, PageRun, Permissions, Residency, SliceMemory,
};

use crate::{
    Account, Error, Inputs, Leaf, Method, Sketch, Slot, SlotBits, SlotSource, account_drawn,
};

/// Where the made-up heap starts: a chunk's start.
const HEAP: u64 = 0xc0_0000_0000;
const PAGE: u64 = 8192;

/// Slots by span and index: odd ones are free, every fourth is garbage where the span needs
/// sweeping.
struct Pattern;

struct PatternBits<'a>(&'a Span);

impl SlotBits for PatternBits<'_> {
    fn slot(&self, index: u32) -> Slot {
        match index % 4 {
            0 if self.0.needs_sweep => Slot::Garbage,
            0 | 2 => Slot::Object,
            _ => Slot::Free,
        }
    }

    fn counts(&self) -> (u32, u32) {
        let of = |kind| (0..self.0.nelems).filter(|i| self.slot(*i) == kind).count();
        let count = |kind| u32::try_from(of(kind)).unwrap();
        (count(Slot::Object), count(Slot::Garbage))
    }
}

impl SlotSource for Pattern {
    fn slots(
        &self,
        spans: &[Span],
        each: &mut dyn FnMut(&Span, &dyn SlotBits),
    ) -> Result<Coverage, Error> {
        for span in spans {
            each(span, &PatternBits(span));
        }
        Ok(Coverage::default())
    }
}

fn range(start: u64, len: u64) -> AddrRange {
    AddrRange::sized(Addr(start), len)
}

fn pages(runs: &[(u64, u64, PageKind)]) -> Residency {
    let mut residency = Residency::default();
    for &(start, len, kind) in runs {
        residency.push(PageRun {
            range: range(start, len),
            kind,
        });
    }
    residency
}

/// A span of `npages` at runtime page `page` of the heap, half of its slots in use.
fn span(page: u64, npages: u32, elem_size: u64, nelems: u32) -> Span {
    Span {
        base: Addr(HEAP + page * PAGE),
        npages,
        nelems,
        elem_size,
        alloc_count: nelems / 2,
        span_class: 10,
        used_for: SpanUse::Heap,
        ..Span::default()
    }
}

/// A heap of one chunk.
fn heap(spans: Vec<Span>) -> Census {
    let mut census = Census {
        spans,
        ..Census::default()
    };
    census.pages.in_use = vec![range(HEAP, 512 * PAGE)];
    census.pages.chunks = vec![Chunk {
        base: Addr(HEAP),
        alloc: [0; 8],
        scavenged: [0; 8],
    }];
    census
}

fn take(census: &Census, residency: &Residency, mappings: &[Mapping]) -> Account {
    let inputs = Inputs {
        census,
        slots: &Pattern,
        reach: None,
        memory: &SliceMemory::default(),
        residency,
        mappings,
        program: &[],
        sanitizer: None,
        stack_pointers: &[],
        rss: None,
        method: Method::Frozen,
    };
    drawn(&inputs)
}

/// The account, whose sketch has the same bytes of each leaf.
fn drawn(inputs: &Inputs<'_>) -> Account {
    let (account, sketch) = account_drawn(inputs, Sketch::new(PAGE)).unwrap();
    for leaf in Leaf::ALL {
        let parts = sketch.cells().flat_map(|(_, parts)| parts);
        let drawn: u64 = parts
            .filter(|(own, _)| *own == leaf)
            .map(|(_, bytes)| bytes)
            .sum();
        assert_eq!(drawn, account.leaf(leaf).resident.0, "{leaf:?}");
    }
    account
}

fn writable(start: u64, len: u64) -> Mapping {
    Mapping {
        range: range(start, len),
        permissions: Permissions {
            read: true,
            write: true,
            ..Permissions::default()
        },
        ..Mapping::default()
    }
}

/// Leaves that hold anything resident, with their bytes.
fn resident(account: &Account) -> Vec<(Leaf, u64)> {
    let leaves = Leaf::ALL.into_iter();
    let leaves = leaves.map(|leaf| (leaf, account.leaf(leaf).resident.0));
    leaves.filter(|(_, bytes)| *bytes > 0).collect()
}

fn virt(account: &Account) -> Vec<(Leaf, u64)> {
    let leaves = Leaf::ALL.into_iter();
    let leaves = leaves.map(|leaf| (leaf, account.leaf(leaf).virt.0));
    leaves.filter(|(_, bytes)| *bytes > 0).collect()
}
