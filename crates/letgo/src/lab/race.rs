//! `race`: letgo and its peers on one process, one after the other.
//!
//! What a tool did to the process is what the process itself noticed: a thread of the patient looks
//! at the clock all the time (`lab/patients/truth/gaps.go`). What a tool took is what the kernel
//! says of it and of its children (`lab/stopwatch`). Truth is the runtime's own count.
//!
//! Knows no Go structure, and takes what the tools say as they say it.

mod course;
mod peers;
mod scratch;
mod stopwatch;
mod tool;

use std::collections::BTreeMap;

use anyhow::Result;
use letgo_linux::system;
use letgo_report::Unit;

use super::bench::Bench;
use super::huge_pages::HugePages;
use super::plan::Plan;
use super::rows::{Rows, median};
use course::{Course, Run, Shape};
use peers::Peers;
use tool::Tool;

pub(super) const PLAN: Plan = Plan {
    name: "race",
    question: "How fast is letgo beside goref and viewcore, how long does the program stand still \
               for each, and what does each find?",
    seed_rows: "R1, R11",
    claim: "Tools show who holds memory at little cost; no figure.",
    columns: &[
        ("go", "GO", Unit::Text),
        ("patient", "PATIENT", Unit::Text),
        ("huge_pages", "THP", Unit::Text),
        ("tool", "TOOL", Unit::Text),
        ("objects", "FOUND", Unit::Count),
        ("objects_truth", "OF", Unit::Count),
        ("found_permille", "SHARE", Unit::Permille),
        ("reachable_bytes", "REACHABLE", Unit::Bytes),
        ("heap_bytes", "OF HEAP", Unit::Bytes),
        ("untyped_permille", "UNTYPED", Unit::Permille),
        ("wall_ns", "WALL", Unit::Nanoseconds),
        ("cpu_ns", "CPU", Unit::Nanoseconds),
        ("own_bytes_max", "OWN RSS", Unit::Bytes),
        ("pause_ns", "PAUSE", Unit::Nanoseconds),
        ("stood_ns", "STOOD", Unit::Nanoseconds),
        ("predicted_ns", "PREDICTED", Unit::Nanoseconds),
        ("reported_ns", "REPORTED", Unit::Nanoseconds),
        ("wall_ratio", "X WALL", Unit::Text),
        ("pause_ratio", "X PAUSE", Unit::Text),
        ("marked", "MARKED/S", Unit::Count),
    ],
    run,
};

const NOTES: [&str; 5] = [
    "Each run has a process of its own, and all tools go at it one after the other, with the page \
     cache as the one before left it. OF and OF HEAP are HeapObjects and HeapAlloc of the \
     patient's MemStats after two GCs. WALL, CPU and OWN RSS are the kernel's, children included.",
    "PAUSE is the longest time in which a thread of the patient that looks at the clock every \
     0.2 ms could not have run, waits for a processor taken off; STOOD is all such times of 1 ms \
     and more together. PREDICTED and REPORTED are what letgo says of its pause. X is how many \
     times those of letgo why.",
    "UNTYPED is the bytes of objects that the tool gives no type, by those that it found: goref's \
     `$sub_objects$` and `(*void)`, viewcore's `unk` of a size.",
    "MARKED/S is objects by the time that letgo says its graph took, reading the spans included.",
    "viewcore needs a core file: WALL, CPU and OWN RSS are of gcore and of `viewcore overview` \
     together; what it found is counted by `viewcore histogram`, which is not in them.",
];

fn run(bench: &Bench, rows: &mut Rows) -> Result<()> {
    for note in NOTES {
        rows.note(note);
    }
    let peers = Peers::find(bench);
    peers
        .versions()
        .into_iter()
        .for_each(|note| rows.note(note));
    if !bench.system {
        let mode = system::huge_pages().enabled;
        rows.note(
            "Huge pages as they were: --system measures never and always, and puts them back.",
        );
        with(bench, &peers, rows, &mode.unwrap_or_else(|| "none".into()));
        return Ok(());
    }
    let pages = HugePages::keep()?;
    for mode in ["never", "always"] {
        pages.set(mode)?;
        with(bench, &peers, rows, mode);
    }
    Ok(())
}

