//! `advice`: what the kernel does with what the runtime returned, by madvise and huge pages.

use std::time::Duration;

use anyhow::{Context, Result};
use letgo_linux::process::Use;
use letgo_linux::system;
use letgo_report::{Node, Unit, WhyReport};

use super::bench::Bench;
use super::huge_pages::HugePages;
use super::plan::Plan;
use super::rows::{Rows, drop_permille};
use crate::inspect::{Opened, Options, Subject};
use crate::progress::Progress;
use crate::terminal::Terminal;
use crate::why;

pub(super) const PLAN: Plan = Plan {
    name: "advice",
    question: "What is still resident after a release, by MADV_DONTNEED or MADV_FREE and huge pages?",
    seed_rows: "R8",
    claim: "MADV_DONTNEED frees pages at once but is limited with huge pages; Go has no MADV_FREE.",
    columns: &[
        ("go", "GO", Unit::Text),
        ("huge_pages", "THP", Unit::Text),
        ("advice", "ADVICE", Unit::Text),
        ("rss_before_bytes", "RSS BEFORE", Unit::Bytes),
        ("rss_after_bytes", "AFTER", Unit::Bytes),
        ("drop_permille", "DROP", Unit::Permille),
        ("seed", "SEED", Unit::Text),
        ("lazy_free_bytes", "LAZYFREE", Unit::Bytes),
        ("huge_bytes", "HUGE", Unit::Bytes),
        ("told_bytes", "LETGO WHY", Unit::Bytes),
        ("rss_minute_bytes", "60 S LATER", Unit::Bytes),
    ],
    run,
};

const MODES: [&str; 3] = ["never", "madvise", "always"];
const LATER: Duration = Duration::from_secs(60);
/// The leaf that `letgo why` puts these bytes under.
const LEAF: &str = "heap.returned_resident";

/// `GODEBUG`, its name, and what the seed says of it.
const ADVICE: [(&str, &str, &str); 2] = [
    ("madvdontneed=1", "DONTNEED", "at once"),
    ("madvdontneed=0", "FREE", "not in Go"),
];

/// One run.
struct Measured {
    before: Use,
    after: Use,
    told: u64,
    later: Use,
}

fn run(bench: &Bench, rows: &mut Rows) -> Result<()> {
    rows.note(
        "Patient burst, as in release; released by debug.FreeOSMemory. LAZYFREE and HUGE are of \
         smaps after it; LETGO WHY is what `letgo why` then says is returned and still resident.",
    );
    if !bench.system {
        let mode = system::huge_pages().enabled;
        let mode = mode.unwrap_or_else(|| "none".into());
        rows.note(
            "Huge pages as they were: --system measures never, madvise and always, and puts them \
             back.",
        );
        with(bench, rows, &mode);
        return Ok(());
    }
    let pages = HugePages::keep()?;
    for mode in MODES {
        pages.set(mode)?;
        with(bench, rows, mode);
    }
    Ok(())
}

/// All releases of Go and both kinds of advice, with huge pages as they are.
fn with(bench: &Bench, rows: &mut Rows, mode: &str) {
    for version in &bench.versions {
        for (setting, name, seed) in ADVICE {
            let what = format!("advice: go{version}, huge pages {mode}, {setting}");
            let (runs, error) = bench.runs(&what, || once(bench, version, setting));
            if let Some(error) = error {
                rows.failed(&what, &error);
            }
            let words = [
                ("go", version.as_str()),
                ("huge_pages", mode),
                ("advice", name),
                ("seed", seed),
            ];
            let row = rows.row(&words);
            for run in runs {
                row.add("rss_before_bytes", run.before.rss);
                row.add("rss_after_bytes", run.after.rss);
                row.add(
                    "drop_permille",
                    drop_permille(run.before.rss, run.after.rss),
                );
                row.add("lazy_free_bytes", run.after.lazy_free);
                row.add("huge_bytes", run.after.anon_huge_pages);
                row.add("told_bytes", run.told);
                row.add("rss_minute_bytes", run.later.rss);
            }
        }
    }
}

fn once(bench: &Bench, version: &str, setting: &str) -> Result<Measured> {
    let mut patient = bench.patient("burst", version, &[], &[("GODEBUG", setting)])?;
    let before = patient.memory()?;
    patient.command("free")?;
    let after = patient.memory()?;
    let progress = Progress::new(&Terminal::plain());
    let mut subject = Subject::Live(Box::new(Opened::open(patient.pid())?));
    let mut reading = subject.read(Options::default(), &progress)?;
    let report = why::of(&subject, &mut reading, None, &progress);
    std::thread::sleep(LATER);
    Ok(Measured {
        before,
        after,
        told: leaf(&report)?,
        later: patient.memory()?,
    })
}

fn leaf(report: &WhyReport) -> Result<u64> {
    fn find<'a>(nodes: &'a [Node], id: &str) -> Option<&'a Node> {
        let mut below = nodes.iter();
        below.find_map(|node| {
            if node.id == id {
                Some(node)
            } else {
                find(&node.children, id)
            }
        })
    }
    let rss = report.rss.as_ref().context("letgo why has no RSS")?;
    let node = find(&rss.tree, LEAF);
    let node = node.with_context(|| format!("letgo why has no leaf {LEAF}"))?;
    Ok(node.resident_bytes)
}
