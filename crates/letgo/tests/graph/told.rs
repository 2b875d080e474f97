//! `letgo snap` and `letgo heap` as commands: errors, exit codes, the file that comes out.

use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};

use letgo_testkit::Recipe;

use crate::{LETGO, letgo, may_read, snap};

/// What a command that fails says, and its exit code.
fn refused(args: &[&str]) -> (i32, String) {
    let output = letgo(args);
    assert!(output.stdout.is_empty(), "{args:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), said)
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap().flatten();
    let name = |entry: std::fs::DirEntry| entry.file_name().into_string().unwrap();
    entries.map(name).collect()
}

#[test]
fn what_is_no_target_is_refused_with_a_next_step() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.snap");
    let out = out.to_str().unwrap();
    let folder = dir.path().to_str().unwrap();
    let text = dir.path().join("text");
    std::fs::write(&text, "no core\n").unwrap();
    let text = text.to_str().unwrap();
    for (args, code, says) in [
        (&["heap", "no-such-file"][..], 2, "neither a pid nor a file"),
        (&["heap"], 2, "TARGET"),
        (&["heap", text], 3, "not a core file"),
        (&["heap", "1", "--exe", text], 2, "Leave --exe out"),
        (
            &["heap", "1", "--frozen", "--stop"],
            2,
            "cannot be used with",
        ),
        (
            &["heap", "1", "--no-pause", "--frozen"],
            2,
            "cannot be used with",
        ),
        (&["heap", "1", "--top=0"], 2, "--top"),
        (
            &["snap", "1", "-o", "/no/such/dir/x"],
            3,
            "annot write /no/such/dir/x: there is no folder /no/such/dir",
        ),
        (&["snap", "1", "-o", folder], 3, "it is a folder"),
        (&["snap", "1"], 2, "--output"),
        (&["snap", "-o", out], 2, "TARGET"),
        (&["snap", text, "-o", out], 3, "not a core file"),
        (
            &["snap", "1", "--core", text, "-o", out],
            2,
            "cannot be used with",
        ),
        (
            &["snap", "--core", text, "--name", "api", "-o", out],
            2,
            "cannot be used with",
        ),
        (
            &["snap", "--core", "no-such-file", "-o", out],
            3,
            "no-such-file",
        ),
        (
            &["snap", "1", "-o", out, "--redact", "--contents"],
            2,
            "cannot be used with",
        ),
    ] {
        let (status, said) = refused(args);
        assert_eq!(status, code, "{args:?}: {said}");
        assert!(said.contains(says), "{args:?}: {said}");
    }
    assert_eq!(names(dir.path()), ["text"]);
}

#[test]
fn a_core_of_a_deleted_program_needs_the_executable() {
    let core = letgo_testkit::SyntheticCore::default()
        .auxv(&[(9, 0x40_0800)])
        .load(0x40_0000, 5, b"\x7fELF", 4096)
        .file(0x40_0000, 0x40_1000, 0, "/no/such/program")
        .build();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("core");
    std::fs::write(&file, core).unwrap();
    let (status, said) = refused(&["heap", file.to_str().unwrap()]);
    assert_eq!(status, 3, "{said}");
    assert!(
        said.contains("/no/such/program") && said.contains("--exe FILE"),
        "{said}"
    );
}

#[test]
fn a_snapshot_is_its_owners_and_replaces_nothing_unasked() {
    if !may_read("a_snapshot_is_its_owners_and_replaces_nothing_unasked") {
        return;
    }
    let patient = Recipe::new("healthy").start().unwrap();
    let pid = patient.pid().to_string();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("api.snap");
    snap(&[&pid], &file);
    let mode = || std::fs::metadata(&file).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(), 0o600);
    let before = std::fs::read(&file).unwrap();
    let path = file.to_str().unwrap();
    let (status, said) = refused(&["snap", &pid, "-o", path]);
    assert_eq!(status, 3, "{said}");
    assert!(
        said.contains("is there already") && said.contains("--force"),
        "{said}"
    );
    assert_eq!(std::fs::read(&file).unwrap(), before);
    snap(&[&pid, "--force"], &file);
    assert_eq!(mode(), 0o600);
    assert_eq!(names(dir.path()), ["api.snap"]);
    let (status, said) = refused(&["heap", path, "--exe", path]);
    assert_eq!(status, 2, "{said}");
}

#[test]
fn colours_are_asked_for_and_refused() {
    if !may_read("colours_are_asked_for_and_refused") {
        return;
    }
    let patient = Recipe::new("healthy").start().unwrap();
    let pid = patient.pid().to_string();
    for (args, variable, coloured) in [
        (&["--color=always"][..], None, true),
        (&[], None, false),
        (&[], Some("NO_COLOR"), false),
    ] {
        let mut command = Command::new(LETGO);
        command.args(["heap", &pid]).args(args).stdin(Stdio::null());
        command.envs(variable.map(|name| (name, "1")));
        let output = command.output().unwrap();
        assert!(output.status.success());
        let has = output.stdout.contains(&0x1b);
        assert_eq!(has, coloured, "{args:?} {variable:?}");
    }
}

/// Whether a process has a file of this folder open, whatever its name.
fn has_open(pid: u32, folder: &Path) -> bool {
    let Ok(files) = std::fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    let mut targets = files
        .flatten()
        .filter_map(|file| std::fs::read_link(file.path()).ok());
    targets.any(|target| target.starts_with(folder))
}

/// Killed at whatever moment, it leaves no file of the name that was asked for unless it is whole,
/// and no other one either, where the file system has files without a name.
#[test]
fn a_snapshot_that_was_killed_has_no_name() {
    if !may_read("a_snapshot_that_was_killed_has_no_name") {
        return;
    }
    let mut patient = Recipe::new("plain").arg("-mib=64").start().unwrap();
    patient.stop().unwrap();
    let pid = patient.pid().to_string();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("api.snap");
    let mut unnamed = std::fs::OpenOptions::new();
    let unnamed = unnamed.write(true).custom_flags(nix::libc::O_TMPFILE);
    let unnamed = unnamed.open(dir.path()).is_ok();
    let mut killed = 0;
    for step in 0..12 {
        let mut command = Command::new(LETGO);
        command
            .args(["snap", &pid, "--stop=60000", "-o"])
            .arg(&file);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        // Once it writes, and ever later.
        while !has_open(child.id(), dir.path()) && child.try_wait().unwrap().is_none() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        std::thread::sleep(std::time::Duration::from_millis(step * 10));
        child.kill().unwrap();
        let status = child.wait().unwrap();
        if file.exists() {
            // It was done before: then it is whole.
            letgo_snapshot::Snapshot::open(&file)
                .unwrap()
                .verify()
                .unwrap();
        }
        killed += u32::from(!status.success());
        for name in names(dir.path()) {
            assert!(name == "api.snap" || !unnamed, "{name} is left");
            std::fs::remove_file(dir.path().join(name)).unwrap();
        }
    }
    assert!(killed > 0, "it was never killed in time");
    patient.resume().unwrap();
}
