//! What becomes more between two looks of `letgo why --watch`: the patient `subscribers`, whom a
//! global map never drops, beside one whose subscribers come and go.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use letgo::inspect::{Hold, Opened, Options, Reading, Surroundings, facts, goroutine_groups};
use letgo::progress::Progress;
use letgo::terminal::Terminal;
use letgo_diagnose::{Change, Confidence, Facts, GoroutineGroup, Thresholds, diagnose_with};
use letgo_testkit::{MIDDLE_GO, NEWEST_GO, OLDEST_GO, Patient, Recipe, report_of, why};
use serde_json::Value;

use crate::{LETGO, may_read};

/// Long enough for some to come on a machine that has much else to do.
const WATCH: Duration = Duration::from_secs(2);

fn start(version: &str, args: &[&str]) -> Patient {
    let recipe = Recipe::new("subscribers").go(version);
    let recipe = args.iter().fold(recipe, |recipe, arg| recipe.arg(*arg));
    let mut patient = recipe.start().unwrap();
    patient.command("go").unwrap();
    patient
}

/// The facts of two looks.
fn looked(patient: &Patient) -> Facts {
    let mut opened = Opened::open(patient.pid()).unwrap();
    let options = Options {
        hold: Hold::Stop(Some(Duration::from_secs(60))),
        graph: true,
        contexts: true,
        calls_of_c: false,
        watch: Some(WATCH),
    };
    let progress = Progress::new(&Terminal::plain());
    let mut reading = Reading::take(&mut opened, options, &progress).unwrap();
    let groups = goroutine_groups(&opened.program, &mut reading, None);
    let around = Surroundings::of(&opened.process);
    Facts {
        goroutine_groups: groups.map(|own| own.all),
        ..facts(&opened.program, &reading, &around)
    }
}

/// The groups of subscribers: one, and others of those that are just being made or let go.
fn all_subscribers(facts: &Facts) -> impl Iterator<Item = &GoroutineGroup> {
    let groups = facts.goroutine_groups.iter().flatten();
    groups.filter(|group| {
        let at = group.location.as_ref();
        at.is_some_and(|at| at.function == "main.subscriber")
    })
}

/// The largest of them.
fn subscribers(facts: &Facts) -> &GoroutineGroup {
    all_subscribers(facts)
        .max_by_key(|group| group.count)
        .unwrap()
}

/// What is said where a goroutine is old at once.
fn said(facts: &Facts) -> Vec<(&'static str, Confidence)> {
    let at_once = Thresholds {
        goroutines_old_ns: 1,
        ..Thresholds::default()
    };
    let all = diagnose_with(facts, &at_once).into_iter();
    let of = all.filter(|finding| finding.id.starts_with("goroutine-"));
    of.map(|finding| (finding.id, finding.confidence)).collect()
}

#[test]
fn who_is_never_dropped_becomes_more_and_likely_leaks() {
    if !may_read("who_is_never_dropped_becomes_more_and_likely_leaks") {
        return;
    }
    for version in [OLDEST_GO, MIDDLE_GO, NEWEST_GO] {
        let patient = start(version, &[]);
        let facts = looked(&patient);
        let group = subscribers(&facts);
        let Change { came, went } = group.change.unwrap();
        let all: u64 = all_subscribers(&facts).map(|group| group.count).sum();
        assert!(
            all >= patient.truth().get("subscribers"),
            "{version}: {all}"
        );
        assert!(came >= 9, "{version}: {came}");
        // One that was being started at the first look may do something else at the second.
        assert!(went <= 4, "{version}: {went}");
        let window = facts.rates.unwrap().window_ns;
        assert!(u128::from(window) >= WATCH.as_nanos(), "{version}");
        let likely = [("goroutine-leak", Confidence::Likely)];
        assert_eq!(said(&facts), likely, "{version}: {group:?}");
    }
}

/// What the built binary says of subscribers, with these arguments.
fn printed(patient: &Patient, args: &[&str]) -> Vec<(String, String)> {
    let output = why(Path::new(LETGO), patient.pid(), args).output().unwrap();
    let report = report_of(&output).unwrap();
    let all = report.at("/findings").unwrap().as_array().unwrap();
    let text = |one: &Value, key: &str| one[key].as_str().unwrap().to_owned();
    let of = all
        .iter()
        .filter(|one| one["location"]["function"] == "main.subscriber");
    of.map(|one| (text(one, "id"), text(one, "confidence")))
        .collect()
}

