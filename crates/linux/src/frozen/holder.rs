//! The thread of ours that makes a copy, keeps it and removes it.
//!
//! It stops the target as any stop does, makes one `clone` in an idle thread, and lets the target
//! go. The child was attached to as it was made, so it stays stopped at its first instruction for
//! as long as this thread lives, and is killed when we die. At the end it is killed and waited for,
//! first here, as its tracer does, and then in the target, as its parent does.
//!
//! Threads in an uninterruptible wait could not be let go with the others: they are as soon as they
//! trap, while the copy is read.
//!
//! Only the thread that makes the call has its children traced, and only for that call: catching a
//! `vfork` of another would hang both.

use std::fs;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use letgo_target::Mapping;
use nix::errno::Errno;
use nix::libc;

use super::gadgets::Gadgets;
use super::pace::parse_schedstat;
use super::reaping::{self, Reaped};
use super::seat::{Answer, Seat};
use super::{FrozenReport, Hindrance, Released};
use crate::steps::step;
use crate::stop::StoppedThread;
use crate::stop::holder::{Holder, nanoseconds, pause};
use crate::sys::Haste;
use crate::sys::ptrace::{self, Watch};
use crate::{Error, Process};

/// How long the end of a copy may take.
const END: Duration = Duration::from_secs(5);
/// How often a thread that had not trapped yet is looked for.
const STRAGGLERS: Duration = Duration::from_micros(200);
/// How often it is looked whether the target still lives. Its files live as long as the copy: a
/// port, a lock, a pipe that somebody reads to its end.
const TARGET: Duration = Duration::from_millis(20);

/// What to copy, and with what.
pub(super) struct Job {
    pub(super) process: Process,
    pub(super) gadgets: Gadgets,
    pub(super) maps: Vec<Mapping>,
    pub(super) most: Duration,
    pub(super) until: Instant,
}

/// A copy that was made.
pub(super) struct Made {
    pub(super) child: Process,
    pub(super) threads: Vec<StoppedThread>,
    pub(super) report: FrozenReport,
}

/// A child of the target.
#[derive(Clone, Copy)]
struct Child {
    /// In our pid namespace.
    pid: u32,
    /// In the target's.
    inner: u32,
}

/// Runs the thread from attaching to the end of the copy.
pub(super) fn run(
    job: &Job,
    tell: &Sender<Result<Made, Error>>,
    released: &Receiver<()>,
    tell_end: &Sender<Released>,
) {
    let mut holder = Holder::new(&job.process, job.most, job.until);
    let haste = Haste::of_this_holder();
    let copied = copy(job, &mut holder);
    holder.let_go();
    drop(haste);
    step("frozen.released");
    let (child, threads, mut report) = match copied {
        Ok(copied) => copied,
        Err(error) => {
            let _ = tell.send(Err(error));
            return;
        }
    };
    report.stop.pause_ns_max = holder.since_request();
    match take_over(child) {
        Ok(copy) => {
            let made = Made {
                child: copy,
                threads,
                report,
            };
            let _ = tell.send(Ok(made));
            wait(&mut holder, &job.process, released);
            let _ = tell_end.send(end(job, child));
        }
        Err(error) => {
            end(job, child);
            let _ = tell.send(Err(error));
        }
    }
}

/// Stops the target and makes the child. On return all threads are still held.
fn copy(
    job: &Job,
    holder: &mut Holder<'_>,
) -> Result<(Child, Vec<StoppedThread>, FrozenReport), Error> {
    step("frozen.stop.before");
    holder.stop_all()?;
    step("frozen.stop.after");
    let pid = job.process.pid();
    let none = Hindrance::NoIdleThread { pid, tries: 1 };
    let stop = holder.report();
    let threads = holder.describe();
    let (tid, mut seat) = choose(job, holder, &threads).ok_or(none)?;
    let before = times_of(&job.process, tid);
    let began = Instant::now();
    let flags = libc::CLONE_FILES | libc::CLONE_FS;
    let arguments = [flags.cast_unsigned().into(), seat.child_sp(), 0, 0];
    // All others stand still until it is done: it should not wait for a processor.
    holder.lend(tid);
    let answer = seat.call(libc::SYS_clone, arguments);
    let clone_ns = nanoseconds(began.elapsed());
    let after = times_of(&job.process, tid);
    let failed = |errno| Error::from(Hindrance::Failed { pid, errno });
    let answer = answer.map_err(failed)?;
    holder.give_back(tid, answer.signal);
    let child = child_of(answer).map_err(failed)?;
    let report = FrozenReport {
        stop,
        clone_ns,
        clone_cpu_ns: nanoseconds(after.0.saturating_sub(before.0)),
        clone_wait_ns: nanoseconds(after.1.saturating_sub(before.1)),
        tries: 1,
    };
    Ok((child, threads, report))
}

