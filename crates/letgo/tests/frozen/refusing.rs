//! What stands against a copy is said, and the target does not notice.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use letgo::frozen::gadgets;
use letgo::inspect::Opened;
use letgo_linux::frozen::Hindrance;
use letgo_linux::{Error, FrozenCopy, Process, Stop};
use letgo_testkit::{Kind, NEWEST_GO, Patient, Recipe, note_skip};
use nix::errno::Errno;

use crate::{MOST, copy, is_unharmed, may_copy, newest};

/// Why no copy is made of a patient.
fn refused(patient: &Patient) -> Error {
    let opened = Opened::open(patient.pid()).unwrap();
    FrozenCopy::make(&opened.process, &gadgets(&opened).unwrap(), MOST).unwrap_err()
}

fn hindrance(error: Error) -> Hindrance {
    match error {
        Error::Hindered(hindrance) => *hindrance,
        error => panic!("{error}"),
    }
}

fn predicted(patient: &Patient) -> Vec<Hindrance> {
    let process = Process::open(patient.pid()).unwrap();
    FrozenCopy::prediction(&process).unwrap().1
}

#[test]
fn a_program_that_would_be_killed_for_it_is_left_alone() {
    if !may_copy("a_program_that_would_be_killed_for_it_is_left_alone") {
        return;
    }
    let mut patient = newest(&["-seccomp"]);
    let pid = patient.pid();
    let filter = Hindrance::Seccomp { pid, mode: 2 };
    assert!(predicted(&patient).contains(&filter));
    assert_eq!(hindrance(refused(&patient)), filter);
    is_unharmed(&mut patient, "seccomp");
}

#[test]
fn a_program_that_is_traced_is_left_to_its_tracer() {
    if !may_copy("a_program_that_is_traced_is_left_to_its_tracer") {
        return;
    }
    let mut patient = newest(&[]);
    let process = Process::open(patient.pid()).unwrap();
    let stopped = Stop::all_threads(&process, MOST).unwrap();
    let Hindrance::Traced { tracer, name, .. } = hindrance(refused(&patient)) else {
        panic!("not traced");
    };
    assert_eq!(tracer, std::process::id());
    assert!(!name.is_empty());
    stopped.release();
    assert!(copy(&patient).release().whole);
    is_unharmed(&mut patient, "traced");
}

/// A user who has no rights.
const NOBODY: u32 = 65534;

/// A patient of nobody's; nothing where we cannot be that user.
fn of_nobody(test: &str, args: &[&str]) -> Option<Patient> {
    if !nix::unistd::geteuid().is_root() {
        note_skip(test, "starting a program of another user needs root");
        return None;
    }
    let recipe = Recipe::new("copied").go(NEWEST_GO).kind(Kind::plain());
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let binary = dir.path().join("copied");
    fs::copy(recipe.build().unwrap(), &binary).unwrap();
    let mut command = Command::new(&binary);
    command.args(args).uid(NOBODY).gid(NOBODY);
    Some(Patient::run(command).unwrap())
}

#[test]
fn a_user_who_may_have_no_further_process_keeps_the_one_that_runs() {
    let test = "a_user_who_may_have_no_further_process_keeps_the_one_that_runs";
    if !may_copy(test) {
        return;
    }
    let Some(mut patient) = of_nobody(test, &[]) else {
        return;
    };
    // Set for no longer than the call: the program itself could not start a thread either.
    limit_processes(patient.pid(), "1");
    let answer = refused(&patient);
    limit_processes(patient.pid(), "1000");
    let (pid, errno) = (patient.pid(), Errno::EAGAIN);
    assert_eq!(hindrance(answer), Hindrance::Failed { pid, errno });
    is_unharmed(&mut patient, "RLIMIT_NPROC");
    assert!(copy(&patient).release().whole);
    is_unharmed(&mut patient, "no limit");
}

/// Sets the soft limit of one of nobody's programs, as nobody.
fn limit_processes(pid: u32, most: &str) {
    let mut command = Command::new("prlimit");
    command.args(["--pid", &pid.to_string(), &format!("--nproc={most}:")]);
    let status = command.uid(NOBODY).gid(NOBODY).status().unwrap();
    assert!(status.success());
}

/// A cgroup of one controller of version 1, removed when dropped.
struct Cgroup(PathBuf);

