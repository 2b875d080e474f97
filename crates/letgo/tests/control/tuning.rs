//! What a tune sets, that the program computes with it, and that it can be taken back.

use letgo_testkit::{Case, Kind, NEWEST_GO, Patient};
use serde_json::json;

use crate::{MIB, State, cases, controls, may_write, number, patient};

const SMALL: [&str; 3] = ["-live=40", "-burst=40", "-gc"];

/// What `runtime/metrics` of the program itself says of a setting: GOGC in percent, the limit in
/// bytes.
fn own(patient: &mut Patient, setting: &str) -> u64 {
    let lines = patient.command("gcpercent").unwrap();
    let line = lines.iter().find(|line| line.kind == "truth").unwrap();
    line.figures.get(setting)
}

#[test]
fn gogc_acts_at_once_and_the_program_sees_it() {
    if !may_write("gogc_acts_at_once_and_the_program_sees_it") {
        return;
    }
    for case in cases() {
        let (mut patient, state) = (patient(&case, "burst", &SMALL, &[]), State::new());
        let before = controls(patient.pid());
        let (report, code) = state.run("tune", patient.pid(), &["--gogc", "50"]);
        assert_eq!((code, &report["verified"]), (0, &json!(true)), "{case}");
        assert_eq!(own(&mut patient, "gogc"), 50, "{case}");
        // The program's own figure of its heap goal.
        let goal = patient.memstats().unwrap().get("NextGC");
        assert_eq!(goal, number(&report, "/after/heap_goal"), "{case}");
        assert!(goal < before.gc_percent_heap_goal, "{case}");
        // A cycle later the runtime has computed the same goal by itself.
        patient.command("gc").unwrap();
        let after = controls(patient.pid());
        let marked = after.heap_marked;
        assert!(after.gc_percent_heap_goal >= marked + marked / 2, "{case}");
        assert!(after.gc_percent_heap_goal < marked * 2, "{case}");

        let (report, code) = state.run("tune", patient.pid(), &["--undo"]);
        assert_eq!((code, &report["undone"]), (0, &json!(true)), "{case}");
        assert_eq!(own(&mut patient, "gogc"), 100, "{case}");
        assert_eq!(controls(patient.pid()).heap_minimum, before.heap_minimum);
    }
}

fn newest() -> Patient {
    let case = Case {
        version: NEWEST_GO,
        kind: Kind::stripped_pie(),
    };
    patient(&case, "burst", &SMALL, &[])
}

#[test]
fn a_limit_acts_and_gogc_goes_off_only_under_one() {
    if !may_write("a_limit_acts_and_gogc_goes_off_only_under_one") {
        return;
    }
    let (mut patient, state) = (newest(), State::new());
    let pid = patient.pid();
    let said = state.refused("tune", pid, &["--gogc", "off"]);
    assert!(said.contains("would never collect"), "{said}");
    let said = state.refused("tune", pid, &["--limit", "20MiB"]);
    assert!(said.contains("too little room"), "{said}");
    assert_eq!(state.actions(), "", "a refusal writes nothing");

    let (_, code) = state.run("tune", pid, &["--gogc", "off", "--limit", "300MiB"]);
    assert_eq!(code, 0);
    assert_eq!(own(&mut patient, "limit"), 300 * MIB);
    assert_eq!(controls(pid).gc_percent, -1);
    let actions = state.actions();
    let at = |name: &str| actions.find(name).unwrap_or_else(|| panic!("{name}"));
    assert!(at("gcController.memoryLimit") < at("gcController.gcPercent\""));

    // The limit cannot go while nothing else would collect.
    let said = state.refused("tune", pid, &["--limit", "off"]);
    assert!(said.contains("would never collect"), "{said}");
    let (_, code) = state.run("tune", pid, &["--undo"]);
    assert_eq!(code, 0);
    let state = controls(pid);
    assert_eq!((state.gc_percent, state.memory_limit), (100, i64::MAX));
}

#[test]
fn a_forced_limit_is_set_and_undone() {
    if !may_write("a_forced_limit_is_set_and_undone") {
        return;
    }
    let (mut patient, state) = (newest(), State::new());
    let (report, code) = state.run("tune", patient.pid(), &["--limit", "20MiB", "--force"]);
    assert_eq!((code, &report["forced"]), (0, &json!(true)));
    assert_eq!(own(&mut patient, "limit"), 20 * MIB);
    state.run("tune", patient.pid(), &["--undo"]);
    assert_eq!(controls(patient.pid()).memory_limit, i64::MAX);
}

#[test]
fn what_the_program_has_set_since_is_not_undone() {
    if !may_write("what_the_program_has_set_since_is_not_undone") {
        return;
    }
    let (mut patient, state) = (newest(), State::new());
    state.run("tune", patient.pid(), &["--gogc", "50"]);
    patient.command("gogc400").unwrap();
    let (report, _) = state.run("tune", patient.pid(), &["--undo"]);
    assert_eq!(own(&mut patient, "gogc"), 400);
    let notes = report["notes"].to_string();
    assert!(notes.contains("keeps it"), "{notes}");
}

#[test]
fn a_dry_run_says_what_would_be_and_writes_nothing() {
    if !may_write("a_dry_run_says_what_would_be_and_writes_nothing") {
        return;
    }
    let (mut patient, state) = (newest(), State::new());
    let (report, code) = state.run("tune", patient.pid(), &["--gogc", "50", "--dry-run"]);
    assert_eq!((code, &report["after"]["gc_percent"]), (0, &json!(50)));
    assert_eq!(report["stores"].as_array().map(Vec::len), Some(3));
    assert_eq!(own(&mut patient, "gogc"), 100);
    assert_eq!(state.actions(), "");
}

/// `letgo run` sets by the environment what `tune` sets by stores.
#[test]
fn a_child_that_letgo_starts_has_the_settings_from_the_start() {
    let state = State::new();
    let out = state
        .letgo(&["run", "--gogc", "50", "--limit", "300MiB", "--", "env"])
        .output()
        .unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(text.contains("GOGC=50\n"), "{text}");
    assert!(
        text.contains(&format!("GOMEMLIMIT={}B\n", 300 * MIB)),
        "{text}"
    );
    let status = |args: &[&str]| state.letgo(args).status().unwrap().code();
    assert_eq!(
        status(&["run", "--gogc", "50", "--", "sh", "-c", "exit 7"]),
        Some(7)
    );
    assert_eq!(status(&["run", "--", "/nonexistent/program"]), Some(127));
    assert_eq!(status(&["run", "--gogc", "off", "--", "true"]), Some(2));
}
