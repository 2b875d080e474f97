//! Processes that are not written to, and those that make it hard: refused with status 3 and
//! nothing written, or handled.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use letgo_testkit::{Case, Kind, NEWEST_GO, OLDEST_GO, Patient, Recipe, note_skip};

use crate::{State, assert_restored, controls, may_write, patient};

const SMALL: [&str; 2] = ["-live=8", "-burst=24"];

fn newest() -> Patient {
    let case = Case {
        version: NEWEST_GO,
        kind: Kind::stripped_pie(),
    };
    patient(&case, "burst", &SMALL, &[])
}

/// Both writing verbs refuse, with these words, and nothing is written.
fn both_refuse(state: &State, pid: u32, words: &str) {
    for (verb, args) in [("release", &[][..]), ("tune", &["--gogc", "50"])] {
        let said = state.refused(verb, pid, args);
        assert!(said.contains(words), "{verb}: {said}");
    }
    assert_eq!(state.actions(), "");
}

#[test]
fn a_release_of_go_that_is_too_old_to_be_written_to_is_refused() {
    if !may_write("a_release_of_go_that_is_too_old_to_be_written_to_is_refused") {
        return;
    }
    for version in [OLDEST_GO, "1.20.14"] {
        let patient = Recipe::new("plain")
            .arg("-mib=8")
            .go(version)
            .start()
            .unwrap();
        both_refuse(&State::new(), patient.pid(), "tested");
    }
}

/// A program that says it was built by a release that nobody has seen yet.
#[test]
fn a_release_of_go_that_is_newer_than_all_tests_is_refused() {
    if !may_write("a_release_of_go_that_is_newer_than_all_tests_is_refused") {
        return;
    }
    let recipe = Recipe::new("plain").arg("-mib=8");
    let binary = recipe.build().unwrap();
    let mut bytes = fs::read(&binary).unwrap();
    let real = format!("go{NEWEST_GO}").into_bytes();
    let fake = b"go1.99.4";
    assert_eq!(real.len(), fake.len());
    let places: Vec<usize> = bytes
        .windows(real.len())
        .enumerate()
        .filter_map(|(at, window)| (window == real).then_some(at))
        .collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + fake.len()].copy_from_slice(fake);
    }
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("program");
    fs::copy(&binary, &copy).unwrap();
    fs::write(&copy, &bytes).unwrap();
    let patient = recipe.start_as(&copy).unwrap();
    both_refuse(&State::new(), patient.pid(), "tested");
}

#[test]
fn a_program_that_is_stopped_is_refused_and_stays_stopped() {
    if !may_write("a_program_that_is_stopped_is_refused_and_stays_stopped") {
        return;
    }
    let mut patient = newest();
    patient.stop().unwrap();
    both_refuse(&State::new(), patient.pid(), "stopped");
    let states = letgo_testkit::thread_states(patient.pid()).unwrap();
    assert!(states.iter().all(|state| *state == 'T'), "{states:?}");
    patient.resume().unwrap();
    let (_, code) = State::new().run("release", patient.pid(), &[]);
    assert_eq!(code, 0);
}

#[test]
fn a_program_that_is_traced_is_refused() {
    let test = "a_program_that_is_traced_is_refused";
    if !may_write(test) {
        return;
    }
    let patient = newest();
    let pid = patient.pid();
    let mut strace = Command::new("strace");
    strace.args(["-f", "-o", "/dev/null", "-p", &pid.to_string()]);
    let Ok(mut tracer) = strace.stderr(Stdio::null()).spawn() else {
        note_skip(test, "strace is not installed");
        return;
    };
    let end = Instant::now() + Duration::from_secs(20);
    let traced = || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        !status.contains("TracerPid:\t0")
    };
    while !traced() {
        assert!(Instant::now() < end);
        std::thread::sleep(Duration::from_millis(1));
    }
    both_refuse(&State::new(), pid, "strace");
    tracer.kill().unwrap();
    tracer.wait().unwrap();
}

#[test]
fn a_second_letgo_waits_for_nobody() {
    if !may_write("a_second_letgo_waits_for_nobody") {
        return;
    }
    let patient = newest();
    let state = State::new();
    let dir = letgo_linux::journal::JournalDir::at(state.path()).unwrap();
    let process = letgo_linux::Process::open(patient.pid()).unwrap();
    let who = letgo_linux::journal::Who::this("test");
    let writer = letgo_linux::Writer::open(&process, dir, who).unwrap();
    both_refuse(&state, patient.pid(), "letgo test");
    drop(writer);
    let (_, code) = state.run("release", patient.pid(), &[]);
    assert_eq!(code, 0);
}

/// A program that exits while it is being released: a sentence, and no harm.
#[test]
fn a_program_that_exits_in_the_middle_is_told() {
    if !may_write("a_program_that_exits_in_the_middle_is_told") {
        return;
    }
    for delay_ms in [0, 20, 60, 120, 250] {
        let mut patient = newest();
        let state = State::new();
        let pid = patient.pid().to_string();
        let mut command = state.letgo(&["release", &pid]);
        let letgo = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(delay_ms));
        patient.exit().unwrap();
        let output = letgo.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let code = output.status.code().unwrap();
        assert!(matches!(code, 0 | 1 | 3), "{delay_ms} ms: {code} {said}");
        assert!(!said.contains("panicked"), "{said}");
        assert!(code == 0 || said.starts_with("letgo: "), "{code} {said}");
    }
}

/// A signal in the middle ends it early, with everything put back and a report.
#[test]
fn an_interrupted_release_puts_everything_back_and_reports() {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    if !may_write("an_interrupted_release_puts_everything_back_and_reports") {
        return;
    }
    let patient = newest();
    let before = controls(patient.pid());
    for delay_ms in [10, 50, 100, 200, 400] {
        let state = State::new();
        let pid = patient.pid().to_string();
        let letgo = state
            .letgo(&["release", &pid, "-o", "json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(delay_ms));
        let raw = i32::try_from(letgo.id()).unwrap();
        // It may be over already.
        let _ = kill(Pid::from_raw(raw), Signal::SIGINT);
        let output = letgo.wait_with_output().unwrap();
        // Before it has anything in its hands a signal just ends it.
        assert!(matches!(output.status.code(), Some(0 | 1) | None));
        assert_restored(&before, &controls(patient.pid()), "interrupted");
    }
}
