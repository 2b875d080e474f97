//! Which goroutines can never run again: what the programs of `lab/patients` say of their own, what
//! the profile `goroutineleak` of Go 1.27 says, and what `letgo goroutines` says from outside.
//!
//! `leaks` has every way to wait, lost and kept; `leakserver` has those of HTTP handlers;
//! `leakoracle` makes them at random and shows a false verdict to be false. `LETGO_TIER=matrix`
//! takes every release and kind, `LETGO_SOAK=full` stops the oracle thousands of times.

mod backlog;
mod growth;
mod in_c;
mod labels;
mod leaks;
mod ledger;
mod oracle;
mod outlive;
mod partial;
mod roll;
mod server;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use letgo_testkit::{Case, Kind, NEWEST_GO, Patient, Recipe, Tier, cases, forbidden, note_skip};
use serde_json::Value;

const LETGO: &str = env!("CARGO_BIN_EXE_letgo");

/// What letgo says of a goroutine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    /// It can never run again.
    Proven,
    /// It has waited for long, and some could let it go on.
    Likely,
    /// Nothing.
    None,
}

/// Starts a patient; with what it says of its goroutines.
fn start(shape: &str, case: &Case, args: &[&str]) -> (Patient, roll::Roll) {
    let recipe = Recipe::new(shape).go(case.version).kind(case.kind.clone());
    let recipe = args.iter().fold(recipe, |recipe, arg| recipe.arg(*arg));
    let patient = recipe.start().unwrap();
    let roll = roll::Roll::of(patient.truth());
    (patient, roll)
}

/// The verdict of `letgo goroutines` on every goroutine that it lists.
fn verdicts(pid: u32) -> Vec<(u64, Verdict)> {
    let report = report(pid, &[]);
    let mut verdicts = Vec::new();
    for group in report["groups"].as_array().unwrap() {
        let verdict = match group["verdict"].as_str().unwrap() {
            "proven" => Verdict::Proven,
            "likely" => Verdict::Likely,
            "none" => Verdict::None,
            other => panic!("a verdict that is in no contract: {other}"),
        };
        let goids = group["goids"].as_array().unwrap();
        assert_eq!(group["count"], goids.len(), "{group}");
        verdicts.extend(goids.iter().map(|goid| (goid.as_u64().unwrap(), verdict)));
    }
    verdicts
}

/// `letgo goroutines PID -o json`; it must come out whole.
fn report(pid: u32, args: &[&str]) -> Value {
    let mut command = Command::new(LETGO);
    command.args(["goroutines", &pid.to_string(), "-o", "json"]);
    let output = command.args(args).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["schema"], "letgo.goroutines/1");
    report
}

/// Those of whom letgo says that they can never run again.
fn proven(pid: u32) -> BTreeSet<u64> {
    let all = verdicts(pid).into_iter();
    all.filter(|(_, verdict)| *verdict == Verdict::Proven)
        .map(|(goid, _)| goid)
        .collect()
}

/// Most looks at goroutines that stand.
const LOOKS: usize = 10;

/// Looks at goroutines that stand, until all of the lost were proven at one look or another: those
/// who were at none, and those who were proven and are not among the lost.
///
/// One look may miss somebody: whoever is on the way out, or a collector that is at work, has
/// anything in hand, which is taken for reachable. None may prove one too many.
fn looks(pid: u32, lost: &BTreeSet<u64>) -> (BTreeSet<u64>, BTreeSet<u64>) {
    let (mut missed, mut more) = (lost.clone(), BTreeSet::new());
    for look in 0..LOOKS {
        let found = proven(pid);
        more.extend(found.difference(lost).copied());
        missed.retain(|goid| !found.contains(goid));
        if missed.is_empty() {
            break;
        }
        eprintln!("look {look}: {missed:?} of {} missed", lost.len());
    }
    (missed, more)
}

/// Those whom the runtime itself finds leaked, by its profile, which the patient writes to `file`.
fn profiled(patient: &mut Patient, file: &Path) -> BTreeSet<u64> {
    patient.command("profile").unwrap();
    leaked_in(&fs::read_to_string(file).unwrap())
}

/// The goroutines that a text of stacks marks, as in `goroutine 7 [chan receive (leaked)]:`.
fn leaked_in(text: &str) -> BTreeSet<u64> {
    let headers = text
        .lines()
        .filter_map(|line| line.strip_prefix("goroutine "));
    let marked = headers.filter(|header| header.contains("(leaked)"));
    marked
        .map(|header| header.split(' ').next().unwrap().parse().unwrap())
        .collect()
}

/// The builds of the newest release, which has the profile.
fn newest() -> Vec<Case> {
    let kinds = [Kind::plain(), Kind::stripped_pie(), Kind::cgo()];
    let case = |kind| Case {
        version: NEWEST_GO,
        kind,
    };
    kinds.into_iter().map(case).collect()
}

/// Everything of the tier, and a build with C of the newest.
fn all() -> Vec<Case> {
    let mut all = cases(Tier::from_env());
    all.extend(newest());
    all.dedup();
    all
}

/// Whether programs can be read here; says so loudly where not.
fn may_read(test: &str) -> bool {
    let why = forbidden().unwrap();
    if let Some(why) = &why {
        note_skip(test, why);
    }
    why.is_none()
}

#[test]
fn a_profile_marks_who_is_leaked() {
    let text = "goroutine 1 [running]:\nmain.main()\n\ngoroutine 7 [chan receive (leaked)]:\n\
        main.receive(0x1)\n\ngoroutine 21 [select, 2 minutes (leaked)]:\n\ngoroutine 9 [select]:\n";
    assert_eq!(leaked_in(text), BTreeSet::from([7, 21]));
}
