//! [`Reading`]: one look at a program: what the kernel says is resident, what the runtime says it
//! is for, which objects are reachable, and the account that joins them.
//!
//! The target is needed until objects and roots are copied; what is held is let go then. Marking
//! and the account go on without it.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use letgo_account::{
    Account, Inputs, Method, NoSlots, Reach, RuntimeSlots, Sketch, SlotSource, account,
    account_drawn, read_ahead,
};
use letgo_goruntime::{
    Census, CensusOptions, Goroutine, Labels, Light, LightDelta, Limits, Runtime, RuntimeStats,
};
use letgo_heap::{Graph, GraphOptions};
use letgo_linux::process::Use;
use letgo_report::Method as Taken;
use letgo_target::{Addr, Coverage, Mapping, ReadMemory, Residency, ResidentBytes};

use super::diff::Prints;
use super::in_c;
use super::kept::{Keeping, Kept};
use super::marked::Marked;
use super::view::{Held, Pause, View, hands};
use super::{Opened, Program, complaints, room};
use crate::complaint::Complaint;
use crate::progress::Progress;

/// Time between two words on how long a wait still is.
const STEP: Duration = Duration::from_secs(1);

/// Bytes that a program may allocate while its graph is read, for the graph to be believed: what
/// is made meanwhile is not in it, and what only that holds would be called garbage.
const STILL: u64 = 4 << 20;

/// How a reading is taken.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// What is done so that the target does not change meanwhile.
    pub hold: Hold,
    /// Find out which objects are reachable.
    pub graph: bool,
    /// And which of them are contexts, for groups of goroutines.
    pub contexts: bool,
    /// And keep the stacks of goroutines in C, for [`super::Subject::follow_c`].
    pub calls_of_c: bool,
    /// Look a second time, so long after the first: at the counters, for rates, and at what
    /// goroutines do. Nothing is held meanwhile.
    pub watch: Option<Duration>,
}

/// What is done so that the target does not change while it is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Hold {
    /// Nothing: it runs on.
    #[default]
    Nothing,
    /// All threads are stopped, for at most this long; where that is not said, for as long as it
    /// should take.
    Stop(Option<Duration>),
    /// A frozen copy is made.
    Freeze,
    /// What is predicted to take the shorter pause, if that is no longer than this; else nothing.
    Choose(Duration),
}

/// One look at a program.
#[derive(Debug)]
pub struct Reading {
    /// When it began.
    pub at: SystemTime,
    /// How long it took, without the wait for the second look.
    pub wall: Duration,
    /// How it was read.
    pub method: Taken,
    /// How long the target stood still.
    pub pause: Pause,
    /// How long it was expected to stand still, where that was asked.
    pub pause_predicted: Option<Duration>,
    /// Why it was read so and not otherwise, where that was not what was asked for.
    pub why: Option<String>,
    /// The kernel's list of mappings.
    pub mappings: Vec<Mapping>,
    /// The kernel's page table.
    pub residency: Arc<Residency>,
    /// The sums of `smaps`; a core has none.
    pub rss: Option<Use>,
    /// The runtime, recognised.
    pub runtime: Runtime,
    /// It stood still, or what was read of it did.
    pub stands: bool,
    /// What the runtime knows of its memory.
    pub census: Census,
    /// The labels of its goroutines.
    pub labels: Labels,
    /// Where every resident byte belongs.
    pub account: Account,
    /// Which objects are reachable, where that was asked for and can be believed.
    pub marked: Option<Marked>,
    /// The counters when the reading began.
    pub first: Light,
    /// From when on it counted further: what a frozen copy or a stop shows is of before.
    first_at: Instant,
    /// What moved until the second look, where that was asked for and the target still ran.
    pub delta: Option<LightDelta>,
    /// The counters at the second look.
    pub second: Option<Light>,
    /// Goroutines at the second look; nothing where not all of them could be read.
    pub later: Option<Vec<Goroutine>>,
    /// The target's monotonic clock when the reading began, in nanoseconds.
    pub monotonic_ns: Option<u64>,
    /// What was left out, by whichever crate.
    pub coverage: Coverage,
    /// What reachable objects hold, where that was asked for and read.
    pub prints: Option<Prints>,
    /// What the account was made from and is not here.
    again: Again,
}

/// What an account is made from once more, where there is a graph.
#[derive(Debug, Default)]
struct Again {
    kept: Kept,
    stack_pointers: Vec<Addr>,
}

/// What a second look saw: the counters, goroutines, and how many nanoseconds it was after the
/// first.
#[derive(Debug)]
pub struct Second(Result<(Light, Option<Vec<Goroutine>>, u64), Complaint>);

