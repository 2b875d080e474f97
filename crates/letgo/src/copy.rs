//! `letgo copy`, which nobody types: makes frozen copies and removes them, for tests and
//! measurements.
//!
//! One line of JSON for each. Reads nothing of a copy.

use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use serde_json::json;

use letgo_linux::FrozenCopy;

use crate::exit::Exit;
use crate::frozen::{Frozen, clean};
use crate::inspect::Opened;

/// Arguments of `letgo copy`.
#[derive(Args, Debug)]
pub struct CopyArgs {
    /// The process
    pub pid: u32,
    /// How many copies
    #[arg(long, default_value_t = 1)]
    pub times: u32,
    /// How long the process may be held for each, in milliseconds
    #[arg(long, default_value_t = 2000)]
    pub most: u64,
    /// Keep each copy until a line is read
    #[arg(long)]
    pub wait: bool,
    /// Make none, and remove what others have left
    #[arg(long)]
    pub clean: bool,
}

/// Makes copies one after the other.
///
/// # Errors
/// Where one could not be made.
pub fn run(args: &CopyArgs) -> Result<Exit> {
    let opened = Opened::open(args.pid)?;
    let mut out = std::io::stdout().lock();
    if args.clean {
        let orphans = clean(&opened)?;
        writeln!(out, "{}", json!({ "orphans": orphans }))?;
        return Ok(Exit::Whole);
    }
    let mut whole = true;
    for _ in 0..args.times {
        let (prediction, _) = FrozenCopy::prediction(&opened.process)?;
        let began = Instant::now();
        let frozen = Frozen::make(&opened, Duration::from_millis(args.most))?;
        let made = began.elapsed();
        let report = frozen.report().clone();
        let child = frozen.process().pid();
        if args.wait {
            writeln!(out, "{}", json!({ "child": child }))?;
            out.flush()?;
            std::io::stdin().read_line(&mut String::new())?;
        }
        let released = frozen.release();
        whole &= released.whole;
        let line = json!({
            "child": child,
            "pause_ns": report.stop.pause_ns_max,
            "stop_ns": report.stop.stop_ns,
            "predicted_ns": prediction.pause.as_nanos(),
            "clone_ns": report.clone_ns,
            "clone_cpu_ns": report.clone_cpu_ns,
            "clone_wait_ns": report.clone_wait_ns,
            "threads": report.stop.threads,
            "tries": report.tries,
            "whole": released.whole,
            "reap_ns": released.pause_ns_max,
            "made_us": made.as_micros(),
            "all_us": began.elapsed().as_micros(),
        });
        writeln!(out, "{line}")?;
    }
    Ok(if whole { Exit::Whole } else { Exit::Attention })
}
