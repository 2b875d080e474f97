//! [`Pacer`]: what the runtime's pacer and scavenger do by themselves, and which settings fit.
//!
//! Heap goal: `live + (live + stacks + globals) * GOGC / 100`, at least `4 MiB * GOGC / 100`, or
//! what a memory limit leaves, whichever is smaller. We leave stacks and globals out, so our
//! goal is a lower bound.
//!
//! The scavenger works down to 1.1 x `heapInUse` of the last mark termination, scaled by how the
//! heap goal moved. In a program that allocates, that is the heap goal in spans plus 10 %; in one
//! that idles, the forced GC of every 2 min lowers it to 1.1 x the spans in use. From go1.21 a
//! 4 MiB chunk that was nearly full during the current or the last cycle is left alone, so that
//! it takes two cycles. Measured after a burst of 780 MB: go1.19 and go1.20 had returned it after
//! 2.5 min of idling, go1.22 and go1.27 after 4.5 min, all but 9 to 10 % of the spans in use.
//!
//! Source: src/runtime/mgcpacer.go, `commit`, `heapGoalInternal`, `memoryLimitHeapGoal`;
//! src/runtime/mgcscavenge.go, `gcPaceScavenger`, `shouldScavenge`; src/runtime/mgc.go,
//! `gcTrigger.test`; go1.19 to go1.27.

use letgo_account::Leaf;

use crate::facts::{Container, Facts};
use crate::words::{self, float, whole};

/// `defaultHeapMinimum`
const HEAP_MINIMUM: u64 = 4 << 20;

/// `forcegcperiod`, in seconds: a GC is forced when the last one is this long ago.
pub(crate) const FORCED_GC_PERIOD_S: f64 = 120.0;

/// The least room that a memory limit may leave: under 1.3 x live the GC runs all the time.
const LIMIT_PER_LIVE_LEAST: f64 = 1.3;

/// Room that a recommended limit leaves where memory is not scarce: what GOGC=100 uses.
const LIMIT_PER_LIVE: f64 = 2.0;

/// Part of a container that a limit may fill: the Go documentation asks for 5 to 10 % left.
const LIMIT_PER_CONTAINER: f64 = 0.9;

/// Memory that GOMEMLIMIT counts, leaf by leaf. What was returned it does not count, resident or
/// not.
const COUNTED: [Leaf; 14] = [
    Leaf::HeapReachable,
    Leaf::HeapObjects,
    Leaf::HeapGarbage,
    Leaf::HeapFreeSlots,
    Leaf::HeapSpanTail,
    Leaf::HeapSpanBitmap,
    Leaf::HeapIdle,
    Leaf::StacksGoroutine,
    Leaf::StacksFree,
    Leaf::RuntimeGc,
    Leaf::RuntimeMspan,
    Leaf::RuntimeMcache,
    Leaf::RuntimeProfileBuckets,
    Leaf::RuntimeOther,
];

/// The runtime's arithmetic over one reading.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pacer<'a> {
    facts: &'a Facts,
}

/// Settings that fit the program as it is now. A limit is `None` where the container is too small
/// for one that does no harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Advice {
    /// GOGC, in percent.
    pub(crate) gogc: u64,
    /// A memory limit that holds the program near what it needs now.
    pub(crate) limit: Option<u64>,
    /// The largest memory limit that is of use: the container's, or else the same.
    pub(crate) backstop: Option<u64>,
}

