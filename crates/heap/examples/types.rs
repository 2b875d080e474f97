//! `types PID [THREADS]`: finds the types of a process's objects, and says what that took.

#![allow(clippy::unwrap_used, reason = "an example")]

#[path = "../tests/process/mod.rs"]
mod process;

use std::time::Instant;

use anyhow::{Context, Result};
use letgo_heap::{GraphOptions, TypeSeeds};
use process::Process;

fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    line.unwrap_or_default().to_owned()
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let pid = arguments
        .next()
        .context("a process id is needed")?
        .parse()?;
    let threads = arguments.next().map_or(Ok(0), |text| text.parse())?;
    let process = Process::open(pid)?;
    let registers = process.registers()?;
    let options = GraphOptions {
        threads,
        registers: &registers,
        ..GraphOptions::default()
    };
    let census = process.census()?;
    let start = Instant::now();
    let graph = process.graph(&census, &options)?;
    println!("graph {:?}, {}", start.elapsed(), peak());
    let start = Instant::now();
    let reachable = graph.mark(&options);
    println!("mark {:?}, {}", start.elapsed(), peak());
    let start = Instant::now();
    let typed = graph.typed(&reachable, &TypeSeeds::default());
    println!("types {:?}, {}", start.elapsed(), peak());
    let start = Instant::now();
    let (types, none) = typed.tally(&reachable);
    println!("tally {:?}, {}", start.elapsed(), peak());
    let share = |own: u64, all: u64| 100.0 - 100.0 * own as f64 / all.max(1) as f64;
    println!(
        "{} objects, {} bytes; typed {:.3} % of objects, {:.3} % of bytes; {:?}",
        reachable.all.objects,
        reachable.all.bytes,
        share(none.objects, reachable.all.objects),
        share(none.bytes, reachable.all.bytes),
        typed.conflicts
    );
    println!("{:?}", typed.coverage());
    for own in types.iter().take(40) {
        let name = typed.name(own.id);
        let kind = typed.kind(own.id);
        println!(
            "{:>10} {:>12} {kind:?} {name}",
            own.count.objects, own.count.bytes
        );
    }
    Ok(())
}
