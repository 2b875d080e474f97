//! The heap of a synthetic runtime: spans and their bits, the page allocator, the arena, and the
//! runtime's own memory that these take.

use super::Synthetic;
use super::canvas::Canvas;
use super::go1_24::{self as go, HEAP, MHEAP, PAGE, fixalloc, gc_bits, mheap, mspan, page_alloc};

/// Bytes of a persistent chunk. Source: src/runtime/malloc.go, `persistentChunkSize`.
const PERSISTENT_CHUNK: u64 = 256 << 10;
/// Runtime pages that the heap has grown to: two chunks of the page allocator.
pub(super) const HEAP_PAGES: u64 = 1024;
/// `mheap_.sweepgen`
const SWEEPGEN: u32 = 20;
/// Spans by hand and spans of objects. Source: src/runtime/mheap.go, `mSpanInUse`, `mSpanManual`.
const IN_USE: u8 = 1;
const MANUAL: u8 = 2;

const ARENA_INDEX: u64 = 0x7f20_0000_0000;
const HEAP_ARENA: u64 = 0x7f10_0000_0000;
const SMALL_ARRAYS: u64 = 0x7f30_0000_0000;
const CHUNK_BLOCK: u64 = 0x7f40_0000_0000;
const SUMMARIES: u64 = 0x7f50_0000_0000;
const SCAV_INDEX: u64 = 0x7f58_0000_0000;
const GC_BITS: u64 = 0x7f60_0000_0000;
const ALLSPANS: u64 = 0x7f68_0000_0000;

/// The runtime's own memory: persistent chunks to take from, and what each counter has counted.
#[derive(Debug)]
pub(super) struct OwnMemory {
    next: u64,
    pub(super) chunks: Vec<u64>,
    /// What was taken out of `OtherSys` for another counter.
    taken: u64,
    pub(super) mspan: u64,
    pub(super) mcache: u64,
    pub(super) buck_hash: u64,
    pub(super) gc: u64,
    /// Beyond the chunks.
    other: u64,
}

impl OwnMemory {
    /// Two chunks, of which the younger links to the older.
    pub(super) fn new(canvas: &mut Canvas) -> OwnMemory {
        let chunks = vec![0x7f00_0000_0000, 0x7f00_1000_0000];
        for chunk in &chunks {
            canvas.map(*chunk, PERSISTENT_CHUNK);
        }
        canvas.u64(chunks[1], chunks[0]);
        canvas.u64(go::global("runtime.persistentChunks"), chunks[1]);
        OwnMemory {
            next: chunks[1] + 64,
            chunks,
            taken: 0,
            mspan: 0,
            mcache: 0,
            buck_hash: 0,
            gc: 0,
            other: 0,
        }
    }

    /// `persistentalloc` for `OtherSys`, or for another counter that the caller adds to.
    pub(super) fn take(&mut self, len: u64, align: u64) -> u64 {
        let addr = self.next.next_multiple_of(align);
        self.next = addr + len;
        assert!(
            self.next <= self.chunks[1] + PERSISTENT_CHUNK,
            "the chunk is full"
        );
        addr
    }

    /// `persistentalloc` for another counter than `OtherSys`.
    pub(super) fn take_for(
        &mut self,
        len: u64,
        align: u64,
        of: fn(&mut OwnMemory) -> &mut u64,
    ) -> u64 {
        *of(self) += len;
        self.taken += len;
        self.take(len, align)
    }

    pub(super) fn other_sys(&self) -> u64 {
        self.chunks.len() as u64 * PERSISTENT_CHUNK - self.taken + self.other
    }
}

/// One mspan to be written.
#[derive(Clone, Copy, Debug, Default)]
struct Plan {
    /// First runtime page, from the heap's first.
    page: u64,
    npages: u64,
    state: u8,
    spanclass: u8,
    elemsize: u64,
    nelems: u16,
    freeindex: u16,
    /// Set bits of `allocBits`, from slot 0.
    alloc: [u64; 3],
    marks: [u64; 3],
    sweepgen: u32,
    alloc_count: u16,
    before_cache: u16,
    list: u64,
}

/// In the order of [`super::Places::mspans`].
fn plans() -> [Plan; 7] {
    let [small, garbage, cached] = small_spans();
    let [stack, work_buf] = spans_by_hand();
    let large = Plan {
        page: 11,
        npages: 100,
        state: IN_USE,
        spanclass: 1,
        elemsize: 100 * PAGE,
        nelems: 1,
        freeindex: 1,
        alloc: [1, 0, 0],
        sweepgen: SWEEPGEN,
        alloc_count: 1,
        ..Plan::default()
    };
    let dead = Plan {
        page: 111,
        npages: 1,
        elemsize: 77,
        ..Plan::default()
    };
    [small, garbage, cached, stack, work_buf, large, dead]
}

