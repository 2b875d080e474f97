//! What is said of a program where nothing stands out: that, and the few figures that show it.

use crate::page::{Ink, Page};
use crate::{Runtime, WhyReport, units};

/// Writes `nothing stands out` and the figures that are known.
pub(super) fn write(page: &mut Page, report: &WhyReport) {
    let complete = report.taken.coverage.complete;
    let verdict = if complete {
        "Nothing stands out."
    } else {
        "Nothing stands out in what could be read."
    };
    page.wrapped(0, Ink::Green, verdict);
    for figure in figures(report) {
        page.wrapped(2, Ink::Plain, &figure);
    }
}

fn figures(report: &WhyReport) -> Vec<String> {
    let mut figures = Vec::new();
    figures.extend(live(&report.runtime));
    figures.extend(collector(&report.runtime));
    figures.push(returnable(report));
    figures.extend(slots(report));
    figures.extend(others(report));
    figures
}

fn live(runtime: &Runtime) -> Option<String> {
    let mut text = match (runtime.num_gc, runtime.heap_marked) {
        // What is live nobody knows before the first GC.
        (Some(0), _) => format!("no GC yet, heap {}", units::bytes(runtime.heap_live?)),
        (_, live) => format!("live heap {}", units::bytes(live.or(runtime.heap_live)?)),
    };
    if let Some(next) = runtime.next_gc {
        text += &format!(", next GC at {}", units::bytes(next));
    }
    let gogc = runtime.gogc().map(|gogc| format!("GOGC={gogc}"));
    let limit = runtime.memory_limit.map(|limit| match limit {
        Some(bytes) => format!("memory limit {}", units::bytes(bytes)),
        None => "no memory limit".into(),
    });
    let settings: Vec<String> = gogc.into_iter().chain(limit).collect();
    if !settings.is_empty() {
        text += &format!(" ({})", settings.join(", "));
    }
    Some(text)
}

fn collector(runtime: &Runtime) -> Option<String> {
    let cycles = runtime.num_gc.filter(|cycles| *cycles > 0)?;
    let mut text = units::counted(cycles, "GC cycle");
    if let Some(age) = runtime.last_gc_age_ns {
        text += &format!(", the last {} ago", units::age(age));
    }
    if let Some(cpu) = &runtime.gc_cpu_recent {
        let (share, window) = (units::fraction(cpu.fraction), units::time(cpu.window_ns));
        text += &format!(", {share} of the CPU in the last {window}");
    }
    Some(text)
}

fn returnable(report: &WhyReport) -> String {
    let idle = report.leaf_bytes("heap.idle");
    let share = units::percent(idle, report.whole_bytes());
    let whole = match &report.rss {
        Some(_) => "RSS",
        None => "all that the runtime had",
    };
    format!(
        "idle and not returned {}, {share} of {whole}",
        units::bytes(idle)
    )
}

fn slots(report: &WhyReport) -> Option<String> {
    let free = report.leaf_bytes("heap.free_slots");
    let inuse = report.runtime.heap_inuse.filter(|bytes| *bytes > 0)?;
    let (free, share) = (units::bytes(free), units::percent(free, inuse));
    Some(format!("free slots {free}, {share} of the spans in use"))
}

fn others(report: &WhyReport) -> Option<String> {
    let goroutines = report.runtime.goroutines?;
    let mut text = units::counted(goroutines, "goroutine");
    if let Some(threads) = report.runtime.threads {
        text += &format!(", {}", units::counted(threads, "thread"));
    }
    Some(text)
}
