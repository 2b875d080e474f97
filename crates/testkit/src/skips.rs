//! What was not tested here, said loudly.
//!
//! A test that lacks a privilege or a tool says so on the real standard error (the test harness
//! does not capture it) and, where `LETGO_SKIPS` names a file, adds a line there, so that
//! `make test` can count.

use std::fs::OpenOptions;
use std::io::{self, Write};

/// Says that `what` was not tested, and why.
pub fn note_skip(what: &str, why: &str) {
    let line = format!("SKIPPED {what}: {why}\n");
    // A closed standard error must not fail a test that is being skipped.
    let _ = io::stderr().write_all(line.as_bytes());
    if let Some(path) = std::env::var_os("LETGO_SKIPS") {
        let file = OpenOptions::new().create(true).append(true).open(path);
        let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
    }
}

/// Skips the rest of this test, loudly: `skip!("ptrace is not permitted: {err}")`.
#[macro_export]
macro_rules! skip {
    ($($why:tt)+) => {{
        $crate::note_skip(
            concat!(module_path!(), ":", line!()),
            &format!($($why)+),
        );
        return;
    }};
}
