//! Goroutines, threads, the processor, profile buckets, finalizer blocks and the module of a
//! synthetic runtime.

use super::Synthetic;
use super::go1_24::{self as go, HEAP, MHEAP, PAGE, bucket, g, m, mcache, mheap, moduledata, p};
use super::heap::{self, OwnMemory};

/// Where g's, m's and the P lie: the runtime allocates them from its own heap, which is not mapped
/// here.
const STRUCTURES: u64 = 0x7f70_0000_0000;
const BUCKHASH: u64 = 0x7f78_0000_0000;
/// `buckHashSize` pointers.
const BUCKHASH_SIZE: u64 = 179_999 * 8;
/// `_FinBlockSize`
const FIN_BLOCK: u64 = 4096;

/// Writes all of it.
pub(super) fn build(it: &mut Synthetic, own: &mut OwnMemory) {
    it.canvas.map(STRUCTURES, 0x1_0000);
    goroutines(it);
    threads(it);
    processor(it, own);
    buckets(it, own);
    finalizers(it, own);
    module(it, own);
}

/// One that runs, one that waits in a chan receive, and a dead one.
fn goroutines(it: &mut Synthetic) {
    let array = STRUCTURES;
    let stacks = HEAP + 3 * PAGE;
    let status = [g::RUNNING, g::WAITING, g::DEAD];
    for (slot, status) in (0u64..).zip(status) {
        let at = STRUCTURES + 0x1000 + slot * 512;
        it.canvas.u64(array + slot * 8, at);
        it.canvas.u64(at + g::STACK, stacks + slot * 2048);
        it.canvas.u64(at + g::STACK + 8, stacks + (slot + 1) * 2048);
        it.canvas.u64(at + g::SCHED, stacks + slot * 2048 + 1024);
        it.canvas.u32(at + g::ATOMICSTATUS, status);
        it.canvas.u64(at + g::GOID, slot + 1);
        it.canvas.u64(at + g::STARTPC, 0x40_1000 + slot * 16);
        it.canvas.u64(at + g::GOPC, 0x40_2000);
        it.places.gs.push(at);
    }
    it.canvas
        .u8(it.places.gs[1] + g::WAITREASON, g::CHAN_RECEIVE);
    it.canvas.u64(it.places.gs[1] + g::WAITSINCE, 123_456_789);
    it.canvas.slice(go::global("runtime.allgs"), array, 3, 4);
    it.canvas.u64(go::global("runtime.allglen"), 3);
    it.canvas.u64(go::global("runtime.allgptr"), array);
    it.canvas.u32(go::SCHED + go::sched::G_FREE_N, 1);
    it.expected.goroutines = 2;
    it.expected.dead_goroutines = 1;
}

/// Two, each with a scheduler's and a signal handler's stack.
fn threads(it: &mut Synthetic) {
    let canvas = &mut it.canvas;
    let mut next = 0;
    for slot in 0..2u32 {
        let at = STRUCTURES + 0x4000 + u64::from(slot) * 0x1000;
        let (g0, gsignal) = (at + 0x800, at + 0xa00);
        let stack = 0x7ffd_0000_0000 + u64::from(slot) * 0x10_0000;
        canvas.u64(g0 + g::STACK, stack);
        canvas.u64(g0 + g::STACK + 8, stack + 0x4000);
        canvas.u64(g0 + g::M, at);
        canvas.u64(gsignal + g::STACK, stack + 0x8000);
        canvas.u64(gsignal + g::STACK + 8, stack + 0x1_0000);
        canvas.u64(at + m::G0, g0);
        canvas.u64(at + m::GSIGNAL, gsignal);
        canvas.u64(at + m::PROCID, 4242 + u64::from(slot));
        canvas.u64(at + m::ID, u64::from(slot));
        canvas.u64(at + m::ALLLINK, next);
        next = at;
        it.places.ms.push(at);
    }
    const { assert!(m::SIZE < 0x800 && g::SIZE < 0x200) };
    canvas.u64(go::global("runtime.allm"), next);
    canvas.u64(go::SCHED + go::sched::MNEXT, 2);
    canvas.u32(go::SCHED + go::sched::NMIDLE, 1);
    it.expected.threads = 2;
}

