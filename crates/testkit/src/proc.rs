//! What the kernel says of a process, read here in the plainest way, as a second source.
//!
//! Deliberately not the `linux` crate's parsers: those are what is tested.

use std::fs;

use anyhow::{Context, Result};

/// Sums over `/proc/PID/smaps`, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rss {
    /// `Rss`.
    pub rss: u64,
    /// `Anonymous`.
    pub anonymous: u64,
    /// `AnonHugePages`.
    pub anon_huge: u64,
    /// `LazyFree`.
    pub lazy_free: u64,
    /// `Swap`.
    pub swap: u64,
    /// `Size`.
    pub size: u64,
}

/// The sums over `/proc/PID/smaps`.
///
/// # Errors
/// Where the file cannot be read.
pub fn rss(pid: u32) -> Result<Rss> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps")).context("cannot read smaps")?;
    let mut sums = Rss::default();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let sum = match words.next() {
            Some("Rss:") => &mut sums.rss,
            Some("Anonymous:") => &mut sums.anonymous,
            Some("AnonHugePages:") => &mut sums.anon_huge,
            Some("LazyFree:") => &mut sums.lazy_free,
            Some("Swap:") => &mut sums.swap,
            Some("Size:") => &mut sums.size,
            _ => continue,
        };
        let kib: u64 = words.next().unwrap_or_default().parse()?;
        *sum += kib * 1024;
    }
    Ok(sums)
}

/// The names of all mappings, in order, as `/proc/PID/maps` writes them; empty ones left out.
///
/// # Errors
/// Where the file cannot be read.
pub fn mapping_names(pid: u32) -> Result<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/maps")).context("cannot read maps")?;
    let name = |line: &str| {
        line.splitn(6, ' ')
            .nth(5)
            .map(|name| name.trim().to_owned())
    };
    let names = text.lines().filter_map(name);
    Ok(names.filter(|name| !name.is_empty()).collect())
}

/// The state letter of each thread: `T` is stopped by a signal, `t` by a tracer.
///
/// # Errors
/// Where the process is gone.
pub fn thread_states(pid: u32) -> Result<Vec<char>> {
    let mut states = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/task")).context("the process is gone")? {
        // A thread may end between the listing and the reading.
        let Ok(stat) = fs::read_to_string(entry?.path().join("stat")) else {
            continue;
        };
        let after_name = stat.rsplit_once(") ").map(|(_, rest)| rest);
        states.extend(after_name.and_then(|rest| rest.chars().next()));
    }
    Ok(states)
}
