//! `letgo ps`: which Go programs run on this host.
//!
//! A light reading of each: counters only, nothing stopped. Each distinct executable is opened
//! once. What cannot be looked at is counted, with its reason.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use anyhow::Result;
use letgo_gobin::GoBinary;
use letgo_goruntime::{RuntimeStats, Shape};
use letgo_linux::Process;
use letgo_linux::hosts::{self, Listed};
use letgo_report::{PsReport, PsRow, SkipReport, units};
use letgo_target::Coverage;

use crate::cli::PsArgs;
use crate::complaint::Complaint;
use crate::exit::Exit;
use crate::inspect::{self, Opened, Surroundings};
use crate::progress::Progress;
use crate::terminal::Terminal;
use crate::{output, own};

/// Takes a light reading of every Go program and writes the table.
///
/// # Errors
/// Standard output cannot be written, or `/proc` cannot be listed.
pub fn run(args: &PsArgs, terminal: &Terminal) -> Result<Exit> {
    let progress = Progress::new(terminal);
    let report = report(&progress)?;
    drop(progress);
    output::ps(report, args, terminal)
}

/// The rows of all Go programs that can be seen.
///
/// # Errors
/// `/proc` cannot be listed.
pub fn report(progress: &Progress) -> Result<PsReport> {
    let (at, began) = (SystemTime::now(), Instant::now());
    let mut executables = Executables::default();
    let (mut processes, mut denied) = (Vec::new(), Vec::new());
    let mut coverage = Coverage::default();
    for listed in hosts::processes()? {
        progress.step(format!("looking at process {}", listed.pid));
        match look(&listed, &mut executables) {
            Ok(row) => processes.extend(row),
            Err(Unseen::Gone) => {}
            Err(Unseen::Denied) => denied.push(listed.pid),
            Err(Unseen::Because(why)) => coverage.skip("process", why),
        }
    }
    // One that can be asked about stands for all.
    if let Some(pid) = denied.first() {
        let why = format!("its executable may not be read: see `letgo doctor {pid}`");
        denied.iter().for_each(|_| coverage.skip("process", &why));
    }
    let skipped = coverage.skipped.into_iter();
    Ok(PsReport {
        schema: PsReport::SCHEMA.into(),
        letgo: own::cost(),
        at: units::rfc3339(at),
        wall_ns: u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX),
        processes,
        skipped: skipped
            .map(|skip| SkipReport {
                what: skip.what,
                why: skip.why,
                count: skip.count,
            })
            .collect(),
    })
}

/// Why a process has no row, though it may be a Go program.
enum Unseen {
    /// It ended meanwhile.
    Gone,
    /// Its executable may not be read.
    Denied,
    /// For another reason.
    Because(String),
}

impl From<letgo_linux::Error> for Unseen {
    fn from(error: letgo_linux::Error) -> Unseen {
        if error.is_gone() {
            Unseen::Gone
        } else if error.is_denied() {
            Unseen::Denied
        } else {
            Unseen::Because(error.to_string())
        }
    }
}

/// A Go program, whichever processes run it.
#[derive(Clone)]
struct Executable {
    binary: Arc<GoBinary>,
    /// Nothing where its runtime is not supported.
    shape: Option<Arc<Shape>>,
}

/// Executables that were opened, by device and inode; nothing for what is not Go.
#[derive(Default)]
struct Executables {
    seen: HashMap<(u64, u64), Option<Executable>>,
}

impl Executables {
    /// The Go program that a process runs, nothing where it runs something else.
    fn of(&mut self, process: &Process) -> Result<Option<Executable>, letgo_linux::Error> {
        let file = process.exe_file()?;
        let key = file.metadata().ok().map(|meta| (meta.dev(), meta.ino()));
        if let Some(known) = key.and_then(|key| self.seen.get(&key)) {
            return Ok(known.clone());
        }
        let opened = inspect::binary_of_file(file).ok().map(|binary| Executable {
            shape: Shape::of(&binary).ok().map(Arc::new),
            binary: Arc::new(binary),
        });
        if let Some(key) = key {
            self.seen.insert(key, opened.clone());
        }
        Ok(opened)
    }
}

/// A row, nothing where the process is not a Go program.
fn look(listed: &Listed, executables: &mut Executables) -> Result<Option<PsRow>, Unseen> {
    let process = Process::open(listed.pid)?;
    let Some(executable) = executables.of(&process)? else {
        return Ok(None);
    };
    let around = Surroundings::of(&process);
    let mut row = PsRow {
        pid: listed.pid,
        name: listed.name.clone(),
        exe: listed
            .exe
            .as_ref()
            .map(|exe| exe.display().to_string())
            .unwrap_or_default(),
        go_version: executable.binary.build.version.raw.clone(),
        rss_bytes: listed.resident_bytes,
        uptime_ns: around
            .uptime
            .and_then(|time| u64::try_from(time.as_nanos()).ok()),
        container: inspect::container(&around),
        ..PsRow::default()
    };
    match counters(process, executable) {
        Ok(stats) => fill(&mut row, &stats),
        Err(complaint) => row.notes.push(complaint.wrong),
    }
    Ok(Some(row))
}

fn counters(process: Process, executable: Executable) -> Result<RuntimeStats, Complaint> {
    let mut opened = Opened::with_binary(process, executable.binary)?;
    if let Some(shape) = executable.shape {
        opened.program = opened.program.shaped(shape);
    }
    opened.light().map(|light| light.stats)
}

fn fill(row: &mut PsRow, stats: &RuntimeStats) {
    // Before the first GC nobody knows what is live.
    row.live_heap_bytes = Some(stats.heap_marked).filter(|_| stats.num_gc > 0);
    row.returnable_bytes = Some(stats.heap_idle.saturating_sub(stats.heap_released));
    row.gc_percent = Some(u32::try_from(stats.gc_percent).ok());
    row.memory_limit = Some(inspect::memory_limit(stats.memory_limit));
    row.goroutines = Some(stats.goroutines);
    row.num_gc = Some(u64::from(stats.num_gc));
}