impl Reading {
    /// Takes a reading of a running process.
    ///
    /// # Errors
    /// A [`Complaint`] where no report can be made.
    pub fn take(
        opened: &mut Opened,
        options: Options,
        progress: &Progress,
    ) -> Result<Reading, Complaint> {
        Reading::take_with(opened, options, false, progress)
    }

    /// The same, with what objects hold where `contents` are asked for.
    ///
    /// # Errors
    /// As of [`Reading::take`].
    pub fn take_with(
        opened: &mut Opened,
        options: Options,
        contents: bool,
        progress: &Progress,
    ) -> Result<Reading, Complaint> {
        let started = Instant::now();
        let view = View::of(opened, options.hold, progress)?;
        let mut reading = Reading::of_with(&mut opened.program, view, options, contents, progress)?;
        reading.wall = started.elapsed();
        opened
            .process
            .verify()
            .map_err(|error| complaints::of_process(&error))?;
        if let Some(time) = options.watch {
            let second = reading.second_look(opened, time, progress);
            reading.saw(second);
        }
        Ok(reading)
    }

    /// Reads what `view` shows of `program`.
    ///
    /// # Errors
    /// A [`Complaint`] where no report can be made.
    pub fn of(
        program: &mut Program,
        view: View,
        options: Options,
        progress: &Progress,
    ) -> Result<Reading, Complaint> {
        Reading::of_with(program, view, options, false, progress)
    }

    /// The same, with what objects hold where `contents` are asked for. Of threads that are
    /// stopped they are not read: that would take as long again as all else.
    ///
    /// # Errors
    /// As of [`Reading::of`].
    pub fn of_with(
        program: &mut Program,
        mut view: View,
        options: Options,
        contents: bool,
        progress: &Progress,
    ) -> Result<Reading, Complaint> {
        let started = Instant::now();
        progress.step("finding the Go runtime");
        let runtime = program.attach(&*view.memory)?;
        // Beside threads that stand still there is nothing else to be done.
        if options.graph && !matches!(view.held, Held::Threads(_)) {
            program.types_ahead();
        }
        let first = light(&runtime, &view)?;
        let first_at = Instant::now();
        progress.step("reading spans and goroutines");
        let census = census(program, &runtime, &view)?;
        let labels = runtime.labels(&*view.memory, &census.goroutines);
        let mut coverage = census.coverage.clone();
        let read = Read {
            program,
            runtime: &runtime,
            census: &census,
        };
        let mut marked = None;
        if let Err(why) = view.check() {
            coverage.skip("the object graph", why);
        } else if options.graph {
            progress.step("copying objects and roots");
            marked = read.copy(&view, &first, options, &mut coverage);
        }
        let wanted = contents && marked.is_some();
        let mut prints = wanted.then(|| prints(&view, &census, progress)).flatten();
        // Of what is copied by now, nothing has changed meanwhile.
        let stands = view.stands();
        progress.step("attributing pages");
        view.settle()?;
        let (account, pause, again) =
            read.finish(&mut view, &mut marked, &mut coverage, progress)?;
        keep_reachable(&mut prints, marked.as_ref());
        coverage.merge(account.coverage.clone());
        note_others(program, marked.is_some(), &mut coverage);
        Ok(Reading {
            at: view.at,
            wall: started.elapsed(),
            method: view.method,
            pause,
            pause_predicted: view.pause_predicted,
            why: view.why,
            mappings: view.mappings,
            residency: view.residency,
            rss: view.rss,
            runtime,
            stands,
            census,
            labels,
            account,
            marked,
            delta: None,
            second: None,
            later: None,
            first,
            first_at: view.ran_on.unwrap_or(first_at),
            monotonic_ns: view.monotonic_ns,
            coverage,
            prints,
            again,
        })
    }

    /// Looks a second time, `time` after the first. Nothing is held by now, and other things may be
    /// done meanwhile.
    pub fn second_look(&self, opened: &Opened, time: Duration, progress: &Progress) -> Second {
        wait(self.first_at, time, progress);
        let looked = opened.second_look(&self.runtime);
        Second(looked.map(|(light, at, later)| (light, later, self.until(at))))
    }

    /// Nanoseconds from here to an instant.
    fn until(&self, at: Instant) -> u64 {
        let window = at.saturating_duration_since(self.first_at);
        u64::try_from(window.as_nanos()).unwrap_or(u64::MAX)
    }

