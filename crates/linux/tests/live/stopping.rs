//! Stopping a child's threads, and what can go wrong meanwhile.

use std::time::{Duration, Instant};

use letgo_linux::{Error, Stop};
use letgo_target::{Mapping, read_u64};
use nix::libc;

use crate::child::{Child, counts, resumes, until};

const LONG: Duration = Duration::from_secs(20);

#[test]
fn nothing_moves_while_stopped_and_everything_after() {
    let child = Child::start("spin 3");
    let (process, memory) = (child.open(), child.memory());
    let counter = child.address("counter");
    resumes(&memory, counter);
    let stopped = Stop::all_threads(&process, LONG).unwrap();
    assert!(!counts(&memory, counter));
    let tids: Vec<u32> = stopped.threads().iter().map(|thread| thread.tid).collect();
    assert_eq!(tids, process.threads().unwrap());
    assert!(
        tids.iter()
            .all(|tid| process.thread_state(*tid) == Some('t'))
    );
    assert!(stopped.time_left() > Duration::ZERO);

    let report = stopped.release();
    resumes(&memory, counter);
    assert_eq!(report.threads, tids.len());
    assert!(!report.expired);
    assert!(report.pause_ns_max >= 50_000_000, "{report:?}");
    assert!(report.stop_ns <= report.pause_ns_max);
}

#[test]
fn registers_point_into_code_and_stacks() {
    let child = Child::start("spin 2");
    let process = child.open();
    until("its first thread waits", || {
        process.thread_state(child.pid()) == Some('S')
    });
    let stopped = Stop::all_threads(&process, LONG).unwrap();
    let maps = process.maps().unwrap();
    for thread in stopped.threads() {
        let registers = thread.registers.unwrap();
        let code = Mapping::find(&maps, registers.pc()).unwrap();
        assert!(code.permissions.execute, "{registers:?}");
        let stack = Mapping::find(&maps, registers.sp()).unwrap();
        assert!(stack.permissions.write, "{registers:?}");
    }
    let waiting = |tid| {
        let thread = stopped.threads().iter().find(|thread| thread.tid == tid)?;
        thread.registers?.system_call
    };
    assert_eq!(waiting(child.pid()), Some(libc::SYS_futex.cast_unsigned()));
}

#[test]
fn dropping_lets_go() {
    let child = Child::start("spin 1");
    drop(Stop::all_threads(&child.open(), LONG).unwrap());
    resumes(&child.memory(), child.address("counter"));
    assert_eq!(child.open().status().unwrap().tracer, 0);
}

#[test]
fn the_time_allowed_is_kept_whatever_the_caller_does() {
    let child = Child::start("spin 1");
    let stopped = Stop::all_threads(&child.open(), Duration::from_millis(100)).unwrap();
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(stopped.time_left(), Duration::ZERO);
    resumes(&child.memory(), child.address("counter"));
    assert!(stopped.release().expired);
}

#[test]
fn no_time_at_all_is_a_deadline_and_stops_nobody() {
    let child = Child::start("spin 3");
    // Whether a stop is quicker than no time at all is a race that both sides may win.
    match Stop::all_threads(&child.open(), Duration::ZERO) {
        Err(Error::Deadline { threads, .. }) => assert!(threads > 0),
        Ok(stopped) => assert!(stopped.release().expired),
        Err(error) => panic!("{error}"),
    }
    resumes(&child.memory(), child.address("counter"));
    assert_eq!(child.open().status().unwrap().tracer, 0);
}

#[test]
fn a_killed_holder_leaves_the_target_running() {
    let target = Child::start("spin 2");
    let (memory, counter) = (target.memory(), target.address("counter"));
    let mut holder = Child::start(&format!("hold {}", target.pid()));
    assert_eq!(
        holder.said["threads"],
        target.open().threads().unwrap().len() as u64
    );
    assert!(!counts(&memory, counter));
    holder.kill();
    resumes(&memory, counter);
    assert_eq!(target.open().status().unwrap().tracer, 0);
}

#[test]
fn a_process_that_somebody_holds_is_busy() {
    let target = Child::start("spin 1");
    let holder = Child::start(&format!("hold {}", target.pid()));
    let error = Stop::all_threads(&target.open(), LONG).unwrap_err();
    let tracer = holder.pid();
    assert!(
        matches!(error, Error::Busy { tracer: found, .. } if found == tracer),
        "{error}"
    );
    assert!(error.is_denied());
}

#[test]
fn threads_that_come_and_go_are_all_stopped() {
    let child = Child::start("churn");
    let (process, memory) = (child.open(), child.memory());
    let counter = child.address("counter");
    for _ in 0..100 {
        let stopped = Stop::all_threads(&process, LONG).unwrap();
        let before = read_u64(&memory, counter).unwrap();
        std::thread::sleep(Duration::from_millis(1));
        assert_eq!(read_u64(&memory, counter).unwrap(), before);
        stopped.release();
    }
    resumes(&memory, counter);
}

