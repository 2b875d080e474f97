//! [`Evil`]: one thing wrong at a time, as a corrupt or hostile target would have it.

use super::Synthetic;
use super::canvas::Canvas;
use super::go1_24::{
    self as go, GC_CONTROLLER, HEAP, MEMSTATS, MHEAP, MODULEDATA, PAGE, SCHED, bucket, fixalloc, g,
    gc_bits, m, mcentral, mheap, moduledata, mspan, p, page_alloc, span_set,
};

/// Mapped nowhere, and a fine address otherwise.
const NOWHERE: u64 = 0x1234_5678_9000;
const HUGE: u64 = 1 << 63;

macro_rules! evils {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        /// What is wrong.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Evil {
            $($(#[doc = $doc])* $name,)*
        }

        impl Evil {
            /// All of them.
            pub const ALL: &'static [Evil] = &[$(Evil::$name,)*];
        }
    };
}

evils! {
    /// `allm` runs in a circle.
    ThreadsInACircle,
    /// A thread's link leads nowhere.
    ThreadsLeadNowhere,
    /// `mbuckets` runs in a circle.
    BucketsInACircle,
    /// A bucket claims 2^60 frames.
    BucketFramesHuge,
    /// `mbuckets` leads nowhere.
    BucketsNowhere,
    /// `persistentChunks` runs in a circle.
    PersistentChunksInACircle,
    /// `persistentChunks` leads nowhere.
    PersistentChunksNowhere,
    /// The arenas of bits run in a circle.
    GcBitsInACircle,
    /// A span's specials run in a circle, and the allocator says that there are more.
    SpecialsInACircle,
    /// Modules run in a circle.
    ModulesInACircle,
    /// A module's data is the whole address space.
    ModuleDataHuge,
    /// Two spans overlap.
    SpansOverlap,
    /// A span is listed twice.
    SpanTwice,
    /// `allspans` has 2^63 elements.
    SpanCountHuge,
    /// `allspans` is longer than its capacity.
    SpanCountBeyondCapacity,
    /// `allspans` is longer than what is mapped of it.
    SpansCutOff,
    /// A pointer of `allspans` leads nowhere.
    SpanNowhere,
    /// All pointers of `allspans` lead nowhere.
    AllSpansNowhere,
    /// A span lies outside of the arenas.
    SpanOutside,
    /// A span's slots times their size overflow.
    SlotsOverflow,
    /// A span's slots do not fit.
    SlotsTooMany,
    /// A span's slots have no size.
    SlotSizeZero,
    /// More slots in use than there are.
    FreeIndexBeyond,
    /// A span of 2^52 runtime pages.
    SpanHuge,
    /// A span's bits lie nowhere.
    BitsNowhere,
    /// An unknown state.
    SpanStateUnknown,
    /// A sweep generation that cannot be.
    SweepgenUnknown,
    /// An odd sweep generation of the heap.
    HeapSweepgenOdd,
    /// 2^63 arenas.
    ArenaCountHuge,
    /// An arena outside of the address space.
    ArenaIndexHuge,
    /// The arena index leads nowhere.
    ArenaMapNowhere,
    /// The page allocator's range runs backwards.
    InUseBackwards,
    /// The page allocator owns the whole address space.
    InUseHuge,
    /// 2^63 ranges.
    InUseCountHuge,
    /// The block of bitmaps is nil.
    ChunkBlockNil,
    /// The block of bitmaps lies nowhere.
    ChunkBlockNowhere,
    /// The scavenger's index runs backwards.
    ScavengeIndexBackwards,
    /// 2^63 goroutines.
    GoroutineCountHuge,
    /// A goroutine lies nowhere.
    GoroutineNowhere,
    /// A goroutine's stack runs backwards.
    StackBackwards,
    /// A goroutine's stack is the whole address space.
    StackHuge,
    /// An unknown status.
    StatusUnknown,
    /// 2^63 processors.
    ProcessorCountHuge,
    /// The processor lies nowhere.
    ProcessorNowhere,
    /// The processor's mcache lies nowhere.
    McacheNowhere,
    /// The page cache is not on 64 runtime pages.
    PageCacheCrooked,
    /// A spine of 2^63 pointers.
    SpineHuge,
    /// A spine lies nowhere.
    SpineNowhere,
    /// An allocator's structures have no size.
    FixallocZero,
    /// An allocator has more left than a block holds.
    FixallocOverdrawn,
    /// An allocator's structures are of 2^63 bytes.
    FixallocHuge,
    /// The pacer's counters are all ones.
    ControllerNonsense,
    /// The counters are all ones.
    MemstatsNonsense,
    /// The scheduler is all ones.
    SchedNonsense,
    /// The heap is all ones.
    HeapNonsense,
    /// The heap is all zeroes.
    HeapZero,
    /// The second half of the heap's structure is not mapped.
    HeapCutOff,
    /// The blocks of finalizers lead nowhere.
    FinalizersNowhere,
    /// An unknown phase of the collector.
    PhaseUnknown,
}

