//! The runtime's counters, read in one go.
//!
//! Some twenty small pieces of `gcController`, `memstats`, `mheap_`, `work`, `sched` and a few
//! plain variables. Where they lie is worked out once ([`Plan`]), so that a reading is one call to
//! the kernel into a buffer on the stack. [`RuntimeStats`] is computed from them as
//! `runtime.readmemstats_m` does. Does not see what lies in the Ps' mcaches (see `processors`).
//!
//! `memstats.heapStats` is a ring of three deltas: writers add to one, a reader (`runtime/metrics`)
//! turns the ring and merges the last two. The sum of all three is the truth at any moment but the
//! few instructions of a merge.
//!
//! Source: src/runtime/mstats.go, mgcpacer.go (`heapGoalInternal`, `memoryLimitHeapGoal`), proc.go
//! (`gcount`), go1.19 to go1.27.

use letgo_target::{Addr, Piece, ReadMemory};

use crate::layout::Member;
use crate::processors::Unflushed;
use crate::{Error, Runtime, RuntimeStats};

/// Bytes that one reading may take; it takes about 4.5 KiB.
const MOST_BYTES: usize = 8 << 10;
/// Pieces of variables, other than the Ps.
const MOST_PIECES: usize = 16;
/// Ps whose free g's are counted in the same call; beyond that, goroutines are not counted.
const MOST_PROCESSORS: usize = 256;

/// `_GCmark`. Source: src/runtime/mgc.go.
const GC_MARK: u64 = 1;
/// Least distance of the goal from the trigger. Source: mgcpacer.go, `minRunway`.
const MIN_RUNWAY: u64 = 64 << 10;
/// Fixed headroom below a goal that the memory limit sets. Source: mgcpacer.go,
/// `memoryLimitMinHeapGoalHeadroom`; up to 1.20 `memoryLimitHeapGoalHeadroom`.
const MIN_HEADROOM: u64 = 1 << 20;

/// One piece of the plan: where from, and where in the buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Part {
    addr: Addr,
    at: usize,
    len: usize,
}

/// The variables that pieces are of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Of {
    GcController,
    HeapStats,
    MemstatsSys,
    MemstatsGc,
    MheapHead,
    SpanInuse,
    CacheInuse,
    Work,
    Sched,
    Allglen,
    Allp,
    GcPhase,
}

const PARTS: usize = 12;

/// Where the counters lie; worked out once.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Plan {
    parts: [Part; PARTS],
    /// Bytes of the buffer that the parts take.
    len: usize,
    /// `&p.gFree.n` of each P when the plan was made; Ps are never freed or exchanged.
    free_counts: Vec<Addr>,
}

impl Plan {
    /// Works out where the counters lie. Parts whose variable was not found stay empty.
    pub(crate) fn new(runtime: &Runtime, processors: &[Addr]) -> Result<Plan, Error> {
        let mut plan = Plan::default();
        let layout = &runtime.layout;
        let mheap = runtime.need_global("runtime.mheap_")?;
        let memstats = runtime.need_global("runtime.memstats")?;
        let stats = layout.mstats;
        let fixalloc = layout.fixalloc;
        let heap_stats = stats.heap_stats.at(memstats);
        let mut put = |of, base: Addr, members: &[Member]| plan.put(of, base, members);
        put(
            Of::GcController,
            runtime.need_global("runtime.gcController")?,
            &[
                layout.gc_controller.gc_percent,
                layout.gc_controller.mapped_ready,
            ],
        );
        put(
            Of::HeapStats,
            heap_stats,
            &[layout.consistent_heap_stats.stats],
        );
        put(
            Of::MemstatsSys,
            memstats,
            &[stats.stacks_sys, stats.pause_total_ns],
        );
        put(
            Of::MemstatsGc,
            memstats,
            &[stats.numgc, stats.last_gc_nanotime],
        );
        let heap = layout.mheap;
        put(
            Of::MheapHead,
            mheap,
            &[heap.sweepgen, heap.allspans, heap.pages_in_use],
        );
        put(Of::SpanInuse, heap.spanalloc.at(mheap), &[fixalloc.inuse]);
        put(Of::CacheInuse, heap.cachealloc.at(mheap), &[fixalloc.inuse]);
        if let Some(work) = runtime.global("runtime.work") {
            put(Of::Work, work, &work_members(runtime));
        }
        if let Some(sched) = runtime.global("runtime.sched") {
            put(Of::Sched, sched, &sched_members(runtime));
        }
        let whole = |size| Member { offset: 0, size };
        for (of, name, size) in [
            (Of::Allglen, "runtime.allglen", 8),
            (Of::Allp, "runtime.allp", 24),
            (Of::GcPhase, "runtime.gcphase", 4),
        ] {
            if let Some(addr) = runtime.global(name) {
                put(of, addr, &[whole(size)]);
            }
        }
        if plan.len > MOST_BYTES {
            return Err(Error::Unsupported {
                found: runtime.version.raw.clone(),
                why: format!("its counters take {} bytes", plan.len),
            });
        }
        let free = layout.p.g_free_n;
        plan.free_counts = processors.iter().map(|p| free.at(*p)).collect();
        Ok(plan)
    }