    /// Takes what another reading, made later, did to the target; answers how many nanoseconds
    /// later it was.
    pub fn before(&mut self, later: &Reading) -> u64 {
        self.pause.ns_max = self.pause.ns_max.max(later.pause.ns_max);
        self.pause.expired |= later.pause.expired;
        self.until(later.first_at)
    }

    /// Takes what was seen then.
    pub fn saw(&mut self, second: Second) {
        let (second, later, window) = match second.0 {
            Ok(looked) => looked,
            Err(complaint) => {
                self.coverage.skip("what changes", complaint.wrong);
                return;
            }
        };
        self.delta = Some(second.since(&self.first, window));
        self.second = Some(second);
        self.later = later.filter(|_| self.census.coverage.is_complete());
    }

    /// The runtime's counters, those of the census: what the mcaches hold is in them.
    pub fn stats(&self) -> RuntimeStats {
        self.census.stats
    }

    /// `Rss` of `smaps`; of a core, which has none, the bytes that it holds.
    pub fn rss_bytes(&self) -> u64 {
        self.rss
            .map_or_else(|| self.residency.resident().0, |rss| rss.rss)
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
        drift.saturating_mul(200) > self.rss_bytes()
    }

    /// Where the bytes of each leaf of the account lie, in cells of so many bytes. Nothing where
    /// there is no graph: more of the target would have to be read.
    pub fn sketch(&self, program: &Program, cell_bytes: u64) -> Option<Sketch> {
        let marked = self.marked.as_ref()?;
        let inputs = Inputs {
            census: &self.census,
            slots: &NoSlots,
            reach: Some(&marked.reachable),
            memory: &self.again.kept,
            residency: &self.residency,
            mappings: &self.mappings,
            program: &program.segments(),
            sanitizer: program.sanitizer(),
            stack_pointers: &self.again.stack_pointers,
            rss: None,
            method: Method::Frozen,
        };
        let drawn = account_drawn(&inputs, Sketch::new(cell_bytes));
        drawn.ok().map(|(_, sketch)| sketch)
    }

    /// Leaves its memory to the kernel, which takes all back at once when letgo ends: for a verb
    /// that has nothing else to do.
    pub fn leave(self) {
        std::mem::forget(self);
    }

    /// The sum of the account less the kernel's `Rss`.
    pub fn drift_bytes(&self) -> i64 {
        let drift = self.account.drift.unwrap_or(0);
        i64::try_from(drift).unwrap_or(if drift < 0 { i64::MIN } else { i64::MAX })
    }
}

/// Waits until `time` has passed since `began`, and says how long that still is.
fn wait(began: Instant, time: Duration, progress: &Progress) {
    loop {
        let left = time.saturating_sub(began.elapsed());
        if left.is_zero() {
            return;
        }
        progress.step(match left.as_millis().div_ceil(1000) {
            ..=1 => "watching what changes".into(),
            seconds => format!("watching what changes, for another {seconds} s"),
        });
        std::thread::sleep(left.min(STEP));
    }
}

/// What objects hold, where the target stands still for as long as reading that takes.
fn prints(view: &View, census: &Census, progress: &Progress) -> Option<Prints> {
    if !view.stands() || matches!(view.held, Held::Threads(_)) {
        return None;
    }
    progress.step("reading what objects hold");
    Prints::read(census, &*view.memory, &view.residency)
}

/// Leaves out what nothing leads to.
fn keep_reachable(prints: &mut Option<Prints>, marked: Option<&Marked>) {
    if let (Some(prints), Some(marked)) = (prints, marked) {
        prints.only(&marked.reachable);
    }
}

/// The counters.
fn light(runtime: &Runtime, view: &View) -> Result<Light, Complaint> {
    let light = runtime.light(&*view.memory);
    light.map_err(|error| complaints::of_runtime(&error))
}

/// All that the runtime knows of its own memory.
fn census(program: &Program, runtime: &Runtime, view: &View) -> Result<Census, Complaint> {
    let options = CensusOptions {
        functions: Some(&program.binary.functions),
        ..CensusOptions::default()
    };
    let census = runtime.census(&*view.memory, &options);
    census.map_err(|error| complaints::of_runtime(&error))
}

/// Whether a program that ran on has changed so little that its graph can be believed.
fn stood_still(runtime: &Runtime, memory: &dyn ReadMemory, first: &Light) -> bool {
    let Ok(now) = runtime.light(memory) else {
        return false;
    };
    let (now, before) = (now.stats, first.stats);
    let allocated = now.total_alloc.saturating_sub(before.total_alloc);
    now.num_gc == before.num_gc && allocated <= STILL
}

