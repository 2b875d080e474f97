//! What the pacer computes from its counters when it is asked: the heap goal, and the CPU that GC
//! took.
//!
//! Source: src/runtime/mgcpacer.go, `heapGoalInternal`, `memoryLimitHeapGoal`; mstats.go,
//! `cpuStats.accumulate`; go1.19 to go1.27.

use super::{Counters, GC_MARK};

/// Least distance of the goal from the trigger. Source: mgcpacer.go, `minRunway`.
const MIN_RUNWAY: u64 = 64 << 10;
/// Fixed headroom below a goal that the memory limit sets. Source: mgcpacer.go,
/// `memoryLimitMinHeapGoalHeadroom`; up to 1.20 `memoryLimitHeapGoalHeadroom`.
const MIN_HEADROOM: u64 = 1 << 20;
/// Headroom below a goal that the memory limit sets. Source: mgcpacer.go,
/// `memoryLimitHeapGoalHeadroomPercent`.
const HEADROOM_PERCENT: u64 = 3;
/// The release that brought it; a constant, which no shape shows.
const PERCENT_HEADROOM_SINCE: u32 = 21;

impl Counters<'_> {
    /// CPU in GC since the start, and how much of it nothing else wanted.
    ///
    /// The runtime adds a cycle's CPU when marking ends; while it marks, the running cycle's
    /// counters come on top.
    pub(super) fn gc_cpu(&self) -> (Option<u64>, Option<u64>) {
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
    pub(super) fn heap_goal(&self, heap_alloc: u64) -> u64 {
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
