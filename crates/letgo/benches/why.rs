//! A whole account: of 1 GiB and of 4 GiB with half a million spans, and its parts.
//!
//! Beside each: what the kernel alone takes, in the same run. That is the page table scan, `smaps`,
//! and `process_vm_readv` of the very bytes that the walk over the spans reads.
//!
//! The heaps are the patient `heap`. Needs a Go toolchain, ptrace rights and 5 GB of free memory;
//! what is missing is said, and the rest is measured.
#![allow(missing_docs, reason = "criterion_group makes public items")]

mod floor;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use letgo::inspect::{Opened, Options, Reading};
use letgo::progress::Progress;
use letgo::terminal::Terminal;
use letgo_account::{Inputs, Method, RuntimeSlots, account};
use letgo_goruntime::{CensusOptions, Limits};
use letgo_linux::{LiveMemory, residency};
use letgo_target::ResidentBytes;
use letgo_testkit::{Kind, NEWEST_GO, Patient, Recipe, Strip};

use crate::floor::Recorded;

const LETGO: &str = env!("CARGO_BIN_EXE_letgo");

/// Starts a patient, or says why not.
fn start(recipe: &Recipe, what: &str) -> Option<Patient> {
    let stripped = Kind {
        strip: Strip::LinkerSw,
        ..Kind::plain()
    };
    let recipe = recipe
        .clone()
        .go(NEWEST_GO)
        .kind(stripped)
        .arg("-minutes=30");
    match recipe.start() {
        Ok(patient) => Some(patient),
        Err(error) => {
            eprintln!("SKIPPED {what}: {error:#}");
            None
        }
    }
}

/// Reading without the second that `letgo why` waits between its two light readings.
fn whole(group: &mut BenchmarkGroup<'_, WallTime>, opened: &mut Opened) {
    let progress = Progress::new(&Terminal::plain());
    group.bench_function("reading, all of it", |bencher| {
        bencher.iter(|| {
            let reading = Reading::take(opened, Options::default(), &progress).unwrap();
            reading.account.total()
        });
    });
}

fn parts(group: &mut BenchmarkGroup<'_, WallTime>, opened: &mut Opened) {
    let mappings = opened.process.maps().unwrap();
    let resident = Arc::new(residency(&opened.process, &mappings).unwrap().residency);
    let memory = LiveMemory::new(&opened.process)
        .unwrap()
        .only_resident(Arc::clone(&resident), &mappings);
    let runtime = opened.program.attach(&memory).unwrap();
    let options = CensusOptions {
        functions: Some(&opened.program.binary.functions),
        ..CensusOptions::default()
    };
    let census = runtime.census(&memory, &options).unwrap();
    let slots = RuntimeSlots {
        runtime: &runtime,
        memory: &memory,
        limits: Limits::default(),
    };
    let inputs = Inputs {
        census: &census,
        slots: &slots,
        reach: None,
        memory: &memory,
        residency: &resident,
        mappings: &mappings,
        program: &opened.program.segments(),
        sanitizer: None,
        stack_pointers: &[],
        rss: Some(ResidentBytes(opened.process.smaps().unwrap().total.rss)),
        method: Method::Running,
    };
    group.bench_function("census", |b| b.iter(|| runtime.census(&memory, &options)));
    group.bench_function("account", |b| b.iter(|| account(&inputs)));
    group.bench_function("kernel: page table", |b| {
        b.iter(|| residency(&opened.process, &mappings).unwrap());
    });

    let recorded = Recorded::new(&memory);
    runtime.census(&recorded, &options).unwrap();
    let slots = RuntimeSlots {
        memory: &recorded,
        ..slots
    };
    let through = Inputs {
        slots: &slots,
        memory: &recorded,
        ..inputs
    };
    account(&through).unwrap();
    let mut floor = recorded.floor();
    eprintln!(
        "{} spans in use, {} bytes read of the target",
        census.spans.len(),
        floor.read()
    );
    group.bench_function("kernel: process_vm_readv, same bytes", |b| {
        b.iter(|| floor.read());
    });
}

/// Programs as a user runs them, `cat /proc/PID/smaps` beside.
fn programs(group: &mut BenchmarkGroup<'_, WallTime>, pid: u32) {
    let smaps = format!("/proc/{pid}/smaps");
    group.bench_function("kernel: smaps", |b| b.iter(|| fs::read(&smaps).unwrap()));
    group.bench_function("program: cat smaps", |b| {
        b.iter(|| run(Command::new("cat").arg(&smaps)));
    });
    group.bench_function("program: letgo why, 1 s of it waiting", |b| {
        b.iter(|| run(&mut why(pid)));
    });
    let output = why(pid).output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let own = &report["letgo"];
    eprintln!(
        "letgo why: CPU {} ns, most resident {} bytes",
        own["cpu_ns"], own["rss_bytes_max"]
    );
}

fn why(pid: u32) -> Command {
    let mut command = Command::new(Path::new(LETGO));
    command.args(["why", "--output", "json", &pid.to_string()]);
    command
}

fn run(command: &mut Command) {
    let status = command.stdout(Stdio::null()).status().unwrap();
    // 1: something stands out.
    assert!(matches!(status.code(), Some(0 | 1)), "{status}");
}

fn target(criterion: &mut Criterion, name: &str, recipe: &Recipe) {
    let Some(patient) = start(recipe, name) else {
        return;
    };
    let mut opened = match Opened::open(patient.pid()) {
        Ok(opened) => opened,
        Err(complaint) => {
            eprintln!("SKIPPED {name}: {}", complaint.wrong);
            return;
        }
    };
    eprintln!("{name}: {} resident", fs_rss(&opened));
    let mut group = criterion.benchmark_group(name);
    group.sample_size(20);
    whole(&mut group, &mut opened);
    parts(&mut group, &mut opened);
    programs(&mut group, patient.pid());
    group.finish();
}

fn fs_rss(opened: &Opened) -> String {
    let rollup = opened.process.smaps_rollup().unwrap();
    format!("{} bytes", rollup.rss)
}

fn bench(criterion: &mut Criterion) {
    let heap = Recipe::new("heap");
    target(criterion, "why 1 GiB", &heap.clone().arg("-mib=1024"));
    target(criterion, "why 4 GiB", &heap.arg("-mib=4096"));
    target(criterion, "why plain", &Recipe::new("plain"));
}

criterion_group!(benches, bench);
criterion_main!(benches);
