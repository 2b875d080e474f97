//! `letgo ps` on a host with 200 Go processes of five binaries, `ps aux` beside.
//!
//! The programs are stripped, and idle: the patient `plain`, built by five releases. With facts
//! kept from an earlier run, and without any.
#![allow(missing_docs, reason = "criterion_group makes public items")]

use std::path::Path;
use std::process::{Command, Stdio};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use letgo_testkit::{Kind, Patient, Recipe, Strip};
use tempfile::TempDir;

const LETGO: &str = env!("CARGO_BIN_EXE_letgo");
const RELEASES: [&str; 5] = ["1.21.13", "1.23.12", "1.25.14", "1.26.11", "1.27.4"];
const PROCESSES: usize = 200;

fn start() -> anyhow::Result<Vec<Patient>> {
    let kind = Kind {
        strip: Strip::LinkerSw,
        ..Kind::plain()
    };
    let recipe = |version| {
        let recipe = Recipe::new("plain").go(version).kind(kind.clone());
        recipe.arg("-mib=1").arg("-minutes=30")
    };
    (0..PROCESSES)
        .map(|index| recipe(RELEASES[index % RELEASES.len()]).start())
        .collect()
}

fn ps(cache: &Path) -> Command {
    let mut command = Command::new(LETGO);
    command
        .args(["ps", "--output", "json"])
        .env("XDG_CACHE_HOME", cache)
        .stderr(Stdio::null());
    command
}

fn run(command: &mut Command) {
    assert!(command.stdout(Stdio::null()).status().unwrap().success());
}

fn bench(criterion: &mut Criterion) {
    let patients = match start() {
        Ok(patients) => patients,
        Err(error) => {
            eprintln!("SKIPPED ps of {PROCESSES} processes: {error:#}");
            return;
        }
    };
    let kept = TempDir::new().unwrap();
    let output = ps(kept.path()).output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = report["processes"].as_array().unwrap();
    let told = rows.iter().filter(|row| !row["num_gc"].is_null()).count();
    let ours = |pid: u64| {
        patients
            .iter()
            .any(|patient| u64::from(patient.pid()) == pid)
    };
    let pids = rows.iter().filter_map(|row| row["pid"].as_u64());
    assert_eq!(pids.filter(|pid| ours(*pid)).count(), PROCESSES);
    eprintln!(
        "{} Go processes seen, {told} with counters, of {} in all; letgo: {}",
        rows.len(),
        std::fs::read_dir("/proc").unwrap().count(),
        report["letgo"]
    );
    let mut group = criterion.benchmark_group("ps of 200 Go processes");
    group.sample_size(20);
    group.bench_function("letgo ps", |b| b.iter(|| run(&mut ps(kept.path()))));
    group.bench_function("letgo ps, the first ever", |b| {
        b.iter_batched_ref(
            || TempDir::new().unwrap(),
            |fresh| run(&mut ps(fresh.path())),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("ps aux", |b| b.iter(|| run(Command::new("ps").arg("aux"))));
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
