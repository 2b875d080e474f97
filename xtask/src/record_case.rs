//! `cargo xtask record-case`: records a small target, so that a test can read it without Go.
//!
//! Builds a patient, lets it read its own `MemStats` and stop, takes the readings that the replay
//! takes, and keeps the os pages that they looked at, under `fixtures/cases/`. The replay is
//! `crates/goruntime/tests/recorded.rs`.
//!
//! Layouts are not recorded: a replay uses the generated tables, as it would for a stripped
//! program. What is compared is what the program said, and never what we read.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use letgo_gobin::{GoBinary, Image};
use letgo_goruntime::{CensusOptions, Limits, Parts, Runtime, SpanUse, layout};
use letgo_linux::{LiveMemory, Process, residency};
use letgo_target::{Addr, ReadMemory};
use letgo_testkit::{Facts, Figures, Hex, Kind, NEWEST_GO, Recipe, Recorder, Recording, Strip};

use crate::tidy::root;

/// Where cases are kept, from the repository's root.
const CASES: &str = "fixtures/cases";

/// Fields of `MemStats` that a replay is compared with.
const MEMSTATS: [&str; 17] = [
    "HeapAlloc",
    "HeapSys",
    "HeapIdle",
    "HeapInuse",
    "HeapReleased",
    "HeapObjects",
    "StackInuse",
    "StackSys",
    "MSpanInuse",
    "MSpanSys",
    "MCacheSys",
    "BuckHashSys",
    "GCSys",
    "OtherSys",
    "NextGC",
    "NumGC",
    "Goroutines",
];

/// Options of `cargo xtask record-case`.
#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// Name of the case: a folder below fixtures/cases
    name: String,
    /// Which patient of lab/patients
    #[arg(long, default_value = "plain")]
    shape: String,
    /// Which Go
    #[arg(long, default_value = NEWEST_GO)]
    go: String,
    /// Build it position-independent
    #[arg(long)]
    pie: bool,
    /// Link C code in
    #[arg(long)]
    cgo: bool,
    /// Strip it
    #[arg(long)]
    strip: bool,
    /// Arguments of the patient
    #[arg(last = true)]
    args: Vec<String>,
}

/// Records one case.
///
/// # Errors
/// Where the patient cannot be built, started or read, or the case would be too large.
pub(crate) fn run(options: &Options) -> Result<()> {
    let kind = Kind {
        pie: options.pie,
        cgo: options.cgo,
        strip: if options.strip {
            Strip::StripS
        } else {
            Strip::None
        },
        ..Kind::plain()
    };
    let recipe = Recipe::new(&options.shape).go(&options.go).kind(kind);
    let recipe = options
        .args
        .iter()
        .fold(recipe, |recipe, arg| recipe.arg(arg));
    let mut patient = recipe.start()?;
    let (figures, _) = patient.stop()?;

    let process = Process::open(patient.pid())?;
    let binary = GoBinary::open(Image::from_file(process.exe_file()?)?, None)?;
    let parts = parts_of(&binary, &process)?;
    let mappings = process.maps()?;
    let scan = residency(&process, &mappings)?;
    let live = LiveMemory::new(&process)?.only_resident(Arc::new(scan.residency), &mappings);
    let recorder = Recorder::new(&live);
    let facts = facts_of(options, &parts, &figures);
    read_all(parts, &recorder)?;
    let folder = root().join(CASES).join(&options.name);
    Recording::save(&folder, &facts, &recorder)?;
    println!("{CASES}/{}", options.name);
    Ok(())
}

/// What a replay makes a runtime from: variables as found, layouts by the table.
fn parts_of(binary: &GoBinary, process: &Process) -> Result<Parts> {
    let version = binary.build.version.clone();
    let choice = layout::choose(&version)?;
    let entry = process.auxv()?.entry().context("no entry point in auxv")?;
    let bias = binary.image.bias_from_entry(entry);
    let found = binary.globals.iter();
    Ok(Parts {
        version,
        layouts: choice.layouts,
        origin: choice.origin,
        globals: found
            .map(|(name, found)| (name.to_owned(), found.addr.biased(bias)))
            .collect(),
        bias,
        moduledata: binary.moduledata.biased(bias),
    })
}

fn facts_of(options: &Options, parts: &Parts, figures: &Figures) -> Facts {
    let hex = |addr: &Addr| Hex(addr.0);
    let globals = parts.globals.iter();
    let memstats = MEMSTATS.iter();
    Facts {
        about: format!("{options}"),
        go_version: parts.version.raw.clone(),
        bias: Hex(parts.bias),
        moduledata: hex(&parts.moduledata),
        memstats: memstats
            .map(|name| ((*name).to_owned(), figures.get(name)))
            .collect::<BTreeMap<_, _>>(),
        globals: globals
            .map(|(name, addr)| (name.clone(), hex(addr)))
            .collect(),
    }
}

/// Takes every reading that the replay takes.
fn read_all(parts: Parts, memory: &dyn ReadMemory) -> Result<()> {
    let runtime = Runtime::from_parts(parts, memory)?;
    runtime.light(memory)?;
    let census = runtime.census(memory, &CensusOptions::default())?;
    let coverage = &census.coverage;
    ensure!(
        coverage.is_complete(),
        "the census is not whole: {coverage:?}"
    );
    let heap = |span: &&letgo_goruntime::Span| span.used_for == SpanUse::Heap;
    let spans: Vec<_> = census.spans.iter().filter(heap).copied().collect();
    runtime.slots(memory, &spans, &Limits::default(), &mut |_, _| {})?;
    Ok(())
}

impl std::fmt::Display for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "lab/patients/{} by go{}", self.shape, self.go)?;
        let flags = [
            (self.pie, "pie"),
            (self.cgo, "cgo"),
            (self.strip, "stripped"),
        ];
        for (_, word) in flags.iter().filter(|(set, _)| *set) {
            write!(f, ", {word}")?;
        }
        Ok(())
    }
}
