//! [`Reading`]: one look at a process: what the kernel says is resident, what the runtime says it
//! is for, and the account that joins the two.
//!
//! Order matters. The page table is read first, so that only resident pages are read afterwards
//! and no page of the target is faulted in; `smaps` comes right behind it, so that the drift
//! between the two is small; the runtime's structures come last.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use letgo_account::{Account, Inputs, Method, RuntimeSlots, account};
use letgo_goruntime::{Census, CensusOptions, Light, LightDelta, Limits, Runtime, RuntimeStats};
use letgo_linux::process::Use;
use letgo_linux::{LiveMemory, Stop, StopReport, Stopped, residency, system};
use letgo_target::{Addr, Coverage, Mapping, Residency, ResidentBytes};

use super::{Opened, complaints};
use crate::complaint::Complaint;
use crate::progress::Progress;

/// Time between the two light readings that rates are computed from.
const WINDOW: Duration = Duration::from_secs(1);

/// How a reading is taken.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Stop all threads for at most this long.
    pub stop: Option<Duration>,
    /// Take a second light reading, a second after the first.
    pub rates: bool,
}

/// One look at a process.
#[derive(Debug)]
pub struct Reading {
    /// When it began.
    pub at: SystemTime,
    /// How long it took, without the wait for the second light reading.
    pub wall: Duration,
    /// What the stop did, where there was one.
    pub stop: Option<StopReport>,
    /// The kernel's list of mappings.
    pub mappings: Vec<Mapping>,
    /// The kernel's page table.
    pub residency: Arc<Residency>,
    /// The sums of `smaps`.
    pub rss: Use,
    /// What the runtime knows of its memory.
    pub census: Census,
    /// Where every resident byte belongs.
    pub account: Account,
    /// The counters when the reading began.
    pub first: Light,
    /// What moved in the second after, where that was asked for and the target still ran.
    pub delta: Option<LightDelta>,
    /// The counters at the end of that second.
    pub second: Option<Light>,
    /// The target's monotonic clock when the reading began, in nanoseconds.
    pub monotonic_ns: Option<u64>,
    /// What was left out, by whichever crate.
    pub coverage: Coverage,
}

impl Reading {
    /// Takes a reading.
    ///
    /// # Errors
    /// A [`Complaint`] where no report can be made.
    pub fn take(
        opened: &mut Opened,
        options: Options,
        progress: &Progress,
    ) -> Result<Reading, Complaint> {
        let begin = Begin::now(opened);
        progress.step("reading the page table");
        let mut kernel = Kernel::read(opened)?;
        progress.step("finding the Go runtime");
        let runtime = opened.attach(&kernel.memory(opened)?)?;
        // What takes long and does not change is done by now: the stop is for the rest.
        let stopped = options
            .stop
            .map(|most| stop(opened, most, progress))
            .transpose()?;
        if stopped.is_some() {
            kernel = Kernel::read(opened)?;
        }
        let memory = kernel.memory(opened)?;
        let first_at = Instant::now();
        let first = light(&runtime, &memory)?;
        progress.step("reading spans and goroutines");
        let options_of_census = CensusOptions {
            functions: Some(&opened.binary.functions),
            ..CensusOptions::default()
        };
        let census = runtime
            .census(&memory, &options_of_census)
            .map_err(|error| complaints::of_runtime(&error))?;
        progress.step("attributing pages");
        let account = attribute(
            opened,
            &kernel,
            &runtime,
            &memory,
            &census,
            stopped.as_ref(),
        )?;
        let stop = stopped.map(Stopped::release);
        let wall = begin.started.elapsed();
        opened
            .process
            .verify()
            .map_err(|error| complaints::of_process(&error))?;
        let rates = || second_light(&runtime, &memory, first_at, progress);
        let second = options.rates.then(rates).flatten();
        let mut coverage = census.coverage.clone();
        coverage.merge(account.coverage.clone());
        note_expired(stop.as_ref(), &mut coverage);
        note_others(&opened.others, &mut coverage);
        Ok(Reading {
            at: begin.at,
            wall,
            stop,
            mappings: kernel.mappings,
            residency: kernel.residency,
            rss: kernel.rss,
            census,
            account,
            delta: second.map(|(light, window_ns)| light.since(&first, window_ns)),
            second: second.map(|(light, _)| light),
            first,
            monotonic_ns: begin.monotonic_ns,
            coverage,
        })
    }

    /// The runtime's counters, those of the census: what the mcaches hold is in them.
    pub fn stats(&self) -> RuntimeStats {
        self.census.stats
    }

    /// Time since the last GC ended, by the target's own clock; `None` before the first.
    pub fn last_gc_age_ns(&self) -> Option<u64> {
        let ended = self.census.stats.last_gc_nanotime;
        let now = self.monotonic_ns.filter(|_| ended > 0)?;
        Some(now.saturating_sub(ended))
    }

    /// Whether the sum of the account and the kernel's `Rss` differ by so much that the reading
    /// is not whole: 0.5 % of RSS.
    pub fn drifts(&self) -> bool {
        let drift = self.drift_bytes().unsigned_abs();
        drift.saturating_mul(200) > self.rss.rss
    }

