//! Programs whose executable is elsewhere: another namespace, another root, deleted, replaced, or
//! never a file at all.

use std::ffi::CString;
use std::fs;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::process::Command;

use letgo_testkit::Patient;
use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::{
    child_of, copy, explained, explained_as_it_is, is_root, may_read, open_dir, small, works,
};

#[test]
fn an_executable_that_was_deleted_or_replaced_is_still_read() {
    if !may_read("an_executable_that_was_deleted_or_replaced_is_still_read") {
        return;
    }
    let dir = open_dir();
    let binary = copy(&small().build().unwrap(), dir.path());
    let mut patient = small().start_as(&binary).unwrap();
    fs::remove_file(&binary).unwrap();
    let report = explained(&mut patient);
    assert_eq!(report.at("/target/exe_deleted").unwrap(), true);
    assert_eq!(report.at("/target/exe").unwrap(), binary.to_str().unwrap());
    // Another program by the same name.
    fs::copy("/bin/true", &binary).unwrap();
    let report = explained(&mut patient);
    assert_eq!(report.at("/target/exe_deleted").unwrap(), true);
    // Another Go program by the same name.
    fs::remove_file(&binary).unwrap();
    fs::copy(
        letgo_testkit::Recipe::new("healthy").build().unwrap(),
        &binary,
    )
    .unwrap();
    explained(&mut patient);
}

#[test]
fn a_program_that_is_no_file_is_read() {
    if !may_read("a_program_that_is_no_file_is_read") {
        return;
    }
    let name = CString::new("letgo-test").unwrap();
    let fd = memfd_create(name.as_c_str(), MFdFlags::MFD_CLOEXEC).unwrap();
    let mut file = fs::File::from(fd);
    file.write_all(&fs::read(small().build().unwrap()).unwrap())
        .unwrap();
    let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
    // Open for writing, it is no program.
    let program = fs::File::open(path).unwrap();
    drop(file);
    let path = format!("/proc/{}/fd/{}", std::process::id(), program.as_raw_fd());
    let mut command = Command::new(path);
    command.arg("-mib=8");
    let mut patient = Patient::run(command).unwrap();
    let report = explained(&mut patient);
    let exe = report.at("/target/exe").unwrap().as_str().unwrap();
    assert!(exe.contains("memfd:letgo-test"), "{exe}");
}

#[test]
fn another_pid_and_mount_namespace_is_read_from_outside() {
    let test = "another_pid_and_mount_namespace_is_read_from_outside";
    let unshare = [
        "unshare",
        "--pid",
        "--mount",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ];
    if !is_root(test) || !works(test, &[&unshare[..], &["true"]].concat()) {
        return;
    }
    let mut command = Command::new(unshare[0]);
    command
        .args(&unshare[1..])
        .arg(small().build().unwrap())
        .arg("-mib=8");
    let outer = Patient::run(command).unwrap();
    let pid = child_of(outer.pid());
    stop(pid);
    let report = explained_as_it_is(pid);
    assert_eq!(report.number("/target/pid").unwrap(), u64::from(pid));
}

#[test]
fn another_user_namespace_is_read_by_root() {
    let test = "another_user_namespace_is_read_by_root";
    let unshare = ["unshare", "--user", "--pid", "--fork", "--kill-child"];
    if !is_root(test) || !works(test, &[&unshare[..], &["true"]].concat()) {
        return;
    }
    let dir = open_dir();
    let binary = copy(&small().build().unwrap(), dir.path());
    let mut command = Command::new(unshare[0]);
    command.args(&unshare[1..]).arg(binary).arg("-mib=8");
    let outer = Patient::run(command).unwrap();
    let pid = child_of(outer.pid());
    stop(pid);
    explained_as_it_is(pid);
}

#[test]
fn another_root_directory_is_read_from_outside() {
    let test = "another_root_directory_is_read_from_outside";
    if !is_root(test) {
        return;
    }
    let root = open_dir();
    copy(&small().build().unwrap(), root.path());
    let mut command = Command::new("chroot");
    command.arg(root.path()).args(["/plain", "-mib=8"]);
    let mut patient = Patient::run(command).unwrap();
    explained(&mut patient);
}

/// Stops a process that is not our own child.
fn stop(pid: u32) {
    let raw = nix::unistd::Pid::from_raw(pid.cast_signed());
    nix::sys::signal::kill(raw, nix::sys::signal::Signal::SIGSTOP).unwrap();
    crate::until("a stop", || {
        let states = letgo_testkit::thread_states(pid).unwrap();
        states.iter().all(|state| *state == 'T')
    });
}
