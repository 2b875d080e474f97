//! Channels that more is sent to than is received of: the patient `backlog`, and what `letgo why`
//! says of it.

use std::path::Path;

use letgo_testkit::{Case, Patient, Recipe, Tier, cases, report_of, why};
use serde_json::Value;

use crate::{LETGO, may_read};

fn start(case: &Case, args: &[&str]) -> Patient {
    let recipe = Recipe::new("backlog")
        .go(case.version)
        .kind(case.kind.clone());
    let recipe = args.iter().fold(recipe, |recipe, arg| recipe.arg(*arg));
    recipe.start().unwrap()
}

/// What `letgo why` says of queues, and of variables that hold much.
fn told(patient: &Patient) -> (Option<Value>, bool) {
    let output = why(Path::new(LETGO), patient.pid(), &[]).output().unwrap();
    let report = report_of(&output).unwrap();
    let findings = report.at("/findings").unwrap().as_array().unwrap();
    let of = |id: &str| findings.iter().find(|one| one["id"] == id).cloned();
    (of("channel-backlog"), of("global-holder").is_some())
}

fn sound(case: &Case, patient: &Patient) -> (Value, String) {
    let (finding, _) = told(patient);
    let finding = finding.unwrap_or_else(|| panic!("{case}: nothing"));
    let truth = patient.truth();
    assert_eq!(finding["count"], truth.get("queued"), "{case}: {finding}");
    let (bytes, least) = (finding["bytes"].as_u64().unwrap(), truth.get("bytes"));
    assert!(bytes >= least, "{case}: {finding}");
    assert!(bytes <= least + least / 50, "{case}: {finding}");
    assert_eq!(finding["confidence"], "proven", "{case}: {finding}");
    let title = finding["title"].as_str().unwrap().to_owned();
    assert!(title.contains("chan *main.job"), "{case}: {title}");
    let evidence = finding["evidence"].to_string();
    (finding, format!("{title} {evidence}"))
}

#[test]
fn a_full_queue_is_told_with_those_who_send_and_who_receives_slowly() {
    if !may_read("a_full_queue_is_told_with_those_who_send_and_who_receives_slowly") {
        return;
    }
    for case in &cases(Tier::from_env()) {
        let patient = start(case, &["slow"]);
        let (finding, text) = sound(case, &patient);
        assert!(
            text.contains("It is full; waiting to send: 3 in main.produce"),
            "{case}: {text}"
        );
        assert!(text.contains("1 in main.work (main.go:"), "{case}: {text}");
        assert!(text.contains("sleep"), "{case}: {text}");
        assert_eq!(finding["location"]["function"], "main.work", "{case}");
        let named = finding["holder"] == "main.jobs";
        let kind = case.kind.to_string();
        let has_names = !kind.contains("-strip") && !kind.contains("-sw");
        assert_eq!(named, has_names, "{case}: {finding}");
        // What the variable holds is that.
        if named {
            assert!(!told(&patient).1, "{case}");
        }
    }
}

#[test]
fn a_queue_that_nobody_receives_from_is_told_as_such() {
    if !may_read("a_queue_that_nobody_receives_from_is_told_as_such") {
        return;
    }
    for case in &cases(Tier::from_env()) {
        let (_, text) = sound(case, &start(case, &["gone"]));
        assert!(
            text.contains("It is not full; nobody waits to send."),
            "{case}: {text}"
        );
        assert!(text.contains("nobody receives any more"), "{case}: {text}");
    }
}

#[test]
fn queues_of_one_type_are_told_together() {
    if !may_read("queues_of_one_type_are_told_together") {
        return;
    }
    for case in &cases(Tier::from_env()) {
        let (_, text) = sound(case, &start(case, &["many"]));
        assert!(
            text.contains("64 channels, chan *main.job, have"),
            "{case}: {text}"
        );
        assert!(text.contains("64 in main.work"), "{case}: {text}");
    }
}

#[test]
fn queues_that_are_received_are_nothing() {
    if !may_read("queues_that_are_received_are_nothing") {
        return;
    }
    for case in &cases(Tier::from_env()) {
        for shape in ["slow", "gone", "many"] {
            let patient = start(case, &["-fixed", shape]);
            assert_eq!(told(&patient), (None, false), "{case} {shape}");
        }
    }
}
