//! A light reading: the counters alone, of a program that is known already.
//!
//! Beside it `process_vm_readv` of the same bytes, and `/proc/PID/statm`, which tells RSS and
//! nothing else.
#![allow(missing_docs, reason = "criterion_group makes public items")]

mod floor;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use criterion::{Criterion, criterion_group, criterion_main};
use letgo::inspect::Opened;
use letgo_linux::LiveMemory;
use letgo_testkit::Recipe;

use crate::floor::Recorded;

fn bench(criterion: &mut Criterion) {
    let patient = match Recipe::new("plain").start() {
        Ok(patient) => patient,
        Err(error) => {
            eprintln!("SKIPPED light readings: {error:#}");
            return;
        }
    };
    let mut opened = match Opened::open(patient.pid()) {
        Ok(opened) => opened,
        Err(complaint) => {
            eprintln!("SKIPPED light readings: {}", complaint.wrong);
            return;
        }
    };
    let memory = LiveMemory::new(&opened.process).unwrap();
    let runtime = opened.program.attach(&memory).unwrap();
    let mut group = criterion.benchmark_group("light");
    group.bench_function("reading", |b| b.iter(|| runtime.light(&memory).unwrap()));
    let recorded = Recorded::new(&memory);
    runtime.light(&recorded).unwrap();
    let mut floor = recorded.floor();
    eprintln!("{} bytes read of the target", floor.read());
    group.bench_function("kernel: process_vm_readv, same bytes", |b| {
        b.iter(|| floor.read());
    });
    let path = format!("/proc/{}/statm", patient.pid());
    group.bench_function("kernel: statm, opened each time", |b| {
        b.iter(|| fs::read(&path).unwrap());
    });
    let (statm, mut line) = (File::open(&path).unwrap(), [0; 128]);
    group.bench_function("kernel: statm, kept open", |b| {
        b.iter(|| statm.read_at(&mut line, 0).unwrap());
    });
    group.bench_function("recognising the runtime, then reading", |b| {
        b.iter(|| opened.light().unwrap());
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
