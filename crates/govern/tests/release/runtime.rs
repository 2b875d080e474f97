//! A made-up Go runtime: sysmon, forced cycles, the scavenger, and a program that may be busy.
//!
//! Written from the runtime's sources, not from the policy: what a store does here is what the
//! runtime would do on reading it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use letgo_govern::{Actuator, Knob, Lifetime, Look, Running, Store, Wake};

const MIB: u64 = 1 << 20;
const MS: u64 = 1_000_000;
const PERIOD: u64 = 120_000 * MS;

/// What the program around the runtime is like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program {
    pub(crate) live: u64,
    pub(crate) garbage: u64,
    /// Time that a cycle takes, ms.
    pub(crate) cycle_ms: u64,
    /// Bytes that the scavenger returns each ms at full speed.
    pub(crate) speed: u64,
    /// The program starts a cycle by itself every so many ms; 0: it idles.
    pub(crate) own_cycle_ms: u64,
    /// The program sets GOGC back every so many ms; 0: never.
    pub(crate) sets_gogc_ms: u64,
    /// sysmon does not run: a thread that hangs.
    pub(crate) dead: bool,
    /// Bytes that the program takes from the free heap each ms, and frees again in each cycle.
    pub(crate) takes: u64,
    pub(crate) gc_percent: i32,
}

impl Default for Program {
    fn default() -> Program {
        Program {
            live: 200 * MIB,
            garbage: 800 * MIB,
            cycle_ms: 30,
            speed: 8 * MIB,
            own_cycle_ms: 0,
            sets_gogc_ms: 0,
            dead: false,
            takes: 0,
            gc_percent: 100,
        }
    }
}

pub(crate) struct Runtime {
    pub(crate) program: Program,
    pub(crate) look: Look,
    garbage: u64,
    /// Free, in chunks that were full in the last cycle: the scavenger leaves them.
    hot: u64,
    cold: u64,
    taken: u64,
    sysmon_awake_ms: u64,
    cycle_left: u64,
    now_ms: u64,
    pub(crate) journal: Vec<(Knob, u64, u64)>,
    pub(crate) stores: BTreeMap<Knob, u32>,
    pub(crate) interrupt_after: Option<u32>,
    looks: u32,
}

impl Runtime {
    pub(crate) fn new(program: Program) -> Runtime {
        let off = program.gc_percent < 0;
        let mut runtime = Runtime {
            program,
            look: Look {
                num_gc: 7,
                gc_percent: program.gc_percent,
                memory_limit: i64::MAX,
                heap_minimum: if off { u64::MAX / 100 } else { 4 * MIB },
                gc_percent_heap_goal: if off { u64::MAX } else { 2 * program.live },
                heap_marked: program.live,
                last_gc_nanotime: 595_000 * MS,
                scavenge_gc_percent_goal: u64::MAX,
                scavenge_memory_limit_goal: u64::MAX,
                scavenger_parked: true,
                scavenger_sleep_ratio: 0.001,
                scavenger_sleep_controller_min: 0.001,
                sysmon_waiting: program.own_cycle_ms == 0,
                ..Look::default()
            },
            garbage: program.garbage,
            hot: 0,
            cold: 20 * MIB,
            taken: 0,
            sysmon_awake_ms: 0,
            cycle_left: 0,
            now_ms: 600_000,
            journal: Vec::new(),
            stores: BTreeMap::new(),
            interrupt_after: None,
            looks: 0,
        };
        runtime.count();
        runtime
    }

    fn busy(&self) -> bool {
        self.program.own_cycle_ms > 0
    }

    fn count(&mut self) {
        let look = &mut self.look;
        look.at_ns = self.now_ms * MS;
        look.heap_in_use = self.program.live + self.garbage + self.taken;
        look.heap_alloc = look.heap_in_use;
        look.heap_live = look.heap_in_use;
        look.heap_free = self.hot + self.cold;
        look.rss = look.heap_in_use + look.heap_free + 10 * MIB;
        look.mapped_ready = look.rss;
    }

    fn millisecond(&mut self) {
        self.now_ms += 1;
        let every = |ms: u64| ms > 0 && self.now_ms.is_multiple_of(ms);
        let (own, sets) = (
            every(self.program.own_cycle_ms),
            every(self.program.sets_gogc_ms),
        );
        if sets {
            self.look.gc_percent = self.program.gc_percent;
        }
        let taken = self.program.takes.min(self.cold);
        self.cold -= taken;
        self.taken += taken;
        if own && self.cycle_left == 0 {
            self.start_cycle();
        }
        self.sysmon();
        self.scavenge();
        if self.cycle_left > 0 {
            self.cycle_left -= 1;
            if self.cycle_left == 0 {
                self.end_cycle();
            }
        }
        self.count();
    }

