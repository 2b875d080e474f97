//! Programs with Go plugins, read in every way: frames of a plugin's functions by the plugin's own
//! tables, wherever these are had from.
//!
//! `lab/patients/plugin` has goroutines that stand in functions of its plugin. Three of them are
//! lost, and the frame of another has a dead word that leads to something large.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use letgo_testkit::{
    Case, Kind, MIDDLE_GO, NEWEST_GO, OLDEST_GO, Recipe, Strip, note_skip, why_no_kernel_core,
};
use serde_json::Value;

use crate::crashed::core;
use crate::equal::check_cases;
use crate::{json, may_read, snap};

/// Where the lost ones stand, and where the others do.
const LOSE: &str = "letgo.lab/plugin/plug.lose";
const WAIT: &str = "letgo.lab/plugin/plug.wait";
/// How many are lost.
const LOST: u64 = 3;
/// Less than what the dead word leads to, which has half a MiB.
const LEAST: u64 = 64 << 10;

fn standing() -> Recipe {
    let recipe = Recipe::new("plugin").kind(Kind::cgo());
    recipe.arg("-stand").arg("-mib=8")
}

/// Groups of goroutines that stand in the plugin.
fn groups(report: &Value) -> impl Iterator<Item = &Value> {
    let groups = report["groups"].as_array().unwrap().iter();
    groups.filter(|group| {
        let function = group["location"]["function"].as_str();
        function == Some(LOSE) || function == Some(WAIT)
    })
}

/// What has to be true of `target`, however it is read.
fn check(case: &str, target: &[&str]) {
    let (report, code) = json("goroutines", target);
    assert_eq!(code, 0, "{case}: {}", report["taken"]["coverage"]);
    let leaks = &report["leaks"];
    let proven = leaks["proven"].as_u64().unwrap();
    // Where a thread died, an old word of it may name one.
    let lost = groups(&report).filter(|group| group["location"]["function"] == LOSE);
    let in_hand = lost.filter(|group| group["why"] == "in-hand");
    let in_hand: u64 = in_hand.map(|group| group["count"].as_u64().unwrap()).sum();
    let doubted = if case.contains("core") { in_hand } else { 0 };
    assert_eq!(proven + doubted, LOST, "{case}: {}", report["groups"]);
    assert!(proven > 0, "{case}: {leaks}");
    let of = |group: &Value| {
        let function = group["location"]["function"].as_str().unwrap();
        (function.to_owned(), group["count"].as_u64().unwrap())
    };
    let stand: Vec<(String, u64)> = groups(&report).map(of).collect();
    let lost = stand.iter().filter(|group| group.0 == LOSE);
    assert_eq!(lost.map(|group| group.1).sum::<u64>(), LOST, "{stand:?}");
    let others = stand.iter().filter(|group| group.0 == WAIT);
    assert_eq!(others.map(|group| group.1).sum::<u64>(), 4, "{stand:?}");
    for group in groups(&report) {
        let bottom = group["created_by"]["function"].as_str();
        assert_eq!(bottom, Some("letgo.lab/plugin/plug.Stand"), "{case}");
        let files = group["frames"].as_array().unwrap().iter();
        let mut files = files.map(|frame| frame["file"].as_str().unwrap());
        assert!(files.all(|file| !file.is_empty()), "{case}: {group}");
    }
    let (report, code) = json("heap", target);
    assert_eq!(code, 0, "{case}: {}", report["taken"]["coverage"]);
    let graph = &report["taken"]["graph"];
    let guessed = graph["guessed_bytes"].as_u64().unwrap();
    assert!(guessed < LEAST, "{case}: {graph}");
    eprintln!(
        "{case}: {} proven, {guessed} bytes guessed",
        leaks["proven"]
    );
}

