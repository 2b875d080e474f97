//! What a snapshot holds of what a program keeps, and what it does not.
//!
//! The patient `secret` has a text in memory of every kind, in a form of its own in each.

use std::collections::BTreeSet;
use std::path::Path;

use letgo_snapshot::Snapshot;
use letgo_target::ReadMemory;
use letgo_testkit::{Case, Kind, MIDDLE_GO, NEWEST_GO, OLDEST_GO, Patient, Recipe, Tier, VERSIONS};

use crate::equal::{answer, differences};
use crate::{json, may_read, snap};

/// The text as it is given; each place has it with each byte xor the place's number.
const TEXT: &[u8; 32] = b"qJ8vXw2Rk5TzLm7NpY3bGd9HsFcQ4aWe";
/// The least of it that is taken for it.
const LEAST: usize = 6;

/// Places, as `lab/patients/secret` numbers them; 0 are the arguments.
const PLACES: [&str; 9] = [
    "arguments",
    "small structs",
    "large structs",
    "small buffers",
    "large buffers",
    "stacks",
    "a global array",
    "a global struct with pointers",
    "a map's key",
];
/// Objects without pointers.
const NOSCAN: [&str; 3] = ["small buffers", "large buffers", "a map's key"];

/// Where pieces of the text are in bytes, by the place that had them.
fn found(bytes: &[u8], places: &mut BTreeSet<&'static str>) {
    let mut pieces = std::collections::HashMap::new();
    for (place, name) in (0u8..).zip(&PLACES) {
        let text = TEXT.map(|byte| byte ^ place);
        for piece in text.windows(LEAST) {
            pieces.insert(<[u8; LEAST]>::try_from(piece).unwrap(), *name);
        }
    }
    // A first look that is cheap.
    let firsts: BTreeSet<[u8; 2]> = pieces.keys().map(|piece| [piece[0], piece[1]]).collect();
    let mut may = vec![false; 1 << 16];
    for first in firsts {
        may[usize::from(u16::from_le_bytes(first))] = true;
    }
    for window in bytes.windows(LEAST) {
        if may[usize::from(u16::from_le_bytes([window[0], window[1]]))]
            && let Some(name) = pieces.get(window)
        {
            places.insert(name);
        }
    }
}

/// Where the text is in a snapshot: in the file as it is, in all memory that it holds, in its
/// facts.
fn places_in(file: &Path) -> BTreeSet<&'static str> {
    let mut places = BTreeSet::new();
    found(&std::fs::read(file).unwrap(), &mut places);
    let snapshot = Snapshot::open(file).unwrap();
    snapshot.verify().unwrap();
    for range in snapshot.present() {
        let mut bytes = vec![0; usize::try_from(range.len()).unwrap()];
        snapshot.read(range.start(), &mut bytes).unwrap();
        found(&bytes, &mut places);
    }
    let facts = snapshot.facts();
    found(&serde_json::to_vec(facts).unwrap(), &mut places);
    for thread in &facts.threads {
        let words = thread.registers.words();
        let bytes: Vec<u8> = words.into_iter().flat_map(u64::to_le_bytes).collect();
        found(&bytes, &mut places);
    }
    // The executable itself does not have it: it is given as an argument.
    let mut in_image = BTreeSet::new();
    found(&snapshot.image().unwrap().unwrap(), &mut in_image);
    assert_eq!(in_image, BTreeSet::new());
    places
}

fn patient(case: &Case) -> Patient {
    let text = std::str::from_utf8(TEXT).unwrap();
    let recipe = Recipe::new("secret").arg(format!("-text={text}"));
    let recipe = recipe.go(case.version).kind(case.kind.clone());
    let mut patient = recipe.start().unwrap();
    patient.stop().unwrap();
    patient
}

fn all() -> Vec<Case> {
    let case = |version, kind| Case { version, kind };
    match Tier::from_env() {
        Tier::Test => vec![
            case(OLDEST_GO, Kind::plain()),
            case(MIDDLE_GO, Kind::plain()),
            case(NEWEST_GO, Kind::stripped_pie()),
            case(NEWEST_GO, Kind::cgo()),
        ],
        Tier::Matrix => {
            let versions = VERSIONS.iter();
            let kinds = || [Kind::plain(), Kind::stripped_pie(), Kind::cgo()];
            versions
                .flat_map(|version| kinds().map(|kind| case(version, kind)))
                .collect()
        }
    }
}

/// What `letgo heap` says of a snapshot beside what it says of another one.
fn beside(file: &Path, other: &Path) -> Vec<String> {
    let heap = |file: &Path| {
        let (report, code) = json("heap", &[file.to_str().unwrap(), "--top=50", "--depth=4"]);
        assert_eq!(code, 0, "{}", report["taken"]["coverage"]);
        answer(report, true)
    };
    let mut found = Vec::new();
    differences("", &heap(file), &heap(other), &mut found);
    found
}

/// Without how much is in containers: counts are no pointers, and are left out.
fn uncounted(mut differ: Vec<String>) -> Vec<String> {
    differ.retain(|place| !place.contains("/elements: null and "));
    differ
}

/// Objects in every way that the runtime knows of: what leads from one to the other is still there.
#[test]
fn a_redacted_snapshot_has_every_kind_of_pointer() {
    if !may_read("a_redacted_snapshot_has_every_kind_of_pointer") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for version in [OLDEST_GO, MIDDLE_GO, NEWEST_GO] {
        let mut patient = Recipe::new("graph").go(version).start().unwrap();
        patient.stop().unwrap();
        let pid = patient.pid().to_string();
        let file = |name: &str| dir.path().join(format!("{version}-{name}.snap"));
        let [plain, redacted] = ["plain", "redacted"].map(file);
        snap(&[&pid, "--stop=60000"], &plain);
        snap(&[&pid, "--stop=60000", "--redact"], &redacted);
        // Words that tell types (of interfaces, of closures) are no pointers, and are left out.
        let mut differ = uncounted(beside(&redacted, &plain));
        differ.retain(|place| !place.contains("/type") && !place.contains("/untyped"));
        assert_eq!(differ, [""; 0], "{version}");
    }
}

#[test]
fn a_redacted_snapshot_has_the_shapes_and_no_contents() {
    if !may_read("a_redacted_snapshot_has_the_shapes_and_no_contents") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for case in all() {
        let patient = patient(&case);
        let pid = patient.pid().to_string();
        let file = |name: &str| dir.path().join(format!("{}-{name}.snap", patient.pid()));
        let [plain, redacted, contents] = ["plain", "redacted", "contents"].map(file);
        let hold = "--stop=60000";
        snap(&[&pid, hold], &plain);
        snap(&[&pid, hold, "--redact"], &redacted);
        snap(&[&pid, hold, "--contents"], &contents);

        let every = BTreeSet::from(PLACES);
        assert_eq!(places_in(&contents), every, "{case} --contents");
        let noscan = BTreeSet::from(NOSCAN);
        let without: BTreeSet<_> = every.difference(&noscan).copied().collect();
        assert_eq!(places_in(&plain), without, "{case}");
        assert_eq!(places_in(&redacted), BTreeSet::new(), "{case} --redact");

        let differ = uncounted(beside(&redacted, &plain));
        assert_eq!(differ, [""; 0], "{case} --redact");
        assert_eq!(beside(&contents, &plain), [""; 0], "{case} --contents");
        eprintln!("{case}: nothing is left of the text");
    }
}