/// Makes it so.
pub(super) fn spoil(it: &mut Synthetic, evil: Evil) {
    if !lists(it, evil) && !spans(it, evil) && !heap(it, evil) && !scheduler(it, evil) {
        figures(it, evil);
    }
}

/// Lists that circle or lead astray. Whether `evil` was one of these.
fn lists(it: &mut Synthetic, evil: Evil) -> bool {
    let (places, canvas) = (&it.places, &mut it.canvas);
    match evil {
        Evil::ThreadsInACircle => canvas.u64(places.ms[0] + m::ALLLINK, places.ms[1]),
        Evil::ThreadsLeadNowhere => canvas.u64(places.ms[0] + m::ALLLINK, NOWHERE),
        Evil::BucketsInACircle => {
            canvas.u64(places.buckets[0] + bucket::ALLNEXT, places.buckets[2]);
        }
        Evil::BucketFramesHuge => canvas.u64(places.buckets[1] + bucket::NSTK, 1 << 60),
        Evil::BucketsNowhere => canvas.u64(places.buckets[1] + bucket::ALLNEXT, NOWHERE),
        Evil::PersistentChunksInACircle => canvas.u64(places.chunks[0], places.chunks[1]),
        Evil::PersistentChunksNowhere => canvas.u64(places.chunks[0], NOWHERE),
        Evil::GcBitsInACircle => canvas.u64(places.bits + gc_bits::NEXT, places.bits),
        Evil::SpecialsInACircle => {
            canvas.u64(places.specials[1], places.specials[0]);
            let weak = MHEAP + mheap::SPECIAL_WEAK_HANDLE_ALLOC;
            canvas.u64(weak + fixalloc::INUSE, 1 << 20);
        }
        Evil::ModulesInACircle => canvas.u64(MODULEDATA + moduledata::NEXT, MODULEDATA),
        Evil::ModuleDataHuge => {
            canvas.u64(MODULEDATA + moduledata::DATA, 0);
            canvas.u64(MODULEDATA + moduledata::EDATA, u64::MAX);
        }
        Evil::FinalizersNowhere => canvas.u64(go::global("runtime.allfin"), NOWHERE),
        _ => return false,
    }
    true
}

