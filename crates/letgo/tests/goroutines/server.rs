//! What HTTP handlers leave behind: the patient `leakserver`, which asks itself over loopback.

use std::collections::BTreeSet;

use letgo_testkit::{Case, Kind, NEWEST_GO, Patient};

use crate::roll::Roll;
use crate::{all, looks, may_read, profiled, proven, report};

fn start(case: &Case, args: &[&str]) -> (Patient, Roll) {
    crate::start("leakserver", case, args)
}

#[test]
fn handlers_leave_as_many_as_they_say_and_fixed_ones_nobody() {
    for case in &all() {
        let (mut leaky, roll) = start(case, &[]);
        let requests = usize::try_from(leaky.truth().get("requests")).unwrap();
        let each = |name: &str| if name == "main.replica" { 3 } else { 1 };
        let is = |roll: &Roll, times: usize| {
            assert_eq!(roll.0.len(), 9, "{case}");
            for (name, group) in &roll.0 {
                let count = times * requests * each(name);
                let counts = (group.goids.len(), group.waiting, group.ran);
                assert_eq!(counts, (count, count, 0), "{case} {name}");
            }
        };
        is(&roll, 1);
        is(&Roll::told(&leaky.command("more").unwrap()), 2);
        let (_fixed, roll) = start(case, &["-fixed"]);
        for (name, group) in &roll.0 {
            let counts = (group.waiting, group.ran);
            assert_eq!(counts, (0, requests * each(name)), "{case} {name}");
        }
    }
}

#[test]
fn the_runtime_calls_leaked_what_handlers_leave() {
    let case = Case {
        version: NEWEST_GO,
        kind: Kind::plain(),
    };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("profile");
    let profile = format!("-profile={}", file.display());
    let (mut patient, roll) = start(&case, &[&profile]);
    let leaked = profiled(&mut patient, &file);
    let lost = roll.goids("leaked");
    let missed: BTreeSet<u64> = lost.difference(&leaked).copied().collect();
    let more: BTreeSet<u64> = leaked.difference(&lost).copied().collect();
    assert!(missed.is_empty(), "{:?}", roll.functions(&missed));
    assert!(more.is_empty(), "{:?} {more:?}", roll.functions(&more));
}

/// As many as they say, and none of those that a fixed program has.
#[test]
fn what_handlers_leave_is_proven() {
    if !may_read("what_handlers_leave_is_proven") {
        return;
    }
    for case in &all() {
        let (patient, roll) = start(case, &[]);
        let lost = roll.goids("leaked");
        let (missed, more) = looks(patient.pid(), &lost);
        let named = [roll.functions(&missed), roll.functions(&more)];
        assert!(
            missed.is_empty() && more.is_empty(),
            "{case}: missed {missed:?}, wrong {more:?}: {named:?}"
        );
        let (patient, _) = start(case, &["-fixed"]);
        assert_eq!(proven(patient.pid()), BTreeSet::new(), "{case}");
    }
}

/// Goroutines of net/http's connections to a server: those of the report that are proven to be
/// leaked, and all.
fn connections(pid: u32) -> (BTreeSet<u64>, BTreeSet<u64>) {
    let report = report(pid, &[]);
    let (mut leaked, mut all) = (BTreeSet::new(), BTreeSet::new());
    for group in report["groups"].as_array().unwrap() {
        let frames = group["frames"].as_array().unwrap().iter();
        let mut functions = frames.filter_map(|frame| frame["function"].as_str());
        let goids = group["goids"].as_array().unwrap().iter();
        let goids = goids.filter_map(|goid| goid.as_u64());
        if functions.any(|name| LOOPS.contains(&name)) {
            all.extend(goids.clone());
            if group["verdict"] == "proven" {
                leaked.extend(goids);
            }
        }
    }
    (leaked, all)
}

const LOOPS: [&str; 2] = [
    "net/http.(*persistConn).readLoop",
    "net/http.(*persistConn).writeLoop",
];

/// A client that never closes the body of an answer: both goroutines of the connection stay, and
/// whether they are proven is as the runtime's profile has it.
#[test]
fn connections_of_bodies_that_are_not_closed_are_as_leaked_as_the_runtime_says() {
    if !may_read("connections_of_bodies_that_are_not_closed_are_as_leaked_as_the_runtime_says") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("profile");
    let profile = format!("-profile={}", file.display());
    for case in &all() {
        let (mut patient, _) = start(case, &[&profile, "body"]);
        let requests = usize::try_from(patient.truth().get("requests")).unwrap();
        let (leaked, connections) = connections(patient.pid());
        eprintln!("{case}: {} of {}", leaked.len(), connections.len());
        assert!(connections.len() >= 2 * requests, "{case}");
        assert_eq!(proven(patient.pid()), leaked, "{case}: others too");
        if case.version == NEWEST_GO {
            assert_eq!(leaked, profiled(&mut patient, &file), "{case}");
        }
        let (patient, _) = start(case, &["-fixed", "body"]);
        assert_eq!(proven(patient.pid()), BTreeSet::new(), "{case} -fixed");
    }
}