    fn sysmon(&mut self) {
        if self.program.dead {
            return;
        }
        self.look.sysmon_waiting = !self.busy() && self.sysmon_awake_ms == 0;
        if self.look.sysmon_waiting {
            return;
        }
        self.sysmon_awake_ms = self.sysmon_awake_ms.saturating_sub(1);
        if !self.now_ms.is_multiple_of(3) {
            return;
        }
        let last = self.look.last_gc_nanotime;
        let due = last != 0 && (self.now_ms * MS).saturating_sub(last) > PERIOD;
        if due && self.look.gc_percent >= 0 && self.cycle_left == 0 {
            self.start_cycle();
        }
        if self.look.scavenger_sysmon_wake && self.look.scavenger_parked {
            self.look.scavenger_sysmon_wake = false;
            self.look.scavenger_parked = false;
        }
    }

    fn start_cycle(&mut self) {
        self.cycle_left = self.program.cycle_ms;
        self.look.gc_running = true;
    }

    fn end_cycle(&mut self) {
        let look = &mut self.look;
        look.gc_running = false;
        look.num_gc += 1;
        look.last_gc_nanotime = self.now_ms * MS;
        self.cold += self.hot;
        self.hot = self.garbage + self.taken;
        (self.garbage, self.taken) = (0, 0);
        look.heap_marked = self.program.live;
        if look.gc_percent >= 0 {
            look.gc_percent_heap_goal = (2 * self.program.live).max(look.heap_minimum);
        } else {
            look.gc_percent_heap_goal = u64::MAX;
        }
        look.scavenge_gc_percent_goal = self.program.live / 10 * 11;
        look.scavenge_memory_limit_goal = u64::MAX;
    }

    fn scavenge(&mut self) {
        let look = &mut self.look;
        if look.scavenger_parked {
            return;
        }
        let retained = self.program.live + self.garbage + self.taken + self.hot + self.cold;
        let enough = retained <= look.scavenge_gc_percent_goal
            && look.mapped_ready <= look.scavenge_memory_limit_goal;
        if enough || self.cold == 0 {
            look.scavenger_parked = true;
            return;
        }
        let fast = look.scavenger_sleep_ratio >= 1.0;
        // Its controller moves the ratio, between its bounds.
        let moved = look.scavenger_sleep_ratio * 1.5;
        look.scavenger_sleep_ratio = moved.clamp(look.scavenger_sleep_controller_min, 1000.0);
        let gone = if fast {
            self.program.speed
        } else {
            self.program.speed / 100
        };
        self.cold -= gone.min(self.cold);
        look.heap_released += gone.min(self.cold);
    }
}

impl Actuator for Runtime {
    type Error = Infallible;

    fn store(&mut self, store: &Store) -> Result<(), Infallible> {
        *self.stores.entry(store.knob).or_default() += 1;
        let old = self.look.bits(store.knob);
        assert_ne!(
            store.lifetime,
            Lifetime::Lasting,
            "a release leaves nothing behind"
        );
        if store.lifetime == Lifetime::Transient {
            self.journal.push((store.knob, old, store.bits));
        }
        self.set(store.knob, store.bits);
        Ok(())
    }
}

impl Runtime {
    fn set(&mut self, knob: Knob, bits: u64) {
        let look = &mut self.look;
        match knob {
            Knob::GcPercent => {
                look.gc_percent = i32::try_from(bits.cast_signed()).unwrap();
            }
            Knob::GcPercentHeapGoal => look.gc_percent_heap_goal = bits,
            Knob::LastGcNanotime => look.last_gc_nanotime = bits,
            Knob::ScavengeGcPercentGoal => look.scavenge_gc_percent_goal = bits,
            Knob::ScavengeMemoryLimitGoal => look.scavenge_memory_limit_goal = bits,
            Knob::ScavengerSysmonWake => look.scavenger_sysmon_wake = bits == 1,
            Knob::ScavengerSleepRatio => look.scavenger_sleep_ratio = f64::from_bits(bits),
            Knob::ScavengerSleepControllerMin => {
                look.scavenger_sleep_controller_min = f64::from_bits(bits);
            }
            Knob::HeapMinimum | Knob::MemoryLimit => panic!("not for a release: {knob:?}"),
        }
    }
}

impl Running for Runtime {
    fn look(&mut self) -> Result<Look, Infallible> {
        self.looks += 1;
        Ok(self.look)
    }

    fn wake_sysmon(&mut self) -> Result<Wake, Infallible> {
        let pause_ns = 200_000;
        if !self.look.sysmon_waiting || self.program.dead {
            return Ok(Wake::Awake { pause_ns });
        }
        self.sysmon_awake_ms = 10;
        Ok(Wake::Woken { pause_ns })
    }

    fn restore(&mut self) -> Result<(), Infallible> {
        while let Some((knob, old, new)) = self.journal.pop() {
            if self.look.bits(knob) == new {
                self.set(knob, old);
            }
        }
        Ok(())
    }

    fn wait(&mut self, time: Duration) {
        for _ in 0..time.as_millis().max(1) {
            self.millisecond();
        }
    }

    fn is_interrupted(&self) -> bool {
        self.interrupt_after.is_some_and(|looks| self.looks > looks)
    }
}
