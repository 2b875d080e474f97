//! [`Tool`]: who races, and what letgo says of what it did.

use std::path::Path;

use anyhow::{Context, Result};
use letgo_report::{HeapReport, SkipReport, Taken, WhyReport};

use super::stopwatch::{Stopwatch, Took};

/// A tool, or a way of asking it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Tool {
    /// No tool: the noise of the patient's clock.
    Nothing,
    /// `letgo why`: a frozen copy, where that is the cheapest.
    Why,
    /// `letgo heap`: holders by retained bytes, too.
    Heap,
    /// `letgo why --stop`.
    WhyStop,
    /// `letgo why --no-pause`.
    WhyRunning,
    /// `grf attach`.
    Goref,
    /// `gcore`, then `viewcore`.
    Viewcore,
}

/// What a tool says; what it does not say is absent.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Found {
    /// Objects that it found reachable.
    pub(super) objects: Option<u64>,
    /// Their bytes.
    pub(super) bytes: Option<u64>,
    /// Those of objects whose type it does not know.
    pub(super) untyped_bytes: Option<u64>,
    /// The pause that it expected.
    pub(super) predicted_ns: Option<u64>,
    /// The pause that it measured.
    pub(super) reported_ns: Option<u64>,
    /// What it says it left out or did otherwise, and why.
    pub(super) skipped: Vec<String>,
    /// Objects that it looked at, and how long that took.
    graph: Option<(u64, u64)>,
}

/// What a peer counted: objects, their bytes, and those of objects without a type.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Sum {
    pub(super) objects: u64,
    pub(super) bytes: u64,
    pub(super) untyped_bytes: u64,
}

impl Sum {
    /// Adds objects of one kind.
    pub(super) fn add(&mut self, objects: u64, bytes: u64, typed: bool) {
        self.objects += objects;
        self.bytes += bytes;
        self.untyped_bytes += if typed { 0 } else { bytes };
    }
}

impl Tool {
    /// In the order in which they go.
    pub(super) const ALL: [Tool; 7] = [
        Tool::Nothing,
        Tool::Why,
        Tool::Heap,
        Tool::WhyStop,
        Tool::WhyRunning,
        Tool::Goref,
        Tool::Viewcore,
    ];

    /// For a table.
    pub(super) fn name(self) -> &'static str {
        match self {
            Tool::Nothing => "(nothing, 2 s)",
            Tool::Why => "letgo why",
            Tool::Heap => "letgo heap",
            Tool::WhyStop => "letgo why --stop",
            Tool::WhyRunning => "letgo why --no-pause",
            Tool::Goref => "goref",
            Tool::Viewcore => "gcore, viewcore",
        }
    }

    /// Runs letgo in this way.
    ///
    /// # Errors
    /// It refuses, or says nothing that can be read.
    pub(super) fn letgo(
        self,
        letgo: &Path,
        stopwatch: &Stopwatch,
        pid: u32,
    ) -> Result<(Took, Found)> {
        let verb = if self == Tool::Heap { "heap" } else { "why" };
        let way = match self {
            Tool::WhyStop => Some("--stop"),
            Tool::WhyRunning => Some("--no-pause"),
            _ => None,
        };
        let pid = pid.to_string();
        let mut arguments = vec![verb, &pid, "-o", "json", "--quiet"];
        arguments.extend(way);
        // 1 says that something could not be read; the report says what.
        let took = stopwatch.run(letgo.as_os_str(), arguments, &[0, 1])?;
        let unreadable = || format!("letgo {verb} writes no JSON");
        let found = if self == Tool::Heap {
            let report: HeapReport = serde_json::from_str(&took.stdout).with_context(unreadable)?;
            Found {
                untyped_bytes: report.untyped.map(|untyped| untyped.slot_bytes),
                ..Found::of(&report.taken)
            }
        } else {
            let report: WhyReport = serde_json::from_str(&took.stdout).with_context(unreadable)?;
            Found::of(&report.taken)
        };
        Ok((took, found))
    }
}

impl Found {
    fn of(taken: &Taken) -> Found {
        let graph = taken.graph.as_ref();
        Found {
            objects: graph.map(|graph| graph.reachable_objects),
            bytes: graph.map(|graph| graph.reachable_bytes),
            untyped_bytes: None,
            predicted_ns: taken.pause_ns_predicted,
            reported_ns: Some(taken.pause_ns_max),
            skipped: taken.coverage.skipped.iter().map(skip).collect(),
            graph: graph.map(|graph| (graph.objects, graph.wall_ns)),
        }
    }

    /// Objects a second, where it says how long they took.
    pub(super) fn marked(&self) -> Option<u64> {
        let (objects, wall_ns) = self.graph?;
        u64::try_from(u128::from(objects) * 1_000_000_000 / u128::from(wall_ns.max(1))).ok()
    }

    /// What a peer counted.
    pub(super) fn counted(sum: Sum) -> Found {
        Found {
            objects: Some(sum.objects),
            bytes: Some(sum.bytes),
            untyped_bytes: Some(sum.untyped_bytes),
            ..Found::default()
        }
    }
}

fn skip(skip: &SkipReport) -> String {
    format!("{}: {}", skip.what, skip.why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_a_second() {
        let found = Found {
            graph: Some((12_000_000, 400_000_000)),
            ..Found::default()
        };
        assert_eq!(found.marked(), Some(30_000_000));
        assert_eq!(Found::counted(Sum::default()).marked(), None);
    }
}