    /// The sum of the account less the kernel's `Rss`.
    pub fn drift_bytes(&self) -> i64 {
        let drift = self.account.drift.unwrap_or(0);
        i64::try_from(drift).unwrap_or(if drift < 0 { i64::MIN } else { i64::MAX })
    }
}

/// The clocks when a reading began.
struct Begin {
    at: SystemTime,
    started: Instant,
    monotonic_ns: Option<u64>,
}

impl Begin {
    fn now(opened: &Opened) -> Begin {
        let offset = opened.process.monotonic_offset_ns().ok();
        let monotonic_ns =
            offset.and_then(|offset| system::monotonic_ns().checked_add_signed(offset));
        Begin {
            at: SystemTime::now(),
            started: Instant::now(),
            monotonic_ns,
        }
    }
}

/// How often page table and `smaps` are read at most, until they are of nearly one moment.
const LOOKS: u32 = 5;
/// They are where they differ by at most this part of `Rss`: half of what a whole reading may.
const STEADY_PART: u64 = 400;

/// What the kernel says of the process.
struct Kernel {
    mappings: Vec<Mapping>,
    residency: Arc<Residency>,
    rss: Use,
}

impl Kernel {
    /// The process's memory as far as it is present.
    fn memory(&self, opened: &Opened) -> Result<LiveMemory, Complaint> {
        let memory =
            LiveMemory::new(&opened.process).map_err(|error| complaints::of_process(&error))?;
        Ok(memory.only_resident(Arc::clone(&self.residency), &self.mappings))
    }

    /// Page table and `smaps` of nearly one moment: a target that moved much between the two is
    /// read again, and the closest pair is taken.
    fn read(opened: &Opened) -> Result<Kernel, Complaint> {
        let mut closest = Kernel::look(opened)?;
        for _ in 1..LOOKS {
            if closest.skew().saturating_mul(STEADY_PART) <= closest.rss.rss {
                break;
            }
            let next = Kernel::look(opened)?;
            if next.skew() < closest.skew() {
                closest = next;
            }
        }
        Ok(closest)
    }

    /// How far the page table's sum is from `Rss` of `smaps`, in bytes.
    fn skew(&self) -> u64 {
        self.residency.resident().0.abs_diff(self.rss.rss)
    }

    fn look(opened: &Opened) -> Result<Kernel, Complaint> {
        let process = &opened.process;
        let told = |error| complaints::of_process(&error);
        let mappings = process.maps().map_err(told)?;
        let scan = residency(process, &mappings).map_err(told)?;
        let rss = process.smaps().map_err(told)?.total;
        Ok(Kernel {
            mappings,
            residency: Arc::new(scan.residency),
            rss,
        })
    }
}

fn stop(opened: &Opened, most: Duration, progress: &Progress) -> Result<Stopped, Complaint> {
    progress.step("stopping all threads");
    Stop::all_threads(&opened.process, most).map_err(|error| complaints::of_process(&error))
}

fn light(runtime: &Runtime, memory: &LiveMemory) -> Result<Light, Complaint> {
    runtime
        .light(memory)
        .map_err(|error| complaints::of_runtime(&error))
}

/// The light reading that ends the window, and how long the window was.
fn second_light(
    runtime: &Runtime,
    memory: &LiveMemory,
    first_at: Instant,
    progress: &Progress,
) -> Option<(Light, u64)> {
    progress.step("watching what it allocates for a second");
    std::thread::sleep(WINDOW.saturating_sub(first_at.elapsed()));
    let window = first_at.elapsed();
    let light = runtime.light(memory).ok()?;
    Some((light, u64::try_from(window.as_nanos()).ok()?))
}

fn attribute(
    opened: &Opened,
    kernel: &Kernel,
    runtime: &Runtime,
    memory: &LiveMemory,
    census: &Census,
    stopped: Option<&Stopped>,
) -> Result<Account, Complaint> {
    let stack_pointers: Vec<Addr> = stopped
        .iter()
        .flat_map(|stopped| stopped.threads())
        .filter_map(|thread| Some(Addr(thread.registers.as_ref()?.rsp)))
        .collect();
    let standing = stopped.is_some_and(|stopped| !stopped.time_left().is_zero());
    account(&Inputs {
        census,
        slots: &RuntimeSlots {
            runtime,
            memory,
            limits: Limits::default(),
        },
        memory,
        residency: &kernel.residency,
        mappings: &kernel.mappings,
        program: &opened.segments(),
        sanitizer: opened.sanitizer(),
        stack_pointers: &stack_pointers,
        rss: Some(ResidentBytes(kernel.rss.rss)),
        method: if standing {
            Method::Frozen
        } else {
            Method::Running
        },
    })
    .map_err(|error| complaints::of_account(&error))
}

/// A stop that ran out of time is no stop: what was read after it is of a running target.
fn note_expired(stop: Option<&StopReport>, coverage: &mut Coverage) {
    if stop.is_some_and(|stop| stop.expired) {
        coverage.skip(
            "--stop",
            "the time allowed ran out before everything was read; the rest is of the running \
             program",
        );
    }
}

/// What a second runtime holds is counted, but not told apart.
fn note_others(others: &[String], coverage: &mut Coverage) {
    for other in others {
        coverage.skip(
            "a further Go runtime",
            format!("{other}: only one of a process is read; its heap is in maps.anon"),
        );
    }
}