/// One P, whose mcache holds the third span and whose page cache holds 64 free pages.
fn processor(it: &mut Synthetic, own: &mut OwnMemory) {
    let room = go::fixalloc::BLOCK / mcache::SIZE * mcache::SIZE;
    let block = own.take_for(room, 8, |own| &mut own.mcache);
    let canvas = &mut it.canvas;
    heap::allocator(
        canvas,
        MHEAP + mheap::CACHEALLOC,
        mcache::SIZE,
        block,
        mcache::SIZE,
    );
    canvas.u64(block + mcache::TINY_ALLOCS, 0);
    for class in 0..136 {
        canvas.u64(block + mcache::ALLOC + class * 8, go::EMPTY_MSPAN);
    }
    canvas.u64(block + mcache::ALLOC + 5 * 8, it.places.mspans[2]);
    let at = STRUCTURES + 0x8000;
    const { assert!(p::SIZE < 0x4000) };
    canvas.u64(at + p::MCACHE, block);
    canvas.u64(at + p::PCACHE, HEAP + 128 * PAGE);
    canvas.u64(at + p::PCACHE + 8, u64::MAX);
    canvas.u64(at + p::PCACHE + 16, 0xffff);
    let array = STRUCTURES + 0x100;
    canvas.u64(array, at);
    canvas.slice(go::global("runtime.allp"), array, 1, 1);
    it.places.p = at;
}

/// Three buckets of the memory profile, of 2, 5 and 32 frames; the other profiles are empty.
fn buckets(it: &mut Synthetic, own: &mut OwnMemory) {
    const MEM_PROFILE: u64 = 1;
    let mut next = 0;
    for frames in [2, 5, 32] {
        let len = bucket::SIZE + frames * 8 + bucket::MEM_RECORD;
        let at = own.take_for(len, 8, |own| &mut own.buck_hash);
        it.canvas.u64(at + bucket::ALLNEXT, next);
        it.canvas.u64(at + bucket::TYP, MEM_PROFILE);
        it.canvas.u64(at + bucket::OBJECT_SIZE, 64);
        it.canvas.u64(at + bucket::NSTK, frames);
        next = at;
        it.places.buckets.push(at);
    }
    it.canvas.u64(go::global("runtime.mbuckets"), next);
    it.canvas.u64(go::global("runtime.buckhash"), BUCKHASH);
    own.buck_hash += BUCKHASH_SIZE;
    it.expected.buckets = 3;
}

/// One block of finalizers to run, empty.
fn finalizers(it: &mut Synthetic, own: &mut OwnMemory) {
    let block = own.take_for(FIN_BLOCK, 64, |own| &mut own.gc);
    it.canvas.u64(go::global("runtime.allfin"), block);
}

/// The only module: its variables and their pointer masks, which `BuckHashSys` counts.
fn module(it: &mut Synthetic, own: &mut OwnMemory) {
    let (data, bss, end) = (0x60_0000, 0x62_0000, 0x62_b000);
    let canvas = &mut it.canvas;
    let at = go::MODULEDATA;
    canvas.u64(at + moduledata::TEXT, 0x40_1000);
    canvas.u64(at + moduledata::DATA, data);
    canvas.u64(at + moduledata::EDATA, bss);
    canvas.u64(at + moduledata::BSS, bss);
    canvas.u64(at + moduledata::EBSS, end);
    canvas.u64(at + moduledata::NOPTRDATA, data);
    canvas.u64(at + moduledata::ENOPTRDATA, data);
    canvas.u64(at + moduledata::NOPTRBSS, end);
    canvas.u64(at + moduledata::ENOPTRBSS, end);
    canvas.u64(at + moduledata::NEXT, 0);
    for (mask, len) in [
        (moduledata::GCDATAMASK, bss - data),
        (moduledata::GCBSSMASK, end - bss),
    ] {
        let words: u64 = len / 8;
        let bytes = own.take_for(words.div_ceil(8) + 1, 1, |own| &mut own.buck_hash);
        canvas.u64(at + mask, words);
        canvas.u64(at + mask + 8, bytes);
    }
}
