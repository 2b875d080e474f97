//! The holder: the one thread that traces the target.
//!
//! It ends after it has let all threads go. Threads that cannot be detached because they have not
//! trapped yet (uninterruptible waits) are let go by its end: the kernel detaches what a tracer
//! leaves behind, takes back the request to stop, and loses no signal, as none was taken from it:
//! stops are looked at and not waited for. To a Go program a lost SIGURG is the end of preemption.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::{StopReport, StoppedThread, registers, wait};
use crate::preflight::tracer_of;
use crate::steps::step;
use crate::sys::Haste;
use crate::sys::loan::Lender;
use crate::sys::ptrace::{self, Report};
use crate::{Error, Process};

/// How long a thread may take to stop before it is asked whether it waits uninterruptibly.
const PATIENCE: Duration = Duration::from_millis(2);
/// How often the threads are listed again while new ones keep coming.
const LIST_LIMIT: usize = 1000;
/// Looks for a report before the first sleep. Each takes a processor that a thread of the target
/// may need.
const SPINS: u32 = 50;

/// The first sleep.
const SHORTEST: Duration = Duration::from_micros(20);
/// Each sleep is so much longer than the one before.
const LONGER: Duration = Duration::from_micros(1);
/// The longest sleep.
const LONGEST: Duration = Duration::from_micros(300);

/// Threads that are lent a priority at a time while they are to stop: each needs a processor for no
/// longer than to get there.
const LENDERS: usize = 2;
/// How long each has it before another one may.
const TURN: Duration = Duration::from_micros(250);
/// How long each wait is for which one has it that makes a call.
pub(crate) const CALL: Duration = Duration::from_millis(20);

const WHAT: &str = "stopping the threads";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Attached, runs.
    Seized,
    /// Asked to stop.
    Asked,
    /// Stopped; the signal to give back, or 0.
    Stopped(i32),
    /// Waits uninterruptibly and will trap before it runs user code.
    Uninterruptible,
    /// Has ended.
    Ended,
}

/// The threads of a process, and how far each is.
pub(crate) struct Holder<'a> {
    process: &'a Process,
    threads: BTreeMap<u32, State>,
    most: Duration,
    until: Instant,
    seize_ns: u64,
    first_request: Option<Instant>,
    lenders: Vec<Lender>,
}

/// Runs the holder from attaching to detaching.
pub(super) fn run(
    process: &Process,
    most: Duration,
    until: Instant,
    tell_start: &Sender<Result<Vec<StoppedThread>, Error>>,
    released: &Receiver<()>,
    tell_end: &Sender<StopReport>,
) {
    let mut holder = Holder::new(process, most, until);
    let _haste = Haste::of_this_holder();
    let stopped = holder.stop_all();
    let failed = stopped.is_err();
    let report = holder.report();
    let threads = stopped.map(|()| holder.describe());
    if failed {
        holder.let_go();
    }
    let _ = tell_start.send(threads);
    let expired = !failed && wait(released, until);
    if !failed {
        holder.let_go();
    }
    let _ = tell_end.send(StopReport {
        pause_ns_max: holder.since_request(),
        expired,
        ..report
    });
}

/// Stops, runs `work` while nothing of the target runs, and lets go.
pub(super) fn during<T>(
    process: &Process,
    most: Duration,
    until: Instant,
    work: impl FnOnce(&[StoppedThread]) -> T,
) -> Result<(T, StopReport), Error> {
    let mut holder = Holder::new(process, most, until);
    let _haste = Haste::of_this_holder();
    step("stop.before");
    let mut stopped = holder.stop_all();
    if Instant::now() >= until {
        stopped = stopped.and(Err(holder.too_late()));
    }
    step("stop.after");
    let answer = stopped.map(|()| {
        let mut report = holder.report();
        let answer = work(&holder.describe());
        step("release.before");
        holder.let_go();
        report.pause_ns_max = holder.since_request();
        (answer, report)
    });
    // Whatever is left: after a failure all threads, else none.
    holder.let_go();
    step("release.after");
    answer
}

