//! `release`: the standard patient left alone, released in process, released from outside.

use std::time::{Duration, Instant};

use anyhow::Result;
use letgo_report::Unit;

use super::bench::Bench;
use super::patient::Patient;
use super::plan::Plan;
use super::returned::{self, Way, nanoseconds};
use super::rows::{Rows, drop_permille};

pub(super) const PLAN: Plan = Plan {
    name: "release",
    question: "What does a release give back after a burst, how fast, and what without it?",
    seed_rows: "R5",
    claim: "RSS falls by 72 %; FreeOSMemory runs no GC of its own.",
    columns: &[
        ("go", "GO", Unit::Text),
        ("way", "WAY", Unit::Text),
        ("rss_before_bytes", "BEFORE", Unit::Bytes),
        ("rss_after_bytes", "AFTER", Unit::Bytes),
        ("drop_permille", "DROP", Unit::Permille),
        ("seed", "SEED", Unit::Text),
        ("predicted_bytes", "PREDICTED", Unit::Bytes),
        ("free_after_bytes", "FREE", Unit::Bytes),
        ("gcs", "GCS", Unit::Count),
        ("time_ns", "TIME", Unit::Nanoseconds),
        ("command_ns", "COMMAND", Unit::Nanoseconds),
        ("pause_ns", "PAUSE", Unit::Nanoseconds),
    ],
    run,
};

/// How long a program is left alone, and how long where there is time: the runtime forces a GC
/// after two minutes, and returns what two of them found free. Source: src/runtime/proc.go,
/// `forcegcperiod`; src/runtime/mgcscavenge.go, `shouldScavenge`.
const ALONE: Duration = Duration::from_secs(30);
const ALONE_LONG: Duration = Duration::from_secs(320);
const SAMPLED: Duration = Duration::from_secs(1);

/// One run.
struct Measured {
    before: u64,
    after: u64,
    gcs: u64,
    free: u64,
    given: Given,
}

/// How it was given back, as far as is known.
#[derive(Default)]
struct Given {
    time_ns: Option<u64>,
    command_ns: Option<u64>,
    predicted: Option<u64>,
    pause_ns: Option<u64>,
}

fn run(bench: &Bench, rows: &mut Rows) -> Result<()> {
    rows.note(
        "Patient burst: 200 MiB live, 800 MiB held at once and dropped, 1 % of it kept, idle. BEFORE \
         and AFTER are the kernel's Rss (smaps_rollup), PREDICTED is the Rss that letgo expected. \
         FREE is what the patient then has of HeapIdle - HeapReleased, GCS how many it ran. TIME is \
         that of the call, or of the release by letgo's own clock, COMMAND that of the whole \
         command, PAUSE the longest time that the patient stood still. Medians; each run has a \
         process of its own.",
    );
    let alone = if bench.long { ALONE_LONG } else { ALONE };
    rows.note(format!(
        "Left alone: sampled once a second for {} s; TIME is when RSS came within 2 % of its last.",
        alone.as_secs()
    ));
    for version in &bench.versions {
        for way in [Way::Alone, Way::InProcess, Way::Letgo] {
            let what = format!("release: go{version}, {}", way.name());
            let (runs, error) = bench.runs(&what, || once(bench, version, way, alone));
            if let Some(error) = error {
                rows.failed(&what, &error);
            }
            let words = [
                ("go", version.as_str()),
                ("way", way.name()),
                ("seed", "72 %"),
            ];
            let row = rows.row(&words);
            for run in runs {
                row.add("rss_before_bytes", run.before);
                row.add("rss_after_bytes", run.after);
                row.add("drop_permille", drop_permille(run.before, run.after));
                row.add_some("predicted_bytes", run.given.predicted);
                row.add("free_after_bytes", run.free);
                row.add("gcs", run.gcs);
                row.add_some("time_ns", run.given.time_ns);
                row.add_some("command_ns", run.given.command_ns);
                row.add_some("pause_ns", run.given.pause_ns);
            }
        }
    }
    Ok(())
}

fn once(bench: &Bench, version: &str, way: Way, alone: Duration) -> Result<Measured> {
    let mut patient = bench.patient("burst", version, &[], &[])?;
    let gcs_before = patient.stats()?.gcs;
    bench.rest();
    let before = patient.rss()?;
    let given = give_back(bench, &mut patient, way, alone)?;
    let after = patient.rss()?;
    let stats = patient.stats()?;
    Ok(Measured {
        before,
        after,
        gcs: stats.gcs - gcs_before,
        free: stats.free,
        given,
    })
}

fn give_back(bench: &Bench, patient: &mut Patient, way: Way, alone: Duration) -> Result<Given> {
    Ok(match way {
        Way::Alone => Given {
            time_ns: settled(&curve(patient, alone)?).map(nanoseconds),
            ..Given::default()
        },
        Way::InProcess => {
            let began = Instant::now();
            patient.command("free")?;
            Given {
                time_ns: Some(nanoseconds(began.elapsed())),
                ..Given::default()
            }
        }
        Way::Letgo => {
            let (report, took) = returned::release(&bench.letgo, patient.pid())?;
            Given {
                time_ns: Some(report.took_ns),
                command_ns: Some(nanoseconds(took)),
                predicted: Some(report.predicted.rss_bytes),
                pause_ns: Some(report.pause_ns_max),
            }
        }
    })
}

/// RSS over time.
fn curve(patient: &Patient, length: Duration) -> Result<Vec<(Duration, u64)>> {
    let began = Instant::now();
    let mut curve = Vec::new();
    while began.elapsed() < length {
        curve.push((began.elapsed(), patient.rss()?));
        std::thread::sleep(SAMPLED);
    }
    Ok(curve)
}

/// When RSS came within 2 % of where it ended; nothing where it did not fall by 5 %.
fn settled(curve: &[(Duration, u64)]) -> Option<Duration> {
    let (first, last) = (curve.first()?.1, curve.last()?.1);
    if last > first / 100 * 95 {
        return None;
    }
    let mut late = curve.iter().rev();
    let above = late.position(|(_, rss)| *rss > last / 100 * 102)?;
    let at = curve.len() - above;
    curve.get(at).map(|(time, _)| *time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve_of(rss: &[u64]) -> Vec<(Duration, u64)> {
        let seconds = (0..).map(Duration::from_secs);
        seconds.zip(rss.iter().copied()).collect()
    }

    #[test]
    fn a_curve_settles_where_it_stays_within_two_percent() {
        let fell = curve_of(&[1000, 1000, 600, 305, 303, 300, 300]);
        assert_eq!(settled(&fell), Some(Duration::from_secs(3)));
        let at_the_end = curve_of(&[1000, 1000, 300]);
        assert_eq!(settled(&at_the_end), Some(Duration::from_secs(2)));
    }

    #[test]
    fn what_does_not_fall_does_not_settle() {
        assert_eq!(settled(&curve_of(&[1000, 1000, 990])), None);
        assert_eq!(settled(&curve_of(&[1000, 1200])), None);
        assert_eq!(settled(&[]), None);
    }
}
