//! Processes that stand still, or that somebody else holds; and a letgo that dies while it holds
//! one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use letgo_testkit::{Patient, Recipe, note_skip, report_of, thread_states, why};

use crate::{
    LETGO, explained_as_it_is, flat, letgo, may_read, refusal, report, small, status, until, works,
};

/// The patient still obeys.
fn runs_on(patient: &mut Patient) {
    assert_eq!(status(patient.pid(), "TracerPid"), "0");
    patient.command("gc").unwrap();
}

#[test]
fn a_program_that_was_stopped_stays_so_and_is_not_changed() {
    if !may_read("a_program_that_was_stopped_stays_so_and_is_not_changed") {
        return;
    }
    let mut patient = small().start().unwrap();
    let pid = patient.pid();
    patient.stop().unwrap();
    explained_as_it_is(pid);
    let before = letgo_testkit::rss(pid).unwrap();
    let text = letgo(&["why", &pid.to_string()]).output().unwrap();
    assert!(
        flat(&text.stdout).contains("read as it was, stopped"),
        "{text:?}"
    );
    let stopped = report(pid, &["--stop"]);
    assert_eq!(stopped.at("/taken/method").unwrap(), "stopped");
    assert_eq!(stopped.at("/target/state").unwrap(), "stopped");
    assert_eq!(stopped.resident().unwrap(), before.rss);
    let listed = letgo(&["ps", "-o", "json"]).output().unwrap();
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    let rows = listed["processes"].as_array().unwrap();
    assert!(rows.iter().any(|row| row["pid"] == pid), "{rows:?}");
    assert_eq!(letgo_testkit::rss(pid).unwrap(), before);
    let states = thread_states(pid).unwrap();
    assert!(states.iter().all(|state| *state == 'T'), "{states:?}");
    patient.resume().unwrap();
    runs_on(&mut patient);
}

/// A tracer that ends with this guard.
struct Tracer(std::process::Child);

impl Tracer {
    fn attach(pid: u32) -> Tracer {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-o", "/dev/null", "-p", &pid.to_string()]);
        let tracer = Tracer(strace.stderr(Stdio::null()).spawn().unwrap());
        until("tracing", || {
            status(pid, "TracerPid") == tracer.0.id().to_string()
        });
        tracer
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_program_that_is_traced_is_read_and_not_stopped() {
    let test = "a_program_that_is_traced_is_read_and_not_stopped";
    if !may_read(test) || !works(test, &["strace", "-V"]) {
        return;
    }
    let mut patient = small().start().unwrap();
    let pid = patient.pid();
    let tracer = Tracer::attach(pid);
    let read = report(pid, &[]);
    assert_eq!(read.number("/rss/unattributed_bytes").unwrap(), 0);
    let said = refusal(
        &letgo(&["why", &pid.to_string(), "--stop"])
            .output()
            .unwrap(),
    );
    let by = format!("already traced by process {} (strace)", tracer.0.id());
    assert!(said.contains(&by), "{said}");
    assert!(said.contains("Leave --stop out"), "{said}");
    drop(tracer);
    until("the end of tracing", || status(pid, "TracerPid") == "0");
    runs_on(&mut patient);
}

/// A cgroup of the v1 freezer, thawed and removed when dropped.
struct Freezer(PathBuf);

impl Freezer {
    fn of(pid: u32) -> std::io::Result<Freezer> {
        let name = format!("letgo-test-{}", std::process::id());
        let freezer = Freezer(Path::new("/sys/fs/cgroup/freezer").join(name));
        fs::create_dir(&freezer.0)?;
        fs::write(freezer.0.join("cgroup.procs"), pid.to_string())?;
        fs::write(freezer.0.join("freezer.state"), "FROZEN")?;
        let state = freezer.0.join("freezer.state");
        until("frost", || {
            fs::read_to_string(&state).is_ok_and(|now| now.trim() == "FROZEN")
        });
        Ok(freezer)
    }

    fn thaw(&self) {
        let _ = fs::write(self.0.join("freezer.state"), "THAWED");
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        self.thaw();
        let root = Path::new("/sys/fs/cgroup/freezer/cgroup.procs");
        for pid in fs::read_to_string(self.0.join("cgroup.procs"))
            .unwrap_or_default()
            .lines()
        {
            let _ = fs::write(root, pid);
        }
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn a_frozen_program_is_read_and_a_stop_ends_in_time() {
    let test = "a_frozen_program_is_read_and_a_stop_ends_in_time";
    if !may_read(test) {
        return;
    }
    let mut patient = small().start().unwrap();
    let pid = patient.pid();
    let freezer = match Freezer::of(pid) {
        Ok(freezer) => freezer,
        Err(error) => return note_skip(test, &format!("the v1 freezer: {error}")),
    };
    let frozen = explained_as_it_is(pid);
    assert_eq!(frozen.at("/target/state").unwrap(), "frozen");
    let began = Instant::now();
    let output = why(Path::new(LETGO), pid, &["--stop=500"])
        .output()
        .unwrap();
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "it waits for the thaw"
    );
    // Frozen threads may count as stopped, or not stop in time: both are answers.
    match output.status.code() {
        Some(3) => assert!(refusal(&output).contains("did not stop within 500 ms")),
        _ => assert_eq!(
            report_of(&output)
                .unwrap()
                .number("/rss/unattributed_bytes")
                .unwrap(),
            0
        ),
    }
    freezer.thaw();
    runs_on(&mut patient);
    assert_eq!(report(pid, &[]).at("/target/state").unwrap(), "runs");
    drop(patient);
    drop(freezer);
}

#[test]
fn a_letgo_that_is_killed_while_it_holds_a_program_lets_it_go() {
    if !may_read("a_letgo_that_is_killed_while_it_holds_a_program_lets_it_go") {
        return;
    }
    let mut patient = Recipe::new("plain").arg("-mib=200").start().unwrap();
    let pid = patient.pid();
    let mut held = 0;
    for round in 0..8 {
        let mut command = why(Path::new(LETGO), pid, &["--stop=20000"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut tool = command.spawn().unwrap();
        let is_held = || thread_states(pid).unwrap().contains(&'t');
        until("a stop, or the end of the reading", || {
            is_held() || tool.try_wait().unwrap().is_some()
        });
        held += u32::from(is_held());
        std::thread::sleep(Duration::from_micros(500 * round));
        tool.kill().unwrap();
        tool.wait().unwrap();
        until("running", || !is_held() && status(pid, "TracerPid") == "0");
        runs_on(&mut patient);
    }
    assert!(held > 0, "letgo was never caught while it held the program");
}