#[test]
fn a_program_with_a_plugin_is_the_same_by_every_way() {
    if !may_read("a_program_with_a_plugin_is_the_same_by_every_way") {
        return;
    }
    let case = |version, kind| Case { version, kind };
    let stripped = Kind {
        pie: true,
        strip: Strip::StripS,
        ..Kind::cgo()
    };
    let cases = [
        case(OLDEST_GO, Kind::cgo()),
        case(MIDDLE_GO, stripped.clone()),
        case(NEWEST_GO, Kind::cgo()),
        case(NEWEST_GO, stripped),
    ];
    check_cases(&standing(), &cases);
}

/// A group is known again when the loader has put the plugin elsewhere.
#[test]
fn goroutines_in_a_plugin_are_named_and_known_again() {
    if !may_read("goroutines_in_a_plugin_are_named_and_known_again") {
        return;
    }
    let mut seen: Vec<BTreeSet<String>> = Vec::new();
    for _ in 0..2 {
        let mut patient = standing().start().unwrap();
        patient.stop().unwrap();
        let pid = patient.pid().to_string();
        check("live", &[&pid]);
        let (report, _) = json("goroutines", &[&pid]);
        let ids = groups(&report).map(|group| group["id"].as_str().unwrap().to_owned());
        seen.push(ids.collect());
    }
    assert_eq!(seen[0].len(), 5, "{seen:?}");
    assert_eq!(seen[0], seen[1]);
}

/// The patient and its plugin, where they may be deleted.
fn copied(recipe: &Recipe, folder: &Path) -> [PathBuf; 2] {
    let built = recipe.build().unwrap();
    ["plugin", "plugin.so"].map(|name| {
        let copy = folder.join(name);
        std::fs::copy(built.with_file_name(name), &copy).unwrap();
        copy
    })
}

#[test]
fn a_plugin_is_read_where_its_file_is_gone() {
    if !may_read("a_plugin_is_read_where_its_file_is_gone") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let recipe = standing();
    let [binary, plugin] = copied(&recipe, dir.path());
    let mut patient = recipe.start_as(&binary).unwrap();
    patient.stop().unwrap();
    let pid = patient.pid().to_string();
    let file = |name: &str| dir.path().join(name).display().to_string();
    let (whole, redacted) = (file("whole.snap"), file("redacted.snap"));
    snap(&[&pid], Path::new(&whole));
    snap(&[&pid, "--redact"], Path::new(&redacted));
    std::fs::remove_file(&plugin).unwrap();
    check("snapshot", &[&whole]);
    check("redacted snapshot", &[&redacted]);
    // Only root may open what is mapped and has no name any more.
    if nix::unistd::geteuid().is_root() {
        check("process", &[&pid]);
    }
}

/// A kernel's core holds only what of a plugin was written to; its file answers for the rest.
#[test]
fn a_plugin_is_read_from_a_kernel_core() {
    let test = "a_plugin_is_read_from_a_kernel_core";
    if !may_read(test) {
        return;
    }
    if let Some(why) = why_no_kernel_core() {
        return note_skip(test, &why);
    }
    for version in [OLDEST_GO, NEWEST_GO] {
        let folder = tempfile::tempdir().unwrap();
        let files = tempfile::tempdir().unwrap();
        let [binary, plugin] = copied(&standing().go(version), files.path());
        let (core, _) = core(&binary, &["-stand", "-mib=8"], folder.path());
        let core = core.display().to_string();
        let file = folder.path().join("core.snap");
        snap(&["--core", &core], &file);
        check(&format!("go{version} core"), &[&core]);
        std::fs::remove_file(&plugin).unwrap();
        check("snapshot of the core", &[&file.display().to_string()]);
        // The file alone has what the kernel has left out.
        let (report, code) = json("goroutines", &[&core]);
        let skipped = &report["taken"]["coverage"]["skipped"];
        let skipped = skipped.as_array().unwrap().iter();
        let plugins = skipped.filter(|skip| skip["what"] == "plugin").count();
        assert_eq!((plugins, code), (1, 1), "{}", report["taken"]["coverage"]);
    }
}
