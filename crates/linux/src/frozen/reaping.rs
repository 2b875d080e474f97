//! Removing what is left of a copy: a zombie that only its parent, the target, can wait for.
//!
//! One idle thread of the target is stopped and makes one `wait4` for that one child, without
//! waiting. It is a [`Seat`], so this too may be broken off at any instant.
//!
//! A copy that was left behind is known by three things together, which no other child has: its
//! parent is the target, it tells its parent of its end by no signal (`exit_signal` 0), and it
//! blocks all signals (see [`super::seat`]). Only zombies are waited for; a living copy is another
//! letgo's, or about to end.
//!
//! Source: wait(2), proc_pid_stat(5), proc_pid_status(5).

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use letgo_target::Addr;
use nix::errno::Errno;
use nix::libc;

use super::gadgets::Gadgets;
use super::seat::{Answer, Seat, wait_for};
use crate::process::{Stat, Status};
use crate::steps::step;
use crate::stop::holder::{CALL, pause};
use crate::sys::Haste;
use crate::sys::loan::Lender;
use crate::sys::ptrace::{self, Halt};
use crate::{Error, Process};

/// How long one thread may take to stop and to make the call.
const ATTEMPT: Duration = Duration::from_millis(500);
/// Between two rounds over the threads.
const ROUND: Duration = Duration::from_millis(1);
/// Idle threads that are tried in one round.
const CANDIDATES: usize = 4;
/// What a thread shows that blocks all signals that can be: all but SIGKILL and SIGSTOP.
const ALL_BLOCKED: u64 = !(1 << (libc::SIGKILL - 1) | 1 << (libc::SIGSTOP - 1));

/// How the removal of one copy went.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Reaped {
    /// Nothing is left of it.
    pub(super) done: bool,
    /// The longest that a thread was held for it.
    pub(super) pause_ns_max: u64,
}

/// Waits in the target for its child `inner`, a pid of the target's own namespace.
pub(super) fn reap(process: &Process, gadgets: &Gadgets, inner: u32, until: Instant) -> Reaped {
    let mut reaped = Reaped::default();
    loop {
        // What is gone, or another program now, has no use for its gadgets.
        if process.verify().is_err() {
            return reaped;
        }
        for tid in idle_threads(process, gadgets) {
            let attempt = attempt(process, gadgets, tid, inner);
            reaped.pause_ns_max = reaped.pause_ns_max.max(attempt.1);
            let none = i64::from(-libc::ECHILD);
            let answer = attempt.0.map(|answer| answer.value);
            if answer.is_some_and(|value| value == i64::from(inner) || value == none) {
                reaped.done = true;
                return reaped;
            }
        }
        if Instant::now() >= until {
            return reaped;
        }
        thread::sleep(ROUND);
    }
}

/// Some threads that wait at a place of `gadgets.idle`, best first. They may be gone from there.
fn idle_threads(process: &Process, gadgets: &Gadgets) -> Vec<u32> {
    let place = |tid: &u32| {
        let text = process.text(&format!("task/{tid}/syscall"), "reading a thread");
        gadgets.idle_at(Addr(parse_pc(&text.ok()?)?))
    };
    let threads = process.threads().unwrap_or_default();
    let mut found: Vec<(usize, u32)> = threads
        .iter()
        .filter_map(|tid| Some((place(tid)?, *tid)))
        .take(CANDIDATES)
        .collect();
    found.sort_unstable();
    found.into_iter().map(|(_, tid)| tid).collect()
}

/// The last word of `/proc/PID/task/TID/syscall`: where a thread that sleeps goes on.
fn parse_pc(text: &str) -> Option<u64> {
    let word = text.split_whitespace().last()?;
    u64::from_str_radix(word.strip_prefix("0x")?, 16).ok()
}

/// One `wait4` in one thread, by a thread of ours whose end lets it go whatever happened. Also
/// answers how long it was held.
fn attempt(process: &Process, gadgets: &Gadgets, tid: u32, inner: u32) -> (Option<Answer>, u64) {
    thread::scope(|scope| {
        let tracer = scope.spawn(|| hold_and_wait(process, gadgets, tid, inner));
        tracer.join().unwrap_or_default()
    })
}

fn hold_and_wait(
    process: &Process,
    gadgets: &Gadgets,
    tid: u32,
    inner: u32,
) -> (Option<Answer>, u64) {
    let until = Instant::now() + ATTEMPT;
    let _haste = Haste::of_this_holder();
    if ptrace::seize(tid).is_err() {
        return (None, 0);
    }
    step("frozen.reap.stop");
    let lender = Lender::to(process);
    let began = Instant::now();
    if let Some(lender) = &lender {
        lender.lend(tid, CALL);
    }
    let mut signal = 0;
    let answer = match ptrace::interrupt(tid).and_then(|()| wait_for(tid, until)) {
        Ok(Halt::Trapped) => wait_in(process, gadgets, tid, inner, until),
        Ok(Halt::Signal(held)) => {
            signal = held;
            None
        }
        _ => None,
    };
    signal = answer.map_or(signal, |answer| answer.signal);
    step("frozen.reap.release");
    drop(lender);
    // Where it cannot be detached, it is let go by our end, and finds its way.
    let _ = ptrace::detach(tid, signal);
    let held = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
    (answer, held)
}

