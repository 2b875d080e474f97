//! Live tests: children of ours, read, stopped and killed.
//!
//! A child is this same test binary, asked to run the one test [`child::child`] with a shape in
//! its environment. It ends with its standard input, so it never outlives the tests. What needs a
//! privilege that is missing is skipped with a line that starts with `SKIPPED`.

#![allow(
    unsafe_code,
    reason = "children map memory and make system calls that nothing wraps"
)]

mod child;
mod journals;
mod killing;
mod kinds;
mod protocol;
mod reading;
mod residency;
mod shapes;
mod stopping;
mod tearing;
mod variables;
mod waking;
mod writing;

/// Says that a test did not run.
fn skipped(why: &str) {
    eprintln!("SKIPPED: {why}");
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}
