//! [`Lender`]: a priority of ours lent to a thread of a target, for as long as we live at most.
//!
//! Who waits for a lock with priority inheritance lends its own priority to who holds it, and the
//! kernel takes it back when the wait ends, of whatever it ends: our death is one of these. The
//! lock is a word of ours that names a thread of the target as its holder; the target knows nothing
//! of it, and nothing of its own is changed. A child that is made meanwhile does not inherit it.
//!
//! What is lent comes before everything that is not of the same kind, bandwidth limits of cgroups
//! included. It is meant for a thread on its way to a stop, and for one system call of one that is
//! led through it.
//!
//! Without the privilege (`CAP_SYS_NICE`, or `RLIMIT_RTPRIO`) nothing is lent. Before Linux 5.14
//! neither: there such a wait would end by a clock that may be set back. Nor to a process that is
//! allowed only so much time at such a priority (`RLIMIT_RTTIME`): what is lent counts, and may end
//! it.
//!
//! Source: futex(2) `FUTEX_LOCK_PI2`; kernel/futex/pi.c `attach_to_pi_owner`,
//! kernel/locking/rtmutex.c `rt_mutex_adjust_pi`; kernel/sched/core.c `sched_fork`.

#![allow(
    unsafe_code,
    reason = "neither futexes nor a thread's policy are wrapped"
)]

use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::gettid;

use crate::Process;

/// The least of its kind: all of these come before all others.
pub(super) const PRIORITY: libc::c_int = 1;
/// What others usually have: nothing of worth is lent any more by who is put back to it, and who
/// waits so for a processor to end by gets one soon.
const USUAL: libc::c_int = 0;
/// Nobody: no thread has this number.
const NOBODY: u32 = 0;

/// A thread of ours that can lend. Made before what is to be fast; lends nothing by itself.
#[derive(Debug)]
pub(crate) struct Lender {
    lend: Sender<(u32, Duration)>,
    tid: u32,
    over: Arc<AtomicBool>,
}

impl Lender {
    /// One for threads of a process; nothing where we may not, the kernel cannot, or it might harm.
    pub(crate) fn to(process: &Process) -> Option<Lender> {
        let limits = process.limits().ok()?;
        let is_free = limits.realtime.is_none_or(|limit| limit.soft.is_none());
        is_free.then(Lender::new).flatten()
    }

    fn new() -> Option<Lender> {
        let over = Arc::new(AtomicBool::new(false));
        let (lend, asked) = channel();
        let (tell, told) = channel();
        let seen = Arc::clone(&over);
        let lender = thread::Builder::new().name("letgo-lender".to_owned());
        let body = move || {
            let tid = gettid().as_raw().unsigned_abs();
            let ready = is_known() && ready(tid).is_ok();
            let _ = tell.send(ready.then_some(tid));
            if ready {
                run(&asked, &seen);
            }
        };
        lender.spawn(body).ok()?;
        let tid = told.recv().ok().flatten()?;
        Some(Lender { lend, tid, over })
    }

    /// Lends to a thread, and no more to the one before. Waits follow one another, and it is seen
    /// at the end of one who is next: `each` says how long they are.
    pub(crate) fn lend(&self, tid: u32, each: Duration) {
        // It may have ended, which is no reason to do without what is to be done.
        let _ = self.lend.send((tid, each));
    }

    /// Lends to nobody any more.
    pub(crate) fn rest(&self) {
        self.lend(NOBODY, Duration::ZERO);
    }
}

impl Drop for Lender {
    /// At once: who waits without a priority of its own lends none. The thread ends a little later.
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // To clear the flag would need a privilege that a limit does not give.
        let _ = policy(self.tid, libc::SCHED_OTHER | libc::SCHED_RESET_ON_FORK, 0);
    }
}

/// Whether the kernel has locks by which priorities are lent.
pub(super) fn is_known() -> bool {
    lock(&AtomicU32::new(NOBODY), Duration::ZERO).is_ok()
}

fn ready(tid: u32) -> Result<(), Errno> {
    // One of a letgo that runs behind others may not, and stays there.
    // SAFETY: takes numbers only.
    let _ = Errno::result(unsafe { libc::setpriority(libc::PRIO_PROCESS, tid, USUAL) });
    policy(tid, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, PRIORITY)
}

pub(super) fn policy(tid: u32, policy: libc::c_int, priority: libc::c_int) -> Result<(), Errno> {
    let tid = libc::pid_t::try_from(tid).map_err(|_| Errno::ESRCH)?;
    // SAFETY: all numbers in it are valid; it has no others on this system.
    let mut param: libc::sched_param = unsafe { std::mem::zeroed() };
    param.sched_priority = priority;
    // SAFETY: `param` lives through the call, which only reads it.
    Errno::result(unsafe { libc::sched_setscheduler(tid, policy, &raw const param) }).map(drop)
}

fn run(asked: &Receiver<(u32, Duration)>, over: &AtomicBool) {
    let word = AtomicU32::new(NOBODY);
    while let Ok(mut loan) = asked.recv() {
        while loan.0 != NOBODY && !over.load(Ordering::Relaxed) {
            word.store(loan.0, Ordering::Relaxed);
            let waited = lock(&word, loan.1);
            loan = match asked.try_iter().last() {
                Some(next) => next,
                None if waited == Err(Errno::ETIMEDOUT) => loan,
                // There is nobody to lend to.
                None => break,
            };
        }
    }
}

/// Waits for a lock, for as long as `time`.
fn lock(word: &AtomicU32, time: Duration) -> Result<(), Errno> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from)?;
    let until = now.saturating_add(time);
    let until = libc::timespec {
        tv_sec: i64::try_from(until.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: until.subsec_nanos().into(),
    };
    // SAFETY: `word` and `until` live through the call; the kernel changes `word` as an atomic.
    let locked = unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_LOCK_PI2,
            0,
            &raw const until,
            ptr::null::<u32>(),
            0,
        )
    };
    Errno::result(locked).map(drop)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::{Command, Stdio};
    use std::time::Instant;

    use super::*;

    /// The priority as the kernel runs by it: below zero where it comes before all usual ones.
    fn priority(pid: u32) -> i64 {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let (_, words) = text.rsplit_once(')').unwrap();
        words.split_whitespace().nth(15).unwrap().parse().unwrap()
    }

    fn becomes(pid: u32, wanted: i64) -> bool {
        let until = Instant::now() + Duration::from_secs(10);
        while priority(pid) != wanted && Instant::now() < until {
            thread::sleep(Duration::from_millis(1));
        }
        priority(pid) == wanted
    }

    #[test]
    fn what_is_lent_is_given_back() {
        let Some(lender) = Lender::new() else {
            return eprintln!("SKIPPED: no priority may be lent here");
        };
        let mut child = Command::new("sleep")
            .arg("60")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let before = priority(child.id());
        let each = Duration::from_millis(5);
        lender.lend(child.id(), each);
        assert!(becomes(child.id(), -2));
        // Longer than one wait.
        thread::sleep(each * 3);
        assert!(becomes(child.id(), -2));
        lender.rest();
        assert!(becomes(child.id(), before));
        // Its wait will not have ended by itself.
        lender.lend(child.id(), Duration::from_secs(60));
        assert!(becomes(child.id(), -2));
        drop(lender);
        assert!(becomes(child.id(), before));
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn nobody_to_lend_to_is_no_harm() {
        let Some(lender) = Lender::new() else { return };
        lender.lend(u32::MAX >> 3, Duration::from_millis(1));
        lender.rest();
    }
}
