//! [`Patient`]: a Go program of `lab/patients` that runs, tells its truth and obeys commands.
//!
//! What the kernel says of it is read here too, so that before and after are read in one way.
//! It is not asked while it idles: a command wakes its runtime.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use letgo_linux::Process;
use letgo_linux::process::Use;

use super::child::Owned;
use super::lines::{Figures, Line};

/// Variables that change what a Go program does, and that it must not inherit.
const GO_VARIABLES: [&str; 5] = ["GOGC", "GOMEMLIMIT", "GODEBUG", "GOMAXPROCS", "GOTRACEBACK"];

/// A running patient. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Patient {
    child: Owned,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    process: Process,
    /// What it said of itself before it was ready.
    pub(super) truth: Figures,
}

/// What its runtime says of its memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stats {
    /// `Sys - Alloc`, which the seed takes for what can be returned.
    pub(super) sys_less_alloc: u64,
    /// `HeapIdle - HeapReleased`: free spans that were not returned.
    pub(super) free: u64,
    /// `NumGC`.
    pub(super) gcs: u64,
}

impl Patient {
    /// Starts it and waits until its shape stands.
    ///
    /// # Errors
    /// It cannot be started, or ends before it is ready.
    pub(super) fn start(binary: &Path, args: &[&str], env: &[(&str, &str)]) -> Result<Patient> {
        let mut command = Command::new(binary);
        for name in GO_VARIABLES {
            command.env_remove(name);
        }
        command
            .args(args)
            .envs(env.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = Owned::spawn(&mut command)?;
        let pipes = child.0.stdin.take().zip(child.0.stdout.take());
        let (stdin, stdout) = pipes.context("no pipes")?;
        let mut patient = Patient {
            process: Process::open(child.0.id())?,
            child,
            stdin,
            lines: BufReader::new(stdout).lines(),
            truth: Figures::default(),
        };
        patient.truth = patient.until("ready")?;
        Ok(patient)
    }

    /// Its process id.
    pub(super) fn pid(&self) -> u32 {
        self.child.0.id()
    }

    /// Sends a command and waits until it is done; what it told meanwhile.
    ///
    /// # Errors
    /// It does not know the command, or has ended.
    pub(super) fn command(&mut self, word: &str) -> Result<Figures> {
        writeln!(self.stdin, "{word}").context("the patient has ended")?;
        self.until("done")
    }

    /// What its runtime says now.
    ///
    /// # Errors
    /// It has ended.
    pub(super) fn stats(&mut self) -> Result<Stats> {
        let told = self.command("memstats")?;
        let less =
            |a: &str, b: &str| -> Result<u64> { Ok(told.get(a)?.saturating_sub(told.get(b)?)) };
        Ok(Stats {
            sys_less_alloc: less("Sys", "Alloc")?,
            free: less("HeapIdle", "HeapReleased")?,
            gcs: told.get("NumGC")?,
        })
    }

    /// What the kernel says now, exactly: `VmRSS` is an estimate on recent kernels.
    ///
    /// # Errors
    /// It has ended.
    pub(super) fn memory(&self) -> Result<Use> {
        Ok(self.process.smaps_rollup()?)
    }

    /// Its `Rss` now.
    ///
    /// # Errors
    /// It has ended.
    pub(super) fn rss(&self) -> Result<u64> {
        Ok(self.memory()?.rss)
    }

    /// What it tells until a line of that kind.
    fn until(&mut self, kind: &str) -> Result<Figures> {
        let mut told = Figures::default();
        for text in self.lines.by_ref() {
            let text = text.context("the patient's output cannot be read")?;
            let Some(line) = Line::parse(&text) else {
                continue;
            };
            if line.kind == "error" {
                bail!("the patient says: {text}");
            }
            told.merge(line.figures);
            if line.kind == kind {
                return Ok(told);
            }
        }
        bail!("the patient ended before it said {kind}")
    }
}