    /// Plans to read from the first to the last of `members`.
    fn put(&mut self, of: Of, base: Addr, members: &[Member]) {
        let start = members.iter().map(|m| m.offset).min().unwrap_or(0);
        let end = members
            .iter()
            .map(|m| m.offset.saturating_add(m.size))
            .max();
        let len = end.unwrap_or(0).saturating_sub(start) as usize;
        if let Some(part) = self.parts.get_mut(of as usize) {
            *part = Part {
                addr: base.add(u64::from(start)),
                at: self.len,
                len,
            };
            self.len = self.len.saturating_add(len);
        }
    }
}

fn work_members(runtime: &Runtime) -> Vec<Member> {
    let work = runtime.layout.work;
    let may = [
        work.totaltime,
        work.gc_total_time,
        work.gc_idle_time,
        work.total_time,
    ];
    may.into_iter().flatten().chain([work.cycles]).collect()
}

fn sched_members(runtime: &Runtime) -> Vec<Member> {
    let sched = runtime.layout.sched;
    let need = [
        sched.ngsys,
        sched.nmidle,
        sched.mnext,
        sched.nmfreed,
        sched.npidle,
        sched.procresizetime,
        sched.totaltime,
    ];
    let may = [
        sched.runq_size,
        sched.g_free_n,
        sched.g_free_stack,
        sched.g_free_no_stack,
    ];
    may.into_iter().flatten().chain(need).collect()
}

/// The counters as they were read.
pub(crate) struct Counters<'a> {
    runtime: &'a Runtime,
    plan: &'a Plan,
    buf: [u8; MOST_BYTES],
    /// Free g's of all Ps; absent where there are too many Ps, or new ones.
    free_goroutines: Option<u64>,
}