/// Nobody waits for ten minutes here: from which age on is asked for.
#[test]
fn likely_is_said_from_the_age_that_is_asked_for() {
    if !may_read("likely_is_said_from_the_age_that_is_asked_for") {
        return;
    }
    let likely = |id: &str| vec![(id.to_owned(), "likely".to_owned())];
    for version in [OLDEST_GO, MIDDLE_GO, NEWEST_GO] {
        let patient = start(version, &[]);
        let old = ["--watch", "2s", "--old", "1ms"];
        assert_eq!(
            printed(&patient, &old),
            likely("goroutine-leak"),
            "{version}"
        );
        let young = printed(&patient, &["--watch", "2s", "--old", "24h"]);
        let leaks = young.iter().any(|(id, _)| id == "goroutine-leak");
        assert!(!leaks, "{version}: {young:?}");
        let fixed = start(version, &["-fixed"]);
        assert!(
            !printed(&fixed, &old).contains(&likely("goroutine-leak")[0]),
            "{version}"
        );
    }
}

#[test]
fn who_comes_and_goes_becomes_no_more() {
    if !may_read("who_comes_and_goes_becomes_no_more") {
        return;
    }
    for version in [OLDEST_GO, MIDDLE_GO, NEWEST_GO] {
        let patient = start(version, &["-fixed"]);
        let facts = looked(&patient);
        let group = subscribers(&facts);
        let Change { came, went } = group.change.unwrap();
        assert!(came >= 9, "{version}: it stood still");
        assert!(came.abs_diff(went) <= 8, "{version}: {came} {went}");
        let said = said(&facts);
        let grows = said.iter().any(|(_, sure)| *sure != Confidence::Possible);
        assert!(!grows, "{version}: {said:?}");
    }
}

/// Children of a process: a frozen copy is one.
fn children(pid: u32) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let of = |task: fs::DirEntry| fs::read_to_string(task.path().join("children"));
    let all: Vec<String> = tasks.flatten().filter_map(|task| of(task).ok()).collect();
    let words = all.iter().flat_map(|text| text.split_whitespace());
    words.map(str::to_owned).collect()
}

/// The copy is gone while letgo still waits for its second look.
#[test]
fn nothing_is_held_while_it_waits() {
    if !may_read("nothing_is_held_while_it_waits") {
        return;
    }
    let patient = start(NEWEST_GO, &[]);
    let mut command = Command::new(LETGO);
    let pid = patient.pid();
    command.args(["why", &pid.to_string(), "--frozen", "--watch=3s", "-o=json"]);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let mut letgo = command.spawn().unwrap();
    let mut seen = Vec::new();
    while letgo.try_wait().unwrap().is_none() {
        seen.push(!children(pid).is_empty());
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(letgo.wait().unwrap().success());
    let last = seen.iter().rposition(|held| *held);
    let last = last.expect("no copy was made");
    assert!(last + 1 < seen.len(), "it was held until the end");
    assert_eq!(children(pid), [""; 0]);
}

#[test]
fn the_report_says_how_many_came_in_which_time() {
    if !may_read("the_report_says_how_many_came_in_which_time") {
        return;
    }
    let patient = start(NEWEST_GO, &["-each=40"]);
    let args = ["--watch=2s"];
    let output = why(LETGO.as_ref(), patient.pid(), &args).output().unwrap();
    let report = report_of(&output).unwrap();
    let all = report.at("/findings").unwrap().as_array().unwrap();
    let growth = all.iter().find(|one| one["id"] == "goroutine-growth");
    let growth = growth.unwrap_or_else(|| panic!("{all:?}"));
    assert_eq!(growth["confidence"], "possible", "they are young");
    let evidence = growth["evidence"].to_string();
    assert!(evidence.contains("Between two looks, "), "{evidence}");
    assert!(evidence.contains("came and none went: from "), "{evidence}");
}

#[test]
fn a_file_cannot_be_watched() {
    if !may_read("a_file_cannot_be_watched") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("plain.snap");
    let file = file.to_str().unwrap();
    let patient = Recipe::new("plain").arg("-mib=1").start().unwrap();
    let letgo = |args: &[&str]| Command::new(LETGO).args(args).output().unwrap();
    let pid = patient.pid().to_string();
    assert!(letgo(&["snap", &pid, "-o", file]).status.success());
    let output = letgo(&["why", file, "--watch", "5s"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("Leave --watch out"));
}
