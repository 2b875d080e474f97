//! What `letgo why`, `letgo heap` and `letgo snap` make of real programs: that it does not matter
//! by which way one and the same stopped process is read, that what is reachable is what the
//! runtime marked, what a snapshot holds and does not hold, and that no damage passes for a result.
//!
//! The built binary runs as a user runs it. `LETGO_TIER=matrix` takes every release and kind.

mod asked;
mod beside;
mod compiler;
mod crashed;
mod damaged;
mod equal;
mod fields;
mod limited;
mod marked;
mod memory;
mod owned;
mod paused;
mod plugins;
mod redacted;
mod told;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use letgo_testkit::{forbidden, note_skip};
use serde_json::Value;

const LETGO: &str = env!("CARGO_BIN_EXE_letgo");

/// Whether programs can be read here; says so loudly where not.
fn may_read(test: &str) -> bool {
    let why = forbidden().unwrap();
    if let Some(why) = &why {
        note_skip(test, why);
    }
    why.is_none()
}

/// letgo with arguments, as a user runs it.
fn letgo(args: &[&str]) -> Output {
    let mut command = Command::new(LETGO);
    command.args(args).env("COLUMNS", "80").stdin(Stdio::null());
    command.output().unwrap()
}

/// The JSON of a verb on a target, and the exit code.
fn json(verb: &str, target: &[&str]) -> (Value, i32) {
    let args = [&[verb, "-o", "json"], target].concat();
    let output = letgo(&args);
    let said = String::from_utf8_lossy(&output.stderr);
    let code = output.status.code().unwrap();
    let value: Result<Value, _> = serde_json::from_slice(&output.stdout);
    let value = value.unwrap_or_else(|error| panic!("{args:?}: {error}, exit {code}: {said}"));
    let types = value["types"].as_array().into_iter().flatten();
    let nameless: Vec<&Value> = types.filter(|own| own["name"] == "").collect();
    assert!(nameless.is_empty(), "{args:?}: {nameless:?}");
    (value, code)
}

/// `letgo snap` of a target into a file; it must come out whole.
fn snap(target: &[&str], file: &Path) {
    let file = file.to_str().unwrap();
    let output = letgo(&[&["snap", "-o", file], target].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{target:?}: {text}{said}");
}
