// tidy: the declarations of everything foreign, one after the other
//! The declarations: every structure and field of the Go runtime that we read, once each.
//!
//! Widths in brackets are those that we can decode; none means that the width does not matter.
//! `need` is there in every release from 1.19 to 1.27; `may` is not, and its doc says which has it.
//! What only `controls` reads may be missing too: a release without it is read, and not written to.
//!
//! Source: src/runtime of go1.19 to go1.27; the file is named at each structure.

use super::{
    Dependency, Resolver, field_type, foreign, is_needed, resolve_structure, structure_type,
};

foreign! {
    /// The heap. Source: mheap.go.
    need Mheap mheap = "runtime.mheap" {
        /// The page allocator.
        need pages: [] = "pages";
        /// Sweep generation, 2 more each GC cycle.
        need sweepgen: [4] = "sweepgen";
        /// All mspans ever made, a slice.
        need allspans: [24] = "allspans";
        /// Runtime pages of spans in state mSpanInUse.
        need pages_in_use: [8] = "pagesInUse";
        /// Index of arenas, L1 of one entry.
        need arenas: [] = "arenas";
        /// Indices of the heap's arenas, a slice; from 1.25 without the user arenas.
        need heap_arenas: [24] = "heapArenas" | "allArenas";
        /// Indices of user arenas' arenas, a slice; from 1.25.
        may user_arena_arenas: [24] = "userArenaArenas";
        /// Address space that the heap grows into next: base and end.
        need cur_arena: [16] = "curArena";
        /// Allocator of mspans.
        need spanalloc: [] = "spanalloc";
        /// Allocator of mcaches.
        need cachealloc: [] = "cachealloc";
        /// Spans by span class: sets of swept and unswept ones.
        need central: [] = "central";
        /// Allocator of Green Tea's queues; from 1.26.
        may span_spmc_alloc: [] = "spanSPMCAlloc";
        /// Allocator of weak handles' specials; from 1.23.
        may special_weak_handle_alloc: [] = "specialWeakHandleAlloc";
        /// Allocator of tiny blocks' specials; from 1.25, tells the numbering of specials apart.
        may special_tiny_block_alloc: [] = "specialTinyBlockAlloc";
        /// Weak handles of immortal objects, a tree; from 1.25.
        may immortal_weak_handles: [8] = "immortalWeakHandles";
        /// Allocator of arena hints.
        may arena_hint_alloc: [] = "arenaHintAlloc";
    }

    /// A run of runtime pages. Source: mheap.go.
    need Mspan mspan = "runtime.mspan" {
        /// The list that it is on, for telling GC work buffers apart.
        need list: [8] = "list";
        /// First byte.
        need start_addr: [8] = "startAddr";
        /// Runtime pages.
        need npages: [8] = "npages";
        /// Slots below are in use; 16 bits wide from 1.22.
        need freeindex: [2, 8] = "freeindex";
        /// Slots; 16 bits wide from 1.22.
        need nelems: [2, 8] = "nelems";
        /// Allocation bits.
        need alloc_bits: [8] = "allocBits";
        /// Mark bits.
        need gcmark_bits: [8] = "gcmarkBits";
        /// Relative to the heap's: swept, cached or neither.
        need sweepgen: [4] = "sweepgen";
        /// Slots in use.
        need alloc_count: [2] = "allocCount";
        /// Size class and noscan.
        need spanclass: [1] = "spanclass";
        /// Dead, in use, or managed by hand.
        need state: [1] = "state";
        /// A copy of `allocCount` from when a P took the span.
        need alloc_count_before_cache: [2] = "allocCountBeforeCache";
        /// Bytes a slot; 0 for spans managed by hand other than stacks.
        need elemsize: [8] = "elemsize";
        /// Finalizers, profile records and the like, a list.
        need specials: [8] = "specials";
        /// Belongs to a user arena; from 1.20.
        may is_user_arena_chunk: [1] = "isUserArenaChunk";
        /// Type of a large object; from 1.22, there only if allocation headers are on.
        may large_type: [8] = "largeType";
    }

    /// Mark bits that lie in the span itself: Green Tea, 1.25 and later. Source:
    /// mgcmark_greenteagc.go; without Green Tea the type is empty or absent.
    may SpanInlineMarkBits span_inline_mark_bits = "runtime.spanInlineMarkBits" {
        /// One bit a slot, 63 bytes.
        may marks: [63] = "marks";
    }

    /// The page allocator. Source: mpagealloc.go.
    need PageAllocLayout page_alloc = "runtime.pageAlloc" {
        /// Summaries by level, five slices.
        need summary: [120] = "summary";
        /// Bitmaps by chunk, an array of pointers to blocks of 8192.
        need chunks: [65536] = "chunks";
        /// Address ranges owned, a slice.
        need in_use: [24] = "inUse.ranges";
        /// Whether bitmaps may lie on huge pages; from 1.21. Once set, a copy of the address ranges
        /// was left behind.
        may chunk_huge_pages: [1] = "chunkHugePages";
        /// First chunk ever owned.
        need start: [8] = "start";
        /// The chunk behind the last one.
        need end: [8] = "end";
        /// Index of chunks that the scavenger looks through, a slice; from 1.20 (1.21: other
        /// elements).
        may scav_chunks: [24] = "scav.index.chunks";
        /// First element of it that is mapped; 4 bytes wide up to 1.20, where elements are bytes.
        may scav_min: [4, 8] = "scav.index.min";
        /// The element behind the last one that is mapped.
        may scav_max: [4, 8] = "scav.index.max";
    }

    /// One chunk's bits: allocated, then scavenged. Source: mpallocbits.go.
    need PallocData palloc_data = "runtime.pallocData" {
        /// Allocated runtime pages.
        need alloc: [64] = "pallocBits";
        /// Runtime pages that were returned.
        need scavenged: [64] = "scavenged";
    }

    /// Runtime pages that one P took from the page allocator. Source: mpagecache.go.
    need PageCacheLayout page_cache = "runtime.pageCache" {
        /// First byte of 64 runtime pages.
        need base: [8] = "base";
        /// Free runtime pages.
        need cache: [8] = "cache";
        /// Free runtime pages that were returned.
        need scav: [8] = "scav";
    }

    /// Metadata of one arena of 64 MiB. Source: mheap.go.
    need HeapArena heap_arena = "runtime.heapArena" {
        /// The span of each runtime page.
        need spans: [65536] = "spans";
        /// Pointer bitmap; up to 1.21, and in 1.22 without allocation headers.
        may bitmap: [] = "bitmap" | "heapArenaPtrScalar.bitmap";
        /// Words of the bitmap behind which an object has no more pointers, a bit each; 1.20 to
        /// 1.22. Without it the bitmap has two bits a word.
        may no_more_ptrs: [] = "noMorePtrs" | "heapArenaPtrScalar.noMorePtrs";
        /// Bytes below need no zeroing.
        need zeroed_base: [8] = "zeroedBase";
        /// Bitmap of the debug setting gccheckmark.
        may checkmarks: [8] = "checkmarks";
    }

    /// An allocator of fixed-size structures. Source: mfixalloc.go.
    need Fixalloc fixalloc = "runtime.fixalloc" {
        /// Bytes a structure.
        need elem: [8] = "size";
        /// Free structures, a list.
        need list: [8] = "list";
        /// The rest of the block in use.
        need chunk: [8] = "chunk";
        /// Bytes left in it.
        need nchunk: [4] = "nchunk";
        /// Bytes of structures handed out.
        need inuse: [8] = "inuse";
    }

    /// The pacer. Source: mgcpacer.go.
    need GcController gc_controller = "runtime.gcControllerState" {
        /// GOGC; negative is off.
        need gc_percent: [4, 8] = "gcPercent";
        /// GOMEMLIMIT; the largest number is none.
        need memory_limit: [8] = "memoryLimit";
        /// Goal by GOGC alone.
        need gc_percent_heap_goal: [8] = "gcPercentHeapGoal";
        /// Smallest trigger that leaves room for sweeping.
        need sweep_dist_min_trigger: [8] = "sweepDistMinTrigger";
        /// Where this cycle was triggered.
        need triggered: [8] = "triggered";
        /// Allocated since, or marked by, the last cycle.
        need heap_live: [8] = "heapLive";
        /// Marked by the last cycle.
        need heap_marked: [8] = "heapMarked";
        /// CPU of assists in the running cycle.
        need assist_time: [8] = "assistTime";
        /// CPU of dedicated workers in the running cycle.
        need dedicated_mark_time: [8] = "dedicatedMarkTime";
        /// CPU of fractional workers in the running cycle.
        need fractional_mark_time: [8] = "fractionalMarkTime";
        /// CPU of idle workers in the running cycle.
        need idle_mark_time: [8] = "idleMarkTime";
        /// HeapInuse.
        need heap_in_use: [8] = "heapInUse";
        /// HeapReleased.
        need heap_released: [8] = "heapReleased";
        /// Free and not returned.
        need heap_free: [8] = "heapFree";
        /// Allocated, cumulative.
        need total_alloc: [8] = "totalAlloc";
        /// Freed, cumulative.
        need total_free: [8] = "totalFree";
        /// Mapped and not returned.
        need mapped_ready: [8] = "mappedReady";
        /// The least heap goal: 4 MiB at GOGC=100; what `controls` reads.
        may heap_minimum: [8] = "heapMinimum";
        /// Stack that the last cycle scanned; what `controls` reads.
        may last_stack_scan: [8] = "lastStackScan";
        /// Stack that a cycle would scan at most; what `controls` reads.
        may max_stack_scan: [8] = "maxStackScan";
        /// Variables that a cycle scans; what `controls` reads.
        may globals_scan: [8] = "globalsScan";
    }

    /// Counters. Source: mstats.go.
    need Mstats mstats = "runtime.mstats" {
        /// Deltas that ReadMemStats sums up.
        need heap_stats: [] = "heapStats";
        /// Stacks of threads that the runtime made itself.
        need stacks_sys: [8] = "stacks_sys";
        /// MSpanSys.
        need mspan_sys: [8] = "mspan_sys";
        /// MCacheSys.
        need mcache_sys: [8] = "mcache_sys";
        /// BuckHashSys.
        need buckhash_sys: [8] = "buckhash_sys";
        /// GCSys without work buffers.
        need gc_misc_sys: [8] = "gcMiscSys";
        /// OtherSys.
        need other_sys: [8] = "other_sys";
        /// End of the last cycle by the wall clock.
        need last_gc_unix: [8] = "last_gc_unix";
        /// PauseTotalNs.
        need pause_total_ns: [8] = "pause_total_ns";
        /// NumGC.
        need numgc: [4] = "numgc";
        /// NumForcedGC.
        need numforcedgc: [4] = "numforcedgc";
        /// End of the last cycle by the monotonic clock.
        need last_gc_nanotime: [8] = "last_gc_nanotime";
        /// Whether the runtime has come so far that it may run the GC; what `controls` reads.
        may enablegc: [1] = "enablegc";
    }

    /// A ring of three deltas. Source: mstats.go.
    need ConsistentHeapStats consistent_heap_stats = "runtime.consistentHeapStats" {
        /// The deltas; their sum is the truth.
        need stats: [] = "stats";
    }

    /// One delta. Source: mstats.go.
    need HeapStatsDelta heap_stats_delta = "runtime.heapStatsDelta" {
        /// Mapped and not returned.
        need committed: [8] = "committed";
        /// Returned.
        need released: [8] = "released";
        /// In heap spans.
        need in_heap: [8] = "inHeap";
        /// In stack spans.
        need in_stacks: [8] = "inStacks";
        /// In spans of GC work buffers.
        need in_work_bufs: [8] = "inWorkBufs";
        /// In spans of unrolled pointer masks; up to 1.24.
        may in_ptr_scalar_bits: [8] = "inPtrScalarBits";
        /// Allocations that share a slot.
        need tiny_alloc_count: [8] = "tinyAllocCount";
        /// Bytes of large objects allocated.
        need large_alloc: [8] = "largeAlloc";
        /// Large objects allocated.
        need large_alloc_count: [8] = "largeAllocCount";
        /// Small objects allocated, by size class.
        need small_alloc_count: [544] = "smallAllocCount";
        /// Bytes of large objects freed.
        need large_free: [8] = "largeFree";
        /// Large objects freed.
        need large_free_count: [8] = "largeFreeCount";
        /// Small objects freed, by size class.
        need small_free_count: [544] = "smallFreeCount";
    }

    /// The GC's own state. Source: mgc.go; CPU figures: mstats.go, `cpuStats`.
    need WorkType work = "runtime.workType" {
        /// Spans of GC work buffers, two lists.
        need wbuf_spans: [] = "wbufSpans";
        /// Green Tea's queues, a list; from 1.26.
        may span_spmcs: [8] = "spanSPMCs.list.obj";
        /// Cycles begun.
        need cycles: [4] = "cycles";
        /// CPU in GC since the start; 1.19.
        may totaltime: [8] = "totaltime";
        /// CPU in GC since the start, up to the last pause; from 1.20.
        may gc_total_time: [8] = "cpuStats.GCTotalTime" | "cpuStats.gcTotalTime";
        /// CPU of GC that nothing else wanted; from 1.20.
        may gc_idle_time: [8] = "cpuStats.GCIdleTime" | "cpuStats.gcIdleTime";
        /// CPU available since the start, up to the last cycle; from 1.20.
        may total_time: [8] = "cpuStats.TotalTime" | "cpuStats.totalTime";
    }

    /// The scheduler. Source: runtime2.go.
    need Schedt sched = "runtime.schedt" {
        /// Goroutines of the runtime itself.
        need ngsys: [4] = "ngsys";
        /// Idle threads.
        need nmidle: [4] = "nmidle";
        /// Threads made so far.
        need mnext: [8] = "mnext";
        /// Threads that ended.
        need nmfreed: [8] = "nmfreed";
        /// Idle Ps.
        need npidle: [4] = "npidle";
        /// Runnable goroutines on no P's queue.
        may runq_size: [4] = "runq.size" | "runqsize";
        /// Free g's; up to 1.25.
        may g_free_n: [4] = "gFree.n";
        /// Free g's with stack; from 1.26.
        may g_free_stack: [4] = "gFree.stack.size";
        /// Free g's without stack; from 1.26.
        may g_free_no_stack: [4] = "gFree.noStack.size";
        /// When GOMAXPROCS last changed, monotonic ns.
        need procresizetime: [8] = "procresizetime";
        /// CPU available until then.
        need totaltime: [8] = "totaltime";
        /// Its lock's word, 0 while nobody has or wants it; what `controls` reads.
        may lock_key: [8] = "lock.key";
        /// The world is to be stopped; 4 bytes wide up to 1.19; what `controls` reads.
        may gcwaiting: [1, 4] = "gcwaiting";
        /// The monitor is in its long sleep; 4 bytes wide up to 1.19; what `controls` reads.
        may sysmonwait: [1, 4] = "sysmonwait";
        /// What it sleeps on, 1 once it was woken; what `controls` reads.
        may sysmonnote_key: [8] = "sysmonnote.key";
    }

    /// A processor of the scheduler. Source: runtime2.go.
    need P p = "runtime.p" {
        /// Its cache of spans.
        need mcache: [8] = "mcache";
        /// Its cache of runtime pages.
        need pcache: [24] = "pcache";
        /// Buffer of Green Tea's scanner; from 1.25.
        may ptr_buf: [8] = "gcw.ptrBuf";
        /// Cleanups to queue, a block; from 1.25.
        may cleanups: [8] = "cleanups";
        /// Free g's.
        need g_free_n: [4] = "gFree.size" | "gFree.n";
        /// Head of its queue of runnable goroutines.
        need runqhead: [4] = "runqhead";
        /// Its tail.
        need runqtail: [4] = "runqtail";
    }

    /// A P's cache of spans. Source: mcache.go.
    need Mcache mcache = "runtime.mcache" {
        /// Allocations that share a slot, not yet counted.
        need tiny_allocs: [8] = "tinyAllocs";
        /// The span of each span class.
        need alloc: [1088] = "alloc";
        /// Free stacks by order, list and bytes each.
        need stackcache: [64] = "stackcache";
    }

    /// A goroutine. Source: runtime2.go.
    need G g = "runtime.g" {
        /// Lowest byte of its stack.
        need stack_lo: [8] = "stack.lo";
        /// The byte behind its stack.
        need stack_hi: [8] = "stack.hi";
        /// Its thread.
        need m: [8] = "m";
        /// Stack pointer while it does not run.
        need sched_sp: [8] = "sched.sp";
        /// Where it goes on.
        need sched_pc: [8] = "sched.pc";
        /// Stack pointer while in a system call.
        need syscallsp: [8] = "syscallsp";
        /// Status, with the scan bit.
        need atomicstatus: [4] = "atomicstatus";
        /// Its number.
        need goid: [8] = "goid";
        /// Since when it waits, monotonic ns.
        need waitsince: [8] = "waitsince";
        /// What it waits for.
        need waitreason: [1] = "waitreason";
        /// Who started it; from 1.21.
        may parent_goid: [8] = "parentGoid";
        /// The go statement.
        need gopc: [8] = "gopc";
        /// Its function.
        need startpc: [8] = "startpc";
        /// Labels of pprof.
        need labels: [8] = "labels";
        /// Closure that it goes on with.
        need sched_ctxt: [8] = "sched.ctxt";
        /// Where it goes on after a system call.
        need syscallpc: [8] = "syscallpc";
        /// Deferred calls, a list.
        need deferred: [8] = "_defer";
        /// Panics, a list on the stack.
        need panicking: [8] = "_panic";
        /// It was preempted at an instruction that has no stack map.
        need async_safe_point: [1] = "asyncSafePoint";
        /// Its vector registers while preempted so; from 1.26.
        may xregs: [8] = "xRegs.state";
        /// Sudogs that it waits with, a list.
        need waiting: [8] = "waiting";
        /// What its waker hands it.
        need param: [8] = "param";
        /// Its select was won by a waker.
        need select_done: [4] = "selectDone";
        /// The thread that it is locked to.
        need lockedm: [8] = "lockedm";
        /// The bubble of `testing/synctest` that it is in; from 1.24.
        may bubble: [8] = "bubble" | "syncGroup";
    }

    /// A goroutine in a queue of those that wait for the same. Source: runtime2.go.
    need Sudog sudog = "runtime.sudog" {
        /// The goroutine.
        need g: [8] = "g";
        /// The next in a channel's queue.
        need next: [8] = "next";
        /// What is sent or received, or the address of the semaphore; from 1.26 also the list of a
        /// `sync.Cond`.
        need elem: [8] = "elem.vu" | "elem";
        /// The next that the same goroutine waits with.
        need waitlink: [8] = "waitlink";
        /// The channel.
        need c: [8] = "c.maybeTraceablePtr.vu" | "c";
    }

    /// A channel. Source: chan.go.
    need Hchan hchan = "runtime.hchan" {
        /// How many were sent and not received yet.
        may qcount: [8] = "qcount";
        /// How many it has room for.
        may dataqsiz: [8] = "dataqsiz";
        /// What was sent and not received yet, an array.
        may buf: [8] = "buf";
        /// Bytes of one of these.
        may elemsize: [2] = "elemsize";
        /// The type of these.
        may elemtype: [8] = "elemtype";
        /// Those that wait to receive, the first of a list.
        need recvq_first: [8] = "recvq.first";
        /// Those that wait to send, the first of a list.
        need sendq_first: [8] = "sendq.first";
    }

    /// A thread. Source: runtime2.go.
    need M m = "runtime.m" {
        /// Its scheduler's goroutine, with the thread's stack.
        need g0: [8] = "g0";
        /// Thread id.
        need procid: [8] = "procid";
        /// Its signal handler's goroutine.
        need gsignal: [8] = "gsignal";
        /// The goroutine that runs.
        need curg: [8] = "curg";
        /// Its number.
        need id: [8] = "id";
        /// The next in the list of all.
        need alllink: [8] = "alllink";
        /// Made by C code.
        may isextra: [1] = "isextra";
    }

    /// A bucket of a profile; its stack and record follow it. Source: mprof.go.
    need Bucket bucket = "runtime.bucket" {
        /// The next in the list of all of a kind.
        need allnext: [8] = "allnext";
        /// Memory, block or mutex.
        need typ: [8] = "typ";
        /// Bytes an object.
        need object_size: [8] = "size";
        /// Frames of the stack.
        need nstk: [8] = "nstk";
    }

    /// The record of a bucket of the memory profile; only its size matters. Source: mprof.go.
    need MemRecord mem_record = "runtime.memRecord" {
    }

    /// Spans of one span class that have free slots, and those that are full. Source: mcentral.go.
    need Mcentral mcentral = "runtime.mcentral" {
        /// Two sets, swept and unswept.
        need partial: [] = "partial";
        /// Two sets, swept and unswept.
        need full: [] = "full";
    }

    /// A set of spans: a spine of blocks. Source: mspanset.go.
    need SpanSet span_set = "runtime.spanSet" {
        /// Pointers to blocks.
        need spine: [8] = "spine";
        /// Pointers in use.
        need spine_len: [8] = "spineLen";
        /// Pointers that there is room for.
        need spine_cap: [8] = "spineCap";
    }

    /// A block of a set of spans. Source: mspanset.go.
    need SpanSetBlock span_set_block = "runtime.spanSetBlock" {
        /// The spans; at 512 from 1.25, where tagged pointers are aligned so.
        need spans: [4096] = "spans";
    }

    /// A queue of Green Tea, 1.26 and later. Source: mgcmark_greenteagc.go.
    may SpanSpmc span_spmc = "runtime.spanSPMC" {
        /// Links of the list of all: previous and next.
        may allnode: [16] = "allnode";
        /// Elements of the ring.
        may cap: [4] = "cap";
        /// The ring, mapped on its own.
        may ring: [8] = "ring";
    }

    /// What hangs on an object: a finalizer, a weak handle, a profile record. Source: mheap.go.
    need Special special = "runtime.special" {
        /// The next of the span.
        need next: [8] = "next";
        /// Its kind; the numbers changed in 1.23, 1.24 and 1.25.
        need kind: [1] = "kind";
        /// Bytes from the start of the span; 16 bits wide up to 1.23.
        need offset: [2, 8] = "offset";
    }

    /// Weak handle of an immortal object, 1.25 and later. Source: mheap.go.
    may ImmortalWeakHandle immortal_weak_handle = "runtime.immortalWeakHandle" {
        /// Two subtrees.
        may children: [16] = "children";
    }

    /// Arenas of allocation and mark bits, `var gcBitsArenas`. Source: mheap.go.
    may GcBitsArenas gc_bits_arenas = "runtime.gcBitsArenas" {
        /// To be used again.
        may free: [8] = "free";
        /// Of the next cycle.
        may next: [8] = "next";
        /// Of this cycle.
        may current: [8] = "current";
        /// Of the last cycle.
        may previous: [8] = "previous";
    }

    /// An arena of allocation and mark bits, 64 KiB. Source: mheap.go.
    need GcBitsArena gc_bits_arena = "runtime.gcBitsArena" {
        /// The next of its list.
        need next: [8] = "next";
    }

    /// A block of finalizers to run, up to 1.24. Source: mfinal.go.
    may FinblockOld finblock_old = "runtime.finblock" {
        /// The next in the list of all.
        may alllink: [8] = "alllink";
        /// Finalizers in it.
        may cnt: [4] = "cnt";
        /// The finalizers.
        may fin: [] = "fin";
    }

    /// A block of finalizers to run, from 1.25. Source: mfinal.go.
    may FinBlock fin_block = "runtime.finBlock" {
        /// The next in the list of all.
        may alllink: [8] = "alllink";
        /// Finalizers in it.
        may cnt: [4] = "cnt";
        /// The finalizers.
        may fin: [] = "fin";
    }

    /// A block of cleanups to run, from 1.25. Source: mcleanup.go.
    may CleanupBlock cleanup_block = "runtime.cleanupBlock" {
        /// The next in the list of all.
        may alllink: [8] = "cleanupBlockHeader.alllink";
        /// Cleanups in it.
        may n: [4] = "cleanupBlockHeader.n";
        /// The cleanups: closures, from 1.26 `cleanupFn`s.
        may cleanups: [] = "cleanups";
    }

    /// The cleanups to run, `var gcCleanups`, from 1.25. Source: mcleanup.go.
    may CleanupQueue cleanup_queue = "runtime.cleanupQueue" {
        /// All blocks, a list.
        may all: [8] = "all";
    }

    /// A module: the program, a plugin, a shared library. Source: symtab.go.
    need ModuleData moduledata = "runtime.moduledata" {
        /// First initialised variable that holds no pointers.
        need noptrdata: [8] = "noptrdata";
        /// The byte behind the last one.
        need enoptrdata: [8] = "enoptrdata";
        /// First initialised variable that may hold pointers.
        need data: [8] = "data";
        /// The byte behind the last one.
        need edata: [8] = "edata";
        /// First zeroed variable that may hold pointers.
        need bss: [8] = "bss";
        /// The byte behind the last one.
        need ebss: [8] = "ebss";
        /// First zeroed variable that holds no pointers.
        need noptrbss: [8] = "noptrbss";
        /// The byte behind the last one.
        need enoptrbss: [8] = "enoptrbss";
        /// Pointer mask of the initialised variables, unrolled at start.
        need gcdatamask: [8] = "gcdatamask.bytedata";
        /// Pointer mask of the zeroed variables, unrolled at start.
        need gcbssmask: [8] = "gcbssmask.bytedata";
        /// Bits of the mask of the initialised variables.
        need gcdatamask_n: [4] = "gcdatamask.n";
        /// Bits of the mask of the zeroed variables.
        need gcbssmask_n: [4] = "gcbssmask.n";
        /// First instruction.
        need text: [8] = "text";
        /// The byte behind the last one.
        need etext: [8] = "etext";
        /// What offsets of stack maps count from.
        need gofunc: [8] = "gofunc";
        /// What offsets of the masks of objects on stacks count from.
        need rodata: [8] = "rodata";
        /// First descriptor of a type.
        may types: [8] = "types";
        /// The byte behind the last one.
        may etypes: [8] = "etypes";
        /// The next module.
        need next: [8] = "next";
    }

    /// GODEBUG as it is now. Source: runtime1.go, `var debug`.
    may Debug debug = "runtime.debug" {
        /// Return memory so that RSS falls at once (1), not when the kernel wants it (0).
        may madvdontneed: [4] = "madvdontneed";
        /// Print a line each cycle.
        may gctrace: [4] = "gctrace";
        /// Keep huge pages away from the heap; 1.21 (late patches) and later.
        may disablethp: [4] = "disablethp";
        /// Return memory by unmapping it.
        may harddecommit: [4] = "harddecommit";
    }

    /// Goals of the background scavenger, `var scavenge`; what `controls` reads. Source:
    /// mgcscavenge.go.
    may Scavenge scavenge = "runtime.scavenge" {
        /// Heap in use and free that it leaves by GOGC; set by each cycle.
        may gc_percent_goal: [8] = "gcPercentGoal";
        /// Mapped memory that it leaves by the memory limit; set by each cycle.
        may memory_limit_goal: [8] = "memoryLimitGoal";
    }

    /// The background scavenger, `var scavenger`; what `controls` reads. Source: mgcscavenge.go.
    may ScavengerState scavenger = "runtime.scavengerState" {
        /// Its goroutine sleeps, for want of work or to keep its pace.
        may parked: [1] = "parked";
        /// The monitor is to wake it.
        may sysmon_wake: [4] = "sysmonWake";
        /// Time at work by time asleep.
        may sleep_ratio: [8] = "sleepRatio";
        /// Gain of the controller that sets it.
        may kp: [8] = "sleepController.kp";
        /// Its integral time.
        may ti: [8] = "sleepController.ti";
        /// Its reset time.
        may tt: [8] = "sleepController.tt";
        /// Least that it sets.
        may min: [8] = "sleepController.min";
        /// Most that it sets.
        may max: [8] = "sleepController.max";
    }

    /// The sweeper, `var sweep`; what `controls` reads. Source: mgcsweep.go.
    may Sweepdata sweep = "runtime.sweepdata" {
        /// Sweepers at work, and in the top bit whether nothing is left to begin.
        may active_state: [4] = "active.state";
    }

    // What the object graph needs.

    /// A deferred call. Source: runtime2.go.
    need Defer deferred = "runtime._defer" {
        /// It lies in the heap, not on the stack.
        need heap: [1] = "heap";
        /// Its closure.
        need func: [8] = "fn";
        /// The next of the goroutine.
        need link: [8] = "link";
    }

    /// The finalizer of an object. Source: mheap.go.
    need SpecialFinalizer special_finalizer = "runtime.specialfinalizer" {
        /// Its closure.
        need func: [8] = "fn";
    }

    /// The weak handle of an object, 1.23 and later. Source: mheap.go.
    may SpecialWeakHandle special_weak_handle = "runtime.specialWeakHandle" {
        /// What weak pointers to the object point to.
        may handle: [8] = "handle";
    }

    /// A cleanup of an object, 1.24 and later. Source: mheap.go.
    may SpecialCleanup special_cleanup = "runtime.specialCleanup" {
        /// Its closure; from 1.26 a `cleanupFn`, three pointers.
        may func: [8, 24] = "fn" | "cleanup";
    }

    /// A cleanup and its argument, 1.26 and later; only its size matters. Source: mcleanup.go.
    may CleanupFn cleanup_fn = "runtime.cleanupFn" {
    }

    /// A finalizer to run. Source: mfinal.go.
    need Finalizer finalizer = "runtime.finalizer" {
        /// Its closure.
        need func: [8] = "fn";
        /// The object.
        need arg: [8] = "arg";
        /// Type of its argument.
        need fint: [8] = "fint";
        /// Type of the pointer to the object.
        need ot: [8] = "ot";
    }

    /// An object on the stack whose address is taken. Source: stack.go.
    need StackObjectRecord stack_object_record = "runtime.stackObjectRecord" {
        /// Bytes from the arguments, or if negative from the end of the locals.
        need off: [4] = "off";
        /// Bytes.
        need object_size: [4] = "size";
        /// Bytes of it that may hold pointers; from 1.24, where there are no more GC programs.
        may ptr_bytes: [4] = "ptrBytes";
        /// The same up to 1.23; negative where its mask is a GC program.
        may ptrdata: [4] = "_ptrdata";
        /// Its pointer mask, from `rodata`.
        need gcdataoff: [4] = "gcdataoff";
    }

    /// Vector registers of a preempted goroutine, 1.26 and later. Source: preempt_xreg.go.
    may XRegState xreg_state = "runtime.xRegState" {
        /// The registers.
        may regs: [] = "regs";
    }

    /// A type; read from 1.22 on, where objects name theirs. Source: internal/abi/type.go.
    may AbiType abi_type = "internal/abi.Type" {
        /// Bytes.
        may object_size: [8] = "Size_";
        /// Bytes of it that may hold pointers.
        may ptr_bytes: [8] = "PtrBytes";
        /// Flags.
        may tflag: [1] = "TFlag";
        /// Its kind.
        may kind: [1] = "Kind_";
        /// Its pointer mask; from 1.24 of a large type a pointer to it.
        may gc_data: [8] = "GCData";
    }

    /// An array type. Source: internal/abi/type.go.
    may AbiArrayType abi_array_type = "internal/abi.ArrayType" {
        /// Type of its elements.
        may elem: [8] = "Elem";
        /// Elements.
        may len: [8] = "Len";
    }

    /// A structure type. Source: internal/abi/type.go.
    may AbiStructType abi_struct_type = "internal/abi.StructType" {
        /// Its fields, a slice.
        may fields: [24] = "Fields";
    }

    /// A field of a structure type. Source: internal/abi/type.go.
    may AbiStructField abi_struct_field = "internal/abi.StructField" {
        /// Its type.
        may typ: [8] = "Typ";
        /// Bytes from the start of the structure.
        may offset: [8] = "Offset";
    }
}
