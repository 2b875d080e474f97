//! [`Control`]: a running process under our hands: what policies ask for, carried out.
//!
//! Joins where the runtime keeps its settings (`goruntime`), the journalled writer and its watchdog
//! (`linux`) and the policies (`govern`). Each store is made with the value that was there at the
//! last look, so a program that changes a value in between keeps its own.
//!
//! Does not decide what to store.

use std::time::{Duration, Instant};

use letgo_goruntime::{Control as Variable, ControlState, Controls, Runtime};
use letgo_govern::{Actuator, Knob, Lifetime, Look, Running, Store, Wake};
use letgo_linux::journal::{JournalDir, Kind, Who};
use letgo_linux::watchdog::Watchdog;
use letgo_linux::write::{self, Restored, Sleeper, WriteError, Writer};
use letgo_linux::{LiveMemory, Process, Word};

use crate::complaint::Complaint;
use crate::exit::Exit;
use crate::inspect::{Opened, complaints};
use crate::signals;

/// How often a process is stopped again that did not stand still in time, and the pause between.
const TRIES: u32 = 10;
const BETWEEN: Duration = Duration::from_millis(20);

/// What went wrong while a process was under our hands.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A store, a wake or a look at the process itself.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The process could not be looked at.
    #[error(transparent)]
    Process(#[from] letgo_linux::Error),
    /// What is read of the runtime no longer makes sense.
    #[error(transparent)]
    Runtime(#[from] letgo_goruntime::Error),
    /// A value does not fit the variable.
    #[error("{0} does not take that value")]
    Unfit(&'static str),
}

/// One store that was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// The variable, in Go's words.
    pub variable: &'static str,
    /// Where it is.
    pub addr: letgo_target::Addr,
    /// What was there.
    pub old: Word,
    /// What is there now.
    pub new: Word,
    /// It stays until it is undone.
    pub lasting: bool,
}

/// A process that may be written to, and is being.
#[derive(Debug)]
pub struct Control {
    memory: LiveMemory,
    controls: Controls,
    state: ControlState,
    writer: Writer,
    watchdog: Option<Watchdog>,
    began: Instant,
    /// Stores made, for the report.
    pub made: Vec<Made>,
    /// What was not put back.
    pub left: Vec<String>,
    /// The longest time that the process stood still for a store.
    pub pause_ns_max: u64,
}

/// Where a process's settings lie, checked: what can be known before anything is written.
///
/// # Errors
/// A [`Complaint`]: a release, a layout or values that were not tested.
pub fn controls(
    runtime: &Runtime,
    memory: &LiveMemory,
) -> Result<(Controls, ControlState), Complaint> {
    let told = |error| complaints::of_control(&error);
    let controls = runtime.controls().map_err(told)?;
    let state = controls.read(memory).map_err(told)?;
    state.check().map_err(told)?;
    Ok((controls, state))
}

impl Control {
    /// Takes the process into our hands: its lock, its journal, and a watchdog where transient
    /// values will be written.
    ///
    /// # Errors
    /// A [`Complaint`]; nothing was written, but for what a letgo that died had left.
    pub fn take(
        opened: &mut Opened,
        verb: &'static str,
        transient: bool,
    ) -> Result<Control, Complaint> {
        let memory = opened.memory()?;
        let runtime = opened.program.attach(&memory)?;
        let (controls, state) = controls(&runtime, &memory)?;
        let refused = |refusal| complaints::of_refusal(&refusal);
        let dir = JournalDir::standard().map_err(refused)?;
        let writer = Writer::open(&opened.process, dir, Who::this(verb)).map_err(refused)?;
        let watchdog = if transient {
            Some(watchdog(&opened.process)?)
        } else {
            None
        };
        signals::catch();
        Ok(Control {
            memory,
            controls,
            state,
            writer,
            watchdog,
            began: Instant::now(),
            made: Vec::new(),
            left: Vec::new(),
            pause_ns_max: 0,
        })
    }

    /// What was read at the last look.
    pub fn state(&self) -> &ControlState {
        &self.state
    }

    /// What a letgo that died had left, and was put back when we began.
    pub fn recovered(&self) -> &Restored {
        self.writer.recovered()
    }

    /// Puts back what was there before the first lasting store.
    pub fn undo(&mut self) -> Restored {
        self.writer.undo_lasting()
    }

    /// Lets go: everything transient was put back.
    pub fn let_go(mut self) {
        drop(self.writer);
        if let Some(watchdog) = self.watchdog.take() {
            // One that has died has nothing left to watch for.
            let _ = watchdog.done();
        }
    }

    /// Does what may need all threads to stand still. On a machine with much to do they may take
    /// longer than we are willing to hold them: then they run on for a while, and it is tried
    /// again.
    fn patiently<T>(&mut self, act: impl Fn(&mut Control) -> Result<T, Error>) -> Result<T, Error> {
        let mut tries = 1;
        loop {
            match act(self) {
                Err(Error::Write(WriteError::Target(letgo_linux::Error::Deadline {
                    within,
                    ..
                }))) if tries < TRIES && !signals::caught() => {
                    let held = u64::try_from(within.as_nanos()).unwrap_or(u64::MAX);
                    self.pause_ns_max = self.pause_ns_max.max(held);
                    tries += 1;
                    std::thread::sleep(BETWEEN);
                }
                other => return other,
            }
        }
    }

    /// Makes one store over what is there now.
    fn make(&mut self, store: &Store) -> Result<(), Error> {
        let variable = variable(store.knob);
        let place = self.controls.place(variable);
        let width = usize::from(place.size);
        let fit = |bits: u64| {
            let mask = if width >= 8 {
                u64::MAX
            } else {
                (1 << (8 * width)) - 1
            };
            Word::new(width, bits & mask).ok_or(Error::Unfit(variable.name()))
        };
        let old = fit(look_of(&self.state, 0, 0).bits(store.knob))?;
        let new = fit(store.bits)?;
        let stored = self.writer.store(write::Store {
            name: variable.name(),
            addr: place.addr,
            old,
            new,
            kind: match store.lifetime {
                Lifetime::Lasting => Kind::Lasting,
                Lifetime::Transient => Kind::Transient,
                Lifetime::SelfHealing => Kind::SelfHealing,
            },
            reason: store.reason,
        })?;
        self.pause_ns_max = self.pause_ns_max.max(stored.pause_ns);
        if stored.number.is_some() {
            self.made.push(Made {
                variable: variable.name(),
                addr: place.addr,
                old,
                new,
                lasting: store.lifetime == Lifetime::Lasting,
            });
        }
        Ok(())
    }
}

impl Actuator for Control {
    type Error = Error;

    /// A value that the program changed under us stays the program's: the policy looks again.
    fn store(&mut self, store: &Store) -> Result<(), Error> {
        match self.patiently(|hands| hands.make(store)) {
            Err(Error::Write(WriteError::Changed { .. } | WriteError::Overwritten { .. })) => {
                Ok(())
            }
            other => other,
        }
    }
}

impl Running for Control {
    fn look(&mut self) -> Result<Look, Error> {
        self.state = self.controls.read(&self.memory)?;
        self.state.check()?;
        let rss = self.writer.process().statm()?.resident_bytes;
        let at = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        Ok(look_of(&self.state, at, rss))
    }

    fn wake_sysmon(&mut self) -> Result<Wake, Error> {
        let place = |variable| self.controls.place(variable);
        let waits = place(Variable::SchedSysmonwait);
        let sleeper = Sleeper {
            name: "sysmon",
            lock: self.controls.sched_lock(),
            waits: waits.addr,
            waits_width: waits.size.into(),
            note: place(Variable::SchedSysmonnote).addr,
        };
        let wake = self.patiently(|hands| Ok(hands.writer.wake(sleeper)?))?;
        Ok(match wake {
            write::Wake::Woken { pause_ns } => Wake::Woken { pause_ns },
            write::Wake::Awake { pause_ns } => Wake::Awake { pause_ns },
            write::Wake::Locked { pause_ns } => Wake::Locked { pause_ns },
        })
    }

    fn restore(&mut self) -> Result<(), Error> {
        let restored = self.writer.restore_transient();
        for undone in &restored.entries {
            if let write::Outcome::Failed(error) = &undone.outcome {
                self.left.push(format!("{} ({error})", undone.entry.name));
            }
        }
        match restored.trouble {
            Some(error) if !self.process_is_gone() => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn wait(&mut self, time: Duration) {
        std::thread::sleep(time);
    }

    fn is_interrupted(&self) -> bool {
        signals::caught()
    }
}

impl Control {
    fn process_is_gone(&self) -> bool {
        self.writer
            .process()
            .verify()
            .is_err_and(|error| error.is_gone())
    }
}

/// The child that puts everything back when we die.
fn watchdog(process: &Process) -> Result<Watchdog, Complaint> {
    let args = [
        "watchdog".to_owned(),
        process.pid().to_string(),
        process.start_ticks().to_string(),
    ];
    Watchdog::start(args).map_err(|error| {
        Complaint::no_report(
            format!("the watchdog that puts everything back if letgo dies cannot start: {error}"),
            "Nothing was written; free a process slot or some memory and try again",
        )
    })
}

/// The variable behind a knob.
pub(crate) fn variable(knob: Knob) -> Variable {
    match knob {
        Knob::GcPercent => Variable::GcPercent,
        Knob::GcPercentHeapGoal => Variable::GcPercentHeapGoal,
        Knob::HeapMinimum => Variable::HeapMinimum,
        Knob::MemoryLimit => Variable::MemoryLimit,
        Knob::LastGcNanotime => Variable::LastGcNanotime,
        Knob::ScavengeGcPercentGoal => Variable::ScavengeGcPercentGoal,
        Knob::ScavengeMemoryLimitGoal => Variable::ScavengeMemoryLimitGoal,
        Knob::ScavengerSysmonWake => Variable::ScavengerSysmonWake,
        Knob::ScavengerSleepRatio => Variable::ScavengerSleepRatio,
        Knob::ScavengerSleepControllerMin => Variable::ScavengerSleepControllerMin,
    }
}

/// What a policy looks at, of what was read.
pub fn look_of(state: &ControlState, at_ns: u64, rss: u64) -> Look {
    Look {
        at_ns,
        rss,
        num_gc: state.num_gc,
        gc_running: state.gc_phase != 0,
        gc_percent: state.gc_percent,
        memory_limit: state.memory_limit,
        gc_percent_heap_goal: state.gc_percent_heap_goal,
        heap_minimum: state.heap_minimum,
        heap_live: state.heap_live,
        heap_marked: state.heap_marked,
        heap_alloc: state.total_alloc.saturating_sub(state.total_free),
        heap_in_use: state.heap_in_use,
        heap_free: state.heap_free,
        heap_released: state.heap_released,
        mapped_ready: state.mapped_ready,
        last_gc_nanotime: state.last_gc_nanotime,
        scavenge_gc_percent_goal: state.scavenge_gc_percent_goal,
        scavenge_memory_limit_goal: state.scavenge_memory_limit_goal,
        scavenger_parked: state.scavenger_parked,
        scavenger_sysmon_wake: state.scavenger_sysmon_wake != 0,
        scavenger_sleep_ratio: state.scavenger_sleep_ratio,
        scavenger_sleep_controller_min: state.scavenger_sleep_controller.min,
        sysmon_waiting: state.sysmon_waiting,
    }
}

/// It failed while a process was under our hands.
pub(crate) fn complaint(error: &Error, pid: u32) -> Complaint {
    match error {
        Error::Process(error) => complaints::of_process(error),
        other => Complaint {
            exit: Exit::Attention,
            ..Complaint::no_report(
                format!("process {pid}: {other}"),
                "What was set for a moment was put back; `letgo why` shows how the process is now",
            )
        },
    }
}