/// A swept one with pointers, one that waits for the sweeper, one in the P's mcache.
fn small_spans() -> [Plan; 3] {
    let every_other = 0x5555_5555_5555_5555_u64;
    let small = Plan {
        npages: 1,
        state: IN_USE,
        spanclass: 5 << 1,
        elemsize: 48,
        nelems: 168,
        freeindex: 10,
        alloc: [every_other, every_other, every_other & 0xff_ffff_ffff],
        sweepgen: SWEEPGEN,
        // Slots 0 to 9, and the even ones from 10 to 166.
        alloc_count: 10 + 79,
        ..Plan::default()
    };
    let garbage = Plan {
        page: 1,
        npages: 1,
        state: IN_USE,
        spanclass: (32 << 1) | 1,
        elemsize: 1024,
        nelems: 8,
        freeindex: 8,
        alloc: [0xff, 0, 0],
        marks: [0b0001_0110, 0, 0],
        sweepgen: SWEEPGEN - 2,
        alloc_count: 8,
        ..Plan::default()
    };
    let cached = Plan {
        page: 2,
        npages: 1,
        state: IN_USE,
        spanclass: (2 << 1) | 1,
        elemsize: 16,
        nelems: 512,
        freeindex: 100,
        sweepgen: SWEEPGEN + 3,
        alloc_count: 100,
        before_cache: 40,
        ..Plan::default()
    };
    [small, garbage, cached]
}

/// Stacks, and work buffers of the collector, which are on a list of `work.wbufSpans`.
fn spans_by_hand() -> [Plan; 2] {
    let stack = Plan {
        page: 3,
        npages: 4,
        state: MANUAL,
        elemsize: 2048,
        ..Plan::default()
    };
    let work_buf = Plan {
        page: 7,
        npages: 4,
        state: MANUAL,
        list: go::WORK + go::work::WBUF_SPANS + 24,
        ..Plan::default()
    };
    [stack, work_buf]
}

/// Page `i` of the heap belongs to a span.
fn is_span_page(page: u64) -> bool {
    page < 111
}

/// Page `i` of the heap lies in the P's page cache, free.
pub(super) fn is_cached_page(page: u64) -> bool {
    (128..192).contains(&page)
}

/// Page `i` of the heap is free and was returned.
fn is_returned_page(page: u64) -> bool {
    (128..144).contains(&page) || page >= 300
}

/// Writes everything that hangs on `mheap_`, and the figures that follow from it.
pub(super) fn build(it: &mut Synthetic, own: &mut OwnMemory) {
    spans(it, own);
    specials(it, own);
    arena(it, own);
    pages(it, own);
    span_sets(it, own);
    figures(it);
}

fn figures(it: &mut Synthetic) {
    let pages = |wanted: fn(u64) -> bool| {
        (0..HEAP_PAGES).filter(|page| wanted(*page)).count() as u64 * PAGE
    };
    let expected = &mut it.expected;
    for plan in plans() {
        let len = plan.npages * PAGE;
        let used = u64::from(plan.alloc_count);
        match (plan.state, plan.list) {
            (IN_USE, _) => {
                expected.heap_inuse += len;
                expected.heap_alloc += used * plan.elemsize;
                expected.heap_objects += used;
            }
            (MANUAL, 0) => expected.stack_inuse += len,
            (MANUAL, _) => expected.work_bufs += len,
            _ => {}
        }
    }
    expected.garbage = 5 * 1024;
    expected.heap_idle = pages(|page| !is_span_page(page));
    expected.heap_released = pages(is_returned_page);
    expected.spans = 6;
    expected.mspans = 7;
}

