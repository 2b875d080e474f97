//! letgo dies at every step of every protocol, by SIGKILL: nothing transient is left, no cycle
//! after cycle runs, and what is meant to last lasts and can be undone.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use letgo_linux::Process;
use letgo_linux::journal::{JournalDir, lasting_in, orphans_in};
use letgo_testkit::{Case, Kind, NEWEST_GO, Patient};

use crate::{State, assert_restored, controls, may_write, patient};

fn newest(env: &[(&str, &str)]) -> Patient {
    let case = Case {
        version: NEWEST_GO,
        kind: Kind::stripped_pie(),
    };
    patient(&case, "burst", &["-live=8", "-burst=24"], env)
}

/// The names of all steps of a verb, in order.
fn steps(patient: &Patient, verb: &str, args: &[&str]) -> Vec<String> {
    let state = State::new();
    let list = state.path().join("steps");
    let pid = patient.pid().to_string();
    let all: Vec<&str> = [verb, &pid]
        .into_iter()
        .chain(args.iter().copied())
        .collect();
    let mut command = state.letgo(&all);
    let status = command.env("LETGO_STEPS", &list).output().unwrap().status;
    assert!(status.success(), "{verb} {args:?}: {status}");
    let text = fs::read_to_string(&list).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// Steps to die at: all of them in the soak; else the first and the last of each name, and a few
/// in between.
fn chosen(steps: &[String]) -> Vec<usize> {
    let all = 1..=steps.len();
    if std::env::var("LETGO_SOAK").as_deref() == Ok("full") {
        return all.collect();
    }
    let mut names = BTreeSet::new();
    let first = all.clone().filter(|at| names.insert(&steps[at - 1]));
    let mut chosen: BTreeSet<usize> = first.collect();
    let mut names = BTreeSet::new();
    chosen.extend(all.clone().rev().filter(|at| names.insert(&steps[at - 1])));
    chosen.extend(all.step_by(steps.len().div_ceil(6)));
    chosen.into_iter().collect()
}

/// Runs a verb that dies at a step; whether it did.
fn dies_at(state: &State, verb: &str, pid: u32, args: &[&str], at: usize, alone: bool) -> bool {
    let pid = pid.to_string();
    let all: Vec<&str> = [verb, &pid]
        .into_iter()
        .chain(args.iter().copied())
        .collect();
    let mut command = state.letgo(&all);
    command.env("LETGO_DIE_AT", at.to_string());
    if alone {
        command.env("LETGO_WATCHDOG_DIE_AT", "1");
    }
    command.output().unwrap().status.signal() == Some(9)
}

/// Waits until nothing transient is left in the journal, as the watchdog has done its work.
fn settled(state: &State, pid: u32) {
    let dir = JournalDir::at(state.path()).unwrap();
    let process = Process::open(pid).unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        // Held by nobody, and nothing to put back.
        let holder = orphans_in(&dir, &process).unwrap();
        let free = state
            .letgo(&["tune", &pid.to_string(), "--gogc", "100", "--dry-run"])
            .output()
            .is_ok_and(|output| output.status.success());
        if holder.is_empty() && free && !watched(pid) {
            return;
        }
        assert!(Instant::now() < end, "left: {holder:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a watchdog for the process still runs.
fn watched(pid: u32) -> bool {
    let words = format!("watchdog\0{pid}\0");
    let running = |entry: std::io::Result<fs::DirEntry>| {
        let line = fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).into_owned();
        line.contains(&words).then_some(())
    };
    fs::read_dir("/proc")
        .unwrap()
        .any(|entry| running(entry).is_some())
}

/// The patient obeys, and no cycle runs that it did not ask for.
fn is_quiet(patient: &mut Patient) {
    let cycles = |patient: &mut Patient| patient.memstats().unwrap().get("NumGC");
    patient.command("gc").unwrap();
    let before = cycles(patient);
    std::thread::sleep(Duration::from_millis(60));
    assert_eq!(cycles(patient), before, "a cycle after a cycle");
}

fn walk_release(env: &[(&str, &str)], alone: bool) {
    let mut patient = newest(env);
    let pid = patient.pid();
    let before = controls(pid);
    let steps = steps(&patient, "release", &[]);
    assert!(steps.len() > 20, "{steps:?}");
    let mut told = false;
    for at in chosen(&steps) {
        let name = &steps[at - 1];
        let what = format!("step {at}, {name}, {env:?}, alone {alone}");
        let state = State::new();
        // The tail of the steps differs from run to run: it may be over before.
        dies_at(&state, "release", pid, &[], at, alone);
        if alone {
            // Nobody is left to put anything back: the next verb that writes does.
            while watched(pid) {
                std::thread::sleep(Duration::from_millis(5));
            }
            told = told || is_told(&state, pid);
            let output = state.output("tune", pid, &["--undo"]);
            assert!(output.status.code() <= Some(1), "{what}");
        }
        settled(&state, pid);
        assert_restored(&before, &controls(pid), &what);
        is_quiet(&mut patient);
    }
    assert_eq!(told, alone, "nothing was ever left, or nobody told of it");
}

/// Whether something was left; then `letgo why` tells of all of it, and writes nothing.
fn is_told(state: &State, pid: u32) -> bool {
    let dir = JournalDir::at(state.path()).unwrap();
    let left = orphans_in(&dir, &Process::open(pid).unwrap()).unwrap();
    if left.is_empty() {
        return false;
    }
    let before = state.actions();
    let (report, _) = state.run("why", pid, &[]);
    let changes = report["changes"].as_array().unwrap();
    let told = |name: &str| {
        let mut names = changes.iter().map(|change| &change["variable"]);
        names.any(|variable| variable == name)
    };
    assert!(left.iter().all(|entry| told(&entry.name)), "{changes:?}");
    assert_eq!(state.actions(), before);
    true
}

#[test]
fn a_release_that_dies_anywhere_leaves_nothing() {
    if may_write("a_release_that_dies_anywhere_leaves_nothing") {
        walk_release(&[], false);
    }
}

#[test]
fn a_release_of_a_program_without_gc_that_dies_anywhere_leaves_nothing() {
    if may_write("a_release_of_a_program_without_gc_that_dies_anywhere_leaves_nothing") {
        walk_release(&[("GOGC", "off")], false);
    }
}

#[test]
fn what_a_release_left_whose_watchdog_died_too_is_put_back_by_the_next() {
    if may_write("what_a_release_left_whose_watchdog_died_too_is_put_back_by_the_next") {
        walk_release(&[("GOGC", "off")], true);
    }
}

#[test]
fn a_tune_that_dies_anywhere_can_be_undone() {
    if !may_write("a_tune_that_dies_anywhere_can_be_undone") {
        return;
    }
    let mut patient = newest(&[]);
    let pid = patient.pid();
    let before = controls(pid);
    let args = ["--gogc", "50", "--limit", "600MiB"];
    let steps = steps(&patient, "tune", &args);
    // What the list was made with is undone by hand: it had a journal of its own.
    for command in ["gogc100", "limitoff"] {
        patient.command(command).unwrap();
    }
    for at in chosen(&steps) {
        let what = format!("step {at}, {}", steps[at - 1]);
        let state = State::new();
        assert!(dies_at(&state, "tune", pid, &args, at, false), "{what}");
        let set = controls(pid);
        let dir = JournalDir::at(state.path()).unwrap();
        let lasting = lasting_in(&dir, &Process::open(pid).unwrap()).unwrap();
        let names: Vec<&str> = lasting.iter().map(|entry| entry.name.as_str()).collect();
        // What is set is in the journal.
        for (differs, name) in [
            (
                set.gc_percent != before.gc_percent,
                "gcController.gcPercent",
            ),
            (
                set.memory_limit != before.memory_limit,
                "gcController.memoryLimit",
            ),
            (
                set.heap_minimum != before.heap_minimum,
                "gcController.heapMinimum",
            ),
        ] {
            assert!(
                !differs || names.contains(&name),
                "{what}: {name} {names:?}"
            );
        }
        let (_, code) = state.run("tune", pid, &["--undo"]);
        assert_eq!(code, 0, "{what}");
        assert_restored(&before, &controls(pid), &what);
        is_quiet(&mut patient);
    }
}
