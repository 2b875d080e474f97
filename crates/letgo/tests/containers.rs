//! What is in maps, slices, strings and channels, as `letgo heap` and `letgo why` say it, against
//! programs that tell how much they put there; of the oldest Go, one in the middle and the newest,
//! stripped and not.
//!
//! The built binary runs as a user runs it.

use std::process::{Command, Stdio};

use letgo_testkit::{Patient, Recipe, Tier, cases, forbidden, note_skip};
use serde_json::Value;

const LETGO: &str = env!("CARGO_BIN_EXE_letgo");

fn may_read(test: &str) -> bool {
    let why = forbidden().unwrap();
    if let Some(why) = &why {
        note_skip(test, why);
    }
    why.is_none()
}

/// Starts the shape as each case says; those that cannot be built are counted as skipped.
fn for_each(shape: &str, prepare: impl Fn(Recipe) -> Recipe, check: impl Fn(&str, Patient)) {
    for case in cases(Tier::from_env()) {
        let recipe = prepare(Recipe::new(shape).go(case.version).kind(case.kind.clone()));
        if let Err(error) = recipe.build() {
            note_skip(&case.to_string(), &format!("{error:#}"));
            continue;
        }
        let patient = recipe.start().unwrap();
        check(&case.to_string(), patient);
    }
}

fn json(args: &[&str]) -> Value {
    let output = Command::new(LETGO)
        .args(args)
        .args(["-o", "json"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{args:?}: {error}: {said}"))
}

/// Elements of what is held by a variable, by its type, all that are listed: what and how many.
fn elements(heap: &Value) -> Vec<(String, u64, Option<u64>)> {
    let holders = heap["holders"].as_array().unwrap().iter();
    let told = holders.flat_map(|one| [&one["root"]["elements"], &one["object"]["elements"]]);
    told.filter(|own| own.is_object())
        .map(|own| {
            let count = own["count"].as_u64().unwrap();
            (
                own["of"].as_str().unwrap().into(),
                count,
                own["capacity"].as_u64(),
            )
        })
        .collect()
}

#[test]
fn containers_have_as_much_in_them_as_the_program_says() {
    if !may_read("containers_have_as_much_in_them_as_the_program_says") {
        return;
    }
    for_each(
        "containers",
        |recipe| recipe,
        |case, mut patient| {
            patient.stop().unwrap();
            let pid = patient.pid().to_string();
            let heap = json(&["heap", &pid, "--top", "1000"]);
            let found = elements(&heap);
            let truth = |name: &str| patient.truth().get(name);
            let count = |of: &str, count: u64| {
                assert!(
                    found.iter().any(|own| own.0 == of && own.1 == count),
                    "{case}: no {of} of {count} in {found:?}"
                );
            };
            count("map", truth("sessions"));
            count("map", truth("profiles"));
            // As main.go fills them. Code that stores a string does not tell it from bytes.
            count("chan", 7);
            if !case.contains("strip") {
                count("string", 5000);
            }
            let list = (truth("list"), Some(truth("list_cap")));
            assert!(
                found
                    .iter()
                    .any(|own| own.0 == "slice" && (own.1, own.2) == list),
                "{case}: {list:?} in {found:?}"
            );
            // A map of few entries has no more room than for eight.
            for (of, count, capacity) in &found {
                assert!(
                    capacity.is_none_or(|capacity| capacity >= *count),
                    "{case}: {of}"
                );
            }
            patient.resume().unwrap();
        },
    );
}

fn findings<'a>(why: &'a Value, id: &str) -> Vec<&'a Value> {
    let all = why["findings"].as_array().unwrap().iter();
    all.filter(|finding| finding["id"] == id).collect()
}

fn bytes(finding: &Value) -> u64 {
    finding["bytes"].as_u64().unwrap()
}

/// Whether one figure is near another, within a share of it.
fn is_near(found: u64, truth: u64, percent: u64) -> bool {
    found.abs_diff(truth) * 100 <= truth * percent
}

#[test]
fn a_map_that_was_emptied_keeps_its_slots_until_it_is_made_anew() {
    if !may_read("a_map_that_was_emptied_keeps_its_slots_until_it_is_made_anew") {
        return;
    }
    let prepare = |recipe: Recipe| recipe.arg("-entries=300000");
    for_each("containers", prepare, |case, mut patient| {
        let pid = patient.pid().to_string();
        let full = json(&["why", &pid]);
        assert_eq!(
            findings(&full, "map-never-shrinks"),
            [&Value::Null; 0],
            "{case}"
        );
        patient.command("forget").unwrap();
        let why = json(&["why", &pid]);
        let found = findings(&why, "map-never-shrinks");
        // 120 bytes a value and 8 a key: 300,000 entries are 38 MB, 3,000 are 0.4.
        assert!(!found.is_empty(), "{case}: silent: {}", why["taken"]);
        let first = found[0];
        assert!(
            bytes(first) >= 36 << 20 && bytes(first) <= 120 << 20,
            "{case}: {first}"
        );
        assert_eq!(first["confidence"], "proven", "{case}");
        assert!(
            first["evidence"][0]
                .as_str()
                .unwrap()
                .starts_with("3,000 entries in "),
            "{case}: {first}"
        );
        patient.command("remake").unwrap();
        let anew = json(&["why", &pid]);
        assert_eq!(
            findings(&anew, "map-never-shrinks"),
            [&Value::Null; 0],
            "{case}"
        );
    });
}

