//! `letgo release` and `letgo tune` on real programs, against second sources: the program's own
//! `runtime.MemStats` and `runtime/metrics`, the kernel's `smaps`, and `debug.FreeOSMemory` of the
//! same program.
//!
//! The built binary runs as a user runs it. `LETGO_TIER=matrix` takes every release and kind that
//! is written to; `LETGO_SOAK=full` repeats as often as the project promises.

mod killing;
mod refusing;
mod releasing;
mod soak;
mod telling;
mod traffic;
mod tuning;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use letgo::inspect::Opened;
use letgo_goruntime::ControlState;
use letgo_testkit::{
    Case, Kind, MIDDLE_GO, NEWEST_GO, Patient, Recipe, Tier, VERSIONS, forbidden, note_skip,
};
use serde_json::Value;
use tempfile::TempDir;

const LETGO: &str = env!("CARGO_BIN_EXE_letgo");
/// The oldest Go that is written to.
const OLDEST_WRITTEN: &str = "1.21.13";
const MIB: u64 = 1 << 20;

/// Whether programs can be read and written to here; says so loudly where not.
fn may_write(test: &str) -> bool {
    let why = forbidden().unwrap();
    if let Some(why) = &why {
        note_skip(test, why);
    }
    why.is_none()
}

/// Journals of one test, apart from the machine's.
struct State(TempDir);

impl State {
    fn new() -> State {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        State(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// `letgo` with arguments.
    fn letgo(&self, args: &[&str]) -> Command {
        let mut command = Command::new(LETGO);
        command
            .args(args)
            .env("COLUMNS", "80")
            .env("LETGO_STATE_DIR", self.path())
            .stdin(Stdio::null());
        command
    }

    /// What `letgo VERB PID ... -o json` wrote, and its status.
    fn run(&self, verb: &str, pid: u32, args: &[&str]) -> (Value, i32) {
        let output = self.output(verb, pid, args);
        let code = output.status.code().unwrap();
        let json = serde_json::from_slice(&output.stdout);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (json.unwrap_or_else(|_| panic!("exit {code}: {said}")), code)
    }

    fn output(&self, verb: &str, pid: u32, args: &[&str]) -> Output {
        let pid = pid.to_string();
        let all: Vec<&str> = [verb, &pid, "-o", "json"]
            .into_iter()
            .chain(args.iter().copied())
            .collect();
        self.letgo(&all).output().unwrap()
    }

    /// What a refusal says: status 3, nothing on standard output, and nothing written.
    fn refused(&self, verb: &str, pid: u32, args: &[&str]) -> String {
        let output = self.output(verb, pid, args);
        let said = String::from_utf8(output.stderr).unwrap();
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(output.stdout.is_empty(), "{said}");
        assert!(said.starts_with("letgo: ") && said.ends_with('.'), "{said}");
        said
    }

    /// The stores of all journals and the action log, as text.
    fn actions(&self) -> String {
        std::fs::read_to_string(self.path().join("actions.jsonl")).unwrap_or_default()
    }
}

/// What steers the GC of a process, read by the library.
fn controls(pid: u32) -> ControlState {
    let mut opened = Opened::open(pid).unwrap();
    let memory = opened.memory().unwrap();
    let runtime = opened.program.attach(&memory).unwrap();
    let state = runtime.controls().unwrap().read(&memory).unwrap();
    state.check().unwrap();
    state
}

/// Nothing of a release is left.
fn assert_restored(before: &ControlState, after: &ControlState, what: &str) {
    assert_eq!(after.gc_percent, before.gc_percent, "{what}");
    assert_eq!(after.memory_limit, before.memory_limit, "{what}");
    assert_eq!(after.heap_minimum, before.heap_minimum, "{what}");
    let controller = after.scavenger_sleep_controller;
    assert_eq!(controller, before.scavenger_sleep_controller, "{what}");
    assert_ne!(after.scavenge_gc_percent_goal, 0, "{what}");
    assert_ne!(after.scavenge_memory_limit_goal, 0, "{what}");
}

/// The releases and kinds that are written to.
fn cases() -> Vec<Case> {
    let case = |version, kind| Case { version, kind };
    match Tier::from_env() {
        Tier::Test => {
            let mut cases = Vec::new();
            for version in [OLDEST_WRITTEN, MIDDLE_GO, NEWEST_GO] {
                cases.push(case(version, Kind::stripped_pie()));
            }
            cases.push(case(NEWEST_GO, Kind::plain()));
            cases.push(case(NEWEST_GO, Kind::cgo()));
            cases
        }
        Tier::Matrix => {
            let written = VERSIONS.iter().filter(|version| minor(version) >= 21);
            let kinds = [
                Kind::plain(),
                Kind::stripped_pie(),
                Kind::cgo(),
                Kind {
                    pie: true,
                    ..Kind::cgo()
                },
            ];
            written
                .flat_map(|version| kinds.clone().map(|kind| case(version, kind)))
                .collect()
        }
    }
}

fn minor(version: &str) -> u32 {
    version.split('.').nth(1).unwrap().parse().unwrap()
}

fn patient(case: &Case, shape: &str, args: &[&str], env: &[(&str, &str)]) -> Patient {
    let recipe = Recipe::new(shape).go(case.version).kind(case.kind.clone());
    let recipe = args.iter().fold(recipe, |recipe, arg| recipe.arg(*arg));
    let recipe = env
        .iter()
        .fold(recipe, |recipe, (name, value)| recipe.env(*name, *value));
    recipe.start().unwrap()
}

fn number(report: &Value, pointer: &str) -> u64 {
    let value = report.pointer(pointer).and_then(Value::as_u64);
    value.unwrap_or_else(|| panic!("no {pointer} in {report:#}"))
}
