//! Fields by name: those through which ways go, and what is in them; against what the program's
//! source says. `lab/patients/types` prints where one object of each type lies.

use letgo_testkit::{Kind, MIDDLE_GO, NEWEST_GO, OLDEST_GO, Patient, Recipe};
use serde_json::Value;

use crate::{json, letgo, may_read, snap};

/// What the patient calls an object, and the field that the object before it on the shortest way
/// holds it in: what main.go says.
const FIELDS: &[(&str, &str)] = &[
    ("sessions", "[]"),
    ("session", "[\"user number 002999, long\u{2026}\"]"),
    ("peers", ".peers"),
    ("peer", "[0]"),
    ("corner", ".rows[7][3]"),
    ("holder", "[5].to"),
    ("counted", ".p"),
    ("stored", "[2]"),
    ("wide_elem", "map value"),
    ("nested_inner", "[\"nested number 000005, lo\u{2026}\"]"),
    ("list_element", ".next"),
    ("message", "[50]"),
    ("env", "captured"),
];

fn patient(version: &str, kind: Kind) -> Patient {
    let recipe = Recipe::new("types").kind(kind).go(version);
    let mut patient = recipe.start().unwrap();
    patient.stop().unwrap();
    patient
}

fn place(patient: &Patient, name: &str) -> String {
    let at = patient.truth().text(&format!("{name}_at")).unwrap();
    format!("{:#x}", at.parse::<u64>().unwrap())
}

/// The field of the last object but one on the way to an object.
fn field(target: &[&str], at: &str) -> (String, Value) {
    let (report, code) = json("heap", &[target, &["--path", at]].concat());
    assert_eq!(code, 0, "{report}");
    let hops = report["path"]["hops"].as_array().unwrap().clone();
    let before = hops
        .len()
        .checked_sub(2)
        .and_then(|before| hops.get(before));
    let field = before.and_then(|hop| hop["field"].as_str());
    (field.unwrap_or_default().to_owned(), report)
}

/// A name without what the test cannot know: which element of a list it is.
fn told(field: &str, expected: &str) -> bool {
    match expected {
        "[]" => field.starts_with('[') && field.ends_with(']'),
        "captured" => field.starts_with("captured "),
        _ => field == expected,
    }
}

#[test]
fn ways_go_through_the_fields_that_the_program_has() {
    if !may_read("ways_go_through_the_fields_that_the_program_has") {
        return;
    }
    for version in [OLDEST_GO, MIDDLE_GO, NEWEST_GO] {
        for kind in [Kind::plain(), Kind::stripped_pie()] {
            let patient = patient(version, kind.clone());
            let pid = patient.pid().to_string();
            // One reading for all.
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("types.snap");
            snap(&[&pid, "--stop=60000", "--contents"], &file);
            let file = file.to_str().unwrap();
            let mut wrong = Vec::new();
            for (name, expected) in FIELDS {
                let (own, report) = field(&[file], &place(&patient, name));
                if !told(&own, expected) {
                    wrong.push(format!(
                        "{name}: {own} is not {expected}: {}",
                        report["path"]
                    ));
                }
            }
            assert!(wrong.is_empty(), "{version} {kind:?}: {wrong:#?}");
        }
    }
}

/// The instances of a type that a report lists.
fn instances(target: &[&str], name: &str) -> Vec<Value> {
    let (report, code) = json("heap", &[target, &["--type", name]].concat());
    assert_eq!(code, 0, "{report}");
    report["largest"].as_array().unwrap().clone()
}

/// What a field of an instance is said to have in it.
fn value(one: &Value, name: &str) -> Value {
    let fields = one["fields"].as_array().unwrap();
    let field = fields.iter().find(|field| field["name"] == name);
    field.unwrap_or_else(|| panic!("{name}: {one}"))["value"].clone()
}

#[test]
fn moments_and_spans_of_time_are_said_as_such() {
    if !may_read("moments_and_spans_of_time_are_said_as_such") {
        return;
    }
    let patient = patient(NEWEST_GO, Kind::stripped_pie());
    let pid = patient.pid().to_string();
    let live = [pid.as_str(), "--stop=60000"];
    let stamped = instances(&live, "main.stamped");
    let one = stamped.first().unwrap();
    assert_eq!(value(one, "before"), "2000-02-29T00:00:00Z");
    assert_eq!(value(one, "never"), "all zero");
    assert_eq!(value(one, "every"), "90000000000 (1m 30s)");
    let since = value(one, "since");
    let (report, _) = json("heap", &live);
    let now = report["taken"]["at"].as_str().unwrap();
    // Written in the same way, of the same clock, a little earlier.
    assert_eq!(since.as_str().map(str::len), Some(now.len()), "{since}");
    assert!(
        since.as_str() <= Some(now) && since.as_str() >= Some("2024"),
        "{since}"
    );
}

#[test]
fn values_are_those_of_the_program_and_none_of_a_redacted_snapshot() {
    if !may_read("values_are_those_of_the_program_and_none_of_a_redacted_snapshot") {
        return;
    }
    let patient = patient(NEWEST_GO, Kind::stripped_pie());
    let pid = patient.pid().to_string();
    let live = [pid.as_str(), "--stop=60000"];
    let sessions = instances(&live, "main.session");
    assert!(!sessions.is_empty());
    for one in &sessions {
        let user = value(one, "user").as_str().unwrap().to_owned();
        let number = user.strip_prefix("\"user number ").unwrap();
        let number = number.strip_suffix(", long enough\"").unwrap();
        assert!(number.parse::<u32>().unwrap() < 3000, "{user}");
        assert_eq!(value(one, "peers"), "len 1, cap 1");
    }
    let few = instances(&live, "map[int]*main.stored");
    assert_eq!(value(&few[0], "entries"), "3");
    let messages = instances(&live, "chan *main.message");
    assert_eq!(value(&messages[0], "queued"), "50");
    assert_eq!(value(&messages[0], "room"), "64");
    let squares = instances(&live, "main.square");
    let sides = squares.iter().map(|one| value(one, "side"));
    assert!(
        sides
            .into_iter()
            .all(|side| side.as_str().unwrap().parse::<u32>().unwrap() < 60)
    );
    let text = letgo(&["heap", &pid, "--stop=60000", "--type", "main.session"]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("user: \"user number "), "{text}");

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("redacted.snap");
    snap(&[&pid, "--stop=60000", "--redact"], &file);
    let file = file.to_str().unwrap();
    let (heap, _) = json("heap", &[file]);
    let types = heap["types"].as_array().unwrap();
    assert!(!types.is_empty());
    for known in types.iter().take(8) {
        for one in instances(&[file], known["name"].as_str().unwrap()) {
            let says = one.get("fields").is_some() || one.get("contents").is_some();
            assert!(!says, "{one}");
        }
    }
    let (_, report) = field(&[file], &place(&patient, "session"));
    let hops = report["path"]["hops"].as_array().unwrap();
    let said = hops.iter().filter_map(|hop| hop["field"].as_str());
    assert!(
        said.into_iter().all(|field| !field.contains('"')),
        "{hops:?}"
    );
}
