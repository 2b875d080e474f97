//! The kernel says no: who, why, and how to be let in, said once.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};

use letgo_testkit::Patient;

use crate::{
    LETGO, copy, explained, explained_as_it_is, is_root, letgo_of, open_dir, refusal, small,
};

/// A user that owns nothing.
const NOBODY: u32 = 65534;

/// A command as that user.
fn as_nobody(command: &mut Command) -> &mut Command {
    command.uid(NOBODY).gid(NOBODY).current_dir("/")
}

/// What a copy of letgo that anybody may run says to that user.
fn asked_by_nobody(dir: &Path, args: &[&str]) -> Output {
    let tool = copy(Path::new(LETGO), dir);
    as_nobody(&mut letgo_of(&tool, args)).output().unwrap()
}

/// A small patient that runs as that user, from `binary`.
fn nobodys(binary: &Path) -> Patient {
    let mut command = Command::new(binary);
    as_nobody(command.arg("-mib=8"));
    Patient::run(command).unwrap()
}

/// The grant is said once, whole.
fn says_how_to_be_let_in(said: &str) {
    for once in [
        "To be let in",
        "setcap cap_sys_ptrace=ep",
        "--cap-add SYS_PTRACE",
    ] {
        assert_eq!(said.matches(once).count(), 1, "{once}: {said}");
    }
}

#[test]
fn a_process_of_another_user() {
    if !is_root("a_process_of_another_user") {
        return;
    }
    let dir = open_dir();
    let patient = small().start().unwrap();
    let pid = patient.pid().to_string();
    for args in [&["why", &pid][..], &["why", &pid, "--stop"]] {
        let said = refusal(&asked_by_nobody(dir.path(), args));
        assert!(
            said.contains("runs as user 0, we as user 65534 without CAP_SYS_PTRACE"),
            "{said}"
        );
        says_how_to_be_let_in(&said);
    }
}

#[test]
fn ones_own_process_needs_no_privilege() {
    let test = "ones_own_process_needs_no_privilege";
    let yama = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope");
    if yama.is_ok_and(|scope| scope.trim() != "0") {
        return letgo_testkit::note_skip(test, "Yama lets only ancestors in");
    }
    if !is_root(test) {
        return;
    }
    let dir = open_dir();
    let mut patient = nobodys(&copy(&small().build().unwrap(), dir.path()));
    let pid = patient.pid().to_string();
    patient.stop().unwrap();
    let output = asked_by_nobody(dir.path(), &["why", &pid, "-o", "json"]);
    let report = letgo_testkit::report_of(&output).unwrap();
    assert_eq!(report.flaws().unwrap(), [""; 0]);
    let rss = letgo_testkit::rss(patient.pid()).unwrap().rss;
    assert_eq!(report.resident().unwrap(), rss);
}

#[test]
fn a_process_that_is_not_dumpable() {
    if !is_root("a_process_that_is_not_dumpable") {
        return;
    }
    let dir = open_dir();
    let binary = copy(&small().build().unwrap(), dir.path());
    chown(&binary, Some(4321), Some(4321)).unwrap();
    std::fs::set_permissions(&binary, PermissionsExt::from_mode(0o4755)).unwrap();
    let mut patient = nobodys(&binary);
    let pid = patient.pid();
    let by = std::fs::metadata(format!("/proc/{pid}/status")).unwrap();
    if std::os::unix::fs::MetadataExt::uid(&by) != 0 {
        let why = "set-user-id programs are dumpable here (nosuid, or fs.suid_dumpable)";
        return letgo_testkit::note_skip("a_process_that_is_not_dumpable", why);
    }
    let said = refusal(&asked_by_nobody(dir.path(), &["why", &pid.to_string()]));
    assert!(said.contains("it is not dumpable"), "{said}");
    says_how_to_be_let_in(&said);
    explained(&mut patient);
}

#[test]
fn an_executable_that_may_not_be_read_any_more() {
    if !is_root("an_executable_that_may_not_be_read_any_more") {
        return;
    }
    let dir = open_dir();
    let binary = copy(&small().build().unwrap(), dir.path());
    let mut patient = nobodys(&binary);
    let pid = patient.pid().to_string();
    // Before the start, this would make it not dumpable.
    std::fs::set_permissions(&binary, PermissionsExt::from_mode(0o711)).unwrap();
    let said = refusal(&asked_by_nobody(dir.path(), &["why", &pid]));
    assert!(said.contains("may not be read"), "{said}");
    assert!(said.contains("Run letgo as root"), "{said}");
    patient.stop().unwrap();
    explained_as_it_is(patient.pid());
}

#[test]
fn ps_counts_what_it_may_not_look_at() {
    if !is_root("ps_counts_what_it_may_not_look_at") {
        return;
    }
    let dir = open_dir();
    let roots = small().start().unwrap();
    let own = nobodys(&copy(&small().build().unwrap(), dir.path()));
    let output = asked_by_nobody(dir.path(), &["ps", "-o", "json"]);
    assert!(output.status.success(), "{output:?}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let listed = report["processes"].as_array().unwrap();
    let has = |pid: u32| listed.iter().any(|row| row["pid"] == pid);
    assert!(has(own.pid()) || std::path::Path::new("/proc/sys/kernel/yama").exists());
    assert!(!has(roots.pid()));
    let skipped = report["skipped"].as_array().unwrap();
    let denied = skipped
        .iter()
        .find(|skip| skip["why"].to_string().contains("may not be read"));
    assert!(
        denied.unwrap()["count"].as_u64().unwrap() >= 1,
        "{skipped:?}"
    );
    let text = asked_by_nobody(dir.path(), &["ps"]);
    assert!(
        crate::flat(&text.stdout).contains("see `letgo doctor "),
        "{text:?}"
    );
}
