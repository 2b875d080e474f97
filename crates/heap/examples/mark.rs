//! `mark PID [THREADS]`: reads the graph of a process, marks it, and says what that took.

#![allow(clippy::unwrap_used, reason = "an example")]

#[path = "../tests/process/mod.rs"]
mod process;

use std::time::Instant;

use anyhow::{Context, Result};
use letgo_heap::GraphOptions;
use process::Process;

/// CPU time of this process so far, in seconds: what a machine with other work to do tells best.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit_once(") ").unwrap().1;
    let ticks = fields.split(' ').skip(11).take(2);
    ticks
        .map(|ticks| ticks.parse::<f64>().unwrap())
        .sum::<f64>()
        / 100.0
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
    let start = Instant::now();
    let census = process.census()?;
    println!("census {:?}", start.elapsed());
    let (start, before) = (Instant::now(), cpu());
    let graph = process.graph(&census, &options)?;
    println!(
        "graph {:?} ({:.2} s of CPU), {} MiB copied",
        start.elapsed(),
        cpu() - before,
        graph.copied_bytes() >> 20
    );
    for _ in 0..3 {
        let (start, before) = (Instant::now(), cpu());
        let reachable = graph.mark(&options);
        let (took, cpu) = (start.elapsed(), cpu() - before);
        println!(
            "mark {took:?} ({cpu:.2} s of CPU): {} objects, {} bytes, {} pointers, {:.1} M objects/s, {:.1} a CPU second",
            reachable.all.objects,
            reachable.all.bytes,
            reachable.pointers,
            reachable.all.objects as f64 / took.as_secs_f64() / 1e6,
            reachable.all.objects as f64 / cpu / 1e6,
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
