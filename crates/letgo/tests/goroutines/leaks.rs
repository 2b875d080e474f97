//! Every way to wait, lost and kept: what the patient `leaks` says of its own goroutines, shown by
//! waking whatever is kept; what the runtime's profile says of them; and what letgo does.

use std::collections::BTreeSet;

use letgo_testkit::{Case, Patient};

use crate::roll::Roll;
use crate::{all, may_read, newest, profiled, proven};

/// What the profile of Go 1.27 calls leaked though it can run again: what they wait for is behind a
/// weak pointer, which they themselves keep from being cleared (`runtime/mgc.go`,
/// `findGoroutineLeaks`, does not look at weak handles).
const BEHIND_WEAK: [&str; 3] = ["main.ofWeak", "main.weakInner", "main.weakItself"];

fn start(case: &Case, args: &[&str]) -> (Patient, Roll) {
    crate::start("leaks", case, args)
}

#[test]
fn whatever_is_kept_runs_when_it_is_woken_and_nobody_else_does() {
    for case in &all() {
        let (mut patient, before) = start(case, &["-all"]);
        let after = Roll::told(&patient.command("wake").unwrap());
        assert!(before.0.len() > 60, "{case}");
        for (name, group) in &after.0 {
            let class = group.class.as_str();
            let runs = matches!(class, "kept" | "busy");
            let all = group.goids.len();
            let right = if runs { (0, all) } else { (all, 0) };
            assert_eq!((group.waiting, group.ran), right, "{case} {name} {class}");
            assert_eq!(group.goids, before.0[name].goids, "{case} {name}");
        }
    }
}

#[test]
fn a_program_that_lets_go_of_what_it_made_has_nobody_left() {
    for case in &all() {
        let (_patient, roll) = start(case, &["-all", "-fixed"]);
        assert!(roll.0.len() > 20, "{case}");
        for (name, group) in roll.0.iter().filter(|(_, group)| group.class == "leaked") {
            assert_eq!((group.waiting, group.ran), (0, group.goids.len()), "{name}");
        }
    }
}

/// The runtime's verdict on each goroutine, beside the patient's.
fn profile_agrees(case: &Case, modes: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("profile");
    let profile = format!("-profile={}", file.display());
    let (mut patient, roll) = start(case, &[&[profile.as_str()], modes].concat());
    let leaked = profiled(&mut patient, &file);
    let lost = roll.goids("leaked");
    let missed: BTreeSet<u64> = lost.difference(&leaked).copied().collect();
    assert!(missed.is_empty(), "{case}: {:?}", roll.functions(&missed));
    let either = roll.goids("either");
    let more: BTreeSet<u64> = leaked.difference(&(&lost | &either)).copied().collect();
    let more = roll.functions(&more);
    let names: Vec<&str> = more.iter().map(|(name, _, _)| *name).collect();
    let weak = if modes == ["-all"] {
        &BEHIND_WEAK[..]
    } else {
        &[]
    };
    assert_eq!(names, weak, "{case}: {more:?}");
    // Nobody is in the profile whom the patient does not know.
    let known: BTreeSet<u64> = roll
        .0
        .values()
        .flat_map(|group| &group.goids)
        .copied()
        .collect();
    assert!(leaked.is_subset(&known), "{case}: {leaked:?}");
}

#[test]
fn the_runtime_calls_leaked_who_the_patient_says_is_lost() {
    for case in &newest() {
        profile_agrees(case, &["-all"]);
    }
}

#[test]
fn what_a_main_holds_that_is_blocked_for_ever_is_lost() {
    profile_agrees(&newest()[0], &["ofBlockedMain", "receive"]);
}

#[test]
fn who_is_lost_is_proven_and_nobody_else_is() {
    if !may_read("who_is_lost_is_proven_and_nobody_else_is") {
        return;
    }
    for case in &all() {
        for modes in [&["-all"][..], &["ofBlockedMain", "receive"]] {
            let (patient, roll) = start(case, modes);
            // What a word that is left over speaks for is not proven at that moment.
            let mut all = BTreeSet::new();
            for _ in 0..LOOKS {
                let proven = proven(patient.pid());
                nobody_else(case, &roll, &proven);
                all.extend(proven);
                if missed(&roll, &all).is_empty() {
                    break;
                }
            }
            let missed = missed(&roll, &all);
            let most = roll.goids("leaked").len() / 10;
            assert!(
                missed.len() <= most,
                "{case}: {:?}",
                roll.functions(&missed)
            );
        }
    }
}

/// Looks at a program, until all that are lost were proven.
const LOOKS: u32 = 5;

/// Those that are lost and were not proven.
fn missed(roll: &Roll, proven: &BTreeSet<u64>) -> BTreeSet<u64> {
    &roll.goids("leaked") - proven
}

fn nobody_else(case: &Case, roll: &Roll, proven: &BTreeSet<u64>) {
    let false_ones = &(proven - &roll.goids("leaked")) - &roll.goids("either");
    let functions = roll.functions(&false_ones);
    assert!(
        false_ones.is_empty(),
        "{case}: {functions:?} {false_ones:?}"
    );
}

#[test]
fn a_program_without_the_leak_has_nobody_proven() {
    if !may_read("a_program_without_the_leak_has_nobody_proven") {
        return;
    }
    for case in &all() {
        let (patient, _) = start(case, &["-all", "-fixed"]);
        assert_eq!(proven(patient.pid()), BTreeSet::new(), "{case}");
    }
}

/// A goroutine with deep frames, each of which has 16 KiB of heap: 60 and one.
#[test]
fn what_only_the_lost_hold_is_counted() {
    if !may_read("what_only_the_lost_hold_is_counted") {
        return;
    }
    for case in &all() {
        let (patient, roll) = start(case, &["deep", "receive"]);
        let report = crate::report(patient.pid(), &[]);
        let deep = &roll.0["main.deep"].goids;
        let group = report["groups"].as_array().unwrap().iter().find(|group| {
            let goids = group["goids"].as_array().unwrap().iter();
            goids
                .filter_map(|goid| goid.as_u64())
                .any(|goid| deep.contains(&goid))
        });
        let group = group.unwrap_or_else(|| panic!("{case}: {report}"));
        let each = 61 * (16 << 10);
        let bytes = |name: &str| group[name].as_u64().unwrap() / deep.len() as u64;
        assert!(
            // A word that is left over may hold one, too.
            (each - each / 16..each + each / 16).contains(&bytes("retained_bytes")),
            "{group}"
        );
        assert!(bytes("stack_bytes") >= 61 * 512, "{group}");
    }
}
