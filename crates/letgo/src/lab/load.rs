//! [`Load`]: the open-loop generator of `lab/load`, while it runs.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::child::Owned;

/// Load in progress. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Load(Owned);

/// What it says at its end; times in microseconds, from when a request was due.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
pub(super) struct Latencies {
    /// Requests without an answer, or with another than 200.
    pub(super) failed: u64,
    /// How late the generator itself was.
    pub(super) late_p99_us: u64,
    /// Half took no longer.
    pub(super) p50_us: u64,
    /// 99 % took no longer.
    pub(super) p99_us: u64,
    /// 99.9 % took no longer.
    pub(super) p999_us: u64,
    /// The slowest.
    pub(super) max_us: u64,
}

impl Load {
    /// Begins it.
    ///
    /// # Errors
    /// It cannot be started.
    pub(super) fn start(binary: &Path, url: &str, rate: u32, seconds: u32) -> Result<Load> {
        let mut command = Command::new(binary);
        command
            .args(["-url", url])
            .arg(format!("-rate={rate}"))
            .arg(format!("-seconds={seconds}"))
            .stdout(Stdio::piped());
        Owned::spawn(&mut command).map(Load)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// It does not say what it measured.
    pub(super) fn finish(mut self) -> Result<Latencies> {
        let mut text = String::new();
        let stdout = self.0.0.stdout.as_mut().context("no pipe")?;
        stdout.read_to_string(&mut text)?;
        serde_json::from_str(&text).with_context(|| format!("the load generator says {text:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_generator_prints_is_read() {
        let line = r#"{"schema":"letgo.load/1","rate":500,"seconds":5,"sent":2500,"ok":2499,
            "failed":1,"late_p99_us":92,"p50_us":727,"p90_us":1521,"p99_us":3365,"p999_us":6416,
            "max_us":8205,"histogram":[{"below_us":1024,"count":2500}]}"#;
        let read: Latencies = serde_json::from_str(line).unwrap();
        assert_eq!((read.failed, read.late_p99_us, read.p50_us), (1, 92, 727));
        assert_eq!((read.p99_us, read.p999_us, read.max_us), (3365, 6416, 8205));
    }
}
