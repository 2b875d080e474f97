//! `survivors`: the headline of the seed, by how much of the burst survives.

use anyhow::Result;
use letgo_report::Unit;

use super::bench::Bench;
use super::plan::Plan;
use super::returned::{self, Way};
use super::rows::{Rows, drop_permille};

pub(super) const PLAN: Plan = Plan {
    name: "survivors",
    question: "How far can RSS fall, by how many objects of the burst are kept, scattered?",
    seed_rows: "headline, R5",
    claim: "RSS falls by 72 %, whatever the program holds.",
    columns: &[
        ("go", "GO", Unit::Text),
        ("kept", "KEPT", Unit::Text),
        ("rss_before_bytes", "RSS BEFORE", Unit::Bytes),
        ("letgo_after_bytes", "LETGO", Unit::Bytes),
        ("letgo_drop_permille", "DROP", Unit::Permille),
        ("in_process_after_bytes", "FREEOSMEMORY", Unit::Bytes),
        ("in_process_drop_permille", "DROP", Unit::Permille),
        ("seed", "SEED", Unit::Text),
    ],
    run,
};

const KEPT: [u32; 6] = [0, 1, 2, 5, 10, 20];

fn run(bench: &Bench, rows: &mut Rows) -> Result<()> {
    rows.note(
        "Patient burst: 200 MiB live, 800 MiB held at once and dropped but for KEPT of its objects, \
         chosen at random. A kept object pins its span: Go does not move objects.",
    );
    for version in &bench.versions {
        for kept in KEPT {
            one(bench, rows, version, kept);
        }
    }
    Ok(())
}

fn one(bench: &Bench, rows: &mut Rows, version: &str, kept: u32) {
    let label = format!("{kept} %");
    let mut all = Vec::new();
    for way in [Way::Letgo, Way::InProcess] {
        let what = format!("survivors: go{version}, {label} kept, {}", way.name());
        let (runs, error) = bench.runs(&what, || once(bench, version, kept, way));
        if let Some(error) = error {
            rows.failed(&what, &error);
        }
        all.extend(runs.into_iter().map(|run| (way, run)));
    }
    let row = rows.row(&[("go", version), ("kept", &label), ("seed", "72 %")]);
    for (way, (before, after)) in all {
        let (after_key, drop_key) = match way {
            Way::Letgo => ("letgo_after_bytes", "letgo_drop_permille"),
            _ => ("in_process_after_bytes", "in_process_drop_permille"),
        };
        row.add("rss_before_bytes", before);
        row.add(after_key, after);
        row.add(drop_key, drop_permille(before, after));
    }
}

fn once(bench: &Bench, version: &str, kept: u32, way: Way) -> Result<(u64, u64)> {
    let keep = format!("-keep={kept}");
    let mut patient = bench.patient("burst", version, &[&keep], &[])?;
    bench.rest();
    let before = patient.rss()?;
    match way {
        Way::Letgo => {
            returned::release(&bench.letgo, patient.pid())?;
        }
        _ => {
            patient.command("free")?;
        }
    }
    Ok((before, patient.rss()?))
}
