//! [`Trial`]: one patient that stands still, read by the built `letgo` as a user runs it.
//!
//! The patient reads its own figures and stops itself as the very next thing; then letgo runs; then
//! the kernel is asked. Whether anything is wrong is [`Trial::wrong`]. Does not know letgo's
//! crates, only its command line and its JSON (see [`Report`]).

use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result, bail};

use crate::{Case, Patient, Recipe, Report, Row, rss};

/// How often a patient is tried again that moved between its own look and its stop.
const AGAIN: usize = 3;

/// How a reading ended.
#[derive(Clone, Debug)]
pub enum Trial {
    /// A report, and what it was compared with.
    Read(Box<Read>),
    /// letgo made no report (status 3), and said why.
    Refused(String),
}

/// A report beside its second sources.
#[derive(Clone, Debug)]
pub struct Read {
    /// The report.
    pub report: Report,
    /// Every figure that has a second source.
    pub rows: Vec<Row>,
    /// What is wrong with the report in itself, and the exit status where it is not 0.
    pub flaws: Vec<String>,
    /// How often the patient moved between its own look and its stop, and was started anew.
    pub repeated: usize,
}

impl Read {
    /// What is wrong, in words; empty where nothing is.
    pub fn wrong(&self) -> Vec<String> {
        let mut wrong = self.flaws.clone();
        wrong.extend(self.rows.iter().filter(|row| !row.holds()).map(|row| {
            let (ours, theirs) = (row.ours, row.theirs);
            format!("{}: {ours} and {theirs}, {:+}", row.name, row.difference())
        }));
        let unequal = self.report.unequal();
        if !unequal.is_empty() {
            wrong.push(format!(
                "counters that the tree does not equal: {unequal:?}"
            ));
        }
        wrong
    }

    /// The row of this name; the one of the tree where a counter has the same.
    pub fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// Whether the patient itself moved: the tree equals the counters in its memory, and these
    /// are not what it said.
    fn has_moved(&self) -> bool {
        let kernel_agrees = self.row("Rss").is_some_and(Row::holds);
        let differs = self.rows.iter().any(|row| !row.holds());
        kernel_agrees && differs && self.flaws.is_empty() && self.report.unequal().is_empty()
    }
}

/// Builds and starts `recipe` as `case` says, lets it stop itself, and reads it.
///
/// # Errors
/// Where it cannot be built or started, or letgo cannot be run.
pub fn try_stopped(letgo: &Path, recipe: &Recipe, case: &Case) -> Result<Trial> {
    let recipe = recipe.clone().go(case.version).kind(case.kind.clone());
    let mut repeated = 0;
    loop {
        let mut patient = recipe.start()?;
        let trial = read_stopped(letgo, &mut patient, case)?;
        match trial {
            Trial::Read(read) if read.has_moved() && repeated < AGAIN => repeated += 1,
            Trial::Read(mut read) => {
                read.repeated = repeated;
                return Ok(Trial::Read(read));
            }
            Trial::Refused(_) => return Ok(trial),
        }
    }
}

fn read_stopped(letgo: &Path, patient: &mut Patient, case: &Case) -> Result<Trial> {
    let (memstats, _) = patient.stop()?;
    let before = rss(patient.pid())?;
    let output = why(letgo, patient.pid(), &[]).output()?;
    let after = rss(patient.pid())?;
    if output.status.code() == Some(3) {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Ok(Trial::Refused(said));
    }
    let report = report_of(&output)?;
    let mut rows = report.beside_kernel(before, after)?;
    rows.extend(report.beside_memstats(&memstats)?);
    if !case.kind.cgo {
        rows.push(report.anon()?);
    }
    let mut flaws = report.flaws()?;
    if !output.status.success() {
        flaws.push(format!("letgo ends with {}", output.status));
    }
    Ok(Trial::Read(Box::new(Read {
        report,
        rows,
        flaws,
        repeated: 0,
    })))
}

/// `letgo why PID -o json`, with further arguments. What it caches goes beside the patients.
pub fn why(letgo: &Path, pid: u32, args: &[&str]) -> Command {
    let mut command = Command::new(letgo);
    command
        .args(["why", &pid.to_string(), "-o", "json"])
        .args(args);
    command
}

/// The report in what letgo wrote.
///
/// # Errors
/// Where there is none; the error holds what letgo complained.
pub fn report_of(output: &Output) -> Result<Report> {
    let text = std::str::from_utf8(&output.stdout)?;
    if text.is_empty() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("letgo ends with {}: {}", output.status, said.trim());
    }
    Report::parse(text)
}

/// Says why another process of ours cannot be read here; nothing where it can.
///
/// letgo is no ancestor of a patient, so that Yama's mode 1 forbids it too.
///
/// # Errors
/// Where the kernel's settings cannot be read.
pub fn forbidden() -> Result<Option<String>> {
    if nix::unistd::geteuid().is_root() {
        return Ok(None);
    }
    let path = "/proc/sys/kernel/yama/ptrace_scope";
    let scope = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        scope => scope.context(path)?,
    };
    Ok((scope.trim() != "0").then(|| format!("not root, and ptrace_scope is {}", scope.trim())))
}