/// All releases of Go and both shapes, with huge pages as they are.
fn with(bench: &Bench, peers: &Peers, rows: &mut Rows, mode: &str) {
    for version in &bench.versions {
        for shape in Shape::all(bench.long) {
            let what = format!("race: go{version}, {}, huge pages {mode}", shape.name);
            let course = Course {
                bench,
                peers,
                version,
                shape: &shape,
            };
            let (runs, error) = bench.runs(&what, || course.run());
            if let Some(error) = error {
                rows.failed(&what, &error);
            }
            let letgo = done(&runs, Tool::Why);
            for tool in Tool::ALL {
                for error in runs.iter().filter_map(|run| run.get(&tool)?.as_ref().err()) {
                    rows.failed(&format!("{what}, {}", tool.name()), error);
                }
                let names = [version, &shape.label(), mode, tool.name()];
                add(rows, names, &done(&runs, tool), &letgo);
            }
        }
    }
}

/// The runs that a tool has finished.
fn done(runs: &[BTreeMap<Tool, Result<Run>>], tool: Tool) -> Vec<&Run> {
    let own = runs.iter().filter_map(|run| run.get(&tool)?.as_ref().ok());
    own.collect()
}

/// A row of a tool, beside the runs of `letgo why`.
fn add(rows: &mut Rows, names: [&str; 4], runs: &[&Run], letgo: &[&Run]) {
    if runs.is_empty() {
        return;
    }
    let wall = times(runs, letgo, |run| {
        run.took.as_ref().map(|took| took.wall_ns)
    });
    let pause = times(runs, letgo, |run| Some(run.pause_ns));
    let [go, patient, huge_pages, tool] = names;
    for skip in runs.iter().flat_map(|run| &run.found.skipped) {
        rows.note(format!("What {tool} says of {patient}: {skip}."));
    }
    let row = rows.row(&[
        ("go", go),
        ("patient", patient),
        ("huge_pages", huge_pages),
        ("tool", tool),
        ("wall_ratio", &wall),
        ("pause_ratio", &pause),
    ]);
    for run in runs {
        let (found, truth) = (&run.found, &run.truth);
        row.add_some("objects", found.objects);
        row.add("objects_truth", truth.objects);
        row.add_some(
            "found_permille",
            found.objects.map(|n| permille(n, truth.objects)),
        );
        row.add_some("reachable_bytes", found.bytes);
        row.add("heap_bytes", truth.bytes);
        row.add_some(
            "untyped_permille",
            (found.untyped_bytes.zip(found.bytes)).map(|(part, whole)| permille(part, whole)),
        );
        row.add("pause_ns", run.pause_ns);
        row.add("stood_ns", run.stood_ns);
        row.add_some("predicted_ns", found.predicted_ns);
        row.add_some("reported_ns", found.reported_ns);
        row.add_some("marked", found.marked());
        if let Some(took) = &run.took {
            row.add("wall_ns", took.wall_ns);
            row.add("cpu_ns", took.cpu_ns);
            row.add("own_bytes_max", took.rss_bytes_max);
        }
    }
}

/// How many times the median of letgo's runs, with one place below ten.
fn times(runs: &[&Run], letgo: &[&Run], of: impl Fn(&Run) -> Option<u64>) -> String {
    let middle = |runs: &[&Run]| {
        let samples = runs.iter().filter_map(|run| i64::try_from(of(run)?).ok());
        median(samples.collect())
    };
    match middle(runs).zip(middle(letgo)) {
        Some((ours, theirs)) if theirs > 0 => {
            let tenths = (i128::from(ours) * 20 / i128::from(theirs) + 1) / 2;
            if tenths < 100 {
                format!("{}.{}", tenths / 10, tenths % 10)
            } else {
                (tenths / 10).to_string()
            }
        }
        _ => "-".into(),
    }
}

/// A share in thousandths, rounded.
fn permille(part: u64, whole: u64) -> u64 {
    let thousandths = (u128::from(part) * 2000 / u128::from(whole.max(1))).div_ceil(2);
    u64::try_from(thousandths).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_rounded() {
        assert_eq!(permille(20_000, 4_020_101), 5);
        assert_eq!(permille(1, 1), 1000);
        assert_eq!(permille(3, 2), 1500);
        assert_eq!(permille(0, 0), 0);
    }

    #[test]
    fn times_have_one_place_where_they_are_few() {
        let run = |pause_ns| Run {
            pause_ns,
            ..Run::default()
        };
        let of = |theirs: u64, ours: u64| {
            times(&[&run(theirs)], &[&run(ours)], |run| Some(run.pause_ns))
        };
        assert_eq!(of(1000, 1000), "1.0");
        assert_eq!(of(9949, 1000), "9.9");
        assert_eq!(of(24_600, 100), "246");
        assert_eq!(of(0, 1000), "0.0");
        assert_eq!(of(1, 0), "-");
    }
}
