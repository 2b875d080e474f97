//! `busy`: what a release costs the requests of a server under open-loop load.

use std::time::Duration;

use anyhow::{Result, ensure};
use letgo_report::Unit;

use super::bench::Bench;
use super::http;
use super::load::Latencies;
use super::plan::Plan;
use super::returned::{self, Way};
use super::rows::Rows;

pub(super) const PLAN: Plan = Plan {
    name: "busy",
    question: "What does a release cost the requests of a busy server that just dropped 600 MiB?",
    seed_rows: "R5",
    claim: "Released at low load, without spikes of RSS; no figure for requests.",
    columns: &[
        ("go", "GO", Unit::Text),
        ("way", "WAY", Unit::Text),
        ("rss_before_bytes", "RSS BEFORE", Unit::Bytes),
        ("rss_after_bytes", "AFTER", Unit::Bytes),
        ("rss_end_bytes", "AT END", Unit::Bytes),
        ("p50_ns", "P50", Unit::Nanoseconds),
        ("p99_ns", "P99", Unit::Nanoseconds),
        ("p999_ns", "P99.9", Unit::Nanoseconds),
        ("max_ns", "MAX", Unit::Nanoseconds),
        ("failed", "FAILED", Unit::Count),
        ("late_p99_ns", "LATE", Unit::Nanoseconds),
    ],
    run,
};

/// From the begin of the load to the release, and from its end to the next look.
const BEFORE: Duration = Duration::from_secs(2);
const AFTER: Duration = Duration::from_secs(1);
const BURST: &str = "/burst?mib=600";

/// One run.
struct Measured {
    before: u64,
    after: u64,
    end: u64,
    latencies: Latencies,
}

fn run(bench: &Bench, rows: &mut Rows) -> Result<()> {
    rows.note(format!(
        "Patient server: 150,000 records, each request replaces five and leaves 120 KiB of garbage; \
         {} requests a second for {} s, begun when 600 MiB were just dropped; the release comes \
         after {} s of it. Latency counts from when a request was due, over the whole load; LATE is \
         the p99 of the load generator's own delay, which is the noise of the machine.",
        bench.rate(),
        bench.seconds,
        BEFORE.as_secs()
    ));
    for version in &bench.versions {
        for way in [Way::Alone, Way::InProcess, Way::Letgo] {
            let what = format!("busy: go{version}, {}", way.name());
            let (runs, error) = bench.runs(&what, || once(bench, version, way));
            if let Some(error) = error {
                rows.failed(&what, &error);
            }
            let row = rows.row(&[("go", version), ("way", way.name())]);
            for run in runs {
                row.add("rss_before_bytes", run.before);
                row.add("rss_after_bytes", run.after);
                row.add("rss_end_bytes", run.end);
                row.add("p50_ns", run.latencies.p50_us * 1000);
                row.add("p99_ns", run.latencies.p99_us * 1000);
                row.add("p999_ns", run.latencies.p999_us * 1000);
                row.add("max_ns", run.latencies.max_us * 1000);
                row.add("failed", run.latencies.failed);
                row.add("late_p99_ns", run.latencies.late_p99_us * 1000);
            }
        }
    }
    Ok(())
}

fn once(bench: &Bench, version: &str, way: Way) -> Result<Measured> {
    let mut server = bench.patient("server", version, &[], &[])?;
    let port = server.truth.get("port")?;
    http::get(port, BURST)?;
    let load = bench.load(port, "/write")?;
    std::thread::sleep(BEFORE);
    let before = server.rss()?;
    match way {
        Way::Alone => {}
        Way::InProcess => http::get(port, "/free")?,
        Way::Letgo => {
            returned::release(&bench.letgo, server.pid())?;
        }
    }
    std::thread::sleep(AFTER);
    let after = server.rss()?;
    let latencies = load.finish()?;
    let end = server.rss()?;
    let corrupt = server.command("stats")?.get("corrupt")?;
    ensure!(corrupt == 0, "{corrupt} records were corrupt afterwards");
    Ok(Measured {
        before,
        after,
        end,
        latencies,
    })
}