fn wait_in(
    process: &Process,
    gadgets: &Gadgets,
    tid: u32,
    inner: u32,
    until: Instant,
) -> Option<Answer> {
    let maps = process.maps().ok()?;
    let mut seat = Seat::take(process, gadgets, &maps, tid, until)?;
    let how = libc::__WALL | libc::WNOHANG;
    let arguments = [inner.into(), 0, how.cast_unsigned().into(), 0];
    seat.call(libc::SYS_wait4, arguments).ok()
}

/// What is left in and below a process of letgos that died.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Left {
    /// Zombies, by their pid in the target's namespace.
    zombies: Vec<u32>,
    /// Copies that still end, or threads that are not yet their own again.
    unsettled: bool,
}

/// Removes what letgos that died have left of copies of `process`; answers how many there were.
/// Waits until `until` at most for what is about to end.
///
/// # Errors
/// [`Error::Gone`] and the like; [`Error::Deadline`] where something is left.
pub fn reap_orphans(process: &Process, gadgets: &Gadgets, until: Instant) -> Result<usize, Error> {
    gadgets.check(process)?;
    let began = Instant::now();
    let mut count = 0;
    let mut quiet = 0;
    loop {
        process.verify()?;
        let left = left_behind(process)?;
        quiet = match left.zombies.is_empty() && !left.unsettled {
            true => quiet + 1,
            false => 0,
        };
        // Seen twice: between two looks at files a child may have been made.
        if quiet == 2 {
            return Ok(count);
        }
        for inner in left.zombies {
            count += usize::from(reap(process, gadgets, inner, until).done);
        }
        if Instant::now() >= until {
            return Err(Error::Deadline {
                pid: process.pid(),
                within: began.elapsed(),
                threads: process.threads()?.len(),
                running: 0,
            });
        }
        thread::sleep(ROUND);
    }
}

fn left_behind(process: &Process) -> Result<Left, Error> {
    let mut left = Left::default();
    for tid in process.threads()? {
        let status = process.thread_status(tid);
        left.unsettled |= status.is_some_and(|status| status.blocked == ALL_BLOCKED);
    }
    for (stat, status) in children(process.pid()) {
        if stat.exit_signal != Some(0) || status.blocked != ALL_BLOCKED {
            continue;
        }
        match (stat.state, status.inner_pid()) {
            ('Z', Some(inner)) => left.zombies.push(inner),
            // Another letgo's, which lives.
            _ if status.tracer != 0 => {}
            _ => left.unsettled = true,
        }
    }
    Ok(left)
}

/// What `/proc` says of the children of a process.
fn children(parent: u32) -> Vec<(Stat, Status)> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let child = |entry: fs::DirEntry| {
        let dir = entry.path();
        entry.file_name().to_str()?.parse::<u32>().ok()?;
        let stat = Stat::parse(&String::from_utf8_lossy(&fs::read(dir.join("stat")).ok()?)).ok()?;
        (stat.parent == parent).then_some(())?;
        let status = fs::read(dir.join("status")).ok()?;
        Some((stat, Status::parse(&String::from_utf8_lossy(&status))))
    };
    entries.flatten().filter_map(child).collect()
}

/// Kills `child`, which the calling thread traces, and waits for its end.
pub(super) fn kill(child: u32, until: Instant) -> bool {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    let Ok(raw) = i32::try_from(child) else {
        return false;
    };
    // It is a tracee that was not waited for, so the number is still its own.
    let _ = kill(Pid::from_raw(raw), Signal::SIGKILL);
    let mut idle = 0;
    while Instant::now() < until {
        match ptrace::halt_of(child) {
            // Its stop shows until it has run on to its end.
            Err(Errno::EINTR) => {}
            Ok(Some(Halt::Ended)) | Err(_) => return true,
            Ok(_) => {}
        }
        idle += 1;
        pause(idle);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleeping_threads_place_is_the_last_word() {
        let text = "202 0x57a 0x80 0x0 0x0 0x0 0x0 0x7ffc80 0x46f3a3\n";
        assert_eq!(parse_pc(text), Some(0x46_f3a3));
        for text in ["", "running\n", "-1 zz 0xg"] {
            assert_eq!(parse_pc(text), None, "{text}");
        }
    }
}
