//! What reading does to a program, and that the report says so.

use letgo_testkit::{Patient, Recipe};
use serde_json::Value;

use crate::{json, letgo, may_read};

fn why(patient: &Patient, args: &[&str]) -> Value {
    let pid = patient.pid().to_string();
    json("why", &[&[pid.as_str()], args].concat()).0
}

fn ids(report: &Value) -> Vec<String> {
    let mut rest: Vec<&Value> = report["rss"]["tree"].as_array().unwrap().iter().collect();
    let mut ids = Vec::new();
    while let Some(node) = rest.pop() {
        ids.push(node["id"].as_str().unwrap().to_owned());
        rest.extend(node["children"].as_array().into_iter().flatten());
    }
    ids
}

fn splits(report: &Value) -> bool {
    ids(report).iter().any(|id| id == "heap.reachable")
}

#[test]
fn a_program_that_allocates_is_not_split_while_it_runs() {
    if !may_read("a_program_that_allocates_is_not_split_while_it_runs") {
        return;
    }
    let patient = Recipe::new("alloc").start().unwrap();
    // One that got no turn while it was read did not allocate either, and is rightly split.
    let report = until(|| {
        let report = why(&patient, &["--no-pause"]);
        let taken = &report["taken"];
        assert_eq!(taken["method"], "running");
        assert_eq!(taken["pause_ns_max"], 0);
        assert_eq!(taken["graph"].is_null(), !splits(&report), "{taken}");
        taken["graph"].is_null().then_some(report)
    });
    assert!(ids(&report).contains(&"heap.objects".to_owned()));
    // Who holds what cannot be had at all so.
    let said = until(|| {
        let output = letgo(&["heap", &patient.pid().to_string(), "--no-pause"]);
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.code() == Some(3)).then_some(said)
    });
    assert!(said.contains("--no-pause"), "{said}");
}

/// What comes of trying again and again.
fn until<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    let mut all = (0..50).filter_map(|_| attempt());
    all.next().expect("it never allocated while it was read")
}

#[test]
fn quick_neither_pauses_nor_builds_a_graph() {
    if !may_read("quick_neither_pauses_nor_builds_a_graph") {
        return;
    }
    let patient = Recipe::new("healthy").start().unwrap();
    let report = why(&patient, &["--quick"]);
    let taken = &report["taken"];
    assert_eq!(taken["method"], "running");
    assert_eq!(taken["pause_ns_max"], 0);
    assert_eq!(taken["graph"], Value::Null);
    assert_eq!(taken["note"], Value::Null, "it was asked for");
    assert!(!splits(&report));
}

#[test]
fn what_is_not_said_otherwise_pauses_and_says_so() {
    if !may_read("what_is_not_said_otherwise_pauses_and_says_so") {
        return;
    }
    let patient = Recipe::new("alloc").start().unwrap();
    // Generous, so that a slow machine makes a copy too.
    let report = why(&patient, &["--max-pause=60000"]);
    let taken = &report["taken"];
    assert_eq!(taken["method"], "frozen", "{taken}");
    assert!(taken["pause_ns_max"].as_u64().unwrap() > 0);
    assert!(taken["pause_ns_predicted"].as_u64().unwrap() > 0);
    assert_eq!(taken["note"], Value::Null);
    assert!(splits(&report));
}

#[test]
fn no_pause_at_most_is_none_and_the_report_says_why() {
    if !may_read("no_pause_at_most_is_none_and_the_report_says_why") {
        return;
    }
    let patient = Recipe::new("healthy").start().unwrap();
    let pid = patient.pid().to_string();
    for verb in ["why", "heap"] {
        let (report, _) = json(verb, &[&pid, "--max-pause=0"]);
        let taken = &report["taken"];
        assert_eq!(taken["method"], "running", "{verb}: {taken}");
        assert_eq!(taken["pause_ns_max"], 0);
        let note = taken["note"].as_str().unwrap();
        assert!(note.contains("--max-pause is 0 ms"), "{verb}: {note}");
        let text = letgo(&[verb, &pid, "--max-pause=0"]).stdout;
        let text = String::from_utf8(text).unwrap();
        let head = text.lines().take(8).collect::<Vec<_>>().join(" ");
        assert!(head.contains("--max-pause"), "{verb}: {head}");
    }
}

#[test]
fn a_stop_says_what_it_expects_and_what_would_have_been_enough() {
    if !may_read("a_stop_says_what_it_expects_and_what_would_have_been_enough") {
        return;
    }
    let patient = Recipe::new("plain").arg("-mib=64").start().unwrap();
    let pid = patient.pid().to_string();
    let (report, code) = json("why", &[&pid, "--stop"]);
    let taken = &report["taken"];
    assert_eq!(taken["method"], "stopped", "{taken}");
    let predicted = |taken: &Value| taken["pause_ns_predicted"].as_u64().unwrap();
    let large = Recipe::new("plain").arg("-mib=512").start().unwrap();
    let (more, _) = json("why", &[&large.pid().to_string(), "--stop"]);
    assert!(
        predicted(&more["taken"]) > predicted(taken),
        "{taken} {more}"
    );
    if code == 1 {
        assert!(taken["coverage"]["skipped"].to_string().contains("--stop="));
    }
    // Few machines read 64 MiB in it; where it does not stop in time, there is no report at all.
    let output = letgo(&["why", &pid, "--stop=1", "-o", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let said = String::from_utf8(output.stderr).unwrap();
    match output.status.code().unwrap() {
        1 => {
            let skipped = report["taken"]["coverage"]["skipped"].to_string();
            assert!(skipped.contains("ran out"), "{skipped}");
            let (_, ms) = skipped.split_once("--stop=").unwrap();
            let (ms, _) = ms.split_once(' ').unwrap();
            assert!(ms.parse::<u64>().unwrap() >= 100, "{skipped}");
        }
        3 => assert!(said.contains("did not stop"), "{said}"),
        0 => {}
        other => panic!("exit {other}: {said}"),
    }
}