fn spans(it: &mut Synthetic, own: &mut OwnMemory) {
    let canvas = &mut it.canvas;
    canvas.map(GC_BITS, gc_bits::ARENA_SIZE);
    canvas.u64(
        go::global("runtime.gcBitsArenas") + gc_bits::CURRENT,
        GC_BITS,
    );
    own.gc += gc_bits::ARENA_SIZE;
    let room = fixalloc::BLOCK / mspan::SIZE * mspan::SIZE;
    let block = own.take_for(room, 8, |own| &mut own.mspan);
    let all = plans();
    for (slot, plan) in (0u64..).zip(all) {
        let at = block + slot * mspan::SIZE;
        let bits = GC_BITS + gc_bits::BITS + slot * 128;
        canvas.u64(at + mspan::LIST, plan.list);
        canvas.u64(at + mspan::START_ADDR, HEAP + plan.page * PAGE);
        canvas.u64(at + mspan::NPAGES, plan.npages);
        canvas.u16(at + mspan::FREEINDEX, plan.freeindex);
        canvas.u16(at + mspan::NELEMS, plan.nelems);
        canvas.u64(at + mspan::ALLOC_BITS, bits);
        canvas.u64(at + mspan::GCMARK_BITS, bits + 64);
        canvas.u32(at + mspan::SWEEPGEN, plan.sweepgen);
        canvas.u16(at + mspan::ALLOC_COUNT, plan.alloc_count);
        canvas.u8(at + mspan::SPANCLASS, plan.spanclass);
        canvas.u8(at + mspan::STATE, plan.state);
        canvas.u16(at + mspan::ALLOC_COUNT_BEFORE_CACHE, plan.before_cache);
        canvas.u64(at + mspan::ELEMSIZE, plan.elemsize);
        canvas.u64(at + mspan::LIMIT, HEAP + (plan.page + plan.npages) * PAGE);
        for (word, (alloc, marks)) in (0u64..).zip(plan.alloc.iter().zip(plan.marks)) {
            canvas.u64(bits + word * 8, *alloc);
            canvas.u64(bits + 64 + word * 8, marks);
        }
        it.places.mspans.push(at);
    }
    let used = all.len() as u64 * mspan::SIZE;
    allocator(canvas, MHEAP + mheap::SPANALLOC, mspan::SIZE, block, used);
    // allspans starts with room for 64 KiB of pointers, straight from the system.
    canvas.map(ALLSPANS, 64 << 10);
    own.other += 64 << 10;
    for (slot, at) in (0u64..).zip(&it.places.mspans) {
        canvas.u64(ALLSPANS + slot * 8, *at);
    }
    canvas.slice(MHEAP + mheap::ALLSPANS, ALLSPANS, all.len() as u64, 8192);
    canvas.u32(MHEAP + mheap::SWEEPGEN, SWEEPGEN);
    canvas.u64(MHEAP + mheap::PAGES_IN_USE, 1 + 1 + 1 + 100);
    it.places.allspans = ALLSPANS;
    it.places.bits = GC_BITS;
    it.places.chunks.clone_from(&own.chunks);
}

/// A fixalloc whose only block is at `block` and has `used` bytes handed out.
pub(super) fn allocator(canvas: &mut Canvas, at: u64, elem: u64, block: u64, used: u64) {
    let room = fixalloc::BLOCK / elem * elem;
    let left = |len: u64| u32::try_from(len).expect("less than a block");
    canvas.u64(at + fixalloc::ELEM, elem);
    canvas.u64(at + fixalloc::CHUNK, block + used);
    canvas.u32(at + fixalloc::NCHUNK, left(room - used));
    canvas.u32(at + fixalloc::NALLOC, left(room));
    canvas.u64(at + fixalloc::INUSE, used);
}

/// Two finalizers on the first span; specials of 24 bytes are `OtherSys`.
fn specials(it: &mut Synthetic, own: &mut OwnMemory) {
    const KIND_FINALIZER: u8 = 1;
    let (first, second) = (own.take(48, 8), own.take(48, 8));
    let canvas = &mut it.canvas;
    canvas.u64(first, second);
    canvas.u8(first + 16, KIND_FINALIZER);
    canvas.u64(second + 8, 48);
    canvas.u8(second + 16, KIND_FINALIZER);
    canvas.u64(it.places.mspans[0] + mspan::SPECIALS, first);
    it.places.specials = vec![first, second];
}

