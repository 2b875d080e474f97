//! letgo dies at every step of a copy, by SIGKILL, and its watchdog too: the target runs on, and
//! nothing is left.

use std::fs;
use std::os::unix::process::ExitStatusExt;

use letgo_testkit::Patient;

use crate::{copies_of, is_unharmed, led, letgo, may_copy, newest, until};

/// The patient of these tests: with collections, children and signals all the time.
fn busy() -> Patient {
    newest(&["-wave", "-garbage", "-exec", "-profile", "-timers"])
}

/// The names of all steps of one copy, in order.
fn steps(patient: &Patient) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let list = dir.path().join("steps");
    let output = letgo(
        patient.pid(),
        &[],
        &[("LETGO_STEPS", list.to_str().unwrap())],
    );
    assert!(output.status.success(), "{output:?}");
    let text = fs::read_to_string(&list).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// How often each step is died at: where a thread stands at it differs from time to time.
fn rounds() -> usize {
    match std::env::var("LETGO_SOAK").as_deref() {
        Ok("full") => 20,
        _ => 2,
    }
}

/// Makes a copy that dies at a step; whether it did.
fn dies_at(pid: u32, at: usize, watchdog: Option<usize>) -> bool {
    let at = at.to_string();
    let mut env = vec![("LETGO_DIE_AT", at.as_str())];
    let watchdog = watchdog.map(|at| at.to_string());
    if let Some(at) = &watchdog {
        env.push(("LETGO_WATCHDOG_DIE_AT", at));
    }
    letgo(pid, &[], &env).status.signal() == Some(9)
}

/// Whether a watchdog for the process still runs.
fn is_watched(pid: u32) -> bool {
    let words = format!("watchdog\0{pid}\0");
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let mut lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines.any(|line| String::from_utf8_lossy(&line).contains(&words))
}

#[test]
fn whenever_letgo_is_killed_its_watchdog_leaves_nothing() {
    if !may_copy("whenever_letgo_is_killed_its_watchdog_leaves_nothing") {
        return;
    }
    let mut patient = busy();
    let pid = patient.pid();
    let steps = steps(&patient);
    for wanted in [
        "frozen.stop.before",
        "frozen.frame.after",
        "frozen.back",
        "frozen.blocked",
        "frozen.call",
        "frozen.enter",
        "frozen.child",
        "frozen.leave",
        "frozen.left",
        "frozen.unblocked",
        "frozen.restored",
        "frozen.released",
        "frozen.held",
        "frozen.kill.before",
        "frozen.kill.after",
        "frozen.reap.stop",
        "frozen.reap.release",
        "frozen.reaped",
    ] {
        assert!(
            steps.iter().any(|step| step == wanted),
            "{wanted}: {steps:?}"
        );
    }
    let mut killed = 0;
    for (index, name) in steps.iter().enumerate() {
        for round in 0..rounds() {
            let what = format!("step {} ({name}), round {round}", index + 1);
            killed += usize::from(dies_at(pid, index + 1, None));
            until(&what, || !is_watched(pid));
            is_unharmed(&mut patient, &what);
        }
    }
    // Reaping is tried again on a busy machine: the number of steps varies by a few.
    assert!(killed >= 2 * steps.len() / 3, "{killed}");
}

#[test]
fn whenever_both_are_killed_the_next_letgo_leaves_nothing() {
    if !may_copy("whenever_both_are_killed_the_next_letgo_leaves_nothing") {
        return;
    }
    let mut patient = busy();
    let pid = patient.pid();
    let steps = steps(&patient);
    let (mut deaths, mut found) = (0, 0);
    for (index, name) in steps.iter().enumerate() {
        let what = format!("step {} ({name})", index + 1);
        deaths += usize::from(dies_at(pid, index + 1, Some(1 + index % 14)));
        until(&what, || !is_watched(pid));
        // The last to die leaves a thread to find its way, and a child to end.
        until(&what, || led(pid) == 0);
        until(&what, || {
            copies_of(pid).iter().all(|(_, state)| *state == 'Z')
        });
        found += copies_of(pid).len();
        let output = letgo(pid, &["--clean"], &[]);
        assert!(output.status.success(), "{what}: {output:?}");
        is_unharmed(&mut patient, &what);
    }
    assert!(deaths >= 2 * steps.len() / 3, "{deaths}");
    assert!(found > 0, "nothing was ever left");
}
