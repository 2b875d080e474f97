//! `signal`: what tells how much a release would give back.

use anyhow::Result;
use letgo_report::Unit;

use super::bench::Bench;
use super::patient::Stats;
use super::plan::Plan;
use super::rows::Rows;

pub(super) const PLAN: Plan = Plan {
    name: "signal",
    question: "Which figure tells how much a release would give back?",
    seed_rows: "R5",
    claim: "Sys - Alloc of MemStats is the signal of what can be returned.",
    columns: &[
        ("go", "GO", Unit::Text),
        ("moment", "AFTER", Unit::Text),
        ("rss_bytes", "RSS", Unit::Bytes),
        ("returnable_bytes", "RETURNABLE", Unit::Bytes),
        ("seed_bytes", "SEED: SYS - ALLOC", Unit::Bytes),
        ("free_bytes", "IDLE - RELEASED", Unit::Bytes),
    ],
    run,
};

/// What is done to the patient, and how it is called.
const MOMENTS: [(Option<&str>, &str); 3] = [
    (None, "a burst"),
    (Some("gc"), "and a GC"),
    (Some("free"), "and FreeOSMemory"),
];

fn run(bench: &Bench, rows: &mut Rows) -> Result<()> {
    rows.note(
        "Patient burst, as in release. RETURNABLE is what RSS fell by from that moment to the end \
         of debug.FreeOSMemory; the last two columns are of the patient's MemStats at that moment.",
    );
    for version in &bench.versions {
        let what = format!("signal: go{version}");
        let (runs, error) = bench.runs(&what, || once(bench, version));
        if let Some(error) = error {
            rows.failed(&what, &error);
        }
        for (moment, (_, name)) in MOMENTS.iter().enumerate() {
            let row = rows.row(&[("go", version), ("moment", name)]);
            for run in &runs {
                let last = run.last().map_or(0, |(rss, _)| *rss);
                let Some((rss, stats)) = run.get(moment) else {
                    continue;
                };
                row.add("rss_bytes", *rss);
                row.add("returnable_bytes", rss.saturating_sub(last));
                row.add("seed_bytes", stats.sys_less_alloc);
                row.add("free_bytes", stats.free);
            }
        }
    }
    Ok(())
}

/// RSS and what the runtime says, at each moment.
fn once(bench: &Bench, version: &str) -> Result<Vec<(u64, Stats)>> {
    let mut patient = bench.patient("burst", version, &[], &[])?;
    let mut moments = Vec::new();
    for (command, _) in MOMENTS {
        if let Some(word) = command {
            patient.command(word)?;
        }
        let rss = patient.rss()?;
        moments.push((rss, patient.stats()?));
    }
    Ok(moments)
}