/// The only arena, its entry of the index, and the list of arenas.
fn arena(it: &mut Synthetic, own: &mut OwnMemory) {
    const HEAP_ARENA_SIZE: u64 = 68624;
    let canvas = &mut it.canvas;
    let index = go::index(HEAP, go::ARENA);
    canvas.map(ARENA_INDEX + index * 8, 8);
    canvas.u64(ARENA_INDEX + index * 8, HEAP_ARENA);
    canvas.u64(MHEAP + mheap::ARENAS, ARENA_INDEX);
    canvas.map(HEAP_ARENA, HEAP_ARENA_SIZE);
    for (plan, at) in plans().iter().zip(&it.places.mspans) {
        for page in plan.page..plan.page + plan.npages {
            canvas.u64(HEAP_ARENA + page * 8, *at);
        }
    }
    // allArenas starts with an os page of room.
    canvas.map(SMALL_ARRAYS, 4096);
    canvas.u64(SMALL_ARRAYS, index);
    canvas.slice(MHEAP + mheap::ALL_ARENAS, SMALL_ARRAYS, 1, 512);
    canvas.u64(MHEAP + mheap::CUR_ARENA, HEAP + HEAP_PAGES * PAGE);
    canvas.u64(MHEAP + mheap::CUR_ARENA + 8, HEAP + go::ARENA);
    own.gc += HEAP_ARENA_SIZE + 4096;
    it.places.arenas = SMALL_ARRAYS;
}

/// The page allocator: ranges, bitmaps, summaries and the scavenger's index.
fn pages(it: &mut Synthetic, own: &mut OwnMemory) {
    const PALLOC_DATA: u64 = 128;
    let canvas = &mut it.canvas;
    let alloc = MHEAP + mheap::PAGES;
    let in_use = own.take_for(16 * 16, 8, |own| &mut own.gc);
    canvas.u64(in_use, HEAP);
    canvas.u64(in_use + 8, HEAP + HEAP_PAGES * PAGE);
    canvas.slice(alloc + page_alloc::IN_USE, in_use, 1, 16);
    let first = go::index(HEAP, go::CHUNK);
    canvas.u64(alloc + page_alloc::START, first);
    canvas.u64(alloc + page_alloc::END, first + 2);
    canvas.u64(alloc + page_alloc::CHUNKS + first / 8192 * 8, CHUNK_BLOCK);
    own.gc += 8192 * PALLOC_DATA;
    for chunk in 0..2 {
        let at = CHUNK_BLOCK + (first + chunk) % 8192 * PALLOC_DATA;
        canvas.map(at, PALLOC_DATA);
        for word in 0..8 {
            let bits = |wanted: &dyn Fn(u64) -> bool| {
                let set = |bit: &u64| wanted(chunk * 512 + word * 64 + bit);
                (0..64).filter(set).fold(0u64, |bits, bit| bits | 1 << bit)
            };
            let taken = bits(&|page| is_span_page(page) || is_cached_page(page));
            let returned = bits(&|page| is_returned_page(page) && !is_cached_page(page));
            canvas.u64(at + word * 8, taken);
            canvas.u64(at + 64 + word * 8, returned);
        }
    }
    // The root level is mapped whole, the others an os page each for so small a heap.
    for level in 0..5 {
        let array = SUMMARIES + level * 0x1_0000_0000;
        canvas.slice(alloc + page_alloc::SUMMARY + level * 24, array, 1, 1);
    }
    own.gc += (32 + 4) * 4096;
    let page_of_index = first / 512 * 512;
    canvas.slice(alloc + page_alloc::SCAV_INDEX, SCAV_INDEX, 1 << 26, 1 << 26);
    canvas.u64(alloc + page_alloc::SCAV_INDEX + 24, page_of_index);
    canvas.u64(alloc + page_alloc::SCAV_INDEX + 32, page_of_index + 512);
    own.gc += 4096;
    it.places.in_use = in_use;
}

/// One set of swept spans with a spine and a block; all others are empty.
fn span_sets(it: &mut Synthetic, own: &mut OwnMemory) {
    use go::{mcentral, span_set};
    const FIRST_SPINE: u64 = 256;
    let spine = own.take_for(FIRST_SPINE * 8, 64, |own| &mut own.gc);
    let block = own.take_for(span_set::BLOCK_SIZE, 64, |own| &mut own.gc);
    let canvas = &mut it.canvas;
    canvas.u64(spine, block);
    canvas.u64(block + span_set::BLOCK_SPANS, it.places.mspans[0]);
    let set = MHEAP + mheap::CENTRAL + 10 * mheap::CENTRAL_STRIDE + mcentral::PARTIAL;
    canvas.u64(set + span_set::SPINE, spine);
    canvas.u64(set + span_set::SPINE_LEN, 1);
    canvas.u64(set + span_set::SPINE_CAP, FIRST_SPINE);
    canvas.u64(
        MHEAP + mheap::SPECIAL_WEAK_HANDLE_ALLOC + fixalloc::ELEM,
        32,
    );
    it.places.spine = spine;
}
