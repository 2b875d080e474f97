//! [`Bench`]: what every experiment needs: programs, runs, releases of Go, a word on progress.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::args::RunArgs;
use super::go::Go;
use super::load::Load;
use super::patient::Patient;
use crate::complaint::Complaint;

/// Idle time before a measurement, in which a runtime's monitor falls asleep as in a program that
/// nobody asks anything. Source: src/runtime/proc.go, sysmon.
const REST: Duration = Duration::from_secs(1);

/// How the experiments are to be run.
#[derive(Debug)]
pub(super) struct Bench {
    go: Go,
    lab: PathBuf,
    /// The letgo that releases.
    pub(super) letgo: PathBuf,
    /// Releases of Go, as in `1.24.13`.
    pub(super) versions: Vec<String>,
    /// Runs of each measurement.
    pub(super) repeat: u32,
    /// Whether there is time for the runtime's own pace.
    pub(super) long: bool,
    /// Whether settings of the whole machine may be changed for a while.
    pub(super) system: bool,
    rate: u32,
    /// Seconds of load.
    pub(super) seconds: u32,
    quiet: bool,
}

impl Bench {
    /// Looks for Go and for the checkout.
    ///
    /// # Errors
    /// One of them is not there.
    pub(super) fn new(args: &RunArgs, quiet: bool) -> Result<Bench, Complaint> {
        let go = Go::find()?;
        let lab = args.lab.canonicalize().ok();
        let lab = lab
            .filter(|lab| lab.join("patients").is_dir())
            .ok_or_else(|| {
                Complaint::no_report(
                    format!(
                        "the Go programs of the lab are not in {}",
                        args.lab.display()
                    ),
                    "run it in a checkout of letgo, or give --lab the folder lab/ of one",
                )
            })?;
        let own = || std::env::current_exe().unwrap_or_else(|_| "letgo".into());
        let versions = if args.go.is_empty() {
            vec![go.version.clone()]
        } else {
            args.go.clone()
        };
        Ok(Bench {
            go,
            lab,
            letgo: args.letgo.clone().unwrap_or_else(own),
            versions,
            repeat: args.repeat,
            long: args.long,
            system: args.system,
            rate: args.rate,
            seconds: args.seconds,
            quiet,
        })
    }

    /// Says on standard error what is being done.
    pub(super) fn say(&self, what: &str) {
        if !self.quiet {
            eprintln!("lab: {what}");
        }
    }

    /// Builds a patient and starts it.
    ///
    /// # Errors
    /// It cannot be built or does not become ready.
    pub(super) fn patient(
        &self,
        shape: &str,
        version: &str,
        args: &[&str],
        env: &[(&str, &str)],
    ) -> Result<Patient> {
        let source = self.lab.join("patients").join(shape);
        Patient::start(&self.go.build(&source, version)?, args, env)
    }

    /// Begins load on a path of a server.
    ///
    /// # Errors
    /// The generator cannot be built or started.
    pub(super) fn load(&self, port: u64, path: &str) -> Result<Load> {
        let binary = self.go.build(&self.lab.join("load"), &self.go.version)?;
        let url = format!("http://127.0.0.1:{port}{path}");
        Load::start(&binary, &url, self.rate, self.seconds)
    }

    /// Builds what runs a command and says what it took.
    ///
    /// # Errors
    /// It cannot be built.
    pub(super) fn stopwatch(&self) -> Result<PathBuf> {
        Ok(self
            .go
            .build(&self.lab.join("stopwatch"), &self.go.version)?)
    }

    /// The go command, for its tools.
    pub(super) fn go_command(&self) -> Command {
        self.go.command()
    }

    /// Requests a second, for a note.
    pub(super) fn rate(&self) -> u32 {
        self.rate
    }

    /// Lets a patient idle before it is measured.
    pub(super) fn rest(&self) {
        std::thread::sleep(REST);
    }

    /// Measures as often as was asked for; the error that ended it, if one did.
    pub(super) fn runs<T>(
        &self,
        what: &str,
        mut once: impl FnMut() -> Result<T>,
    ) -> (Vec<T>, Option<anyhow::Error>) {
        let mut done = Vec::new();
        for run in 1..=self.repeat {
            self.say(&format!("{what}, {run} of {}", self.repeat));
            match once() {
                Ok(measured) => done.push(measured),
                Err(error) => return (done, Some(error)),
            }
        }
        (done, None)
    }
}
