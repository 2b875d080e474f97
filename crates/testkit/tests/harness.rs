//! The harness itself: patients are built once, tell their truth, stop, and never outlive us.

use std::time::{Duration, Instant};

use letgo_testkit::{
    Arch, Case, Kind, Patient, Recipe, Sanitizer, Tier, cases, mapping_names, note_skip, rss,
    thread_states,
};

fn small(shape: &str) -> Recipe {
    Recipe::new(shape).arg("-mib=16")
}

fn exists(pid: u32) -> bool {
    std::path::Path::new(&format!("/proc/{pid}")).exists()
}

#[test]
fn a_patient_tells_figures_that_fit_together() {
    let mut patient = small("plain").start().unwrap();
    let stats = patient.memstats().unwrap();
    assert_eq!(
        stats.get("HeapInuse") + stats.get("HeapIdle"),
        stats.get("HeapSys")
    );
    assert!(stats.get("HeapAlloc") >= patient.truth().get("bytes_about"));
    assert!(stats.get("HeapAlloc") <= stats.get("HeapInuse"));
    assert!(rss(patient.pid()).unwrap().rss > stats.get("HeapAlloc"));
}

#[test]
fn a_stopped_patient_is_stopped_whole_and_runs_again() {
    let mut patient = small("alloc").start().unwrap();
    let (first, by_size) = patient.stop().unwrap();
    assert!(
        thread_states(patient.pid())
            .unwrap()
            .iter()
            .all(|state| *state == 'T')
    );
    let bytes: u64 = by_size
        .numbers()
        .map(|(size, objects)| size * objects)
        .sum();
    assert!(
        bytes <= first.get("HeapAlloc"),
        "large objects come on top of {bytes}"
    );
    patient.resume().unwrap();
    let second = patient.memstats().unwrap();
    assert!(
        second.get("TotalAlloc") > first.get("TotalAlloc"),
        "it allocates again"
    );
}

#[test]
fn a_binary_is_built_once() {
    let recipe = small("healthy");
    let first = recipe.build().unwrap();
    let built = first.metadata().unwrap().modified().unwrap();
    let second = recipe.build().unwrap();
    assert_eq!(first, second);
    assert_eq!(second.metadata().unwrap().modified().unwrap(), built);
}

#[test]
fn a_dropped_patient_is_gone_even_when_stopped() {
    let mut patient = small("healthy").start().unwrap();
    let pid = patient.pid();
    patient.stop().unwrap();
    drop(patient);
    assert!(!exists(pid));
}

#[test]
fn a_patient_outlives_the_thread_that_asked_for_it() {
    let mut patient = std::thread::spawn(|| small("healthy").start().unwrap())
        .join()
        .unwrap();
    std::thread::sleep(Duration::from_millis(50));
    assert!(patient.memstats().unwrap().get("HeapAlloc") > 0);
}

#[test]
fn an_unknown_command_and_an_early_end_are_errors() {
    let mut patient = small("healthy").start().unwrap();
    let error = patient.command("nonsense").unwrap_err().to_string();
    assert!(error.contains("unknown_command"), "{error}");
    patient.exit().unwrap();
    assert!(patient.memstats().is_err());
    assert!(Patient::run(std::process::Command::new("/bin/true")).is_err());
}

#[test]
fn a_zombie_keeps_its_pid_until_it_is_dropped() {
    let mut patient = small("healthy").start().unwrap();
    let pid = patient.pid();
    patient.become_zombie().unwrap();
    assert!(exists(pid));
    drop(patient);
    assert!(!exists(pid));
}

#[test]
fn variables_reach_the_patient_and_are_not_inherited() {
    let patient = Recipe::new("stale-limit")
        .env("GOMEMLIMIT", "512MiB")
        .start()
        .unwrap();
    assert_eq!(patient.truth().text("env"), Some("512MiB"));
    let patient = Recipe::new("stale-limit").start().unwrap();
    assert_eq!(patient.truth().text("env"), Some("none"));
}

#[test]
fn a_go_library_in_a_c_program_and_a_plugin_tell_their_truth() {
    for (shape, version) in [("cshared", "1.24.13"), ("plugin", "1.24.13")] {
        let mut patient = small(shape).go(version).kind(Kind::cgo()).start().unwrap();
        let names = mapping_names(patient.pid()).unwrap();
        assert!(
            names
                .iter()
                .any(|name| name.ends_with(".so") && name.contains(shape)),
            "{names:?}"
        );
        let (stats, _) = patient.stop().unwrap();
        assert!(stats.get("HeapAlloc") >= patient.truth().get("bytes"));
    }
}

#[test]
fn sanitized_and_32_bit_programs_run() {
    let kinds = [
        Kind::plain().sanitized(Sanitizer::Race),
        Kind::plain().sanitized(Sanitizer::Asan),
        Kind::plain().sanitized(Sanitizer::Msan),
        Kind {
            arch: Arch::I386,
            ..Kind::plain()
        },
    ];
    for kind in kinds {
        // A compiler with that sanitizer may be missing.
        match small("healthy").kind(kind.clone()).build() {
            Ok(_) => {
                let mut patient = small("healthy").kind(kind).start().unwrap();
                patient.stop().unwrap();
            }
            Err(error) => note_skip(&format!("healthy as {kind}"), &format!("{error:#}")),
        }
    }
}

#[test]
fn every_case_of_the_tier_builds_and_is_of_its_version() {
    let mut seen = 0;
    for Case { version, kind } in cases(Tier::from_env()) {
        let started = Instant::now();
        let mut patient = small("plain")
            .go(version)
            .kind(kind.clone())
            .start()
            .unwrap();
        let names = mapping_names(patient.pid()).unwrap();
        assert_eq!(
            names.iter().any(|name| name.contains("libc.so")),
            kind.cgo,
            "{version} {kind}"
        );
        patient.stop().unwrap();
        eprintln!("go{version} {kind}: {:?}", started.elapsed());
        seen += 1;
    }
    assert!(seen >= 6);
}
