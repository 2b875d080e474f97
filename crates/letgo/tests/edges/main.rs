//! `letgo` on what it was not asked for: bad input, odd programs, processes that are held, hidden
//! or about to end. The built binary runs as a user runs it.
//!
//! Whatever cannot be read ends with status 3, one sentence on what is wrong and one on what to
//! do; whatever can be read is explained to the byte.

mod denied;
mod foreign;
mod held;
mod libraries;
mod listing;
mod places;
mod releases;
mod vanishing;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use letgo_testkit::{Patient, Recipe, Report, forbidden, note_skip, report_of, rss, why};

const LETGO: &str = env!("CARGO_BIN_EXE_letgo");

/// `letgo` with arguments, in eighty columns and without colour.
fn letgo(args: &[&str]) -> Command {
    letgo_of(Path::new(LETGO), args)
}

/// As [`letgo`], another copy of it.
fn letgo_of(copy: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(copy);
    command.args(args).env("COLUMNS", "80").stdin(Stdio::null());
    command
}

/// Text without its line breaks.
fn flat(bytes: &[u8]) -> String {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a refusal says: status 3, nothing on standard output, two sentences.
fn refusal(output: &Output) -> String {
    let said = flat(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(output.stdout.is_empty(), "{said}");
    assert!(said.starts_with("letgo: ") && said.ends_with('.'), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    said
}

/// What `letgo why PID` says where it refuses.
fn refused(pid: u32) -> String {
    refusal(&letgo(&["why", &pid.to_string()]).output().unwrap())
}

/// Whether other processes can be read here; says so loudly where not.
fn may_read(test: &str) -> bool {
    let why = forbidden().unwrap();
    if let Some(why) = &why {
        note_skip(test, why);
    }
    why.is_none()
}

/// Whether we are root; says so loudly where not.
fn is_root(test: &str) -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        note_skip(
            test,
            "only root can become another user or enter a namespace",
        );
    }
    root
}

/// Whether a command of the system is there and works; says so loudly where not.
fn works(test: &str, words: &[&str]) -> bool {
    let (program, args) = words.split_first().unwrap();
    let output = Command::new(program).args(args).output();
    let works = output.is_ok_and(|output| output.status.success());
    if !works {
        note_skip(test, &format!("`{}` does not work here", words.join(" ")));
    }
    works
}

/// A small patient of the newest Go.
fn small() -> Recipe {
    Recipe::new("plain").arg("-mib=8")
}

/// The report of a process.
fn report(pid: u32, args: &[&str]) -> Report {
    report_of(&why(Path::new(LETGO), pid, args).output().unwrap()).unwrap()
}

/// Lets a patient stop itself and reads it: whole, to the byte, without changing it.
fn explained(patient: &mut Patient) -> Report {
    patient.stop().unwrap();
    let report = explained_as_it_is(patient.pid());
    patient.resume().unwrap();
    report
}

/// Reads a process that stands still.
fn explained_as_it_is(pid: u32) -> Report {
    let before = rss(pid).unwrap().rss;
    let report = report(pid, &[]);
    assert_eq!(rss(pid).unwrap().rss, before, "reading changed it");
    assert_eq!(report.flaws().unwrap(), [""; 0]);
    assert_eq!(report.unequal(), [""; 0]);
    assert_eq!(report.number("/rss/bytes").unwrap(), before);
    assert_eq!(report.resident().unwrap(), before);
    assert_eq!(report.number("/rss/unattributed_bytes").unwrap(), 0);
    report
}

/// A directory that anybody may enter, removed when dropped.
fn open_dir() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

/// A copy of a file in `dir`, runnable by anybody.
fn copy(file: &Path, dir: &Path) -> PathBuf {
    let to = dir.join(file.file_name().unwrap());
    copy_to(file, &to);
    to
}

/// Copies a file that is to be run. Another process writes it: what we had open for writing, a
/// child that another test starts at that moment would have open too, and the kernel runs no file
/// that anybody may write.
fn copy_to(file: &Path, to: &Path) {
    let status = Command::new("cp").arg(file).arg(to).status();
    assert!(status.unwrap().success(), "cp {}", file.display());
}

/// Waits until `done`, for at most twenty seconds.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < end, "{what} did not come to pass");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A field of `/proc/PID/status`.
fn status(pid: u32, field: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    line.unwrap().trim_start_matches(':').trim().to_owned()
}

/// The only child of a process.
fn child_of(pid: u32) -> u32 {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    children.trim().parse().unwrap()
}