/// What was read so far.
struct Read<'a> {
    program: &'a Program,
    runtime: &'a Runtime,
    census: &'a Census,
}

impl Read<'_> {
    /// Objects and roots of the target as they are now; nothing, and a note, where a graph cannot
    /// be had.
    fn copy(
        &self,
        view: &View,
        first: &Light,
        asked: Options,
        coverage: &mut Coverage,
    ) -> Option<Marked> {
        let (program, runtime, census) = (self.program, self.runtime, self.census);
        let started = Instant::now();
        let limits = match room::for_graph(census) {
            Ok(limits) => limits,
            Err(why) => {
                coverage.skip("the object graph", why);
                return None;
            }
        };
        let threads = view.at_work(&census.threads);
        let registers = hands(&threads);
        let options = GraphOptions {
            limits,
            registers: &registers,
            contexts: asked.contexts,
            ..GraphOptions::default()
        };
        let memory = &*view.memory;
        let in_c = match asked.calls_of_c {
            true => in_c::in_c(program, runtime, view, census, &threads),
            false => Vec::new(),
        };
        let graph = match Graph::read(runtime, &program.binary, memory, census, &options) {
            Ok(graph) => graph,
            Err(error) => {
                coverage.skip("the object graph", error.to_string());
                return None;
            }
        };
        if !view.stands() && !stood_still(runtime, memory, first) {
            return None;
        }
        Some(Marked::new(graph, started.elapsed(), in_c))
    }

    /// Lets the target go, marks, and makes the account.
    fn finish(
        &self,
        view: &mut View,
        marked: &mut Option<Marked>,
        coverage: &mut Coverage,
        progress: &Progress,
    ) -> Result<(Account, Pause, Again), Complaint> {
        let method = match view.stands() {
            true => Method::Frozen,
            false => Method::Running,
        };
        let slots = RuntimeSlots {
            runtime: self.runtime,
            memory: &*view.memory,
            limits: Limits::default(),
        };
        let kept = Kept::default();
        let (account, pause) = match marked {
            None => {
                let account = self.attribute(view, method, &*view.memory, &slots, None)?;
                (account, view.let_go())
            }
            Some(marked) => {
                // The bits of slots are in the graph.
                let memory = Keeping(&kept, &*view.memory);
                self.with_inputs(view, method, &memory, &NoSlots, None, read_ahead);
                progress.step("marking what is reachable");
                let (pause, ()) = view.let_go_beside(|| marked.mark(coverage));
                let reach = Some(&marked.reachable as &dyn Reach);
                let account = self.attribute(view, method, &kept, &NoSlots, reach)?;
                (account, pause)
            }
        };
        View::note(pause, coverage);
        let again = Again {
            kept,
            stack_pointers: view.stack_pointers(),
        };
        Ok((account, pause, again))
    }

    fn attribute(
        &self,
        view: &View,
        method: Method,
        memory: &dyn ReadMemory,
        slots: &dyn SlotSource,
        reach: Option<&dyn Reach>,
    ) -> Result<Account, Complaint> {
        self.with_inputs(view, method, memory, slots, reach, account)
            .map_err(|error| complaints::of_account(&error))
    }

    /// Makes something of what an account is made from.
    fn with_inputs<T>(
        &self,
        view: &View,
        method: Method,
        memory: &dyn ReadMemory,
        slots: &dyn SlotSource,
        reach: Option<&dyn Reach>,
        make: impl FnOnce(&Inputs<'_>) -> T,
    ) -> T {
        make(&Inputs {
            census: self.census,
            slots,
            reach,
            memory,
            residency: &view.residency,
            mappings: &view.mappings,
            program: &self.program.segments(),
            sanitizer: self.program.sanitizer(),
            stack_pointers: &view.stack_pointers(),
            rss: view.rss.map(|rss| ResidentBytes(rss.rss)),
            method,
        })
    }
}

/// What a second runtime holds is counted, but not told apart; with a graph, what frames of plugins
/// hold is guessed where their files cannot be had.
fn note_others(program: &Program, has_graph: bool, coverage: &mut Coverage) {
    let unread = if has_graph {
        program.plugins.unread()
    } else {
        0
    };
    for _ in 0..unread {
        let why = "the file that was loaded cannot be had: what is in frames of its functions is \
                   guessed at";
        coverage.skip("plugin", why);
    }
    for other in &program.others {
        coverage.skip(
            "a further Go runtime",
            format!("{other}: only one of a process is read; its heap is in maps.anon"),
        );
    }
}
