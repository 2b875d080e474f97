//! `gcController`, `memstats`, `work` and `gcphase` of a synthetic runtime: what the rest adds up
//! to.

use super::Synthetic;
use super::go1_24::{
    GC_CONTROLLER, MEMSTATS, WORK, gc_controller as gc, global, heap_stats_delta as delta, mstats,
    work,
};
use super::heap::OwnMemory;

const NUM_GC: u32 = 7;
const GC_PERCENT: i32 = 150;
const MEMORY_LIMIT: i64 = 3 << 30;
/// Bytes allocated and freed before.
const FREED: u64 = 5_000_000;
/// In the P's mcache since it took the span: 60 slots of 16 bytes, not counted yet.
const UNFLUSHED: (u64, u64) = (60 * 16, 60);

/// Writes all of it; everything else has been built.
pub(super) fn build(it: &mut Synthetic, own: &OwnMemory) {
    it.expected.mspan_sys = own.mspan;
    it.expected.mcache_sys = own.mcache;
    it.expected.buck_hash_sys = own.buck_hash;
    it.expected.gc_sys = own.gc + it.expected.work_bufs;
    it.expected.other_sys = own.other_sys();
    it.expected.num_gc = NUM_GC;
    it.expected.gc_percent = GC_PERCENT;
    it.expected.memory_limit = MEMORY_LIMIT;
    controller(it);
    system(it, own);
    heap_stats(it);
    it.canvas.u32(WORK + work::CYCLES, NUM_GC);
    it.canvas.u32(global("runtime.gcphase"), 0);
}

fn controller(it: &mut Synthetic) {
    let expected = it.expected;
    let free = expected.heap_idle - expected.heap_released;
    let put =
        |canvas: &mut super::Canvas, at: u64, value: u64| canvas.u64(GC_CONTROLLER + at, value);
    let canvas = &mut it.canvas;
    canvas.put(GC_CONTROLLER + gc::GC_PERCENT, &GC_PERCENT.to_le_bytes());
    canvas.put(
        GC_CONTROLLER + gc::MEMORY_LIMIT,
        &MEMORY_LIMIT.to_le_bytes(),
    );
    put(canvas, gc::GC_PERCENT_HEAP_GOAL, 6 << 20);
    put(canvas, gc::TRIGGERED, u64::MAX);
    put(canvas, gc::HEAP_LIVE, expected.heap_alloc);
    put(
        canvas,
        gc::HEAP_MARKED,
        expected.heap_alloc - expected.garbage,
    );
    put(canvas, gc::HEAP_IN_USE, expected.heap_inuse);
    put(canvas, gc::HEAP_RELEASED, expected.heap_released);
    put(canvas, gc::HEAP_FREE, free);
    put(
        canvas,
        gc::TOTAL_ALLOC,
        FREED + expected.heap_alloc - UNFLUSHED.0,
    );
    put(canvas, gc::TOTAL_FREE, FREED);
    put(
        canvas,
        gc::MAPPED_READY,
        expected.heap_inuse + free + expected.stack_inuse,
    );
}

fn system(it: &mut Synthetic, own: &OwnMemory) {
    let figures = [
        (mstats::STACKS_SYS, 0),
        (mstats::MSPAN_SYS, own.mspan),
        (mstats::MCACHE_SYS, own.mcache),
        (mstats::BUCKHASH_SYS, own.buck_hash),
        (mstats::GC_MISC_SYS, own.gc),
        (mstats::OTHER_SYS, own.other_sys()),
        (mstats::LAST_GC_UNIX, 1_700_000_000_000_000_000),
        (mstats::LAST_GC_NANOTIME, 987_654_321),
    ];
    for (at, value) in figures {
        it.canvas.u64(MEMSTATS + at, value);
    }
    it.canvas.u32(MEMSTATS + mstats::NUMGC, NUM_GC);
}

/// The ring of three deltas: one too much in the first, one too little in the second.
fn heap_stats(it: &mut Synthetic) {
    let expected = it.expected;
    let committed = expected.heap_inuse + expected.heap_idle - expected.heap_released;
    let small = |class: u64| delta::SMALL_ALLOC_COUNT + class * 8;
    let figures = [
        (
            delta::COMMITTED,
            committed + expected.stack_inuse + expected.work_bufs,
        ),
        (delta::RELEASED, expected.heap_released),
        (delta::IN_HEAP, expected.heap_inuse),
        (delta::IN_STACKS, expected.stack_inuse),
        (delta::IN_WORK_BUFS, expected.work_bufs),
        (delta::LARGE_ALLOC, 100 * 8192),
        (delta::LARGE_ALLOC_COUNT, 2 + 1),
        (delta::LARGE_FREE_COUNT, 2),
        (small(5), 1000 + 89),
        (small(32), 8),
        (small(2), 100 - UNFLUSHED.1),
        (delta::SMALL_FREE_COUNT + 5 * 8, 1000),
    ];
    for (at, value) in figures {
        it.canvas.u64(MEMSTATS + at, value.wrapping_add(4711));
        it.canvas
            .u64(MEMSTATS + delta::SIZE + at, 4711u64.wrapping_neg());
    }
}
