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

mod pacer;
mod plan;

use letgo_target::{Addr, Piece, ReadMemory};

pub(crate) use self::plan::Plan;
use self::plan::{MOST_BYTES, Of};
use crate::layout::Member;
use crate::processors::{Unflushed, processors};
use crate::view::View;
use crate::{Error, Limits, Runtime, RuntimeStats};

/// Pieces of variables, other than the Ps.
const MOST_PIECES: usize = 16;
/// Ps whose free g's are counted in the same call.
const MOST_PROCESSORS: usize = 256;

/// `_GCmark`. Source: src/runtime/mgc.go.
const GC_MARK: u64 = 1;

/// Free g's of all Ps of `allp`.
fn free_of_all(view: View<'_>) -> Result<u64, Error> {
    let field = view.layout().p.g_free_n;
    let mut sum = 0u64;
    for p in processors(view, &Limits::default())? {
        sum = sum.saturating_add(view.field(p, field)?);
    }
    Ok(sum)
}

/// The counters as they were read.
pub(crate) struct Counters<'a> {
    runtime: &'a Runtime,
    plan: &'a Plan,
    buf: [u8; MOST_BYTES],
    /// Free g's of all Ps; absent where `allp` was not found.
    free_goroutines: Option<u64>,
}

impl<'a> Counters<'a> {
    /// Reads all counters with one scattered read and without allocating, as long as there are no
    /// more Ps than when the plan was made.
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
        counters.count_free(memory)?;
        Ok(counters)
    }

    /// Counts the free g's of Ps that the plan does not know, with a few reads more: where there
    /// are very many, or more than when the plan was made.
    fn count_free(&mut self, memory: &dyn ReadMemory) -> Result<(), Error> {
        if self.free_goroutines.is_some() || self.runtime.global("runtime.allp").is_none() {
            return Ok(());
        }
        match free_of_all(View::new(self.runtime, memory)) {
            Err(error) if error.is_fatal() => return Err(error),
            free => self.free_goroutines = free.ok(),
        }
        Ok(())
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
}