/// How long a thread was on a processor and waited for one; zeros where that is not told.
fn times_of(process: &Process, tid: u32) -> (Duration, Duration) {
    let text = process.text(&format!("task/{tid}/schedstat"), "reading a thread");
    let times = text.ok().and_then(|text| parse_schedstat(&text));
    times.unwrap_or_default()
}

fn child_of(answer: Answer) -> Result<Child, Errno> {
    let Answer { value, child, .. } = answer;
    if value < 0 {
        return Err(Errno::from_raw(i32::try_from(-value).unwrap_or(0)));
    }
    match (child, u32::try_from(value)) {
        (Some(pid), Ok(inner)) => Ok(Child { pid, inner }),
        // A child that we do not hold ends by itself, and is removed with what is left behind.
        _ => Err(Errno::ECHILD),
    }
}

/// The best thread to make the call in.
fn choose<'a>(
    job: &'a Job,
    holder: &Holder<'_>,
    threads: &[StoppedThread],
) -> Option<(u32, Seat<'a>)> {
    let place = |thread: &StoppedThread| {
        let registers = thread
            .registers
            .filter(|_| holder.has_trapped(thread.tid))?;
        Some((job.gadgets.idle_at(registers.pc())?, thread.tid))
    };
    let mut idle: Vec<(usize, u32)> = threads.iter().filter_map(place).collect();
    idle.sort_unstable();
    idle.into_iter().find_map(|(_, tid)| {
        let seat = Seat::take(&job.process, &job.gadgets, &job.maps, tid, job.until)?;
        Some((tid, seat))
    })
}

/// Makes the child die with us, and be the first to be killed where memory runs out.
fn take_over(child: Child) -> Result<Process, Error> {
    let mut idle = 0;
    let until = Instant::now() + END;
    // It was made stopped, but may not have come to its stop yet.
    while let Err(errno) = ptrace::watch(child.pid, Watch::DieWithUs) {
        if Instant::now() >= until {
            return Err(Error::from_errno(child.pid, "holding the copy", errno));
        }
        idle += 1;
        pause(idle);
    }
    step("frozen.held");
    // Without it the copy is as likely as the target: no reason to do without one.
    let _ = fs::write(format!("/proc/{}/oom_score_adj", child.pid), "1000");
    Process::open(child.pid)
}

/// Waits for the release or the end of the target, and lets go meanwhile who could not be let go
/// before.
fn wait(holder: &mut Holder<'_>, target: &Process, released: &Receiver<()>) {
    loop {
        let time = match holder.has_stragglers() {
            true => STRAGGLERS,
            false => TARGET,
        };
        match released.recv_timeout(time) {
            Err(RecvTimeoutError::Timeout) => holder.let_go(),
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
        if target.verify().is_err() {
            return;
        }
    }
}

/// Kills the child and waits for it.
fn end(job: &Job, child: Child) -> Released {
    step("frozen.kill.before");
    let dead = reaping::kill(child.pid, Instant::now() + END);
    step("frozen.kill.after");
    let reaped = match dead {
        true => reaping::reap(
            &job.process,
            &job.gadgets,
            child.inner,
            Instant::now() + END,
        ),
        false => Reaped::default(),
    };
    step("frozen.reaped");
    Released {
        whole: reaped.done,
        pause_ns_max: reaped.pause_ns_max,
    }
}