/// Attaches to the first thread of `process`; the end of the calling thread detaches.
pub(super) fn try_first(process: &Process) -> Result<(), Error> {
    let pid = process.pid();
    ptrace::seize(pid).map_err(|errno| refused(process, errno))
}

/// Why attaching was refused.
fn refused(process: &Process, errno: Errno) -> Error {
    let pid = process.pid();
    // The kernel names the thread that traces, which need not be the first of its process.
    let tracer = process.status().map_or(0, |status| status.tracer);
    if tracer == 0 {
        return Error::from_errno(pid, WHAT, errno);
    }
    let (tracer, name) = tracer_of(tracer);
    Error::Busy { pid, tracer, name }
}

impl<'a> Holder<'a> {
    pub(crate) fn new(process: &'a Process, most: Duration, until: Instant) -> Holder<'a> {
        Holder {
            process,
            threads: BTreeMap::new(),
            most,
            until,
            seize_ns: 0,
            first_request: None,
            lenders: Vec::new(),
        }
    }

    /// What stopping took so far.
    pub(crate) fn report(&self) -> StopReport {
        StopReport {
            seize_ns: self.seize_ns,
            stop_ns: self.since_request(),
            pause_ns_max: 0,
            threads: self.held(),
            uninterruptible: self.count(|state| state == State::Uninterruptible),
            expired: false,
        }
    }

    pub(crate) fn stop_all(&mut self) -> Result<(), Error> {
        let started = Instant::now();
        self.lenders = (0..LENDERS)
            .map_while(|_| Lender::to(self.process))
            .collect();
        self.seize_new()?;
        self.seize_ns = nanoseconds(started.elapsed());
        for _ in 0..LIST_LIMIT {
            self.ask_all();
            self.collect()?;
            if self.seize_new()? == 0 {
                self.lenders.iter().for_each(Lender::rest);
                return self.check_held();
            }
        }
        Err(self.too_late())
    }

    /// Attaches to threads that are not held yet; answers how many were new.
    fn seize_new(&mut self) -> Result<usize, Error> {
        let mut new = 0;
        for tid in self.process.threads()? {
            if self.threads.contains_key(&tid) {
                continue;
            }
            match ptrace::seize(tid) {
                Ok(()) => {
                    self.threads.insert(tid, State::Seized);
                    new += 1;
                }
                Err(Errno::ESRCH) => {}
                // A thread that has ended but was not waited for cannot be attached to.
                Err(_) if self.has_ended(tid) => {}
                Err(errno) => return Err(refused(self.process, errno)),
            }
        }
        Ok(new)
    }

    fn ask_all(&mut self) {
        self.first_request.get_or_insert_with(Instant::now);
        for (tid, state) in &mut self.threads {
            if *state == State::Seized {
                *state = match ptrace::interrupt(*tid) {
                    Ok(()) => State::Asked,
                    Err(_) => State::Ended,
                };
            }
        }
    }

    /// Waits until every thread that was asked has stopped, or waits uninterruptibly.
    fn collect(&mut self) -> Result<(), Error> {
        let mut ask_state = Instant::now() + PATIENCE;
        let mut idle = 0;
        loop {
            if self.look(State::Asked) > 0 {
                idle = 0;
            }
            if self.count(|state| state == State::Asked) == 0 {
                return Ok(());
            }
            let now = Instant::now();
            if now >= self.until {
                return Err(self.too_late());
            }
            if now >= ask_state {
                self.note_uninterruptible();
                ask_state = now + PATIENCE;
            }
            self.lend_to_late();
            idle += 1;
            pause(idle);
        }
    }

    /// Who has not stopped yet waits for a processor, most of the time.
    fn lend_to_late(&self) {
        let asked = self.threads.iter();
        let late = asked.filter(|(_, state)| **state == State::Asked);
        for (lender, (tid, _)) in self.lenders.iter().zip(late) {
            lender.lend(*tid, TURN);
        }
    }

    /// Lends a priority to a stopped thread, until all are let go: it is to make a call.
    pub(crate) fn lend(&self, tid: u32) {
        if let Some(lender) = self.lenders.first() {
            lender.lend(tid, CALL);
        }
    }

    /// Looks at the threads in a state, and notes those that have stopped or ended; answers how
    /// many.
    fn look(&mut self, wanted: State) -> usize {
        let mut noted = 0;
        for (tid, state) in &mut self.threads {
            if *state != wanted {
                continue;
            }
            *state = match ptrace::report_of(*tid) {
                Ok(Some(Report::Trapped)) => State::Stopped(0),
                Ok(Some(Report::Signal(signal))) => State::Stopped(signal),
                Ok(Some(Report::Ended)) | Err(Errno::ECHILD) => State::Ended,
                Ok(None) | Err(_) => continue,
            };
            noted += 1;
        }
        noted
    }

    fn note_uninterruptible(&mut self) {
        for (tid, state) in &mut self.threads {
            if *state == State::Asked {
                match self.process.thread_state(*tid) {
                    Some('D') => *state = State::Uninterruptible,
                    None | Some('Z' | 'X' | 'x') => *state = State::Ended,
                    Some(_) => {}
                }
            }
        }
    }

    fn has_ended(&self, tid: u32) -> bool {
        let state = self.process.thread_state(tid);
        matches!(state, None | Some('Z' | 'X' | 'x'))
    }

    fn check_held(&self) -> Result<(), Error> {
        if self.held() == 0 {
            return Err(Error::Gone {
                pid: self.process.pid(),
            });
        }
        Ok(())
    }

    fn too_late(&self) -> Error {
        Error::Deadline {
            pid: self.process.pid(),
            within: self.most,
            threads: self.threads.len(),
            running: self.count(|state| matches!(state, State::Asked | State::Seized)),
        }
    }

    pub(crate) fn describe(&self) -> Vec<StoppedThread> {
        self.threads
            .iter()
            .filter(|(_, state)| **state != State::Ended)
            .map(|(tid, state)| StoppedThread {
                tid: *tid,
                registers: match state {
                    State::Stopped(_) => {
                        ptrace::registers(*tid).ok().map(|raw| registers::of(&raw))
                    }
                    _ => None,
                },
            })
            .collect()
    }

    /// Lets every stopped thread go. Those that had not stopped are asked for a last report, so
    /// that a signal they trapped for meanwhile is given back too.
    pub(crate) fn let_go(&mut self) {
        self.lenders.clear();
        for state in [State::Seized, State::Asked, State::Uninterruptible] {
            self.look(state);
        }
        for (tid, state) in &mut self.threads {
            if let State::Stopped(signal) = *state {
                // It may have been killed meanwhile; there is nothing to let go then.
                let _ = ptrace::detach(*tid, signal);
                *state = State::Ended;
            }
        }
    }

    /// Whether a thread has stopped, and not on its way to a signal.
    pub(crate) fn has_trapped(&self, tid: u32) -> bool {
        self.threads.get(&tid) == Some(&State::Stopped(0))
    }

    /// Keeps a signal that a stopped thread met meanwhile, to be given back to it.
    pub(crate) fn give_back(&mut self, tid: u32, signal: i32) {
        if let Some(state) = self.threads.get_mut(&tid) {
            *state = State::Stopped(signal);
        }
    }

    /// Whether there are threads that could not be let go yet.
    pub(crate) fn has_stragglers(&self) -> bool {
        self.held() > 0
    }

    fn count(&self, wanted: impl Fn(State) -> bool) -> usize {
        self.threads
            .values()
            .filter(|state| wanted(**state))
            .count()
    }

    fn held(&self) -> usize {
        self.count(|state| state != State::Ended)
    }

    pub(crate) fn since_request(&self) -> u64 {
        let first = self.first_request;
        first.map_or(0, |first| nanoseconds(first.elapsed()))
    }
}

pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Gives the processor away at first, to others of its own priority, then sleeps, the longer the
/// longer nothing came: the target's threads need it to stop, and a long fork is not to be woken
/// into.
pub(crate) fn pause(idle: u32) {
    match idle.checked_sub(SPINS) {
        None => thread::yield_now(),
        Some(slept) => thread::sleep(LONGEST.min(SHORTEST + LONGER * slept)),
    }
}
