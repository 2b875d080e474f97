//! [`Plan`]: where the counters lie, worked out once.
//!
//! Fields of one variable that lie close together are one piece. Does not read.

use letgo_target::Addr;

use crate::layout::Member;
use crate::{Error, Runtime};

/// Bytes that one reading may take; it takes about 4.5 KiB.
pub(super) const MOST_BYTES: usize = 8 << 10;

/// One piece of the plan: where from, and where in the buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Part {
    pub(super) addr: Addr,
    pub(super) at: usize,
    pub(super) len: usize,
}

/// The variables that pieces are of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Of {
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
    pub(super) parts: [Part; PARTS],
    /// Bytes of the buffer that the parts take.
    len: usize,
    /// `&p.gFree.n` of each P when the plan was made; Ps are never freed or exchanged.
    pub(super) free_counts: Vec<Addr>,
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
