//! [`ControlState`]: what steers the GC and the scavenger, as it was read at one moment.
//!
//! Plain numbers under the runtime's names; whether they make sense is [`ControlState::check`].

use super::words::Word;
use super::{heap_goal, heap_minimum};

/// The top bit of `sweep.active.state`: nothing is left to begin. Source: mgcsweep.go,
/// `sweepDrainedMask`.
const SWEEP_DRAINED: u64 = 1 << 31;

/// What steers the GC and the scavenger. Bytes unless said otherwise.
///
/// Source: the files named at [`crate::Controls`].
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct ControlState {
    /// `gcController.gcPercent`; -1 is off.
    pub gc_percent: i32,
    /// `gcController.memoryLimit`; `i64::MAX` is none.
    pub memory_limit: i64,
    /// `gcController.heapMinimum`: the least goal by GOGC.
    pub heap_minimum: u64,
    /// `gcController.gcPercentHeapGoal`: the goal by GOGC alone; `u64::MAX` while that is off.
    pub gc_percent_heap_goal: u64,
    /// `gcController.triggered`: where the running cycle was triggered; `u64::MAX` between cycles.
    pub triggered: u64,
    /// `gcController.heapLive`: allocated since, or marked by, the last cycle.
    pub heap_live: u64,
    /// `gcController.heapMarked`: marked by the last cycle.
    pub heap_marked: u64,
    /// `gcController.lastStackScan`: stack that the last cycle scanned.
    pub last_stack_scan: u64,
    /// `gcController.maxStackScan`: stack that a cycle would scan at most.
    pub max_stack_scan: u64,
    /// `gcController.globalsScan`: variables that a cycle scans.
    pub globals_scan: u64,
    /// `gcController.heapInUse`
    pub heap_in_use: u64,
    /// `gcController.heapReleased`: free and returned.
    pub heap_released: u64,
    /// `gcController.heapFree`: free and not returned.
    pub heap_free: u64,
    /// `gcController.totalAlloc`, cumulative; without what the Ps hold.
    pub total_alloc: u64,
    /// `gcController.totalFree`, cumulative.
    pub total_free: u64,
    /// `gcController.mappedReady`: mapped and not returned.
    pub mapped_ready: u64,
    /// `memstats.numgc`: cycles that ended.
    pub num_gc: u32,
    /// `memstats.last_gc_nanotime`: end of the last cycle, monotonic ns; 0 before the first.
    pub last_gc_nanotime: u64,
    /// `memstats.enablegc`: the runtime has come so far that it may run the GC.
    pub enable_gc: bool,
    /// `gcphase`: 0 off, 1 mark, 2 mark termination.
    pub gc_phase: u32,
    /// `work.cycles`: cycles that began.
    pub gc_cycles: u32,
    /// `forcegcperiod`, ns: two minutes in every program.
    pub forcegc_period: i64,
    /// `mheap_.sweepgen`: 2 more each cycle that began to sweep.
    pub sweepgen: u32,
    /// Whether everything is swept (`sweep.active`); `None` where `sweep` was not found.
    pub sweep_done: Option<bool>,
    /// `scavenge.gcPercentGoal`: heap in use and free that the scavenger leaves by GOGC;
    /// `u64::MAX` is no work.
    pub scavenge_gc_percent_goal: u64,
    /// `scavenge.memoryLimitGoal`: mapped memory that it leaves by the limit; `u64::MAX` is no
    /// work.
    pub scavenge_memory_limit_goal: u64,
    /// `scavenger.parked`: it sleeps, for want of work or to keep its pace.
    pub scavenger_parked: bool,
    /// `scavenger.sysmonWake`: 1 while the monitor is to wake it.
    pub scavenger_sysmon_wake: u32,
    /// `scavenger.sleepRatio`: time at work by time asleep.
    pub scavenger_sleep_ratio: f64,
    /// `scavenger.sleepController`, which sets that ratio.
    pub scavenger_sleep_controller: PiController,
    /// `sched.lock.key`: 0 where nobody has or wants the lock.
    pub sched_lock: u64,
    /// `sched.gcwaiting`: the world is to be stopped.
    pub gc_waiting: bool,
    /// `sched.sysmonwait`: the monitor is in its long sleep.
    pub sysmon_waiting: bool,
    /// `sched.sysmonnote.key`: 1 once it was woken, until it has noticed.
    pub sysmonnote: u64,
    /// `sched.npidle`: idle Ps.
    pub npidle: u32,
    /// `len(allp)`: GOMAXPROCS.
    pub gomaxprocs: u32,
    /// GODEBUG, as far as it changes what becomes of returned memory.
    pub debug: DebugState,
    /// The first switch that is neither 0 nor 1, by name and value: then it is something else.
    pub odd_switch: Option<(&'static str, u64)>,
}

/// The controller of the scavenger's pace, as far as it is set once. Source: mgcscavenge.go,
/// `piController`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct PiController {
    /// Gain.
    pub kp: f64,
    /// Integral time, ns.
    pub ti: f64,
    /// Reset time, ns.
    pub tt: f64,
    /// Least that it sets.
    pub min: f64,
    /// Most that it sets.
    pub max: f64,
}

/// What every release from 1.21 to 1.27 starts with. Source: mgcscavenge.go,
/// `scavengerState.init`.
impl Default for PiController {
    fn default() -> PiController {
        PiController {
            kp: 0.3375,
            ti: 3.2e6,
            tt: 1e9,
            min: 0.001,
            max: 1000.0,
        }
    }
}

