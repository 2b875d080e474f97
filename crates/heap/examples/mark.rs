//! `mark PID [THREADS]`: reads the graph of a process, marks it, and says what that took.

#![allow(clippy::unwrap_used, reason = "an example")]

#[path = "../tests/process/mod.rs"]
mod process;

use std::time::Instant;

use anyhow::{Context, Result};
use letgo_heap::GraphOptions;
use process::Process;

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
    let start = Instant::now();
    let census = process.census()?;
    println!("census {:?}", start.elapsed());
    let start = Instant::now();
    let graph = process.graph(&census, &options)?;
    println!(
        "graph {:?}, {} MiB copied",
        start.elapsed(),
        graph.copied_bytes() >> 20
    );
    for _ in 0..3 {
        let start = Instant::now();
        let reachable = graph.mark(&options);
        let took = start.elapsed();
        println!(
            "mark {took:?}: {} objects, {} bytes, {} pointers, {:.1} M objects/s",
            reachable.all.objects,
            reachable.all.bytes,
            reachable.pointers,
            reachable.all.objects as f64 / took.as_secs_f64() / 1e6,
        );
        println!(
            "  guessed {:?}, dead {:?}",
            reachable.guessed, reachable.dead
        );
        println!("  in use {:?}", reachable.in_use);
        println!("  marked by the runtime {}", process.heap_marked()?);
        println!("  {:?}", reachable.coverage);
    }
    let status = std::fs::read_to_string("/proc/self/status")?;
    for line in status.lines().filter(|line| line.starts_with("VmHWM")) {
        println!("{line}");
    }
    Ok(())
}
