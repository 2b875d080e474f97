//! What a pid may turn out to be, and what a process may become.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::Command;

use letgo_linux::{Error, Process};

use crate::child::{Child, Copy, command, until};
use crate::{is_root, skipped};

#[test]
fn a_process_that_exits_is_gone_and_its_pid_is_nobody() {
    let mut child = Child::start("idle");
    let process = child.open();
    process.verify().unwrap();
    child.kill_only();
    assert!(matches!(process.verify(), Err(Error::Gone { .. })));
    assert!(matches!(process.maps(), Err(Error::Gone { .. })));
    assert!(matches!(process.smaps(), Err(Error::Gone { .. })));
    let error = Process::open(child.pid()).unwrap_err();
    let ours = std::process::id();
    assert!(
        matches!(error, Error::Zombie { parent, .. } if parent == ours),
        "{error}"
    );
    child.kill();
    for error in [
        process.verify().unwrap_err(),
        process.maps().map(drop).unwrap_err(),
        process.threads().map(drop).unwrap_err(),
        process.status().map(drop).unwrap_err(),
    ] {
        assert!(matches!(error, Error::Gone { .. }), "{error}");
    }
    let error = Process::open(child.pid()).unwrap_err();
    assert!(matches!(error, Error::NoSuchProcess { .. }), "{error}");
}

#[test]
fn a_program_that_replaced_itself_is_noticed() {
    let mut child = Child::start("exec");
    let process = child.open();
    child.tell("go");
    child.line("ready");
    let error = process.verify().unwrap_err();
    assert!(matches!(error, Error::Replaced { .. }), "{error}");
    child.open().verify().unwrap();
}

#[test]
fn a_deleted_executable_can_still_be_opened() {
    let copy = Copy::new("deleted (really)");
    let size = std::fs::metadata(copy.path()).unwrap().len();
    let child = Child::spawn(&mut command(copy.path(), "idle"));
    let path = copy.path().to_owned();
    assert!(!child.open().exe_path().unwrap().deleted);
    drop(copy);
    let exe = child.open().exe_path().unwrap();
    assert_eq!((exe.path, exe.deleted), (path, true));
    let mut bytes = Vec::new();
    let mut file = child.open().exe_file().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes.len() as u64, size);
    assert_eq!(bytes.get(..4), Some(&b"\x7fELF"[..]));
}

#[test]
fn command_line_and_environment_are_those_of_the_start() {
    let mut command = command(std::env::current_exe().unwrap(), "idle");
    let child = Child::spawn(command.env("GOGC", "a=b c").env("EMPTY", ""));
    let process = child.open();
    let value = |name: &str| process.environment_variable(name).unwrap();
    assert_eq!(value("GOGC").as_deref(), Some("a=b c"));
    assert_eq!(value("EMPTY").as_deref(), Some(""));
    assert_eq!(value("GOG"), None);
    let line = process.cmdline().unwrap();
    assert_eq!(
        line.get(1..3),
        Some(&["--exact", "child::child"].map(String::from)[..])
    );
    assert!(process.stat().unwrap().start_ticks >= 1);
    assert!(process.limits().unwrap().open_files.is_some());
    assert_eq!(process.oom_score_adj().unwrap(), own_oom_score_adj());
}

fn own_oom_score_adj() -> i32 {
    let text = std::fs::read_to_string("/proc/self/oom_score_adj").unwrap();
    text.trim().parse().unwrap()
}

#[test]
fn a_mapped_file_can_be_opened_by_its_mapping() {
    let child = Child::start("idle");
    let process = child.open();
    let exe = process.exe_path().unwrap().path;
    let maps = process.maps().unwrap();
    let mapping = maps
        .iter()
        .find(|mapping| mapping.name == exe.to_string_lossy())
        .unwrap();
    match process.mapped_file(mapping) {
        Ok(file) => assert_eq!(
            file.metadata().unwrap().len(),
            std::fs::metadata(&exe).unwrap().len()
        ),
        Err(Error::Denied(denial)) if !is_root() => skipped(&denial.to_string()),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_process_in_other_namespaces_is_read_all_the_same() {
    let exe = std::env::current_exe().unwrap();
    let mut unshare = Command::new("unshare");
    unshare.args(["--pid", "--mount", "--time", "--monotonic", "86400"]);
    unshare.args(["--fork", "--kill-child", "--mount-proc", "--"]);
    let works = Command::new("unshare")
        .args(unshare.get_args())
        .arg("true")
        .status();
    if !works.is_ok_and(|status| status.success()) {
        return skipped("unshare is not allowed here");
    }
    let inner = command(&exe, "idle");
    unshare.arg(&exe).args(inner.get_args());
    for (key, value) in inner.get_envs() {
        unshare.env(key, value.unwrap());
    }
    unshare.stdin(std::process::Stdio::piped());
    unshare.stdout(std::process::Stdio::piped());
    let outer = Child::spawn(&mut unshare);
    let file = format!("/proc/{0}/task/{0}/children", outer.pid());
    let children = std::fs::read_to_string(file).unwrap();
    let process = Process::open(children.trim().parse().unwrap()).unwrap();

    let namespaces = process.namespaces().unwrap();
    assert!(!namespaces.same_pid && !namespaces.same_mount && !namespaces.same_time);
    assert!(namespaces.same_user && namespaces.same_network);
    assert_eq!(process.status().unwrap().inner_pid(), Some(1));
    assert_eq!(
        process.monotonic_offset_ns().unwrap(),
        86_400_000_000_000,
        "as it was asked for"
    );
    assert_eq!(process.exe_path().unwrap().path, exe);
    letgo_linux::LiveMemory::new(&process).unwrap();
    letgo_linux::residency(&process, &process.maps().unwrap()).unwrap();
}

/// What user `uid` answers when it reads process `pid`.
fn read_as(copy: &Copy, uid: u32, pid: u32) -> String {
    let mut reader = command(copy.path(), &format!("read {pid}"));
    let mut reader = Child::spawn(reader.uid(uid).gid(uid).current_dir("/"));
    reader.line("answer")
}

#[test]
fn another_user_is_refused_and_told_why() {
    if !is_root() {
        return skipped("only root can become two other users");
    }
    let copy = Copy::new("other-user");
    let theirs = Child::spawn(
        command(copy.path(), "idle")
            .uid(4321)
            .gid(4321)
            .current_dir("/"),
    );
    let answer = read_as(&copy, 1234, theirs.pid());
    assert!(
        answer.contains("OtherUser { ours: 1234, theirs: 4321 }"),
        "{answer}"
    );
    let same = read_as(&copy, 4321, theirs.pid());
    let yama = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope");
    if yama.is_ok_and(|scope| scope.trim() != "0") {
        assert!(same.contains("Yama"), "{same}");
    } else {
        assert_eq!(same, "read");
    }
}

#[test]
fn a_zombie_leader_is_not_mistaken_for_a_running_process() {
    let mut child = Child::start("idle");
    let pid = child.pid();
    child.kill_only();
    until("a zombie", || {
        matches!(Process::open(pid), Err(Error::Zombie { .. }))
    });
}
