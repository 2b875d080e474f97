//! What a release gives back, and that everything is as it was.

use letgo_testkit::{Case, Kind, NEWEST_GO, Patient, rss};
use serde_json::Value;

use crate::{MIB, State, assert_restored, cases, controls, may_write, number, patient};

/// RSS by `smaps`.
fn resident(patient: &Patient) -> u64 {
    rss(patient.pid()).unwrap().rss
}

/// What is wrong with a release of the standard patient; empty where nothing is.
fn flaws(patient: &mut Patient, state: &State, args: &[&str]) -> (String, String) {
    let before = controls(patient.pid());
    let (report, code) = state.run("release", patient.pid(), args);
    let after = controls(patient.pid());
    assert_restored(&before, &after, "after a release");
    let (was, now) = (number(&report, "/before/rss_bytes"), resident(patient));
    let stats = patient.memstats().unwrap();
    patient.command("free").unwrap();
    let best = resident(patient);
    let cycles = after.num_gc - before.num_gc;
    let back = stats.get("HeapReleased") as f64 / stats.get("HeapIdle") as f64;
    let drop = 1.0 - now as f64 / was as f64;
    let predicted = number(&report, "/predicted/rss_bytes");
    let off = now.abs_diff(predicted);
    let mut wrong = Vec::new();
    let mut check = |right: bool, what: String| {
        if !right {
            wrong.push(what);
        }
    };
    check(code == 0, format!("status {code}"));
    check(report["restored"] == true, "not restored".into());
    // One of the program's own may still run when it is read, and is let end.
    check((2..=3).contains(&cycles), format!("{cycles} cycles"));
    check(back >= 0.95, format!("{back:.3} of the free heap is back"));
    check(
        now as f64 <= best as f64 * 1.02,
        format!("RSS {now}, FreeOSMemory reaches {best}"),
    );
    check(drop >= 0.72, format!("RSS fell by {drop:.3}"));
    check(
        off <= (16 * MIB).max((was - now) / 10),
        format!("{predicted} predicted, {now} measured"),
    );
    let figures = format!(
        "RSS {} -> {} MiB, -{:.1} %, FreeOSMemory {} MiB, free heap back {:.2} %, predicted {} MiB, \
         {} ms, pause {} us",
        was / MIB,
        now / MIB,
        drop * 100.0,
        best / MIB,
        back * 100.0,
        predicted / MIB,
        number(&report, "/took_ns") / 1_000_000,
        number(&report, "/pause_ns_max") / 1000,
    );
    (figures, wrong.join("; "))
}

/// 200 MiB live, 800 MiB dropped and not yet collected, 1 % of it kept.
#[test]
fn the_standard_patient_gives_its_burst_back() {
    if !may_write("the_standard_patient_gives_its_burst_back") {
        return;
    }
    let mut failed = Vec::new();
    for case in cases() {
        let mut patient = patient(&case, "burst", &[], &[]);
        let (figures, wrong) = flaws(&mut patient, &State::new(), &[]);
        eprintln!("{case:32} {figures} {wrong}");
        if !wrong.is_empty() {
            failed.push(format!("{case}: {wrong} ({figures})"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn newest() -> Case {
    Case {
        version: NEWEST_GO,
        kind: Kind::stripped_pie(),
    }
}

#[test]
fn gc_that_is_off_or_under_a_limit_is_so_afterwards() {
    if !may_write("gc_that_is_off_or_under_a_limit_is_so_afterwards") {
        return;
    }
    let small = ["-live=40", "-burst=160"];
    for env in [
        &[("GOGC", "off")][..],
        &[("GOGC", "off"), ("GOMEMLIMIT", "500MiB")],
        &[("GOMEMLIMIT", "500MiB")],
    ] {
        let mut patient = patient(&newest(), "burst", &small, env);
        let before = controls(patient.pid());
        let (report, code) = State::new().run("release", patient.pid(), &[]);
        assert_eq!(code, 0, "{env:?} {report:#}");
        let after = controls(patient.pid());
        assert_restored(&before, &after, &format!("{env:?}"));
        if before.gc_percent < 0 {
            assert_eq!(after.gc_percent_heap_goal, before.gc_percent_heap_goal);
        }
        let (was, now) = (number(&report, "/before/rss_bytes"), resident(&patient));
        assert!(now < was - 120 * MIB, "{env:?}: {was} {now}");
        // GC by itself is as it was: none while it is off and no limit is near.
        let count = patient.memstats().unwrap().get("NumGC");
        patient.command("gc").unwrap();
        assert_eq!(patient.memstats().unwrap().get("NumGC"), count + 1);
    }
}

#[test]
fn a_program_that_allocates_gives_back_what_it_does_not_turn_over() {
    if !may_write("a_program_that_allocates_gives_back_what_it_does_not_turn_over") {
        return;
    }
    let args = ["-live=40", "-burst=300", "-alloc=20"];
    let mut patient = patient(&newest(), "burst", &args, &[]);
    let before = controls(patient.pid());
    let (report, _) = State::new().run("release", patient.pid(), &[]);
    assert_restored(&before, &controls(patient.pid()), "busy");
    let (was, now) = (number(&report, "/before/rss_bytes"), resident(&patient));
    assert!(now < was - 120 * MIB, "{was} {now}");
    patient.command("gc").unwrap();
}

#[test]
fn a_program_that_sets_its_own_gogc_keeps_it() {
    if !may_write("a_program_that_sets_its_own_gogc_keeps_it") {
        return;
    }
    let args = ["-live=20", "-burst=80", "-rewrite"];
    let mut patient = patient(&newest(), "burst", &args, &[]);
    let (report, code) = State::new().run("release", patient.pid(), &[]);
    assert_eq!((code, &report["restored"]), (0, &Value::Bool(true)));
    assert_eq!(controls(patient.pid()).gc_percent, 100);
    patient.command("gc").unwrap();
}

#[test]
fn a_dry_run_writes_nothing() {
    if !may_write("a_dry_run_writes_nothing") {
        return;
    }
    let mut patient = patient(&newest(), "burst", &["-live=20", "-burst=80", "-gc"], &[]);
    let (before, state) = (controls(patient.pid()), State::new());
    let (report, code) = state.run("release", patient.pid(), &["--dry-run"]);
    assert_eq!(code, 0);
    assert_eq!(report["dry_run"], true);
    assert_eq!(report.get("after"), None);
    assert!(number(&report, "/predicted/returned_bytes") > 40 * MIB);
    assert_eq!(controls(patient.pid()).num_gc, before.num_gc);
    assert_eq!(state.actions(), "");
    patient.command("gc").unwrap();
}

/// What is said first is true to the page table: a program that was collected already.
#[test]
fn what_can_be_seen_before_is_predicted() {
    if !may_write("what_can_be_seen_before_is_predicted") {
        return;
    }
    let args = ["-live=40", "-burst=160", "-gc"];
    let patient = patient(&newest(), "burst", &args, &[]);
    let (report, _) = State::new().run("release", patient.pid(), &[]);
    let predicted = number(&report, "/predicted/rss_bytes");
    let now = resident(&patient);
    assert!(now.abs_diff(predicted) <= 16 * MIB, "{predicted} {now}");
}
