//! [`View`]: a target as it is read: its memory, and what the kernel says of it.
//!
//! A running process changes while it is read. One whose threads are held does not, and neither
//! does a frozen copy or a file. What is held is let go as soon as nothing more is read of it.
//!
//! Order matters. The page table is read first, so that only resident pages are read afterwards
//! and no page of the target is faulted in; `smaps` comes right behind it, so that the drift
//! between the two is small; the runtime's structures come last.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use letgo_goruntime::Thread;
use letgo_heap::Registers;
use letgo_linux::frozen::{joined_residency, joined_smaps};
use letgo_linux::process::Use;
use letgo_linux::{LiveMemory, StopReport, StoppedThread, residency, system};
use letgo_report::Method;
use letgo_target::{self as target, Addr, AddrRange, Coverage, Mapping, ReadMemory, Residency};

use super::beside::beside;
use super::choice;
use super::halted::Halted;
use super::reading::Hold;
use super::{Opened, complaints};
use crate::complaint::Complaint;
use crate::frozen::Frozen;
use crate::progress::Progress;

/// How often page table and `smaps` are read at most, until they are of nearly one moment.
const LOOKS: u32 = 5;
/// They are where they differ by at most this part of `Rss`: half of what a whole reading may.
const STEADY_PART: u64 = 400;

/// The most that threads are held for while a copy is made, the kernel's own part left out.
const COPY_STOP: Duration = Duration::from_secs(5);
/// Memory that must be left where the target runs, for a copy to be kept.
const ROOM: u64 = 16 << 20;

/// A target's memory, and what the kernel says of it.
pub struct View {
    /// How it is read.
    pub method: Method,
    /// When.
    pub at: SystemTime,
    /// From when on the target ran on past what is read; nothing where it is still held, and of
    /// files.
    pub ran_on: Option<Instant>,
    /// The target's monotonic clock then, in nanoseconds.
    pub monotonic_ns: Option<u64>,
    /// Its memory, as far as it is present.
    pub memory: Box<dyn ReadMemory + Send + Sync>,
    /// The kernel's list of mappings.
    pub mappings: Vec<Mapping>,
    /// The kernel's page table.
    pub residency: Arc<Residency>,
    /// The sums of `smaps`; a core has none.
    pub rss: Option<Use>,
    /// Registers of the threads, where they stand still.
    pub threads: Vec<target::Registers>,
    /// The same, as the graph wants to know it.
    pub registers: Vec<Registers>,
    /// How long the target was expected to stand still, where that was asked.
    pub pause_predicted: Option<Duration>,
    /// Why it is read so and not otherwise, where that was not what was asked for.
    pub why: Option<String>,
    pub(super) held: Held,
}

/// What is held while the view is read.
pub(super) enum Held {
    Nothing,
    Threads(Box<Halted>),
    Copy(Box<Frozen>),
}

/// What holding took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pause {
    /// The longest that any thread can have stood still.
    pub ns_max: u64,
    /// It was let go before all was read.
    pub expired: bool,
    /// How long it should be allowed, where it was.
    pub enough: Duration,
}

impl From<&StopReport> for Pause {
    fn from(report: &StopReport) -> Pause {
        Pause {
            ns_max: report.pause_ns_max,
            expired: report.expired,
            enough: Duration::ZERO,
        }
    }
}

impl View {
    /// A process that runs on.
    ///
    /// # Errors
    /// A [`Complaint`] where it is gone or may not be read.
    pub fn running(opened: &Opened) -> Result<View, Complaint> {
        View::of_process(
            opened,
            Method::Running,
            Held::Nothing,
            Vec::new(),
            Kernel::read,
        )
    }

    /// A process whose threads are held for at most `most`, the time that stopping takes included.
    ///
    /// # Errors
    /// A [`Complaint`] where it cannot be stopped or read.
    pub fn stopped(opened: &Opened, most: Duration) -> Result<View, Complaint> {
        let told = |error| complaints::of_process(&error);
        let halted = Halted::new(&opened.process, most).map_err(told)?;
        let registers = registers(halted.threads());
        let look = |opened: &Opened| {
            let (mappings, residency) = Kernel::page_table(opened)?;
            Ok(Kernel {
                mappings,
                residency,
                rss: Use::default(),
            })
        };
        let held = Held::Threads(Box::new(halted));
        let view = View::of_process(opened, Method::Stopped, held, registers, look)?;
        Ok(View { rss: None, ..view })
    }

    /// Waits for what the kernel still has to say of a process whose threads are held: the sums of
    /// `smaps`. To be called before they are looked at.
    ///
    /// # Errors
    /// A [`Complaint`] where it did not.
    pub fn settle(&mut self) -> Result<(), Complaint> {
        if let Held::Threads(halted) = &mut self.held
            && let Some(sums) = halted.smaps()
        {
            self.rss = Some(sums.map_err(|error| complaints::of_process(&error))?);
        }
        Ok(())
    }

