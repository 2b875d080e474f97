//! Releases and tunes in a row on a server under load: no request fails, nothing is left.
//!
//! `LETGO_SOAK=full` (`make soak`) repeats 1,000 and 10,000 times; else a short form runs.

use letgo_testkit::{Case, Kind, MIDDLE_GO, NEWEST_GO};
use serde_json::Value;

use crate::traffic::Traffic;
use crate::{OLDEST_WRITTEN, State, assert_restored, controls, may_write, patient};

/// What letgo says where the machine leaves the program no time.
const BUSY: [&str; 2] = ["did not stop within", "runs and does not end"];
/// So often it may, for each time that it is asked to.
const REFUSED_MOST: u32 = 2;

/// How often: releases, tunes.
fn times() -> (u32, u32) {
    match std::env::var("LETGO_SOAK").as_deref() {
        Ok("full") => (1000, 10_000),
        _ => (5, 40),
    }
}

/// As [`State::run`], again where the machine was too busy for the threads to stop in time or for a
/// GC to end: then nothing was done, and that is said.
fn run(state: &State, verb: &str, pid: u32, args: &[&str], refused: &mut u32) -> (Value, i32) {
    loop {
        let output = state.output(verb, pid, args);
        let said = String::from_utf8_lossy(&output.stderr);
        // It may be broken at any of its words.
        let words: Vec<&str> = said.split_whitespace().collect();
        let words = words.join(" ");
        if !BUSY.iter().any(|why| words.contains(why)) {
            let code = output.status.code().unwrap();
            let json = serde_json::from_slice(&output.stdout);
            return (json.unwrap_or_else(|_| panic!("exit {code}: {said}")), code);
        }
        *refused += 1;
        let (releases, tunes) = times();
        assert!(*refused < REFUSED_MOST * (releases + tunes), "{said}");
    }
}

#[test]
fn a_server_under_load_answers_every_request() {
    if !may_write("a_server_under_load_answers_every_request") {
        return;
    }
    let (releases, tunes) = times();
    for version in [MIDDLE_GO, OLDEST_WRITTEN, NEWEST_GO] {
        let case = Case {
            version,
            kind: Kind::stripped_pie(),
        };
        let args = ["-records=20000", "-minutes=120"];
        let mut patient = patient(&case, "server", &args, &[]);
        let (pid, state) = (patient.pid(), State::new());
        let (before, mut refused) = (controls(pid), 0);
        let traffic = Traffic::start(patient.truth().get("port"), "/write", 4, 25);
        for round in 0..releases {
            let (report, code) = run(&state, "release", pid, &[], &mut refused);
            assert!(code <= 1, "{version} round {round}: {report:#}");
            assert_eq!(report["restored"], true, "{version} round {round}");
        }
        assert_restored(&before, &controls(pid), "after the releases");
        for round in 0..tunes {
            let gogc = ["50", "200", "100", "75"][round as usize % 4];
            let (report, code) = run(&state, "tune", pid, &["--gogc", gogc], &mut refused);
            assert!(code <= 1, "{version} round {round}: {report:#}");
        }
        run(&state, "tune", pid, &["--undo"], &mut refused);
        assert_restored(&before, &controls(pid), "after the tunes");
        let answered = traffic.end().unwrap();
        assert!(answered > u64::from(releases), "{answered}");
        let stats = patient.command("stats").unwrap();
        let line = stats.iter().find(|line| line.kind == "truth").unwrap();
        for count in ["failed", "corrupt"] {
            assert_eq!(line.figures.get(count), 0, "{version}: {count}");
        }
        eprintln!(
            "go{version}: {releases} releases, {tunes} tunes, {answered} requests answered; \
             {refused} times the machine was too busy"
        );
        let left: Vec<_> = std::fs::read_dir(state.path()).unwrap().collect();
        assert!(left.len() <= 3, "{left:?}");
    }
}