#[test]
fn a_thread_that_waits_uninterruptibly_counts_as_stopped() {
    let child = Child::start("vfork");
    let (process, memory) = (child.open(), child.memory());
    let counter = child.address("counter");
    let waits = || {
        let tids = process.threads().unwrap();
        tids.iter()
            .any(|tid| process.thread_state(*tid) == Some('D'))
    };
    until("a thread in vfork", waits);
    let began = Instant::now();
    let stopped = Stop::all_threads(&process, LONG).unwrap();
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "it did not wait for the child"
    );
    assert!(!counts(&memory, counter));
    let unknown = stopped.threads().iter().filter(|t| t.registers.is_none());
    assert_eq!(unknown.count(), 1);
    let report = stopped.release();
    assert_eq!(report.uninterruptible, 1);
    resumes(&memory, counter);
    assert_eq!(process.status().unwrap().tracer, 0);
    let traced = |tid: &u32| {
        let file = format!("/proc/{}/task/{tid}/status", child.pid());
        let text = std::fs::read_to_string(file).unwrap_or_default();
        letgo_linux::process::Status::parse(&text).tracer
    };
    assert!(
        process
            .threads()
            .unwrap()
            .iter()
            .all(|tid| traced(tid) == 0)
    );
}

#[test]
fn no_signal_is_lost() {
    const SIGNALS: u64 = 400;
    let child = Child::start("signals");
    let (process, memory) = (child.open(), child.memory());
    let counter = child.address("counter");
    let signal = i32::try_from(child.said["signal"]).unwrap();
    for round in 0..SIGNALS {
        child.signal(signal);
        if round % 4 == 0 {
            let stopped = Stop::all_threads(&process, LONG).unwrap();
            child.signal(signal);
            stopped.release();
        }
    }
    let sent = SIGNALS + SIGNALS / 4;
    until("all signals handled", || {
        read_u64(&memory, counter).unwrap() >= sent
    });
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(read_u64(&memory, counter).unwrap(), sent);
}

#[test]
fn a_process_that_was_stopped_by_a_signal_stays_so() {
    let child = Child::start("spin 1");
    let (process, memory) = (child.open(), child.memory());
    let counter = child.address("counter");
    let all_stopped = || {
        let tids = process.threads().unwrap();
        tids.iter()
            .all(|tid| process.thread_state(*tid) == Some('T'))
    };
    child.signal(libc::SIGSTOP);
    until("stopped", all_stopped);
    let stopped = Stop::all_threads(&process, LONG).unwrap();
    assert!(
        stopped
            .threads()
            .iter()
            .all(|thread| thread.registers.is_some())
    );
    stopped.release();
    until("stopped as before", all_stopped);
    assert!(!counts(&memory, counter));
    child.signal(libc::SIGCONT);
    resumes(&memory, counter);
}

#[test]
fn a_process_that_is_killed_while_held_ends() {
    let mut child = Child::start("spin 2");
    let process = child.open();
    let stopped = Stop::all_threads(&process, LONG).unwrap();
    child.kill_only();
    stopped.release();
    assert!(matches!(process.verify(), Err(Error::Gone { .. })));
    let error = Stop::all_threads(&process, LONG).unwrap_err();
    assert!(error.is_gone(), "{error}");
}

#[test]
fn what_is_done_during_a_stop_sees_nothing_move() {
    let child = Child::start("spin 3");
    let (process, memory) = (child.open(), child.memory());
    let counter = child.address("counter");
    let (moved, report) = Stop::during(&process, LONG, |threads| {
        assert!(threads.iter().all(|thread| thread.registers.is_some()));
        assert_ne!(process.status().unwrap().tracer, 0);
        counts(&memory, counter)
    })
    .unwrap();
    assert!(!moved && !report.expired);
    assert!(report.pause_ns_max >= 50_000_000 && report.threads >= 4);
    assert_eq!(process.status().unwrap().tracer, 0);
    resumes(&memory, counter);
}

#[test]
fn what_would_be_begun_too_late_is_not_begun() {
    let child = Child::start("spin 3");
    let mut begun = false;
    let answer = Stop::during(&child.open(), Duration::ZERO, |_| begun = true);
    assert!(matches!(answer, Err(Error::Deadline { .. })), "{answer:?}");
    assert!(!begun);
    resumes(&child.memory(), child.address("counter"));
    assert_eq!(child.open().status().unwrap().tracer, 0);
}

#[test]
fn work_that_panics_lets_go() {
    let child = Child::start("spin 1");
    let answer = Stop::during(&child.open(), LONG, |_| panic!("as a test"));
    let answer: Result<((), _), _> = answer;
    assert!(matches!(answer, Err(Error::Inconsistent { .. })));
    resumes(&child.memory(), child.address("counter"));
    assert_eq!(child.open().status().unwrap().tracer, 0);
}
