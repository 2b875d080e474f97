//! What the target and its peers see while copies of it live and die: nothing.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use letgo::inspect::Opened;
use letgo_testkit::{Case, Kind, NEWEST_GO, Patient};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{
    cases, copies_of, copy, copy_of, is_unharmed, may_copy, newest, patient, stats, until,
};

const ALL: [&str; 7] = [
    "-wave", "-garbage", "-exec", "-tcp", "-timers", "-cgo", "-profile",
];

#[test]
fn a_program_that_does_everything_does_not_notice() {
    if !may_copy("a_program_that_does_everything_does_not_notice") {
        return;
    }
    for case in cases() {
        let mut patient = patient(&case, &ALL, &[]);
        let before = stats(&mut patient);
        let opened = Opened::open(patient.pid()).unwrap();
        for round in 0..50 {
            let mut frozen = copy_of(&opened);
            assert!(frozen.release().whole, "{case:?} {round}");
        }
        is_unharmed(&mut patient, &format!("{case:?}"));
        for count in ["children", "echoes", "ticks"] {
            until(count, || stats(&mut patient).get(count) > before.get(count));
        }
    }
}

#[test]
fn what_the_target_closes_is_closed() {
    if !may_copy("what_the_target_closes_is_closed") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    let kind = Kind::stripped_pie();
    let version = NEWEST_GO;
    let mut patient = patient(
        &Case { version, kind },
        &[],
        &[("LETGO_LOCK_FILE", path.as_path())],
    );
    let port = u16::try_from(patient.truth().get("port")).unwrap();
    let mut peer = TcpStream::connect(("127.0.0.1", port)).unwrap();
    patient.command("accept").unwrap();
    patient.command("lock").unwrap();
    let mut frozen = copy(&patient);
    let file = File::open(&path).unwrap();
    assert!(file.try_lock().is_err(), "locked by the target");
    patient.command("hangup").unwrap();
    patient.command("unlock").unwrap();
    // The copy lives, and the peer reads the end all the same.
    assert_eq!(peer.read(&mut [0]).unwrap(), 0);
    file.try_lock().unwrap();
    frozen.check(0).unwrap();
    assert!(frozen.release().whole);
    is_unharmed(&mut patient, "closed");
}

/// A standard signal that is sent while one is pending is one signal, so each is waited for.
#[test]
fn no_signal_is_lost() {
    if !may_copy("no_signal_is_lost") {
        return;
    }
    let mut patient = newest(&["-garbage", "-profile"]);
    let raw = Pid::from_raw(patient.pid().cast_signed());
    let opened = Opened::open(patient.pid()).unwrap();
    let copies = thread::scope(|scope| {
        let sender = scope.spawn(|| {
            for sent in 1..=300 {
                kill(raw, Signal::SIGUSR1).unwrap();
                until("a signal", || stats(&mut patient).get("signals") == sent);
            }
        });
        let mut copies = 0;
        while !sender.is_finished() {
            let mut frozen = copy_of(&opened);
            assert!(frozen.release().whole);
            copies += 1;
        }
        sender.join().unwrap();
        copies
    });
    assert!(copies > 0);
    is_unharmed(&mut patient, "signals");
}

#[test]
fn thousands_of_threads_are_held_and_let_go() {
    if !may_copy("thousands_of_threads_are_held_and_let_go") {
        return;
    }
    let mut patient = newest(&["-threads=2000", "-exec"]);
    for _ in 0..3 {
        let mut frozen = copy(&patient);
        assert!(frozen.threads().len() > 2000);
        assert!(frozen.release().whole);
    }
    is_unharmed(&mut patient, "threads");
}

/// As an autoscaler or a user does at any time.
#[test]
fn a_target_that_is_killed_takes_its_copy_along() {
    if !may_copy("a_target_that_is_killed_takes_its_copy_along") {
        return;
    }
    let patient: Patient = newest(&["-garbage"]);
    let pid = patient.pid();
    let port = u16::try_from(patient.truth().get("port")).unwrap();
    let mut frozen = copy(&patient);
    let child = frozen.process().pid();
    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL).unwrap();
    // Its files are shared with the copy, which therefore must not outlive it: the port is free.
    until("the copy ends", || frozen.check(0).is_err());
    until("the port is free", || {
        let refused =
            TcpStream::connect_timeout(&([127, 0, 0, 1], port).into(), Duration::from_secs(10));
        refused.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
    });
    assert!(!frozen.release().whole);
    drop(patient);
    until("nothing left", || {
        copies_of(pid).is_empty() && !fs::exists(format!("/proc/{child}")).unwrap()
    });
}