/// Spans that make no sense.
fn spans(it: &mut Synthetic, evil: Evil) -> bool {
    let (places, canvas) = (&it.places, &mut it.canvas);
    let first = places.mspans[0];
    let large = places.mspans[5];
    match evil {
        Evil::SpansOverlap => canvas.u64(first + mspan::START_ADDR, HEAP + 20 * PAGE),
        Evil::SpanTwice => canvas.u64(places.allspans + 8, first),
        Evil::SpanNowhere => canvas.u64(places.allspans, NOWHERE),
        Evil::AllSpansNowhere => {
            for slot in 0..places.mspans.len() as u64 {
                canvas.u64(places.allspans + slot * 8, NOWHERE + slot * 0x10_0000);
            }
        }
        Evil::SpanOutside => canvas.u64(first + mspan::START_ADDR, 0x7000_0000_0000),
        Evil::SlotsOverflow => {
            canvas.u16(first + mspan::NELEMS, u16::MAX);
            canvas.u64(first + mspan::ELEMSIZE, u64::MAX / 2);
        }
        Evil::SlotsTooMany => canvas.u16(first + mspan::NELEMS, 400),
        Evil::SlotSizeZero => canvas.u64(first + mspan::ELEMSIZE, 0),
        Evil::FreeIndexBeyond => canvas.u16(first + mspan::FREEINDEX, 169),
        Evil::SpanHuge => canvas.u64(large + mspan::NPAGES, 1 << 52),
        Evil::BitsNowhere => canvas.u64(first + mspan::ALLOC_BITS, NOWHERE),
        Evil::SpanStateUnknown => canvas.u8(first + mspan::STATE, 9),
        Evil::SweepgenUnknown => canvas.u32(first + mspan::SWEEPGEN, 4000),
        _ => return false,
    }
    true
}

/// What hangs on `mheap_`.
fn heap(it: &mut Synthetic, evil: Evil) -> bool {
    let (places, canvas) = (&it.places, &mut it.canvas);
    let allspans = MHEAP + mheap::ALLSPANS;
    let alloc = MHEAP + mheap::PAGES;
    let set = MHEAP + mheap::CENTRAL + 10 * mheap::CENTRAL_STRIDE + mcentral::PARTIAL;
    let block = alloc + page_alloc::CHUNKS + go::index(HEAP, go::CHUNK) / 8192 * 8;
    match evil {
        Evil::SpanCountHuge => canvas.slice(allspans, places.allspans, HUGE, HUGE),
        Evil::SpanCountBeyondCapacity => canvas.slice(allspans, places.allspans, 7, 6),
        Evil::SpansCutOff => canvas.slice(allspans, places.allspans, 1 << 20, 1 << 20),
        Evil::HeapSweepgenOdd => canvas.u32(MHEAP + mheap::SWEEPGEN, 21),
        Evil::ArenaCountHuge => canvas.slice(MHEAP + mheap::ALL_ARENAS, places.arenas, HUGE, HUGE),
        Evil::ArenaIndexHuge => canvas.u64(places.arenas, u64::MAX / 3),
        Evil::ArenaMapNowhere => canvas.u64(MHEAP + mheap::ARENAS, NOWHERE),
        Evil::InUseBackwards => canvas.u64(places.in_use + 8, HEAP - go::CHUNK),
        Evil::InUseHuge => {
            canvas.u64(places.in_use, go::CHUNK);
            canvas.u64(places.in_use + 8, (1 << 47) - go::CHUNK);
        }
        Evil::InUseCountHuge => canvas.slice(alloc + page_alloc::IN_USE, places.in_use, HUGE, HUGE),
        Evil::ChunkBlockNil => canvas.u64(block, 0),
        Evil::ChunkBlockNowhere => canvas.u64(block, NOWHERE),
        Evil::ScavengeIndexBackwards => canvas.u64(alloc + page_alloc::SCAV_INDEX + 24, HUGE),
        Evil::SpineHuge => {
            canvas.u64(set + span_set::SPINE_LEN, HUGE);
            canvas.u64(set + span_set::SPINE_CAP, HUGE);
        }
        Evil::SpineNowhere => canvas.u64(set + span_set::SPINE, NOWHERE),
        Evil::FixallocZero => canvas.u64(MHEAP + mheap::SPANALLOC + fixalloc::ELEM, 0),
        Evil::FixallocOverdrawn => {
            canvas.u32(MHEAP + mheap::SPANALLOC + fixalloc::NCHUNK, u32::MAX);
        }
        Evil::FixallocHuge => canvas.u64(MHEAP + mheap::SPANALLOC + fixalloc::ELEM, HUGE),
        Evil::HeapNonsense => canvas.put(MHEAP, &vec![0xff; 93008]),
        Evil::HeapZero => canvas.put(MHEAP, &vec![0; 93008]),
        Evil::HeapCutOff => canvas.unmap(MHEAP + 0x8000, 0x8000),
        _ => return false,
    }
    true
}

