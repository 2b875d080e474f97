//! `letgo diff` of a program that says itself what it added, what it left alone, and what it put
//! where something else had been; from snapshots, cores and the process.

use std::path::Path;
use std::process::{Command, Stdio};

use letgo_testkit::{Patient, Recipe, forbidden, gcore, note_skip};
use serde_json::Value;

const LETGO: &str = env!("CARGO_BIN_EXE_letgo");
/// What `lab/patients/grows` adds, by its defaults.
const MORE: i64 = 3000;
const COUNT: u64 = 4000;
const GOROUTINES: i64 = 25;

fn may_read(test: &str) -> bool {
    let why = forbidden().unwrap();
    if let Some(why) = &why {
        note_skip(test, why);
    }
    why.is_none()
}

fn letgo(args: &[&str]) -> std::process::Output {
    let mut command = Command::new(LETGO);
    command.args(args).env("COLUMNS", "80").stdin(Stdio::null());
    command.output().unwrap()
}

fn snap(target: &str, file: &Path, more: &[&str]) {
    let file = file.to_str().unwrap();
    let output = letgo(&[&["snap", target, "-o", file], more].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

fn diff(args: &[&str]) -> Value {
    let output = letgo(&[&["diff", "--top", "1000", "-o", "json"], args].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {said}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let schema = letgo_report::schema::schema_of("diff").unwrap();
    let valid = jsonschema::validator_for(&schema).unwrap();
    let wrong: Vec<String> = valid
        .iter_errors(&report)
        .map(|error| error.to_string())
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    report
}

fn named<'a>(list: &'a Value, key: &str, name: &str) -> &'a Value {
    let list = list.as_array().unwrap();
    let found = list.iter().find(|each| each[key] == name);
    found.unwrap_or_else(|| panic!("{name} is not in {list:#?}"))
}

/// A patient before, in a snapshot, and after, when it has done all that it can.
struct Grown {
    dir: tempfile::TempDir,
    patient: Patient,
    reused: u64,
    cycles: u64,
}

fn grown() -> Grown {
    let mut patient = Recipe::new("grows").start().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let before = patient.memstats().unwrap().get("NumGC");
    snap(
        &patient.pid().to_string(),
        &dir.path().join("a.snap"),
        &["--contents"],
    );
    patient.command("grow").unwrap();
    let said = patient.command("reuse").unwrap();
    let reused = said
        .iter()
        .find_map(|line| line.figures.text("reused")?.parse().ok());
    patient.command("gc").unwrap();
    let after = patient.memstats().unwrap().get("NumGC");
    Grown {
        dir,
        patient,
        reused: reused.unwrap(),
        cycles: after - before,
    }
}

impl Grown {
    fn file(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }
}

#[test]
fn growth_is_that_of_the_program_and_reused_addresses_are_not_unchanged() {
    if !may_read("growth_is_that_of_the_program_and_reused_addresses_are_not_unchanged") {
        return;
    }
    let grown = grown();
    let truth = grown.patient.truth();
    let bytes = |name: &str| i64::try_from(truth.get(name)).unwrap();
    let report = diff(&[&grown.file("a.snap"), &grown.patient.pid().to_string()]);
    assert_eq!(report["same_process"], true);
    assert_eq!(report["gc_cycles"], grown.cycles);

    let entries = &named(&report["holders"], "name", "main.entries")["retained"];
    assert_eq!(entries["count"]["delta"], MORE);
    assert_eq!(entries["slot_bytes"]["delta"], MORE * bytes("entry_bytes"));
    let pages = &named(&report["holders"], "name", "main.pages")["retained"];
    assert_eq!(pages["count"]["delta"], 2 * MORE);
    let page = bytes("page_bytes") + bytes("buffer_bytes");
    assert_eq!(pages["slot_bytes"]["delta"], MORE * page);
    let still = &named(&report["holders"], "name", "main.still")["retained"];
    assert_eq!(still["slot_bytes"]["delta"], 0);
    assert_eq!(report["totals"]["goroutines"]["delta"], GOROUTINES);
    let waiting = &report["goroutines"][0];
    assert_eq!(waiting["location"]["function"], "main.wait");
    assert_eq!(waiting["count"]["delta"], GOROUTINES);

    let unchanged = &report["unchanged"];
    assert_eq!(unchanged["signal"], "contents");
    assert_eq!(unchanged["age_gc_cycles"], grown.cycles);
    let old =
        |name: &str| named(&unchanged["by_holder"], "name", name)["unchanged"]["count"].clone();
    assert_eq!(old("main.still"), COUNT);
    assert_eq!(old("main.entries"), COUNT);
    assert_eq!(old("main.pages"), 2 * COUNT);
    // The runtime reuses freed slots soon: the test is none if it did not.
    assert!(grown.reused > COUNT / 4, "{} of {COUNT}", grown.reused);
    let holders = unchanged["by_holder"].as_array().unwrap();
    assert!(
        holders.iter().all(|each| each["name"] != "main.cells"),
        "{holders:#?}"
    );
    assert!(unchanged["changed"]["count"].as_u64() >= Some(grown.reused));
    sums_hold(&report);
}

/// An address that was given to an object of another type with the very same bytes.
#[test]
fn the_same_bytes_of_another_type_are_not_unchanged() {
    if !may_read("the_same_bytes_of_another_type_are_not_unchanged") {
        return;
    }
    let mut patient = Recipe::new("grows").start().unwrap();
    let pid = patient.pid().to_string();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.snap");
    snap(&pid, &file, &["--contents"]);
    let said = patient.command("retype").unwrap();
    let retyped: u64 = said
        .iter()
        .find_map(|line| line.figures.text("retyped")?.parse().ok())
        .unwrap();
    assert!(retyped > COUNT / 4, "{retyped} of {COUNT}");
    let report = diff(&[file.to_str().unwrap(), &pid]);
    let unchanged = &report["unchanged"];
    let of = |name: &str| {
        let types = unchanged["by_type"].as_array().unwrap();
        let found = types.iter().find(|one| one["name"] == name);
        found.map_or(0, |one| one["unchanged"]["count"].as_u64().unwrap())
    };
    assert_eq!(of("main.coin"), COUNT, "{unchanged:#}");
    assert_eq!(of("main.token"), 0, "{unchanged:#}");
    assert!(unchanged["changed"]["count"].as_u64() >= Some(retyped));
    sums_hold(&report);
}

/// What is true of every report.
fn sums_hold(report: &Value) {
    let reachable = &report["totals"]["reachable"];
    for (what, when) in [
        ("count", "after"),
        ("slot_bytes", "after"),
        ("count", "before"),
        ("slot_bytes", "before"),
    ] {
        let of = |part: &Value| part["retained"][what][when].as_u64().unwrap();
        let holders = report["holders"].as_array().unwrap();
        let sum: u64 = holders.iter().map(of).sum();
        assert_eq!(
            sum,
            reachable[what][when].as_u64().unwrap(),
            "{what} {when}"
        );
    }
    if let Some(unchanged) = report.get("unchanged") {
        let parts = ["unchanged", "changed", "new", "unknown"];
        let sum: u64 = parts
            .iter()
            .map(|part| unchanged[part]["slot_bytes"].as_u64().unwrap())
            .sum();
        assert_eq!(sum, reachable["slot_bytes"]["after"].as_u64().unwrap());
    }
}

/// A report without what differs between two ways of reading one and the same.
fn answer(mut report: Value) -> Value {
    let parts = report.as_object_mut().unwrap();
    for key in [
        "letgo",
        "before",
        "after",
        "elapsed_ns",
        "leaves",
        "leaves_resident",
    ] {
        parts.remove(key);
    }
    parts["totals"].as_object_mut().unwrap().remove("rss_bytes");
    report
}

#[test]
fn process_core_and_snapshot_are_equal() {
    if !may_read("process_core_and_snapshot_are_equal") {
        return;
    }
    let mut grown = grown();
    grown.patient.stop().unwrap();
    let pid = grown.patient.pid().to_string();
    let a = grown.file("a.snap");
    let (core, b) = (grown.file("core"), grown.file("b.snap"));
    let dumped = gcore(grown.patient.pid(), Path::new(&core));
    let live = answer(diff(&[&a, &pid]));
    snap(&pid, Path::new(&b), &["--contents"]);
    assert_eq!(answer(diff(&[&a, &b])), live);
    match dumped {
        true => assert_eq!(answer(diff(&[&a, &core])), live),
        false => note_skip(
            "process_core_and_snapshot_are_equal",
            "gcore of gdb is missing",
        ),
    }
    let none = diff(&[&b, &pid]);
    assert_eq!(
        none["unchanged"]["unchanged"],
        serde_json::json!({
            "count": none["totals"]["reachable"]["count"]["after"],
            "slot_bytes": none["totals"]["reachable"]["slot_bytes"]["after"],
        })
    );
    assert_eq!(none["goroutines"], serde_json::json!([]));
}

#[test]
fn what_was_not_kept_is_not_known_and_said_so() {
    if !may_read("what_was_not_kept_is_not_known_and_said_so") {
        return;
    }
    let patient = Recipe::new("grows").start().unwrap();
    let pid = patient.pid().to_string();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.snap");
    snap(&pid, &file, &[]);
    let report = diff(&[file.to_str().unwrap(), &pid]);
    let unchanged = &report["unchanged"];
    // The buffers have no pointers.
    let unknown = unchanged["unknown"]["count"].as_u64().unwrap();
    assert!(unknown >= COUNT, "{unknown}");
    let why = unchanged["unknown_why"].as_str().unwrap();
    assert!(why.contains("--contents"), "{why}");
    sums_hold(&report);
}

#[test]
fn where_contents_were_left_out_no_write_is_claimed() {
    if !may_read("where_contents_were_left_out_no_write_is_claimed") {
        return;
    }
    let patient = Recipe::new("grows").start().unwrap();
    let pid = patient.pid().to_string();
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name).display().to_string();
    let (whole, bare) = (file("whole.snap"), file("bare.snap"));
    snap(&pid, Path::new(&whole), &["--contents"]);
    snap(&pid, Path::new(&bare), &["--redact"]);
    // The program did nothing in between.
    let report = diff(&[&whole, &whole]);
    assert_eq!(report["unchanged"]["changed"]["count"], 0);
    for (before, after, which) in [
        (&whole, &bare, "after"),
        (&bare, &whole, "before"),
        (&bare, &bare, "both"),
    ] {
        let report = diff(&[before, after]);
        assert_eq!(report.get("unchanged"), None);
        let why = report["unchanged_why_not"].as_str().unwrap();
        assert!(why.contains("left out") && why.contains(which), "{why}");
        for (moment, file) in [("before", before), ("after", after)] {
            let redacted = report[moment].get("redacted").is_some();
            assert_eq!(redacted, file == &bare, "{moment}");
        }
    }
}

#[test]
fn two_processes_have_no_object_in_common() {
    if !may_read("two_processes_have_no_object_in_common") {
        return;
    }
    let patients = [0; 2].map(|_| Recipe::new("grows").start().unwrap());
    let [a, b] = [0, 1].map(|at| patients[at].pid().to_string());
    let report = diff(&[&a, &b]);
    assert_eq!(
        (&report["same_build"], &report["same_process"]),
        (&true.into(), &false.into())
    );
    assert!(report.get("unchanged").is_none() && report.get("gc_cycles").is_none());
    let why = report["unchanged_why_not"].as_str().unwrap();
    assert!(why.contains("two processes"), "{why}");
    let still = &named(&report["holders"], "name", "main.still")["retained"];
    assert_eq!(still["count"]["delta"], 0);
}

#[test]
fn what_makes_no_two_moments_is_refused() {
    for (args, says) in [
        (&["diff"][..], "BEFORE"),
        (&["diff", "1"], "AFTER"),
        (&["diff", "1", "2", "--after", "1s"], "cannot be used with"),
        (&["diff", "no-such-file", "1"], "neither a pid nor a file"),
    ] {
        let output = letgo(args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(says), "{args:?}: {said}");
    }
}