#[test]
fn what_grows_is_told_and_what_only_replaces_is_not() {
    if !may_read("what_grows_is_told_and_what_only_replaces_is_not") {
        return;
    }
    for_each(
        "containers",
        |recipe| recipe,
        |case, mut patient| {
            let pid = patient.pid().to_string();
            let still = json(&["why", &pid, "--watch", "1s"]);
            assert_eq!(
                findings(&still, "growing-holder"),
                [&Value::Null; 0],
                "{case}"
            );
            patient.command("run").unwrap();
            // How much comes in which time depends on how busy the machine is.
            let looks = ["3s", "9s", "27s"].iter();
            let mut looks = looks.map(|time| json(&["why", &pid, "--watch", time]));
            let why = looks.find(|why| !findings(why, "growing-holder").is_empty());
            patient.command("rest").unwrap();
            let why = why.unwrap_or_else(|| panic!("{case}: nothing grew"));
            let found = findings(&why, "growing-holder");
            assert_eq!(found.len(), 1, "{case}: {found:?} {}", why["taken"]);
            // What is told of the first look is within what the account has.
            let rss = why["rss"]["bytes"].as_u64();
            assert!(rss.is_none_or(|rss| bytes(found[0]) < rss), "{case}: {why}");
            let said = found[0].to_string();
            assert!(said.contains("main.add"), "{case}: {said}");
            if !case.contains("strip") {
                assert_eq!(found[0]["holder"], "main.grown", "{case}");
            }
        },
    );
}

#[test]
fn buffers_that_grew_once_and_pieces_of_large_arrays_are_told() {
    if !may_read("buffers_that_grew_once_and_pieces_of_large_arrays_are_told") {
        return;
    }
    for_each(
        "buffers",
        |recipe| recipe,
        |case, patient| {
            let pid = patient.pid().to_string();
            let why = json(&["why", &pid]);
            let truth = |name: &str| patient.truth().get(name);
            let roomy = findings(&why, "buffer-slack");
            assert_eq!(roomy.len(), 1, "{case}: {}", why["findings"]);
            let slack = truth("room") - truth("left");
            assert!(
                is_near(bytes(roomy[0]), slack, 3),
                "{case}: {slack} {}",
                roomy[0]
            );
            let pinned = findings(&why, "slice-pinning");
            assert_eq!(pinned.len(), 2, "{case}: {}", why["findings"]);
            for (finding, all, shown) in [
                (pinned[0], "line_bytes", "shown_bytes"),
                (pinned[1], "packet_bytes", "head_bytes"),
            ] {
                let kept = truth(all) - truth(shown);
                assert!(is_near(bytes(finding), kept, 3), "{case}: {kept} {finding}");
            }
        },
    );
    let healthy = |recipe: Recipe| recipe.arg("-healthy").arg("-n=40000");
    for_each("buffers", healthy, |case, patient| {
        let why = json(&["why", &patient.pid().to_string()]);
        for id in ["buffer-slack", "slice-pinning", "map-never-shrinks"] {
            assert_eq!(findings(&why, id), [&Value::Null; 0], "{case}: {id}");
        }
    });
}

#[test]
fn a_variable_that_has_a_part_of_a_large_array_pins_the_rest_wherever_it_starts() {
    if !may_read("a_variable_that_has_a_part_of_a_large_array_pins_the_rest_wherever_it_starts") {
        return;
    }
    let prepare = |recipe: Recipe| recipe.arg("-n=1").arg("-large=25165824");
    for_each("buffers", prepare, |case, patient| {
        let pid = patient.pid().to_string();
        let why = json(&["why", &pid]);
        let large = patient.truth().get("large");
        let pinned = findings(&why, "slice-pinning");
        assert_eq!(pinned.len(), 2, "{case}: {}", why["findings"]);
        for finding in pinned {
            assert!(is_near(bytes(finding), large, 1), "{case}: {finding}");
        }
        assert_eq!(findings(&why, "buffer-slack"), [&Value::Null; 0], "{case}");
        // Of both arrays it is known what they are.
        let heap = json(&["heap", &pid]);
        let types = heap["types"].as_array().unwrap().iter();
        let rows = types.filter(|one| one["name"] == "[]uint8" && one["kind"] == "slice");
        let bytes: u64 = rows
            .map(|one| one["objects"]["slot_bytes"].as_u64().unwrap())
            .sum();
        assert!(bytes >= 2 * large, "{case}: {bytes} {}", heap["types"]);
    });
}