/// Switches of GODEBUG; `None` where the release has no such switch or `debug` was not found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DebugState {
    /// 1: RSS falls at once. 0: when the kernel wants the memory.
    pub madvdontneed: Option<i32>,
    /// 1: huge pages are kept away from the heap.
    pub disablethp: Option<i32>,
    /// 1: returned memory is unmapped too.
    pub harddecommit: Option<i32>,
}

impl ControlState {
    /// Takes the state apart from the words; one that is absent is 0, and optional ones `None`.
    pub(super) fn of(get: &dyn Fn(Word) -> Option<u64>) -> ControlState {
        let words = Words(get);
        let float = |word| f64::from_bits(words.u64(word));
        ControlState {
            gc_percent: words.u32(Word::GcPercent).cast_signed(),
            memory_limit: words.u64(Word::MemoryLimit).cast_signed(),
            heap_minimum: words.u64(Word::HeapMinimum),
            gc_percent_heap_goal: words.u64(Word::GcPercentHeapGoal),
            triggered: words.u64(Word::Triggered),
            heap_live: words.u64(Word::HeapLive),
            heap_marked: words.u64(Word::HeapMarked),
            last_stack_scan: words.u64(Word::LastStackScan),
            max_stack_scan: words.u64(Word::MaxStackScan),
            globals_scan: words.u64(Word::GlobalsScan),
            heap_in_use: words.u64(Word::HeapInUse),
            heap_released: words.u64(Word::HeapReleased),
            heap_free: words.u64(Word::HeapFree),
            total_alloc: words.u64(Word::TotalAlloc),
            total_free: words.u64(Word::TotalFree),
            mapped_ready: words.u64(Word::MappedReady),
            num_gc: words.u32(Word::NumGc),
            last_gc_nanotime: words.u64(Word::LastGcNanotime),
            enable_gc: words.switch(Word::EnableGc),
            gc_phase: words.u32(Word::GcPhase),
            gc_cycles: words.u32(Word::GcCycles),
            forcegc_period: words.u64(Word::ForcegcPeriod).cast_signed(),
            sweepgen: words.u32(Word::Sweepgen),
            sweep_done: get(Word::SweepActive).map(|state| state == SWEEP_DRAINED),
            scavenge_gc_percent_goal: words.u64(Word::ScavengeGcPercentGoal),
            scavenge_memory_limit_goal: words.u64(Word::ScavengeMemoryLimitGoal),
            scavenger_parked: words.switch(Word::ScavengerParked),
            scavenger_sysmon_wake: words.u32(Word::ScavengerSysmonWake),
            scavenger_sleep_ratio: float(Word::ScavengerSleepRatio),
            scavenger_sleep_controller: PiController {
                kp: float(Word::ControllerKp),
                ti: float(Word::ControllerTi),
                tt: float(Word::ControllerTt),
                min: float(Word::ControllerMin),
                max: float(Word::ControllerMax),
            },
            sched_lock: words.u64(Word::SchedLock),
            gc_waiting: words.switch(Word::Gcwaiting),
            sysmon_waiting: words.switch(Word::Sysmonwait),
            sysmonnote: words.u64(Word::Sysmonnote),
            npidle: words.u32(Word::Npidle),
            gomaxprocs: words.u32(Word::Gomaxprocs),
            debug: DebugState {
                madvdontneed: words.debug(Word::Madvdontneed),
                disablethp: words.debug(Word::Disablethp),
                harddecommit: words.debug(Word::Harddecommit),
            },
            odd_switch: words.odd_switch(),
        }
    }

    /// The goal that the runtime would compute from this, were a cycle to end now that marks the
    /// same.
    pub fn heap_goal(&self) -> u64 {
        self.heap_goal_at(self.gc_percent)
    }

    /// The goal that it would compute at another GOGC, set the way `debug.SetGCPercent` does.
    pub fn heap_goal_at(&self, gc_percent: i32) -> u64 {
        let minimum = if gc_percent == self.gc_percent {
            self.heap_minimum
        } else {
            heap_minimum(gc_percent)
        };
        heap_goal(
            gc_percent,
            self.heap_marked,
            self.last_stack_scan,
            self.globals_scan,
            minimum,
        )
    }

    /// Whether a cycle runs.
    pub fn gc_running(&self) -> bool {
        self.gc_phase != 0
    }
}

/// The words as they were read.
struct Words<'a>(&'a dyn Fn(Word) -> Option<u64>);

impl Words<'_> {
    /// A word that is always there.
    fn u64(&self, word: Word) -> u64 {
        (self.0)(word).unwrap_or_default()
    }

    fn u32(&self, word: Word) -> u32 {
        u32::try_from(self.u64(word)).unwrap_or(u32::MAX)
    }

    fn switch(&self, word: Word) -> bool {
        self.u64(word) != 0
    }

    fn debug(&self, word: Word) -> Option<i32> {
        let value = (self.0)(word)?;
        u32::try_from(value).ok().map(u32::cast_signed)
    }

    fn odd_switch(&self) -> Option<(&'static str, u64)> {
        let switches = [
            Word::EnableGc,
            Word::ScavengerParked,
            Word::ScavengerSysmonWake,
            Word::Gcwaiting,
            Word::Sysmonwait,
            Word::Sysmonnote,
        ];
        let values = switches.map(|word| (word.name(), self.u64(word)));
        values.into_iter().find(|(_, value)| *value > 1)
    }
}
