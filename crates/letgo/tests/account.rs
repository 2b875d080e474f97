//! `letgo why` on real programs of every release and kind of build, against second sources: the
//! program's own `runtime.MemStats` and the kernel's `smaps`.
//!
//! The built binary runs as a user runs it, and only its JSON is looked at. What is compared with
//! what is in `letgo_testkit`'s `Report`. `LETGO_TIER=matrix` takes every version and kind.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use letgo_testkit::{
    Case, Kind, MIDDLE_GO, NEWEST_GO, OLDEST_GO, Patient, Recipe, Report, Tier, Trial, VERSIONS,
    cases, forbidden, note_skip, report_of, rss, thread_states, try_stopped, why,
};

const LETGO: &str = env!("CARGO_BIN_EXE_letgo");

/// Whether programs can be read here; says so loudly where not.
fn may_read(test: &str) -> bool {
    let why = forbidden().unwrap();
    if let Some(why) = &why {
        note_skip(test, why);
    }
    why.is_none()
}

/// Reads each case of a shape while it stands still; all that is wrong comes out at the end.
fn check(shape: &Recipe, cases: &[Case]) {
    let mut failed = Vec::new();
    for case in cases {
        let wrong = match try_stopped(Path::new(LETGO), shape, case).unwrap() {
            Trial::Read(read) => read.wrong(),
            Trial::Refused(said) => vec![said],
        };
        eprintln!(
            "{case}: {}",
            if wrong.is_empty() { "equal" } else { "WRONG" }
        );
        if !wrong.is_empty() {
            failed.push(format!("{case}: {}", wrong.join("; ")));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn plain_kinds() -> Vec<Case> {
    let versions = match Tier::from_env() {
        Tier::Test => &[NEWEST_GO][..],
        Tier::Matrix => VERSIONS,
    };
    let kind = Kind::plain();
    let case = |version: &&'static str| Case {
        version,
        kind: kind.clone(),
    };
    versions.iter().map(case).collect()
}

#[test]
fn a_stopped_program_is_explained_to_the_byte() {
    if may_read("a_stopped_program_is_explained_to_the_byte") {
        let shape = Recipe::new("plain").arg("-mib=48");
        check(&shape, &cases(Tier::from_env()));
    }
}

#[test]
fn a_stopped_program_with_c_code_is_explained_to_the_byte() {
    if may_read("a_stopped_program_with_c_code_is_explained_to_the_byte") {
        let case = Case {
            version: NEWEST_GO,
            kind: Kind::cgo(),
        };
        check(&Recipe::new("plain").arg("-mib=48"), &[case]);
    }
}

#[test]
fn twenty_thousand_goroutines_are_explained_to_the_byte() {
    if may_read("twenty_thousand_goroutines_are_explained_to_the_byte") {
        let shape = Recipe::new("goroutines").arg("-n=20000");
        check(&shape, &plain_kinds());
    }
}

#[test]
fn a_healthy_program_is_explained_to_the_byte() {
    if may_read("a_healthy_program_is_explained_to_the_byte") {
        check(&Recipe::new("healthy"), &plain_kinds());
    }
}

/// Runs letgo on a running patient; what it wrote, and the states that the patient's threads were
/// seen in meanwhile.
fn read_running(patient: &Patient, args: &[&str]) -> (Output, BTreeSet<char>) {
    let mut command = why(Path::new(LETGO), patient.pid(), args);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let reader = std::thread::spawn(move || child.wait_with_output().unwrap());
    let mut seen = BTreeSet::new();
    while !reader.is_finished() {
        seen.extend(thread_states(patient.pid()).unwrap());
        std::thread::sleep(Duration::from_millis(1));
    }
    (reader.join().unwrap(), seen)
}

/// The tree's sum less the kernel's figure that the report was taken with.
fn drift(report: &Report) -> i128 {
    let rss = report.number("/rss/bytes").unwrap();
    i128::from(report.resident().unwrap()) - i128::from(rss)
}

/// The patient runs, and allocates between two looks.
fn still_allocates(patient: &mut Patient) {
    let before = patient.memstats().unwrap().get("TotalAlloc");
    std::thread::sleep(Duration::from_millis(100));
    let after = patient.memstats().unwrap().get("TotalAlloc");
    assert!(after > before, "{before} {after}");
}

#[test]
fn a_program_that_keeps_allocating_runs_on_while_it_is_read() {
    if !may_read("a_program_that_keeps_allocating_runs_on_while_it_is_read") {
        return;
    }
    let versions = match Tier::from_env() {
        Tier::Test => &[OLDEST_GO, MIDDLE_GO, NEWEST_GO][..],
        Tier::Matrix => VERSIONS,
    };
    for version in versions {
        let mut patient = Recipe::new("alloc").go(version).start().unwrap();
        grown(&patient);
        for round in 0..5 {
            let name = format!("go{version} round {round}");
            read_once_running(&patient, &name);
            still_allocates(&mut patient);
        }
    }
}

/// Waits until the patient has the size that it keeps, in 200 ms by 2 %. While it starts it grows
/// by a MiB each millisecond, and no two looks of the kernel are within 0.5 % of each other.
fn grown(patient: &Patient) {
    let end = Instant::now() + Duration::from_secs(60);
    let mut before = 0;
    loop {
        let now = rss(patient.pid()).unwrap().rss;
        if now >= 64 << 20 && now.abs_diff(before) * 50 <= now {
            return;
        }
        assert!(Instant::now() < end, "the patient never stops growing");
        before = now;
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Looks at most that are needed for one that is whole: where letgo waits for a processor in the
/// middle of it, so much changes meanwhile that it says so itself.
const LOOKS: u32 = 5;

fn read_once_running(patient: &Patient, name: &str) {
    let before = rss(patient.pid()).unwrap().rss;
    let mut looks = (0..LOOKS).map(|_| read_running(patient, &["--no-pause"]));
    let whole = looks.find(|(output, _)| output.status.code() == Some(0));
    let (output, seen) = whole.unwrap_or_else(|| panic!("{name}: no look is whole"));
    let after = rss(patient.pid()).unwrap().rss;
    let report = report_of(&output).unwrap_or_else(|error| panic!("{name}: {error}"));
    let coverage = report.at("/taken/coverage").unwrap();
    assert_eq!(output.status.code(), Some(0), "{name}: {coverage}");
    assert!(coverage["torn"].is_u64(), "{name}: {coverage}");
    assert_eq!(report.at("/taken/method").unwrap(), "running");
    assert_eq!(report.number("/taken/pause_ns_max").unwrap(), 0);
    assert!(!seen.contains(&'t') && !seen.contains(&'T'), "{seen:?}");
    let taken = report.number("/rss/bytes").unwrap();
    let (drift, torn) = (drift(&report), &coverage["torn"]);
    eprintln!("{name}: Rss {before} {taken} {after}, drift {drift}, torn {torn}");
    assert!(
        drift.unsigned_abs() * 200 < u128::from(taken),
        "{name}: drift {drift} of {taken}"
    );
    assert_eq!(report.leaf("unattributed", "resident_bytes").unwrap(), 0);
}

#[test]
fn a_stop_gives_the_account_of_one_moment() {
    if !may_read("a_stop_gives_the_account_of_one_moment") {
        return;
    }
    let mut patient = Recipe::new("alloc").start().unwrap();
    for round in 0..3 {
        let (output, _) = read_running(&patient, &["--stop=20000"]);
        let report = report_of(&output).unwrap();
        assert_eq!(report.flaws().unwrap(), [""; 0], "round {round}");
        assert_eq!(output.status.code(), Some(0), "round {round}");
        assert_eq!(report.at("/taken/method").unwrap(), "stopped");
        assert!(report.number("/taken/pause_ns_max").unwrap() > 0);
        assert_eq!(drift(&report), 0, "round {round}");
        assert_eq!(report.leaf("unattributed", "resident_bytes").unwrap(), 0);
        still_allocates(&mut patient);
    }
}
