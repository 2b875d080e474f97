//! [`Course`]: one patient, and every tool once.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;

use super::peers::Peers;
use super::scratch::Scratch;
use super::stopwatch::{Stopwatch, Took};
use super::tool::{Found, Tool};
use crate::lab::bench::Bench;
use crate::lab::patient::Patient;

/// How long nothing is done to the patient, for the noise of its own clock.
const NOTHING: Duration = Duration::from_secs(2);
/// A peer may take a minute, and there are several tools.
const MINUTES: &str = "90";

/// A patient to race on.
#[derive(Debug)]
pub(super) struct Shape {
    /// Its folder.
    pub(super) name: &'static str,
    size: &'static [&'static str],
}

/// What all runs of a shape share.
#[derive(Debug)]
pub(super) struct Course<'a> {
    pub(super) bench: &'a Bench,
    pub(super) peers: &'a Peers,
    pub(super) version: &'a str,
    pub(super) shape: &'a Shape,
}

/// What one tool did once.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// Absent where there was no tool.
    pub(super) took: Option<Took>,
    /// What it says.
    pub(super) found: Found,
    /// What the runtime says.
    pub(super) truth: Truth,
    /// The longest time that the patient stood still by its own clock.
    pub(super) pause_ns: u64,
    /// All of them together.
    pub(super) stood_ns: u64,
}

/// What the runtime says of its heap after a GC.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Truth {
    /// `HeapObjects`.
    pub(super) objects: u64,
    /// `HeapAlloc`.
    pub(super) bytes: u64,
}

impl Shape {
    /// The shapes, at their full size where there is time.
    pub(super) fn all(long: bool) -> [Shape; 2] {
        let keyed: &[&str] = if long {
            &["-n", "4000000"]
        } else {
            &["-n", "500000"]
        };
        let leaves: &[&str] = &[];
        [("keyed", keyed), ("leaves", leaves)].map(|(name, size)| Shape { name, size })
    }

    /// With its size.
    pub(super) fn label(&self) -> String {
        let size = self.size.last().map(|count| format!(" {count}"));
        format!("{}{}", self.name, size.unwrap_or_default())
    }
}

impl Course<'_> {
    /// Starts a patient and lets every tool at it.
    ///
    /// # Errors
    /// There is no patient, or it has ended.
    pub(super) fn run(&self) -> Result<BTreeMap<Tool, Result<Run>>> {
        let args = [self.shape.size, &["-clock", "-minutes", MINUTES]].concat();
        let mut patient = self
            .bench
            .patient(self.shape.name, self.version, &args, &[])?;
        let told = patient.command("memstats")?;
        let truth = Truth {
            objects: told.get("HeapObjects")?,
            bytes: told.get("HeapAlloc")?,
        };
        let scratch = Scratch::new()?;
        let stopwatch = Stopwatch(self.bench.stopwatch()?);
        let mut runs = BTreeMap::new();
        for tool in Tool::ALL {
            self.bench.say(&format!("  {}", tool.name()));
            self.bench.rest();
            patient.command("calm")?;
            let done = self.once(tool, &patient, &stopwatch, &scratch);
            let noted = patient.command("gaps")?;
            let (pause_ns, stood_ns) = (noted.get("gap_ns")?, noted.get("stood_ns")?);
            let done = done.map(|(took, found)| Run {
                took,
                found,
                truth,
                pause_ns,
                stood_ns,
            });
            runs.insert(tool, done);
        }
        Ok(runs)
    }

    fn once(
        &self,
        tool: Tool,
        patient: &Patient,
        stopwatch: &Stopwatch,
        scratch: &Scratch,
    ) -> Result<(Option<Took>, Found)> {
        let pid = patient.pid();
        let peers = self.peers;
        let done = match tool {
            Tool::Nothing => {
                std::thread::sleep(NOTHING);
                return Ok((None, Found::default()));
            }
            Tool::Goref => peers.goref(self.bench, stopwatch, scratch, pid),
            Tool::Viewcore => peers.viewcore(stopwatch, scratch, pid),
            _ => tool.letgo(&self.bench.letgo, stopwatch, pid),
        };
        done.map(|(took, found)| (Some(took), found))
    }
}
