//! [`Way`]: how memory is given back, and doing it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use letgo_report::ReleaseReport;

/// A way of giving memory back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    /// The runtime itself, when it thinks it right.
    Alone,
    /// `debug.FreeOSMemory`, called by the program.
    InProcess,
    /// `letgo release`, from outside.
    Letgo,
}

impl Way {
    /// For a table.
    pub(super) fn name(self) -> &'static str {
        match self {
            Way::Alone => "left alone",
            Way::InProcess => "FreeOSMemory",
            Way::Letgo => "letgo release",
        }
    }
}

/// Runs `letgo release` on a process; what it says, and how long it took.
///
/// # Errors
/// It refuses, or says nothing that can be read.
pub(super) fn release(letgo: &Path, pid: u32) -> Result<(ReleaseReport, Duration)> {
    let began = Instant::now();
    let output = Command::new(letgo)
        .args(["release", &pid.to_string(), "-o", "json"])
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", letgo.display()))?;
    let took = began.elapsed();
    // 1 says that it fell short; then what it did is measured all the same.
    if !matches!(output.status.code(), Some(0 | 1)) {
        let told = String::from_utf8_lossy(&output.stderr);
        bail!(
            "letgo release says: {}",
            told.lines().next().unwrap_or_default()
        );
    }
    let released = serde_json::from_slice(&output.stdout);
    Ok((released.context("letgo release writes no JSON")?, took))
}

/// A duration as a figure.
pub(super) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
