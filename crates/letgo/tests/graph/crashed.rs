//! Cores that the kernel writes of a program that died with `GOTRACEBACK=crash`: its threads stand
//! in the handler of a signal, and goroutines that ran are where they were before it.

use std::path::{Path, PathBuf};
use std::process::Command;

use letgo_testkit::{
    Figures, MIDDLE_GO, NEWEST_GO, Patient, Recipe, note_skip, why_no_kernel_core,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::{json, may_read, snap};

/// Slots of objects that goroutines hold on their stacks, and of those that they held.
const KEPT: u64 = 3200;
const LOST: u64 = 3456;

/// The core of a patient that is killed, in a folder of its own, and what it told.
pub(crate) fn core(binary: &Path, args: &[&str], folder: &Path) -> (PathBuf, Figures) {
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            "ulimit -c unlimited && cd \"$1\" && shift && exec \"$@\"",
            "sh",
        ])
        .args([folder, binary])
        .args(args)
        .env("GOTRACEBACK", "crash")
        // They run until the signal comes: a goroutine that was preempted is no thread's any more.
        .env("GODEBUG", "asyncpreemptoff=1");
    let patient = Patient::run(command).unwrap();
    let truth = patient.truth().clone();
    let pid = i32::try_from(patient.pid()).unwrap();
    kill(Pid::from_raw(pid), Signal::SIGABRT).unwrap();
    // It is a zombie once its core is written.
    let stat = format!("/proc/{pid}/stat");
    while !std::fs::read_to_string(&stat).unwrap().contains(") Z ") {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    drop(patient);
    let mut entries = std::fs::read_dir(folder).unwrap();
    (entries.next().unwrap().unwrap().path(), truth)
}

/// Reachable objects and garbage of one size of slots.
fn objects(report: &Value, slot_bytes: u64) -> [u64; 2] {
    let mut classes = report["size_classes"].as_array().unwrap().iter();
    let class = classes
        .find(|class| class["slot_bytes"] == slot_bytes)
        .unwrap();
    ["reachable", "garbage"].map(|kind| class[kind]["count"].as_u64().unwrap())
}

#[test]
fn goroutines_that_ran_when_it_crashed_are_read_by_their_stack_maps() {
    let test = "goroutines_that_ran_when_it_crashed_are_read_by_their_stack_maps";
    if !may_read(test) {
        return;
    }
    if let Some(why) = why_no_kernel_core() {
        return note_skip(test, &why);
    }
    for version in ["1.21.13", MIDDLE_GO, NEWEST_GO] {
        let folder = tempfile::tempdir().unwrap();
        let binary = Recipe::new("spinning").go(version).build().unwrap();
        let (core, truth) = core(&binary, &[], folder.path());
        let [kept, lost] = ["kept", "lost"].map(|name| truth.get(name));
        let file = folder.path().join("core.snap");
        snap(&["--core", core.to_str().unwrap()], &file);
        for path in [&core, &file] {
            let (report, code) = json("heap", &[path.to_str().unwrap()]);
            let graph = &report["taken"]["graph"];
            assert_eq!(code, 0, "{version}: {}", report["taken"]["coverage"]);
            // The runtime may have an object of these sizes, too.
            let [reachable, _] = objects(&report, KEPT);
            assert!(reachable >= kept, "{version}: {reachable}: {graph}");
            // The value lies in the frame yet; that it is used no more, only its map tells.
            let [_, garbage] = objects(&report, LOST);
            assert!(garbage >= lost, "{version}: {garbage}: {graph}");
            let guessed = graph["guessed_bytes"].as_u64().unwrap();
            assert!(guessed < LOST, "{version}: {graph}");
        }
    }
}