    /// A running process, held as asked for. What takes long and does not change is read before.
    ///
    /// # Errors
    /// A [`Complaint`] where it cannot be held or read.
    pub fn of(opened: &mut Opened, hold: Hold, progress: &Progress) -> Result<View, Complaint> {
        progress.step("reading the page table");
        if hold == Hold::Nothing {
            return View::running(opened);
        }
        // For this the sums of `smaps` are not needed, and they take as long as all else.
        let (mappings, residency) = Kernel::page_table(opened)?;
        let memory = opened.memory()?.only_resident(residency, &mappings);
        progress.step("finding the Go runtime");
        opened.program.attach(&memory)?;
        drop(memory);
        progress.step("making it stand still for a moment");
        View::held(opened, hold)
    }

    /// A process that is held as asked for.
    ///
    /// # Errors
    /// A [`Complaint`] where it cannot be held or read.
    fn held(opened: &mut Opened, hold: Hold) -> Result<View, Complaint> {
        match hold {
            Hold::Nothing => View::running(opened),
            Hold::Stop(most) => choice::stop(opened, most),
            Hold::Freeze => View::frozen(opened),
            Hold::Choose(most) => choice::choose(opened, most),
        }
    }

    /// A frozen copy of a process.
    ///
    /// # Errors
    /// A [`Complaint`] where it cannot be made or read.
    pub fn frozen(opened: &Opened) -> Result<View, Complaint> {
        let told = |error| complaints::of_process(&error);
        let target = &opened.process;
        // What a letgo that was killed has left. Where it cannot be seen to, the watchdog will.
        let _ = crate::frozen::clean(opened);
        let frozen = Frozen::make(opened, COPY_STOP).map_err(told)?;
        let ran_on = Some(Instant::now());
        let (at, monotonic_ns) = clocks(opened);
        let child = frozen.process();
        let mappings = child.maps().map_err(told)?;
        // Pages of files are the target's, which runs on.
        let kernel = Kernel::closest(|| {
            let scan = joined_residency(child, target, &mappings).map_err(told)?;
            let (theirs, own) = beside(|| target.smaps(), || child.smaps());
            let smaps = (own.map_err(told)?, theirs.map_err(told)?);
            Ok(Kernel {
                mappings: mappings.clone(),
                residency: Arc::new(scan.residency),
                rss: joined_smaps(&smaps.0, &smaps.1).total,
            })
        })?;
        let threads = registers(frozen.threads());
        let memory = LiveMemory::new(child).map_err(told)?;
        let memory = memory.only_resident(Arc::clone(&kernel.residency), &mappings);
        Ok(View {
            method: Method::Frozen,
            at,
            ran_on,
            monotonic_ns,
            memory: Box::new(memory),
            mappings,
            residency: kernel.residency,
            rss: Some(kernel.rss),
            registers: hands(&threads),
            threads,
            pause_predicted: None,
            why: None,
            held: Held::Copy(Box::new(frozen)),
        })
    }

    fn of_process(
        opened: &Opened,
        method: Method,
        held: Held,
        threads: Vec<target::Registers>,
        look: impl FnOnce(&Opened) -> Result<Kernel, Complaint>,
    ) -> Result<View, Complaint> {
        let (at, monotonic_ns) = clocks(opened);
        let kernel = look(opened)?;
        let memory = kernel.memory(opened)?;
        Ok(View {
            method,
            at,
            ran_on: None,
            monotonic_ns,
            memory: Box::new(memory),
            mappings: kernel.mappings,
            residency: kernel.residency,
            rss: Some(kernel.rss),
            registers: hands(&threads),
            threads,
            pause_predicted: None,
            why: None,
            held,
        })
    }

    /// Whether the target stands still, and will for a while.
    pub fn stands(&self) -> bool {
        match &self.held {
            Held::Threads(halted) => halted.stands(),
            Held::Copy(_) => true,
            Held::Nothing => self.method != Method::Running,
        }
    }

    /// Stack pointers of the threads, where they are known.
    pub fn stack_pointers(&self) -> Vec<Addr> {
        self.registers.iter().map(|thread| thread.sp).collect()
    }

    /// The registers of the threads: what they have in their hands. Before them those that some had
    /// before they came to stand in the handler of a signal: a goroutine that ran is where these
    /// say.
    pub(super) fn at_work(&self, threads: &[Thread]) -> Vec<target::Registers> {
        let handling = self.handling(threads);
        let before =
            handling.filter_map(|(sp, stack)| target::interrupted(&*self.memory, sp, stack));
        before.chain(self.threads.iter().copied()).collect()
    }

    /// Words that are no addresses, by which is seen what threads had in their hands before they
    /// came to stand in the handler of a signal.
    pub fn signal_marks(&self, threads: &[Thread]) -> Vec<AddrRange> {
        let handling = self.handling(threads);
        let marks =
            handling.filter_map(|(sp, stack)| target::signal_marks(&*self.memory, sp, stack));
        marks.flatten().collect()
    }

