//! Readings that prove nothing: of a program that ran on, and of which something is missing. Nobody
//! is called leaked then, and the report says why.

use std::process::Command;
use std::time::Duration;

use letgo::inspect::goroutines_report;
use letgo::inspect::{Hold, Opened, Options, Reading, Surroundings, goroutine_groups};
use letgo::progress::Progress;
use letgo::terminal::Terminal;
use letgo_report::{Unproven, Verdict};
use letgo_testkit::{Case, Kind, NEWEST_GO};

use crate::{LETGO, may_read, report};

fn newest() -> Case {
    Case {
        version: NEWEST_GO,
        kind: Kind::plain(),
    }
}

#[test]
fn without_a_pause_nobody_is_proven_and_the_report_says_so() {
    if !may_read("without_a_pause_nobody_is_proven_and_the_report_says_so") {
        return;
    }
    let (patient, _) = crate::start("leakserver", &newest(), &[]);
    assert!(!crate::proven(patient.pid()).is_empty());
    let report = report(patient.pid(), &["--no-pause"]);
    let leaks = &report["leaks"];
    assert_eq!(leaks["analysed"], false, "{leaks}");
    assert_eq!(leaks["proven"], 0);
    let why = leaks["why_not"].as_str().unwrap();
    assert!(why.contains("--no-pause"), "{why}");
    for group in report["groups"].as_array().unwrap() {
        assert_eq!(group["verdict"], "none", "{group}");
    }
    let pid = patient.pid().to_string();
    let args = ["goroutines", &pid, "--no-pause"];
    let output = Command::new(LETGO).args(args).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        flat.contains("can never run again is not known: "),
        "{text}"
    );
    let args = ["why", &pid, "--no-pause", "-o", "json"];
    let output = Command::new(LETGO).args(args).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("goroutine-leak"), "{text}");
}

#[test]
fn where_something_is_missing_nobody_is_proven_and_the_report_says_so() {
    if !may_read("where_something_is_missing_nobody_is_proven_and_the_report_says_so") {
        return;
    }
    let (patient, _) = crate::start("leakserver", &newest(), &[]);
    let mut opened = Opened::open(patient.pid()).unwrap();
    let options = Options {
        hold: Hold::Stop(Some(Duration::from_secs(60))),
        graph: true,
        contexts: true,
        calls_of_c: false,
        watch: None,
    };
    let progress = Progress::new(&Terminal::plain());
    let mut take = || Reading::take(&mut opened, options, &progress).unwrap();
    let (mut whole, mut partial) = (take(), take());
    partial
        .census
        .coverage
        .skip("span", "as if it could not be read");
    partial.coverage.skip("span", "as if it could not be read");
    let around = Surroundings::of(&opened.process);
    let made = |reading: &mut Reading| {
        let report = goroutines_report(&opened.program, reading, &around, None);
        report.unwrap()
    };
    let (whole_report, report) = (made(&mut whole), made(&mut partial));
    assert!(whole_report.leaks.analysed && whole_report.leaks.proven > 0);
    assert!(!report.leaks.analysed, "{:?}", report.leaks);
    assert_eq!((report.leaks.proven, report.leaks.likely), (0, 0));
    let why = report.leaks.why_not.as_deref().unwrap();
    assert!(why.contains("left out"), "{why}");
    assert!(!report.taken.coverage.complete);
    for group in &report.groups {
        assert_eq!(group.verdict, Verdict::None);
        assert!(matches!(group.why, None | Some(Unproven::NotAnalysed)));
    }
    // Nor does `why` say it.
    assert!(goroutine_groups(&opened.program, &mut partial, None).is_none());
}
