//! Marking, and finding dominators, of four million objects; the memory's own bound beside.
//!
//! The bound, in the same run and on as many threads: reads of 64 bytes each at random places of
//! as much memory as the edges take, none of which waits for another. Marking takes two such reads
//! for an object that points to others, unless such objects lie in the order in which they are met.
//!
//! The heap is the patient `leaves`, or the process that `LETGO_BENCH_PID` names, which must stand
//! still. Needs a Go toolchain and ptrace rights.
#![allow(missing_docs, reason = "criterion_group makes public items")]
#![allow(clippy::unwrap_used, reason = "a benchmark")]

#[path = "../tests/process/mod.rs"]
mod process;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use letgo_heap::{Dominators, Graph, GraphOptions};
use letgo_target::AddrRange;
use letgo_testkit::{NEWEST_GO, Patient, Recipe};
use process::Process;

/// Bytes of one read of the bound.
const LINE: usize = 64;
/// Words of one.
const WORDS: usize = LINE / 8;

/// The process that is read; the patient has to be kept.
fn target() -> anyhow::Result<(u32, Option<Patient>)> {
    if let Ok(pid) = std::env::var("LETGO_BENCH_PID") {
        return Ok((pid.parse()?, None));
    }
    let mut patient = Recipe::new("leaves").go(NEWEST_GO).start()?;
    patient.stop()?;
    Ok((patient.pid(), Some(patient)))
}

/// Reads so many lines at random, on each thread its part.
fn read_at_random(memory: &[[u64; WORDS]], reads: u64, threads: usize) -> u64 {
    let part = reads / threads as u64;
    let one = |seed: u64| {
        let (mut state, mut sum) = (seed, 0u64);
        for _ in 0..part {
            // Knuth's constants; the high bits are the random ones.
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let at = usize::try_from(state >> 33).unwrap() % memory.len();
            sum = sum.wrapping_add(memory[at][at % WORDS]);
        }
        sum
    };
    std::thread::scope(|scope| {
        let own: Vec<_> = (1..=threads as u64)
            .map(|seed| scope.spawn(move || one(seed)))
            .collect();
        own.into_iter().map(|own| own.join().unwrap()).sum()
    })
}

/// The shortest of a few runs.
fn shortest(mut run: impl FnMut()) -> Duration {
    let times = (0..5).map(|_| {
        let start = Instant::now();
        run();
        start.elapsed()
    });
    times.min().unwrap_or_default()
}

/// What marking takes an object, beside what a line takes.
fn ratio(graph: &Graph, memory: &[[u64; WORDS]], threads: usize) {
    let options = GraphOptions::default();
    let mut objects = 0;
    let marking = shortest(|| objects = graph.mark(&options).all.objects);
    let reads = shortest(|| {
        black_box(read_at_random(memory, objects, threads));
    });
    eprintln!(
        "{objects} objects: {:.1} M a second on {threads} threads; {:.2} reads of {LINE} bytes at \
         random places of {} MiB each",
        objects as f64 / marking.as_secs_f64() / 1e6,
        marking.as_secs_f64() / reads.as_secs_f64(),
        size_of_val(memory) >> 20,
    );
}

fn graph(criterion: &mut Criterion) {
    let (pid, _patient) = match target() {
        Ok(found) => found,
        Err(error) => return eprintln!("SKIPPED: {error:#}"),
    };
    let process = Process::open(pid).unwrap();
    let registers = process.registers().unwrap();
    let options = GraphOptions {
        registers: &registers,
        ..GraphOptions::default()
    };
    let census = process.census().unwrap();
    let graph = process.graph(&census, &options).unwrap();
    let reachable = graph.mark(&options);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    // Four bytes a pointer, and four an object that has any.
    let bytes = (reachable.pointers + reachable.all.objects) * 4;
    let lines = usize::try_from(bytes).unwrap().div_ceil(LINE).max(1);
    let memory: Vec<[u64; WORDS]> = (0..lines as u64).map(|line| [line; WORDS]).collect();
    ratio(&graph, &memory, threads);

    let mut group = criterion.benchmark_group("graph");
    group.sample_size(10);
    group.throughput(criterion::Throughput::Elements(reachable.all.objects));
    group.bench_function("read", |b| b.iter(|| process.graph(&census, &options)));
    group.bench_function("mark", |b| b.iter(|| graph.mark(&options)));
    let weigh = |range: AddrRange| range.len();
    group.bench_function("dominators", |b| {
        b.iter(|| Dominators::of(&graph, &reachable, &options, None, &weigh).is_ok());
    });
    group.bench_function("memory: a line an object", |b| {
        b.iter(|| read_at_random(&memory, reachable.all.objects, threads));
    });
    group.finish();
}

criterion_group!(benches, graph);
criterion_main!(benches);
