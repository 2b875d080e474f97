//! `dominators PID [DEPTH]`: who holds what in a process, and what finding that took.

#![allow(clippy::unwrap_used, reason = "an example")]

#[path = "../tests/process/mod.rs"]
mod process;

use std::time::Instant;

use anyhow::{Context, Result};
use letgo_heap::{Dominators, Graph, GraphOptions, Holder};
use letgo_target::AddrRange;
use process::Process;

/// Largest ones that are shown of each holder.
const MOST: usize = 3;

/// CPU time of this process so far, in seconds.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit_once(") ").unwrap().1;
    let ticks = fields.split(' ').skip(11).take(2);
    ticks
        .map(|ticks| ticks.parse::<f64>().unwrap())
        .sum::<f64>()
        / 100.0
}

fn memory(name: &str) -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mut lines = status.lines();
    let line = lines.find(|line| line.starts_with(name));
    line.unwrap_or_default().to_owned()
}

fn show(graph: &Graph, dominators: &Dominators<'_>, of: Holder, depth: usize, level: usize) {
    if level == depth {
        return;
    }
    let (largest, count) = dominators.largest(of, MOST);
    for held in largest {
        let what = match held.holder {
            Holder::Object(object) => format!("{:?}", graph.range_of(object)),
            Holder::Group(group) => format!("{:?}", graph.roots()[group as usize]),
            other => format!("{other:?}"),
        };
        println!(
            "{:level$}{} bytes, {} objects: {what} (of {count})",
            "", held.retained.bytes, held.retained.objects
        );
        show(graph, dominators, held.holder, depth, level + 1);
    }
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let pid = arguments.next().context("a process id is needed")?;
    let depth = arguments.next().map_or(Ok(4), |text| text.parse())?;
    let process = Process::open(pid.parse()?)?;
    let registers = process.registers()?;
    let options = GraphOptions {
        registers: &registers,
        ..GraphOptions::default()
    };
    let census = process.census()?;
    println!("census: {}", memory("VmRSS"));
    let graph = process.graph(&census, &options)?;
    println!(
        "graph, {} bytes copied: {}",
        graph.copied_bytes(),
        memory("VmRSS")
    );
    let reachable = graph.mark(&options);
    println!("mark: {}, {}", memory("VmRSS"), memory("VmHWM"));
    for _ in 0..3 {
        let (start, before) = (Instant::now(), cpu());
        let weigh = |range: AddrRange| range.len();
        let dominators = Dominators::of(&graph, &reachable, &options, None, &weigh)?;
        let (took, cpu) = (start.elapsed(), cpu() - before);
        println!(
            "dominators {took:?} ({cpu:.2} s of CPU), {:.1} ns an object, {:?}, {}, {}",
            took.as_secs_f64() * 1e9 / reachable.all.objects as f64,
            dominators.retained(Holder::Top),
            memory("VmRSS"),
            memory("VmHWM"),
        );
    }
    let weigh = |range: AddrRange| range.len();
    let dominators = Dominators::of(&graph, &reachable, &options, None, &weigh)?;
    let start = Instant::now();
    show(&graph, &dominators, Holder::Top, depth, 0);
    println!(
        "{:?} for this, {:?} is reachable",
        start.elapsed(),
        reachable.all
    );
    Ok(())
}