/// Goroutines and processors that make no sense.
fn scheduler(it: &mut Synthetic, evil: Evil) -> bool {
    let (places, canvas) = (&it.places, &mut it.canvas);
    let allgs = go::global("runtime.allgs");
    let waiting = places.gs[1];
    match evil {
        Evil::GoroutineCountHuge => {
            canvas.u64(allgs + 8, HUGE);
            canvas.u64(allgs + 16, HUGE);
            canvas.u64(go::global("runtime.allglen"), HUGE);
        }
        Evil::GoroutineNowhere => {
            canvas.u64(go::global("runtime.allgptr"), NOWHERE);
            canvas.u64(allgs, NOWHERE);
        }
        Evil::StackBackwards => canvas.u64(waiting + g::STACK + 8, 8),
        Evil::StackHuge => {
            canvas.u64(waiting + g::STACK, 0);
            canvas.u64(waiting + g::STACK + 8, u64::MAX);
        }
        Evil::StatusUnknown => canvas.u32(waiting + g::ATOMICSTATUS, 0xfff),
        Evil::ProcessorCountHuge => {
            canvas.u64(go::global("runtime.allp") + 8, HUGE);
            canvas.u64(go::global("runtime.allp") + 16, HUGE);
        }
        Evil::ProcessorNowhere => canvas.u64(go::global("runtime.allp"), NOWHERE),
        Evil::McacheNowhere => canvas.u64(places.p + p::MCACHE, NOWHERE),
        Evil::PageCacheCrooked => canvas.u64(places.p + p::PCACHE, HEAP + 3),
        _ => return false,
    }
    true
}

/// Counters that make no sense.
fn figures(it: &mut Synthetic, evil: Evil) {
    let canvas = &mut it.canvas;
    match evil {
        Evil::ControllerNonsense => canvas.put(GC_CONTROLLER, &[0xff; 392]),
        Evil::MemstatsNonsense => canvas.put(MEMSTATS, &[0xff; 7744]),
        Evil::SchedNonsense => canvas.put(SCHED, &[0xff; 400]),
        Evil::PhaseUnknown => canvas.u32(go::global("runtime.gcphase"), 99),
        other => unreachable!("{other:?} is made by another function"),
    }
}

/// Overwrites one word; page and word are counted round.
pub(super) fn overwrite(canvas: &mut Canvas, page: usize, word: usize, value: u64) {
    let count = canvas.pages_mut().count();
    if let Some(bytes) = canvas.pages_mut().nth(page % count) {
        let at = word % 512 * 8;
        bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }
}

/// Overwrites `count` words, which and by what drawn from `seed`: pointers to elsewhere in the
/// same page, to nowhere, all ones, and small numbers.
pub(super) fn noise(canvas: &mut Canvas, seed: u64, count: usize) {
    let mut state = seed | 1;
    // xorshift64, Marsaglia 2003: enough to spread, and the same everywhere.
    let mut draw = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut pages: Vec<&mut Vec<u8>> = canvas.pages_mut().collect();
    // Most pages are zero and stay untouched by anyone: spoil those that say something.
    pages.retain(|page| page.iter().any(|byte| *byte != 0));
    for _ in 0..count {
        let page = usize::try_from(draw() % pages.len() as u64).expect("an index");
        let words: Vec<usize> = (0..512)
            .filter(|word| pages[page][word * 8..word * 8 + 8] != [0; 8])
            .collect();
        let Some(word) =
            words.get(usize::try_from(draw() % 512).expect("an index") % words.len().max(1))
        else {
            continue;
        };
        let slot = &mut pages[page][word * 8..word * 8 + 8];
        let old = u64::from_le_bytes(slot.try_into().expect("eight bytes"));
        let new = match draw() % 6 {
            0 => NOWHERE,
            1 => u64::MAX,
            2 => HUGE,
            3 => old.wrapping_add(draw() % 4096),
            4 => draw() % 1024,
            _ => old ^ (1 << (draw() % 64)),
        };
        slot.copy_from_slice(&new.to_le_bytes());
    }
}