    /// Threads that stand in the handler of a signal: stack pointer and signal stack.
    fn handling<'a>(
        &'a self,
        threads: &'a [Thread],
    ) -> impl Iterator<Item = (Addr, AddrRange)> + 'a {
        self.threads.iter().filter_map(|own| {
            let mut stacks = threads.iter().map(|thread| thread.gsignal_stack);
            let stack = stacks.find(|stack| stack.contains(own.sp()))?;
            Some((own.sp(), stack))
        })
    }

    /// Whether there is room to go on reading: what the target writes to is held twice meanwhile.
    ///
    /// # Errors
    /// Why there is not, as a sentence.
    pub fn check(&self) -> Result<(), String> {
        match &self.held {
            Held::Copy(frozen) => frozen.check(ROOM).map_err(|error| error.to_string()),
            _ => Ok(()),
        }
    }

    /// Lets go of what is held: the memory is not read any more, and what was not settled is not
    /// known.
    pub fn let_go(&mut self) -> Pause {
        match std::mem::replace(&mut self.held, Held::Nothing) {
            Held::Nothing => Pause::default(),
            Held::Threads(halted) => {
                let pause = Pause::from(&halted.release());
                self.ran_on = Some(Instant::now());
                let stood = Duration::from_nanos(pause.ns_max);
                Pause {
                    enough: choice::enough(self.pause_predicted, stood),
                    ..pause
                }
            }
            Held::Copy(frozen) => removed(*frozen),
        }
    }

    /// The same, and does `work` then; of a copy meanwhile: its end takes the kernel as long as its
    /// page table is large, and nobody waits for that but us.
    pub fn let_go_beside<T>(&mut self, work: impl FnOnce() -> T) -> (Pause, T) {
        match std::mem::replace(&mut self.held, Held::Nothing) {
            Held::Copy(frozen) => beside(|| removed(*frozen), work),
            held => {
                self.held = held;
                (self.let_go(), work())
            }
        }
    }

    /// Notes what holding did not reach.
    pub fn note(pause: Pause, coverage: &mut Coverage) {
        if pause.expired {
            coverage.skip(
                "--stop",
                format!(
                    "the time allowed ran out before everything was read; the rest is of the \
                     running program. --stop={} should be enough",
                    pause.enough.as_millis()
                ),
            );
        }
    }
}

fn removed(frozen: Frozen) -> Pause {
    let made = frozen.report().stop.pause_ns_max;
    let removed = frozen.release().pause_ns_max;
    Pause {
        ns_max: made.max(removed),
        ..Pause::default()
    }
}

/// Our clock and the target's.
fn clocks(opened: &Opened) -> (SystemTime, Option<u64>) {
    let offset = opened.process.monotonic_offset_ns().ok();
    let monotonic_ns = offset.and_then(|offset| system::monotonic_ns().checked_add_signed(offset));
    (SystemTime::now(), monotonic_ns)
}

/// Registers of those threads that can be asked.
fn registers(threads: &[StoppedThread]) -> Vec<target::Registers> {
    let known = threads.iter().filter_map(|thread| thread.registers);
    known.collect()
}

/// What threads have in their hands.
pub(super) fn hands(threads: &[target::Registers]) -> Vec<Registers> {
    let own = |own: &target::Registers| Registers {
        pc: Addr(own.rip),
        sp: Addr(own.rsp),
        general: own.words().to_vec(),
    };
    threads.iter().map(own).collect()
}

/// What the kernel says of a process.
struct Kernel {
    mappings: Vec<Mapping>,
    residency: Arc<Residency>,
    rss: Use,
}

impl Kernel {
    /// The process's memory as far as it is present.
    fn memory(&self, opened: &Opened) -> Result<LiveMemory, Complaint> {
        let memory = opened.memory()?;
        Ok(memory.only_resident(Arc::clone(&self.residency), &self.mappings))
    }

    /// Page table and `smaps` of nearly one moment: a target that moved much between the two is
    /// read again, and the closest pair is taken.
    fn read(opened: &Opened) -> Result<Kernel, Complaint> {
        Kernel::closest(|| Kernel::look(opened))
    }

    /// The one of some looks in which page table and `smaps` are closest.
    fn closest(mut look: impl FnMut() -> Result<Kernel, Complaint>) -> Result<Kernel, Complaint> {
        let mut closest = look()?;
        for _ in 1..LOOKS {
            if closest.skew().saturating_mul(STEADY_PART) <= closest.rss.rss {
                break;
            }
            let next = look()?;
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
        let (mappings, residency) = Kernel::page_table(opened)?;
        let smaps = opened.process.smaps();
        let rss = smaps.map_err(|error| complaints::of_process(&error))?.total;
        Ok(Kernel {
            mappings,
            residency,
            rss,
        })
    }

    fn page_table(opened: &Opened) -> Result<(Vec<Mapping>, Arc<Residency>), Complaint> {
        let process = &opened.process;
        let told = |error| complaints::of_process(&error);
        let mappings = process.maps().map_err(told)?;
        let scan = residency(process, &mappings).map_err(told)?;
        Ok((mappings, Arc::new(scan.residency)))
    }
}
