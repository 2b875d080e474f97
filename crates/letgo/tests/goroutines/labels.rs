//! Labels that a program gives its goroutines: the patient `labelled`, whose source says which.

use std::collections::BTreeMap;
use std::process::Command;

use letgo_snapshot::Snapshot;
use letgo_target::ReadMemory as _;
use letgo_testkit::{Kind, MIDDLE_GO, NEWEST_GO, OLDEST_GO, Recipe};
use serde_json::{Value, json};

use crate::{LETGO, may_read};

/// What nobody but the program may know, once it is redacted.
const SECRET: &str = "pX3vQz8mLw5TkRy2HdNc7BgJs4FaUe9K";

/// The group of a function.
fn group<'a>(report: &'a Value, function: &str) -> &'a Value {
    let groups = report["groups"].as_array().unwrap();
    let of = |group: &&Value| {
        let frames = group["frames"].as_array().unwrap().iter();
        frames.clone().any(|frame| frame["function"] == function)
    };
    groups
        .iter()
        .find(of)
        .unwrap_or_else(|| panic!("no {function}: {report}"))
}

fn goroutines(target: &str) -> Value {
    let args = ["goroutines", target, "-o", "json"];
    let output = Command::new(LETGO).args(args).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Goroutines of each tenant, as `labelled` numbers them.
fn tenants() -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for i in 0..60 {
        *counts.entry(format!("t{}", i % 3 * i % 5)).or_default() += 1;
    }
    counts
}

fn check(report: &Value, what: &str) {
    let alike = group(report, "main.alike");
    let expected = json!({"handler": "/api", "zone": "eu"});
    assert_eq!(alike["labels"], expected, "{what}");
    assert_eq!(alike["label_sets"], Value::Null, "{what}");
    let by_tenant = group(report, "main.tenants");
    assert_eq!(by_tenant["labels"], json!({"handler": "/api"}), "{what}");
    let sets = by_tenant["label_sets"].as_array().unwrap();
    let found = sets.iter().map(|set| {
        let tenant = set["labels"]["tenant"].as_str().unwrap().to_owned();
        (tenant, set["count"].as_u64().unwrap())
    });
    assert_eq!(found.collect::<BTreeMap<_, _>>(), tenants(), "{what}");
    let many = group(report, "main.many")["labels"].as_object().unwrap();
    assert_eq!(many.len(), 21, "{what}: {many:?}");
    for i in 0..20 {
        assert_eq!(many[&format!("key{i}")], format!("value{i}"), "{what}");
    }
    assert_eq!(group(report, "main.none")["labels"], Value::Null, "{what}");
    assert_eq!(group(report, "main.hidden")["labels"]["secret"], SECRET);
}

/// Those between which they are kept otherwise, and those at the ends.
const VERSIONS: [&str; 5] = [OLDEST_GO, "1.21.13", "1.23.12", MIDDLE_GO, NEWEST_GO];

#[test]
fn labels_are_those_that_the_program_gave() {
    if !may_read("labels_are_those_that_the_program_gave") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for version in VERSIONS {
        let recipe = Recipe::new("labelled").go(version).kind(Kind::plain());
        let mut patient = recipe.arg(format!("-secret={SECRET}")).start().unwrap();
        let pid = patient.pid().to_string();
        check(&goroutines(&pid), version);

        patient.stop().unwrap();
        let snap = |name: &str, args: &[&str]| {
            let file = dir.path().join(format!("{version}-{name}.snap"));
            let file = file.to_str().unwrap().to_owned();
            let args = [&["snap", &pid, "--stop=60000", "-o", &file], args].concat();
            let output = Command::new(LETGO).args(&args).output().unwrap();
            assert!(output.status.success(), "{version}: {output:?}");
            file
        };
        check(&goroutines(&snap("plain", &[])), version);
        let redacted = snap("redacted", &["--redact"]);
        let report = goroutines(&redacted);
        for function in ["alike", "tenants", "many", "hidden"] {
            let group = group(&report, &format!("main.{function}"));
            assert_eq!(group["labels"], Value::Null, "{version}: {group}");
            assert_eq!(group["label_sets"], Value::Null, "{version}: {group}");
        }
        nothing_is_left(&redacted);
        // As profiles have them.
        let args = ["goroutines", &pid, "--stop=60000", "-o", "pprof"];
        let profile = Command::new(LETGO).args(args).output().unwrap();
        assert!(profile.status.success() && !profile.stdout.is_empty());
    }
}

/// No part of the secret is in a snapshot.
fn nothing_is_left(file: &str) {
    let snapshot = Snapshot::open(file.as_ref()).unwrap();
    let mut all = serde_json::to_vec(snapshot.facts()).unwrap();
    for range in snapshot.present() {
        let mut bytes = vec![0; usize::try_from(range.len()).unwrap()];
        snapshot.read(range.start(), &mut bytes).unwrap();
        all.extend(bytes);
    }
    for part in SECRET.as_bytes().chunks(8) {
        let found = all.windows(part.len()).any(|window| window == part);
        assert!(!found, "{file} has {part:?}");
    }
}
