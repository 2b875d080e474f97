//! [`Haste`]: the calling thread before others of the machine, for as long as something waits for
//! it.
//!
//! One that reads shares with others of the highest priority; one that holds comes before all that
//! have no real-time priority: it sleeps nearly always, and does next to nothing when it does not.
//!
//! Only a thread of ours is changed, never one of a target: what is set there would stay set if we
//! were killed. Threads that are started meanwhile have it too.
//!
//! Source: setpriority(2): on Linux the value is a thread's own.

#![allow(unsafe_code, reason = "setpriority takes a thread's number")]

use nix::errno::Errno;
use nix::libc;
use nix::unistd::gettid;

use super::loan;

/// The highest priority that is shared with others of its kind.
const HIGHEST: libc::c_int = -20;

/// A thread of ours with the highest priority, if we may. Dropping it puts back what was.
#[derive(Debug)]
pub struct Haste {
    /// The thread and what it had; nothing where nothing was changed.
    before: Option<(u32, libc::c_int)>,
    /// The thread, where it has a real-time priority by us.
    first: Option<u32>,
}

impl Haste {
    /// For the calling thread. Without the privilege nothing is changed.
    pub fn of_this_thread() -> Haste {
        let tid = gettid().as_raw().unsigned_abs();
        let before = priority(tid).filter(|before| *before > HIGHEST);
        let before = before.filter(|_| set(tid, HIGHEST).is_ok());
        Haste {
            before: before.map(|before| (tid, before)),
            first: None,
        }
    }

    /// For the calling thread, which holds another and must not be kept from letting it go.
    pub(crate) fn of_this_holder() -> Haste {
        let mut haste = Haste::of_this_thread();
        let tid = gettid().as_raw().unsigned_abs();
        // One that has a policy of its own keeps it.
        // SAFETY: takes a number only.
        let usual = unsafe { libc::sched_getscheduler(0) } == libc::SCHED_OTHER;
        // Where nothing can be lent, those that it waits for would come behind it.
        let first = usual
            && loan::is_known()
            && loan::policy(tid, libc::SCHED_FIFO, loan::PRIORITY).is_ok();
        haste.first = first.then_some(tid);
        haste
    }
}

impl Drop for Haste {
    fn drop(&mut self) {
        if let Some(tid) = self.first {
            let _ = loan::policy(tid, libc::SCHED_OTHER, 0);
        }
        if let Some((tid, before)) = self.before {
            // To step back needs no privilege.
            let _ = set(tid, before);
        }
    }
}

fn priority(tid: u32) -> Option<libc::c_int> {
    Errno::clear();
    // SAFETY: takes numbers only.
    let priority = unsafe { libc::getpriority(libc::PRIO_PROCESS, tid) };
    // -1 is a priority too.
    (priority != -1 || Errno::last_raw() == 0).then_some(priority)
}

fn set(tid: u32, priority: libc::c_int) -> Result<(), Errno> {
    // SAFETY: takes numbers only.
    Errno::result(unsafe { libc::setpriority(libc::PRIO_PROCESS, tid, priority) }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_is_put_back() {
        let tid = gettid().as_raw().unsigned_abs();
        let before = priority(tid);
        let haste = Haste::of_this_thread();
        if haste.before.is_some() {
            assert_eq!(priority(tid), Some(HIGHEST));
        }
        drop(haste);
        assert_eq!(priority(tid), before);
        // SAFETY: takes a number only.
        let policy = || unsafe { libc::sched_getscheduler(0) };
        let haste = Haste::of_this_holder();
        assert!(haste.first.is_none() || policy() == libc::SCHED_FIFO);
        drop(haste);
        assert_eq!((policy(), priority(tid)), (libc::SCHED_OTHER, before));
    }
}
