//! Requests that have ended and whose contexts are kept: shapes of the patient `leakserver`, and
//! what `letgo why` says of them.

use std::path::Path;

use letgo_testkit::{Case, Kind, NEWEST_GO, Patient, Recipe, Tier, cases, report_of, why};
use serde_json::Value;

use crate::{LETGO, may_read};

const LARGE: u64 = 2 << 20;
const HTTP_1: &str = "-http2=false";
const HTTP_2: &str = "-http2";

fn start(case: &Case, args: &[&str]) -> Patient {
    let (patient, _) = crate::start("leakserver", case, args);
    patient
}

/// What `letgo why` says of contexts that are kept.
fn told(patient: &Patient) -> Option<Value> {
    let output = why(Path::new(LETGO), patient.pid(), &[]).output().unwrap();
    let report = report_of(&output).unwrap();
    let findings = report.at("/findings").unwrap().as_array().unwrap();
    let mut of = findings
        .iter()
        .filter(|one| one["id"] == "context-retained");
    let first = of.next().cloned();
    assert_eq!(of.next(), None);
    first
}

/// One that is still to be answered waits for its client to go away, or works on.
#[test]
fn requests_that_are_worked_on_are_not_over() {
    if !may_read("requests_that_are_worked_on_are_not_over") {
        return;
    }
    for case in &cases(Tier::from_env()) {
        for (shape, protocol) in [
            ("slow", HTTP_1),
            ("left", HTTP_1),
            ("slow", HTTP_2),
            ("left", HTTP_2),
        ] {
            let patient = start(case, &[protocol, shape]);
            assert_eq!(told(&patient), None, "{case} {shape} {protocol}");
        }
    }
}

#[test]
fn who_keeps_the_context_of_a_request_is_told_with_what_hangs_on_it() {
    if !may_read("who_keeps_the_context_of_a_request_is_told_with_what_hangs_on_it") {
        return;
    }
    let cases = cases(Tier::from_env());
    for (case, protocol) in cases
        .iter()
        .flat_map(|case| [(case, HTTP_1), (case, HTTP_2)])
    {
        let patient = start(case, &[protocol, "refresh"]);
        let requests = patient.truth().get("requests");
        let finding = told(&patient).unwrap_or_else(|| panic!("{case} {protocol}: nothing"));
        assert_eq!(finding["count"], requests, "{case}: {finding}");
        assert_eq!(finding["confidence"], "possible", "{case}: {finding}");
        // It looks at the clock within another function.
        let function = finding["location"]["function"].as_str().unwrap();
        assert!(
            ["main.refresh", "main.pause"].contains(&function),
            "{finding}"
        );
        let bytes = finding["bytes"].as_u64().unwrap();
        let least = requests * LARGE;
        assert!(bytes >= least, "{case}: {finding}");
        assert!(bytes <= least + requests * (64 << 10), "{case}: {finding}");
        let text = format!("{} {}", finding["title"], finding["evidence"]);
        assert!(
            text.contains("contexts of 40 requests that have ended"),
            "{case}: {text}"
        );
        assert!(
            text.contains("Started by main.startRefresh"),
            "{case}: {text}"
        );
        let fixed = start(case, &[protocol, "-fixed", "refresh"]);
        assert_eq!(told(&fixed), None, "{case} {protocol}");
    }
}

/// `context.WithoutCancel` is how a goroutine says that it goes on without its request.
#[test]
fn who_goes_on_without_its_request_is_not_told() {
    if !may_read("who_goes_on_without_its_request_is_not_told") {
        return;
    }
    let has = |case: &&Case| {
        !["1.19", "1.20"]
            .iter()
            .any(|old| case.version.starts_with(old))
    };
    for case in cases(Tier::from_env()).iter().filter(has) {
        let patient = start(case, &["detached"]);
        assert_eq!(told(&patient), None, "{case}");
    }
}

/// What a goroutine holds beside the context is told where it is known who started it.
#[test]
fn who_keeps_a_request_is_told_with_all_that_it_holds() {
    if !may_read("who_keeps_a_request_is_told_with_all_that_it_holds") {
        return;
    }
    for case in &cases(Tier::from_env()) {
        let patient = start(case, &["audit"]);
        let requests = patient.truth().get("requests");
        let finding = told(&patient);
        if case.version.starts_with("1.19") || case.version.starts_with("1.20") {
            assert_eq!(finding, None, "{case}");
            continue;
        }
        let finding = finding.unwrap_or_else(|| panic!("{case}: nothing"));
        assert_eq!(finding["count"], requests, "{case}: {finding}");
        let bytes = finding["bytes"].as_u64().unwrap();
        assert!(bytes >= requests * LARGE, "{case}: {finding}");
        let fixed = start(case, &["-fixed", "audit"]);
        assert_eq!(told(&fixed), None, "{case}");
    }
}

/// Calls of gRPC, by goroutines of their own and by workers, with deadlines and without.
#[test]
fn who_keeps_the_context_of_a_grpc_call_is_told() {
    if !may_read("who_keeps_the_context_of_a_grpc_call_is_told") {
        return;
    }
    for kind in [Kind::plain(), Kind::stripped_pie()] {
        let start = |args: &[&str]| {
            let recipe = Recipe::new("grpcserver").go(NEWEST_GO).kind(kind.clone());
            let recipe = args.iter().fold(recipe, |recipe, arg| recipe.arg(*arg));
            recipe.start().unwrap()
        };
        for more in [&["-workers=0"][..], &["-workers=4", "-deadline"]] {
            let with = |args: &[&'static str]| start(&[more, args].concat());
            let patient = with(&["refresh"]);
            let requests = patient.truth().get("requests");
            let finding = told(&patient).unwrap_or_else(|| panic!("{kind:?} {more:?}: nothing"));
            assert_eq!(finding["count"], requests, "{kind:?} {more:?}: {finding}");
            let bytes = finding["bytes"].as_u64().unwrap();
            assert!(bytes >= requests * LARGE, "{kind:?} {more:?}: {finding}");
            assert_eq!(
                told(&with(&["-fixed", "refresh"])),
                None,
                "{kind:?} {more:?}"
            );
            assert_eq!(told(&with(&["slow"])), None, "{kind:?} {more:?}");
        }
    }
}