impl<'a> Counters<'a> {
    /// Reads all counters with one scattered read and without allocating.
    ///
    /// # Errors
    /// Where a piece that nothing can be said without cannot be read.
    pub(crate) fn read(
        runtime: &'a Runtime,
        plan: &'a Plan,
        memory: &dyn ReadMemory,
    ) -> Result<Counters<'a>, Error> {
        let mut counters = Counters {
            runtime,
            plan,
            buf: [0; MOST_BYTES],
            free_goroutines: None,
        };
        let mut free = [0u8; MOST_PROCESSORS * 4];
        counters.fill(memory, &mut free)?;
        let processors = counters.gomaxprocs() as usize;
        if processors > 0 && processors <= plan.free_counts.len().min(MOST_PROCESSORS) {
            let counts = free.chunks_exact(4).take(processors);
            let counts = counts.filter_map(|bytes| bytes.first_chunk().copied());
            counters.free_goroutines = Some(counts.map(|b| u64::from(u32::from_le_bytes(b))).sum());
        }
        Ok(counters)
    }

    fn fill(&mut self, memory: &dyn ReadMemory, free: &mut [u8]) -> Result<(), Error> {
        let mut pieces: [Piece<'_>; MOST_PIECES + MOST_PROCESSORS] =
            std::array::from_fn(|_| Piece::new(Addr::NULL, &mut []));
        let mut used = 0;
        let mut rest = self.buf.as_mut_slice();
        let parts = self.plan.parts.iter().filter(|part| part.len > 0);
        for (part, piece) in parts.zip(&mut pieces) {
            let (head, tail) = std::mem::take(&mut rest)
                .split_at_mut_checked(part.len)
                .unwrap_or_default();
            rest = tail;
            *piece = Piece::new(part.addr, head);
            used += 1;
        }
        let variables = used;
        let later = pieces.get_mut(used..).unwrap_or_default();
        let counts = self.plan.free_counts.iter().zip(free.chunks_exact_mut(4));
        for ((addr, buf), piece) in counts.zip(later) {
            *piece = Piece::new(*addr, buf);
            used += 1;
        }
        let pieces = pieces.get_mut(..used).unwrap_or_default();
        memory.read_scattered(pieces)?;
        let missing = pieces.iter().take(variables).find(|piece| !piece.filled);
        match missing {
            None => Ok(()),
            Some(piece) => Err(Error::Fault(letgo_target::Fault::Unmapped {
                addr: piece.addr,
                len: piece.buf.len() as u64,
            })),
        }
    }

    /// A field of a structure at `base`, if the piece `of` holds it; else 0.
    fn at(&self, of: Of, addr: Addr, size: u32) -> u64 {
        let Some(part) = self.plan.parts.get(of as usize) else {
            return 0;
        };
        let inside = usize::try_from(addr.since(part.addr)).unwrap_or(usize::MAX);
        if addr < part.addr || inside.saturating_add(size as usize) > part.len {
            return 0;
        }
        let offset = u32::try_from(part.at.saturating_add(inside)).unwrap_or(u32::MAX);
        Member { offset, size }.get(&self.buf)
    }

    fn global(&self, of: Of, name: &str, member: Member) -> u64 {
        let base = self.runtime.global(name).unwrap_or_default();
        self.at(of, member.at(base), member.size)
    }

    fn gc(&self, member: Member) -> u64 {
        self.global(Of::GcController, "runtime.gcController", member)
    }

    fn sys(&self, member: Member) -> u64 {
        self.global(Of::MemstatsSys, "runtime.memstats", member)
    }

    fn sched(&self, member: Member) -> u64 {
        self.global(Of::Sched, "runtime.sched", member)
    }

    fn work(&self, member: Member) -> u64 {
        self.global(Of::Work, "runtime.work", member)
    }

    /// `mheap_.sweepgen`
    pub(crate) fn sweepgen(&self) -> u32 {
        let member = self.runtime.layout.mheap.sweepgen;
        u32::try_from(self.global(Of::MheapHead, "runtime.mheap_", member)).unwrap_or(0)
    }

    /// `mheap_.pagesInUse`
    pub(crate) fn pages_in_use(&self) -> u64 {
        let member = self.runtime.layout.mheap.pages_in_use;
        self.global(Of::MheapHead, "runtime.mheap_", member)
    }

    /// `work.cycles`
    pub(crate) fn cycles(&self) -> u32 {
        u32::try_from(self.work(self.runtime.layout.work.cycles)).unwrap_or(0)
    }

    /// `gcphase`, 0 where it was not found.
    pub(crate) fn gc_phase(&self) -> u64 {
        self.global(
            Of::GcPhase,
            "runtime.gcphase",
            Member { offset: 0, size: 4 },
        )
    }

    fn gomaxprocs(&self) -> u32 {
        let len = self.global(Of::Allp, "runtime.allp", Member { offset: 8, size: 8 });
        u32::try_from(len).unwrap_or(0)
    }

    /// A field of `heapStatsDelta`, summed over the ring.
    pub(crate) fn heap_stat(&self, member: Member) -> u64 {
        let layout = &self.runtime.layout;
        let memstats = self.runtime.global("runtime.memstats").unwrap_or_default();
        let ring = layout.consistent_heap_stats.stats;
        let first = ring.at(layout.mstats.heap_stats.at(memstats));
        let delta = layout.heap_stats_delta.size;
        let words = (member.size / 8).max(1);
        let mut sum = 0u64;
        for index in 0..3u64 {
            let base = member.at(first.add(index * u64::from(delta)));
            for word in 0..u64::from(words) {
                sum = sum.wrapping_add(self.at(Of::HeapStats, base.add(word * 8), 8));
            }
        }
        sum
    }

    /// The counters as `ReadMemStats` would compute them, were `unflushed` flushed.
    pub(crate) fn stats(&self, unflushed: Unflushed) -> RuntimeStats {
        let layout = &self.runtime.layout;
        let (gc, delta, mstats) = (layout.gc_controller, layout.heap_stats_delta, layout.mstats);
        let heap_inuse = self.gc(gc.heap_in_use);
        let heap_released = self.gc(gc.heap_released);
        let heap_idle = self.gc(gc.heap_free).wrapping_add(heap_released);
        let total_alloc = self.gc(gc.total_alloc).wrapping_add(unflushed.bytes);
        let heap_alloc = total_alloc.saturating_sub(self.gc(gc.total_free));
        let tiny = self
            .heap_stat(delta.tiny_alloc_count)
            .wrapping_add(unflushed.tiny);
        let mallocs = self
            .heap_stat(delta.large_alloc_count)
            .wrapping_add(self.heap_stat(delta.small_alloc_count))
            .wrapping_add(unflushed.objects)
            .wrapping_add(tiny);
        let frees = self
            .heap_stat(delta.large_free_count)
            .wrapping_add(self.heap_stat(delta.small_free_count))
            .wrapping_add(tiny);
        let stack_inuse = self.heap_stat(delta.in_stacks);
        let masks = delta
            .in_ptr_scalar_bits
            .map_or(0, |field| self.heap_stat(field));
        let gc_bufs = self.heap_stat(delta.in_work_bufs).wrapping_add(masks);
        let last = |member| self.global(Of::MemstatsGc, "runtime.memstats", member);
        let count = |value: u64| u32::try_from(value).unwrap_or(0);
        let (gc_cpu_ns, gc_idle_cpu_ns) = self.gc_cpu();
        RuntimeStats {
            heap_alloc,
            heap_live: self.gc(gc.heap_live),
            heap_marked: self.gc(gc.heap_marked),
            heap_inuse,
            heap_idle,
            heap_released,
            heap_sys: heap_inuse.wrapping_add(heap_idle),
            heap_objects: mallocs.saturating_sub(frees),
            total_alloc,
            mallocs,
            frees,
            stack_inuse,
            stack_sys: stack_inuse.wrapping_add(self.sys(mstats.stacks_sys)),
            mspan_inuse: self.inuse(Of::SpanInuse, layout.mheap.spanalloc),
            mspan_sys: self.sys(mstats.mspan_sys),
            mcache_inuse: self.inuse(Of::CacheInuse, layout.mheap.cachealloc),
            mcache_sys: self.sys(mstats.mcache_sys),
            buck_hash_sys: self.sys(mstats.buckhash_sys),
            gc_sys: self.sys(mstats.gc_misc_sys).wrapping_add(gc_bufs),
            other_sys: self.sys(mstats.other_sys),
            next_gc: self.heap_goal(heap_alloc),
            last_gc_nanotime: last(mstats.last_gc_nanotime),
            last_gc_unix_ns: self.sys(mstats.last_gc_unix),
            num_gc: count(last(mstats.numgc)),
            num_forced_gc: count(last(mstats.numforcedgc)),
            pause_total_ns: self.sys(mstats.pause_total_ns),
            gc_percent: self.gc_percent(),
            memory_limit: self.gc(gc.memory_limit).cast_signed(),
            mapped_ready: self.gc(gc.mapped_ready),
            goroutines: self.goroutines(),
            gc_cpu_ns,
            gc_idle_cpu_ns,
            total_cpu_ns: layout.work.total_time.map(|field| self.work(field)),
            gc_running: self.gc_phase() == GC_MARK,
            gomaxprocs: self.gomaxprocs(),
            threads: self.threads(),
            idle_threads: count(self.sched(layout.sched.nmidle)),
            idle_processors: count(self.sched(layout.sched.npidle)),
            system_goroutines: self.sched(layout.sched.ngsys),
        }
    }

    /// `fixalloc.inuse` of one of the heap's allocators.
    fn inuse(&self, of: Of, allocator: Member) -> u64 {
        let mheap = self.runtime.global("runtime.mheap_").unwrap_or_default();
        let field = self.runtime.layout.fixalloc.inuse;
        self.at(of, field.at(allocator.at(mheap)), field.size)
    }

    /// GOGC: the lower half where the field is padded.
    fn gc_percent(&self) -> i32 {
        let value = self.gc(self.runtime.layout.gc_controller.gc_percent);
        let bytes = value.to_le_bytes();
        bytes.first_chunk().map_or(0, |b| i32::from_le_bytes(*b))
    }

    fn threads(&self) -> u32 {
        let sched = self.runtime.layout.sched;
        let alive = self
            .sched(sched.mnext)
            .saturating_sub(self.sched(sched.nmfreed));
        u32::try_from(alive).unwrap_or(0)
    }

    /// `runtime.NumGoroutine`; 0 where what it is computed from was not found.
    fn goroutines(&self) -> u64 {
        let sched = self.runtime.layout.sched;
        let Some(free_local) = self.free_goroutines else {
            return 0;
        };
        let all = self.global(
            Of::Allglen,
            "runtime.allglen",
            Member { offset: 0, size: 8 },
        );
        let lists = [sched.g_free_n, sched.g_free_stack, sched.g_free_no_stack];
        let free: u64 = lists.into_iter().flatten().map(|m| self.sched(m)).sum();
        all.saturating_sub(free)
            .saturating_sub(free_local)
            .saturating_sub(self.sched(sched.ngsys))
    }

    /// CPU in GC since the start, and how much of it nothing else wanted.
    ///
    /// The runtime adds a cycle's CPU when marking ends; while it marks, the running cycle's
    /// counters come on top.
    fn gc_cpu(&self) -> (Option<u64>, Option<u64>) {
        let work = self.runtime.layout.work;
        if self.runtime.global("runtime.work").is_none() {
            return (None, None);
        }
        let Some(total) = work.gc_total_time else {
            return (work.totaltime.map(|field| self.work(field)), None);
        };
        let total = self.work(total);
        let idle = work.gc_idle_time.map(|field| self.work(field));
        if self.gc_phase() != GC_MARK {
            return (Some(total), idle);
        }
        let gc = self.runtime.layout.gc_controller;
        let idle_now = self.gc(gc.idle_mark_time);
        let now = [
            gc.assist_time,
            gc.dedicated_mark_time,
            gc.fractional_mark_time,
        ]
        .into_iter()
        .map(|field| self.gc(field))
        .fold(idle_now, u64::wrapping_add);
        let idle = idle.map(|idle| idle.wrapping_add(idle_now));
        (Some(total.wrapping_add(now)), idle)
    }

    /// `gcController.heapGoal()`.
    fn heap_goal(&self, heap_alloc: u64) -> u64 {
        let gc = self.runtime.layout.gc_controller;
        let by_percent = self.gc(gc.gc_percent_heap_goal);
        let by_limit = self.limit_goal(heap_alloc);
        if by_limit < by_percent {
            return by_limit;
        }
        let goal = by_percent.max(self.gc(gc.sweep_dist_min_trigger));
        let triggered = self.gc(gc.triggered);
        let least = triggered.wrapping_add(MIN_RUNWAY);
        if triggered != u64::MAX && goal < least {
            least
        } else {
            goal
        }
    }

    /// `gcController.memoryLimitHeapGoal()`.
    fn limit_goal(&self, heap_alloc: u64) -> u64 {
        let gc = self.runtime.layout.gc_controller;
        let limit = self.gc(gc.memory_limit);
        let mapped = self.gc(gc.mapped_ready);
        let marked = self.gc(gc.heap_marked);
        let heap = self.gc(gc.heap_free).saturating_add(heap_alloc);
        let non_heap = mapped.saturating_sub(heap);
        let overage = mapped.saturating_sub(limit);
        let taken = non_heap.saturating_add(overage);
        if taken >= limit {
            return marked;
        }
        let goal = limit - taken;
        let headroom = if self.runtime.version.minor >= PERCENT_HEADROOM_SINCE {
            (goal / 100 * HEADROOM_PERCENT).max(MIN_HEADROOM)
        } else {
            MIN_HEADROOM
        };
        let goal = if goal < headroom || goal - headroom < headroom {
            headroom
        } else {
            goal - headroom
        };
        goal.max(marked)
    }
}

/// Headroom below a goal that the memory limit sets. Source: mgcpacer.go,
/// `memoryLimitHeapGoalHeadroomPercent`.
const HEADROOM_PERCENT: u64 = 3;
/// The release that brought it; a constant, which no shape shows.
const PERCENT_HEADROOM_SINCE: u32 = 21;
