//! What holders retain and how much of it has a type, against what the program measured itself: its
//! own `HeapAlloc` after a collection, before and after it built what each of them holds.

use letgo_testkit::{Case, Kind, OLDEST_GO, Patient, Recipe, Tier, cases};
use serde_json::Value;

use crate::{json, may_read};

/// What may be without a type, in ten thousandths of the reachable objects.
const UNTYPED: u64 = 20;

#[test]
fn holders_retain_what_the_program_measured_and_all_has_a_type() {
    if !may_read("holders_retain_what_the_program_measured_and_all_has_a_type") {
        return;
    }
    let mut all = cases(Tier::from_env());
    // Linked by C's linker: its DWARF has no addresses of types.
    let cgo = Case {
        version: OLDEST_GO,
        kind: Kind::cgo(),
    };
    if !all.contains(&cgo) {
        all.push(cgo);
    }
    let mut failed = Vec::new();
    for case in all {
        let recipe = Recipe::new("keyed").arg("-n=60000").arg("-measured");
        let recipe = recipe.go(case.version).kind(case.kind.clone());
        let mut patient = recipe.start().unwrap();
        patient.stop().unwrap();
        let (heap, code) = json("heap", &[&patient.pid().to_string(), "--stop=60000"]);
        assert_eq!(code, 0, "{case}");
        failed.extend(flaws(&case, &heap, &patient));
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn flaws(case: &Case, heap: &Value, patient: &Patient) -> Vec<String> {
    let mut failed = Vec::new();
    for (name, kind, measured) in [
        ("main.listed", "[]*main.record", "listed_about"),
        ("main.byName", "map[string]*main.record", "by_name_about"),
    ] {
        let measured = patient.truth().get(measured);
        let retained = retained(heap, name, kind);
        eprintln!("{case} {name}: retains {retained:?}, measured {measured}");
        let near = |retained: u64| retained.abs_diff(measured) * 100 <= measured;
        if !retained.is_some_and(near) {
            failed.push(format!("{case} {name}: {retained:?}, not {measured}"));
        }
    }
    let count = |of: &Value| of["count"].as_u64().unwrap();
    let (untyped, all) = (count(&heap["untyped"]), count(&heap["totals"]["reachable"]));
    eprintln!("{case}: {untyped} of {all} objects without a type");
    if untyped * 10_000 > all * UNTYPED {
        failed.push(format!("{case}: {untyped} of {all} have no type"));
    }
    failed
}

/// What the holder below a variable retains: by its name, or, in a stripped program, by its type.
fn retained(heap: &Value, name: &str, kind: &str) -> Option<u64> {
    let mut holders = heap["holders"].as_array()?.iter();
    let holder = holders.find(|holder| {
        let root = &holder["root"];
        root["name"] == name || (root["name"].is_null() && root["type"] == kind)
    });
    holder?["retained_bytes"].as_u64()
}
