//! `letgo goroutines` of a program that tells what its goroutines do.
//!
//! Places and counts are the program's own; which goroutines are leaked follows from its source:
//! what `select {}` is never woken, and a mutex that only those hold who wait for it neither.

use std::path::Path;
use std::process::{Command, Output};

use letgo_report::{GoroutineGroup, GoroutinesReport, Verdict};
use letgo_testkit::{Kind, MIDDLE_GO, NEWEST_GO, OLDEST_GO, Patient, Recipe};

const LETGO: &str = env!("CARGO_BIN_EXE_letgo");

fn letgo(args: &[&str]) -> Output {
    Command::new(LETGO).args(args).output().unwrap()
}

/// The patient; nothing, and a note, where it cannot be had.
fn start(go: &str, kind: Kind) -> Option<Patient> {
    match Recipe::new("goroutines")
        .go(go)
        .kind(kind)
        .arg("-n=2000")
        .start()
    {
        Ok(patient) => Some(patient),
        Err(error) => {
            eprintln!("SKIPPED: {go}: {error:#}");
            None
        }
    }
}

fn read(pid: u32, how: &str) -> Option<GoroutinesReport> {
    let output = letgo(&["goroutines", &pid.to_string(), how, "-o", "json"]);
    if output.status.code() == Some(3) {
        eprintln!("SKIPPED: {}", String::from_utf8_lossy(&output.stderr));
        return None;
    }
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// The goroutines whose look-here is this function.
fn at<'a>(report: &'a GoroutinesReport, function: &str) -> Vec<&'a GoroutineGroup> {
    let is = |group: &&GoroutineGroup| {
        let at = group.location.as_ref();
        at.is_some_and(|at| at.function == function)
    };
    report.groups.iter().filter(is).collect()
}

fn count(groups: &[&GoroutineGroup]) -> u64 {
    groups.iter().map(|group| group.count).sum()
}

fn check(report: &GoroutinesReport, go: &str) {
    let text = || format!("{go}: {report:#?}");
    let counted: u64 = report.groups.iter().map(|group| group.count).sum();
    assert_eq!(counted, report.total, "{}", text());
    let stacks: u64 = report.groups.iter().map(|group| group.stack_bytes).sum();
    assert_eq!(stacks, report.stack_bytes, "{}", text());

    let parked = at(report, "main.main.func1");
    assert_eq!(count(&parked), 2000, "{}", text());
    for group in parked {
        assert_eq!(group.wait_reason.as_deref(), Some("chan receive"), "{go}");
        assert_ne!(
            group.verdict,
            Verdict::Proven,
            "{go}: main holds the channel"
        );
        let created = group.created_by.as_ref().unwrap();
        assert_eq!(created.function, "main.main", "{go}");
        let file = Path::new(&created.file).file_name().unwrap();
        assert_eq!(file, "main.go", "{go}");
    }
    let deep = at(report, "main.deep");
    assert_eq!(count(&deep), 100, "{}", text());
    for group in deep {
        let calls = group.frames.iter();
        let calls = calls.filter(|frame| frame.function == "main.deep").count();
        assert_eq!(calls as u64 + group.frames_more, 201, "{go}");
        assert!(!group.frames_cut, "{go}");
    }
    for asleep in at(report, "time.Sleep") {
        assert_eq!(
            (asleep.count, &asleep.verdict),
            (10, &Verdict::None),
            "{go}"
        );
    }
}

#[test]
fn groups_are_what_the_program_started() {
    for (go, kind) in [
        (OLDEST_GO, Kind::plain()),
        ("1.21.13", Kind::stripped_pie()),
        (MIDDLE_GO, Kind::stripped_pie()),
        (NEWEST_GO, Kind::plain()),
    ] {
        let Some(patient) = start(go, kind) else {
            continue;
        };
        let Some(report) = read(patient.pid(), "--stop=5000") else {
            return;
        };
        check(&report, go);
        assert!(report.leaks.analysed, "{go}: {:?}", report.leaks);
        let never = at(&report, "main.main.func2");
        assert_eq!(count(&never), 10, "{go}");
        assert_eq!(never[0].verdict, Verdict::Proven, "{go}");
        let locks = at(&report, "sync.(*Mutex).Lock");
        assert_eq!(count(&locks), 10, "{go}: {report:#?}");
        // A lock of the program is on the heap here, and nobody holds it that can run.
        let proven: u64 = locks
            .iter()
            .filter(|group| group.verdict == Verdict::Proven)
            .map(|group| group.count)
            .sum();
        assert_eq!(report.leaks.proven, 10 + proven, "{go}");
    }
}

#[test]
fn without_a_pause_groups_are_the_same_and_nothing_is_proven() {
    let Some(patient) = start(NEWEST_GO, Kind::plain()) else {
        return;
    };
    let Some(report) = read(patient.pid(), "--no-pause") else {
        return;
    };
    check(&report, NEWEST_GO);
    assert!(!report.leaks.analysed && report.leaks.why_not.is_some());
    assert_eq!(report.leaks.proven, 0);
    let proven = |group: &GoroutineGroup| group.verdict == Verdict::Proven;
    assert!(!report.groups.iter().any(proven));
}

#[test]
fn a_folded_line_is_a_group() {
    let Some(patient) = start(NEWEST_GO, Kind::plain()) else {
        return;
    };
    let output = letgo(&["goroutines", &patient.pid().to_string(), "-o", "folded"]);
    if output.status.code() == Some(3) {
        eprintln!("SKIPPED: {}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    let text = String::from_utf8(output.stdout).unwrap();
    let parked = text
        .lines()
        .find(|line| line.starts_with("created by main.main;main.main.func1;"));
    assert!(parked.is_some_and(|line| line.ends_with(" 2000")), "{text}");
}