impl Cgroup {
    fn new(test: &str, controller: &str, name: &str, pid: u32) -> Option<Cgroup> {
        let parent = PathBuf::from("/sys/fs/cgroup").join(controller);
        let dir = parent.join(format!("letgo-{name}-{}", std::process::id()));
        if fs::create_dir(&dir).is_err() {
            note_skip(test, &format!("no cgroup of {controller} can be made"));
            return None;
        }
        fs::write(dir.join("cgroup.procs"), pid.to_string()).unwrap();
        Some(Cgroup(dir))
    }

    fn set(&self, file: &str, value: &str) {
        fs::write(self.0.join(file), value).unwrap();
    }

    fn get(&self, file: &str) -> u64 {
        let text = fs::read_to_string(self.0.join(file)).unwrap();
        text.trim().parse().unwrap()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let procs = fs::read_to_string(self.0.join("cgroup.procs")).unwrap_or_default();
        for pid in procs.lines() {
            let parent = self.0.parent().unwrap().join("cgroup.procs");
            let _ = fs::write(parent, pid);
        }
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn a_cgroup_that_is_full_of_threads_is_told_before() {
    let test = "a_cgroup_that_is_full_of_threads_is_told_before";
    if !may_copy(test) {
        return;
    }
    let mut patient = newest(&[]);
    let Some(cgroup) = Cgroup::new(test, "pids", "full", patient.pid()) else {
        return;
    };
    let now = cgroup.get("pids.current");
    cgroup.set("pids.max", &now.to_string());
    let most = now;
    let pid = patient.pid();
    let full = Hindrance::Processes { pid, now, most };
    assert!(predicted(&patient).contains(&full));
    assert_eq!(hindrance(refused(&patient)), full);
    // Room at the look and none at the call: the kernel says no, and that is all.
    cgroup.set("pids.max", "max");
    assert!(copy(&patient).release().whole);
    is_unharmed(&mut patient, "pids");
}

#[test]
fn a_cgroup_without_room_for_copied_pages_is_told_before() {
    let test = "a_cgroup_without_room_for_copied_pages_is_told_before";
    if !may_copy(test) {
        return;
    }
    let patient = newest(&["-mib=64"]);
    let Some(cgroup) = Cgroup::new(test, "memory", "tight", patient.pid()) else {
        return;
    };
    // What was charged before it was moved stays where it was, so the limit itself is small.
    cgroup.set("memory.limit_in_bytes", "8388608");
    let pid = patient.pid();
    let found = predicted(&patient);
    let tight = |found: &Hindrance| {
        matches!(found, Hindrance::Memory { pid: of, at, .. }
        if *of == pid && at.contains("letgo-tight"))
    };
    assert!(found.iter().any(tight), "{found:?}");
}

#[test]
fn code_that_is_not_as_it_should_be_is_not_run() {
    if !may_copy("code_that_is_not_as_it_should_be_is_not_run") {
        return;
    }
    let mut patient = newest(&[]);
    let opened = Opened::open(patient.pid()).unwrap();
    let known = gadgets(&opened).unwrap();
    for index in 0..4 {
        let mut gadgets = known.clone();
        let snippet = match index {
            0 => &mut gadgets.syscall_ret,
            1 => &mut gadgets.sigreturn,
            2 => &mut gadgets.exit,
            _ => &mut gadgets.idle[1],
        };
        snippet.bytes[1] ^= 1;
        let error = FrozenCopy::make(&opened.process, &gadgets, MOST).unwrap_err();
        assert!(
            matches!(hindrance(error), Hindrance::Code { .. }),
            "{index}"
        );
    }
    is_unharmed(&mut patient, "code");
}

/// All threads compute, and none ever comes to rest where a call could be made.
#[test]
fn a_program_without_an_idle_thread_is_let_go() {
    if !may_copy("a_program_without_an_idle_thread_is_let_go") {
        return;
    }
    let mut patient = newest(&[]);
    let opened = Opened::open(patient.pid()).unwrap();
    let mut gadgets = gadgets(&opened).unwrap();
    // A place where nobody waits.
    gadgets.idle = vec![gadgets.exit.clone()];
    let error = FrozenCopy::make(&opened.process, &gadgets, MOST).unwrap_err();
    let Hindrance::NoIdleThread { tries, .. } = hindrance(error) else {
        panic!("an idle thread");
    };
    assert!(tries > 1);
    is_unharmed(&mut patient, "idle");
}