impl<'a> Pacer<'a> {
    pub(crate) fn new(facts: &'a Facts) -> Pacer<'a> {
        Pacer { facts }
    }

    /// GOGC in force; `None` is off.
    pub(crate) fn gogc(self) -> Option<u64> {
        u64::try_from(self.facts.stats.gc_percent).ok()
    }

    /// The memory limit in force; `None` is none.
    pub(crate) fn limit(self) -> Option<u64> {
        let limit = self.facts.stats.memory_limit;
        u64::try_from(limit).ok().filter(|_| limit != i64::MAX)
    }

    /// Bytes that the last GC marked; before the first, all that was allocated.
    pub(crate) fn live(self) -> u64 {
        match self.facts.stats.heap_marked {
            0 => self.facts.stats.heap_live,
            marked => marked,
        }
    }

    /// Objects allocated since the last GC: live or garbage, the runtime has not looked.
    pub(crate) fn unexamined(self) -> u64 {
        let stats = &self.facts.stats;
        stats.heap_live.saturating_sub(stats.heap_marked)
    }

    /// Free spans that were not returned, by the runtime's counters.
    pub(crate) fn heap_free(self) -> u64 {
        let stats = &self.facts.stats;
        stats.heap_idle.saturating_sub(stats.heap_released)
    }

    /// What a memory limit counts beside objects and free spans: stacks, structures, free slots.
    pub(crate) fn non_heap(self) -> u64 {
        let stats = &self.facts.stats;
        if stats.mapped_ready > 0 {
            let heap = self.heap_free().saturating_add(stats.heap_alloc);
            return stats.mapped_ready.saturating_sub(heap);
        }
        words::total([
            stats.heap_inuse.saturating_sub(stats.heap_alloc),
            stats.stack_sys,
            stats.mspan_sys,
            stats.mcache_sys,
            stats.buck_hash_sys,
            stats.gc_sys,
            stats.other_sys,
        ])
    }

    /// Bytes of spans that it takes to hold one byte of objects, 1 to 4.
    pub(crate) fn spread(self) -> f64 {
        let stats = &self.facts.stats;
        let spread = float(stats.heap_inuse) / float(stats.heap_alloc.max(1));
        spread.clamp(1.0, 4.0)
    }

    /// The heap goal that a GOGC gives.
    pub(crate) fn goal_at(self, gogc: u64) -> u64 {
        self.goal_of(self.live(), gogc)
    }

    /// The heap goal that a GOGC gives when so much is live.
    pub(crate) fn goal_of(self, live: u64, gogc: u64) -> u64 {
        let goal = live.saturating_add(scaled(live, float(gogc) / 100.0));
        goal.max(scaled(HEAP_MINIMUM, float(gogc) / 100.0))
    }

    /// Headroom up to the next GC's goal, in percent of the live heap, as the limit and GOGC
    /// leave it. `None` while there is no goal.
    pub(crate) fn effective_gogc(self) -> Option<f64> {
        let live = self.live();
        let goal = self.goal()?;
        (live > 0).then(|| float(goal.saturating_sub(live)) * 100.0 / float(live))
    }

    /// The heap goal in force; `None` while GC is off and no limit gives one.
    pub(crate) fn goal(self) -> Option<u64> {
        let goal = self.facts.stats.next_gc;
        (goal > 0 && goal < 1 << 48).then_some(goal)
    }

    /// Whether the memory limit, and not GOGC, decides when the next GC runs.
    pub(crate) fn limit_binds(self) -> bool {
        let (Some(_), Some(goal)) = (self.limit(), self.goal()) else {
            return false;
        };
        match self.gogc() {
            None => true,
            Some(gogc) => goal < scaled(self.goal_at(gogc), 0.95),
        }
    }

    /// Free bytes that the scavenger leaves in a program that idles: 10 % of the spans in use.
    pub(crate) fn kept_idle(self) -> u64 {
        self.facts.stats.heap_inuse / 10
    }

    /// Minutes of idling until the runtime has returned what it does not keep: one forced GC and
    /// the scavenger's time at 1 % of a core; from go1.21 a second GC.
    pub(crate) fn minutes_to_return(self) -> u64 {
        if self.facts.target.go_minor < 21 {
            3
        } else {
            5
        }
    }

    /// Free bytes that the scavenger leaves in a program that allocates, at a given GOGC.
    pub(crate) fn kept_busy(self, gogc: u64) -> u64 {
        let spans = scaled(self.goal_at(gogc), self.spread() * 1.1);
        spans
            .saturating_sub(self.facts.stats.heap_inuse)
            .max(self.kept_idle())
    }

    /// Free bytes that the program has a use for before the next forced GC: what it allocates by
    /// then, at most what GOGC=100 (or a smaller GOGC in force) would keep for it.
    pub(crate) fn needed(self) -> u64 {
        let most = self
            .kept_busy(self.gogc().unwrap_or(100).min(100))
            .max(self.kept_in_use());
        match self.facts.rates {
            None => most,
            Some(rates) => {
                let fill = rates.alloc_bytes_per_s * FORCED_GC_PERIOD_S * self.spread();
                whole(fill).min(most).max(self.kept_idle())
            }
        }
    }

    /// Free bytes that a program which allocates turns over, or that the scavenger keeps for it at
    /// a GOGC of 100 or less: such a heap may overshoot our goal, and shrinks and grows all the
    /// time.
    fn kept_in_use(self) -> u64 {
        let modest = self.gogc().is_some_and(|gogc| gogc <= 100);
        let kept = match self
            .facts
            .scavenge_goal
            .filter(|_| modest && self.idles() == Some(false))
        {
            None => 0,
            Some(u64::MAX) => self.heap_free(),
            Some(goal) => goal.saturating_sub(self.facts.stats.heap_inuse),
        };
        kept.max(self.turnover())
    }

    /// Bytes of spans that are filled and swept again in one cycle, where a cycle fits into the
    /// window of the two readings: so far may free spans be up by the moment.
    fn turnover(self) -> u64 {
        match self.facts.rates {
            Some(rates) if rates.gc_cycles_per_s >= 1.0 => {
                whole(rates.alloc_bytes_per_s / rates.gc_cycles_per_s * self.spread())
            }
            _ => 0,
        }
    }

    /// Whether the program allocates so little that only forced GCs run.
    pub(crate) fn idles(self) -> Option<bool> {
        let rates = self.facts.rates?;
        let room = self.goal().unwrap_or(u64::MAX).saturating_sub(self.live());
        Some(rates.alloc_bytes_per_s * FORCED_GC_PERIOD_S < float(room) / 2.0)
    }

    /// Memory of the container that GOMEMLIMIT does not count: C, files, kernel, neighbours.
    pub(crate) fn outside(self, container: &Container) -> u64 {
        let counted = words::total(COUNTED.iter().map(|leaf| self.facts.resident(*leaf)));
        container.working_set.saturating_sub(counted)
    }

    /// Where the container's working set goes when the heap reaches its goal; `None` without one.
    pub(crate) fn projected_peak(self, container: &Container) -> Option<u64> {
        let heap = scaled(self.goal()?, self.spread() * 1.1);
        let slots = self
            .facts
            .stats
            .heap_inuse
            .saturating_sub(self.facts.stats.heap_alloc);
        let other = self.non_heap().saturating_sub(slots);
        Some(
            heap.saturating_add(other)
                .saturating_add(self.outside(container)),
        )
    }

    /// The smallest memory limit that does no harm: 1.3 x live and all that is not heap.
    pub(crate) fn least_limit(self) -> u64 {
        scaled(self.live(), LIMIT_PER_LIVE_LEAST).saturating_add(self.non_heap())
    }

    /// Settings that fit: GOGC 100 or the smaller one in force, and a limit that GOGC=100 does not
    /// reach, or what the container can hold if that is less.
    pub(crate) fn advice(self) -> Advice {
        let gogc = self.gogc().filter(|gogc| (50..=100).contains(gogc));
        let gogc = gogc.unwrap_or(100);
        let wanted = scaled(self.live(), LIMIT_PER_LIVE).saturating_add(self.non_heap());
        let wanted = words::pleasant_above(wanted.max(HEAP_MINIMUM * 4));
        let room = self.room().map(words::pleasant_below);
        let fits = room.is_none_or(|room| room > 0 && room >= self.least_limit());
        Advice {
            gogc,
            limit: fits.then_some(room.map_or(wanted, |room| wanted.min(room))),
            backstop: fits.then_some(room.unwrap_or(wanted)),
        }
    }

    /// The largest memory limit that the container can hold; `None` without a container's limit.
    pub(crate) fn room(self) -> Option<u64> {
        let container = self.facts.container.as_ref()?;
        let limit = container.limit?;
        let inside = limit.saturating_sub(self.outside(container));
        Some(scaled(inside, 0.95).min(scaled(limit, LIMIT_PER_CONTAINER)))
    }
}

/// A part or a multiple of a size.
pub(crate) fn scaled(bytes: u64, factor: f64) -> u64 {
    whole(float(bytes) * factor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{MIB, healthy};

    #[test]
    fn the_goal_of_a_small_heap_is_its_minimum() {
        let mut facts = healthy();
        facts.stats.heap_marked = MIB;
        assert_eq!(Pacer::new(&facts).goal_at(100), 4 * MIB);
        assert_eq!(Pacer::new(&facts).goal_at(400), 16 * MIB);
        facts.stats.heap_marked = 100 * MIB;
        assert_eq!(Pacer::new(&facts).goal_at(50), 150 * MIB);
    }

    #[test]
    fn an_idle_program_keeps_a_tenth_and_a_busy_one_its_headroom() {
        let mut facts = healthy();
        facts.stats.heap_marked = 100 * MIB;
        facts.stats.heap_alloc = 100 * MIB;
        facts.stats.heap_inuse = 100 * MIB;
        let rates = facts.rates.insert(crate::Rates::default());
        rates.alloc_bytes_per_s = 0.0;
        assert_eq!(Pacer::new(&facts).needed(), 10 * MIB);
        facts.rates.as_mut().unwrap().alloc_bytes_per_s = 1e9;
        assert_eq!(Pacer::new(&facts).needed(), 120 * MIB);
        facts.rates = None;
        assert_eq!(
            Pacer::new(&facts).needed(),
            120 * MIB,
            "unknown counts as busy"
        );
    }

    #[test]
    fn an_advised_limit_is_never_under_its_floor() {
        let mut facts = healthy();
        for container in [64, 128, 200, 256, 300, 512, 4096] {
            let container = Container {
                limit: Some(container * MIB),
                working_set: 100 * MIB,
                ..Container::default()
            };
            facts.container = Some(container);
            let pacer = Pacer::new(&facts);
            if let Some(limit) = pacer.advice().limit {
                assert!(limit >= pacer.least_limit());
                assert!(limit <= pacer.room().unwrap());
            }
        }
        facts.container = None;
        let pacer = Pacer::new(&facts);
        assert!(pacer.advice().limit.unwrap() >= pacer.least_limit());
    }
}
