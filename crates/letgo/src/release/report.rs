//! The report of a release: what was there before, what came of it.

use letgo_account::Leaf;
use letgo_govern::{End, Look as Counters, Outcome};
use letgo_linux::write::Restored;
use letgo_report as out;

use crate::control::Control;
use crate::inspect::{self, Opened, Options, Reading, Surroundings};
use crate::own;
use crate::progress::Progress;

/// Free slots that are worth naming the size classes for: so many bytes, and this part of RSS.
const KEPT_LEAST: u64 = 16 << 20;
const KEPT_PART: u64 = 10;
/// Size classes that are named.
const MOST_CLASSES: usize = 8;

/// A report with nothing in it yet but the process.
pub(super) fn begin(
    opened: &Opened,
    around: &Surroundings,
    at: String,
    dry_run: bool,
) -> out::ReleaseReport {
    out::ReleaseReport {
        schema: out::ReleaseReport::SCHEMA.into(),
        letgo: own::cost(),
        target: inspect::target(&opened.program, around),
        at,
        dry_run,
        before: out::Memory::default(),
        after: None,
        predicted: out::Predicted {
            basis: out::Basis::FreeSpans,
            rss_bytes: 0,
            returned_bytes: 0,
            free_bytes: 0,
            garbage_bytes: 0,
            unexamined_bytes: None,
        },
        curve: Vec::new(),
        gcs: 0,
        took_ns: 0,
        pause_ns_max: 0,
        end: None,
        restored: true,
        not_restored: Vec::new(),
        page_faults_expected: 0,
        kept_by: Vec::new(),
        watch: None,
        notes: Vec::new(),
    }
}

/// The figures of one moment.
pub(super) fn memory(reading: &Reading, counters: &Counters) -> out::Memory {
    out::Memory {
        rss_bytes: reading.rss_bytes(),
        heap_inuse_bytes: counters.heap_in_use,
        heap_free_bytes: counters.heap_free,
        heap_released_bytes: counters.heap_released,
        gc_percent: u64::try_from(counters.gc_percent).ok(),
        memory_limit: inspect::memory_limit(counters.memory_limit),
    }
}

/// A letgo that died had left something, which was put back first.
pub(super) fn note_recovered(report: &mut out::ReleaseReport, recovered: &Restored) {
    if !recovered.is_empty() {
        let names = recovered.entries.iter();
        let names: Vec<&str> = names.map(|undone| undone.entry.name.as_str()).collect();
        report.notes.push(format!(
            "An earlier letgo that died had left {}, which was put back first.",
            names.join(", ")
        ));
    }
}

/// What the policy did.
pub(super) fn finish(report: &mut out::ReleaseReport, outcome: &Outcome, hands: &Control) {
    let first = outcome.before.num_gc;
    let points = outcome.curve.iter();
    report.curve = points
        .map(|point| out::CurvePoint {
            at_ns: point.at_ns,
            rss_bytes: point.rss,
            heap_free_bytes: point.heap_free,
            gcs: point.num_gc.wrapping_sub(first),
        })
        .collect();
    report.gcs = outcome.cycles;
    report.took_ns = outcome.took_ns;
    report.pause_ns_max = outcome.pause_ns_max.max(hands.pause_ns_max);
    report.end = Some(match outcome.end {
        End::Flat => out::Ending::Flat,
        End::TimedOut => out::Ending::TimedOut,
        End::ProgramSetsGcPercent => out::Ending::ProgramSetsGcPercent,
        End::Interrupted => out::Ending::Interrupted,
    });
    report.not_restored.clone_from(&hands.left);
    report.restored = hands.left.is_empty();
    let after = &outcome.after;
    report.after = Some(out::Memory {
        rss_bytes: after.rss,
        heap_inuse_bytes: after.heap_in_use,
        heap_free_bytes: after.heap_free,
        heap_released_bytes: after.heap_released,
        gc_percent: u64::try_from(hands.state().gc_percent).ok(),
        memory_limit: inspect::memory_limit(hands.state().memory_limit),
    });
    if outcome.before.gc_percent < 0 && outcome.cycles > 0 {
        report
            .notes
            .push("GOGC is off: 100 was held for the time of the GCs, and it is off again.".into());
    }
}

/// Reads the process once more: the kernel's own RSS, and what keeps the rest.
pub(super) fn measure(report: &mut out::ReleaseReport, opened: &mut Opened, progress: &Progress) {
    let Ok(reading) = Reading::take(opened, Options::default(), progress) else {
        let note = "The process could not be read again afterwards: RSS is by the quick counter.";
        report.notes.push(note.into());
        return;
    };
    if let Some(after) = &mut report.after {
        after.rss_bytes = reading.rss_bytes();
        let gone = report.before.rss_bytes.saturating_sub(after.rss_bytes);
        report.page_faults_expected = gone / letgo_target::OS_PAGE;
    }
    report.kept_by = kept_by(&reading);
    let still = reading.account.leaf(Leaf::HeapReturnedResident).resident.0;
    if still >= KEPT_LEAST {
        report.notes.push(format!(
            "{} are returned and resident all the same: `letgo why` says why.",
            out::units::bytes(still)
        ));
    }
}

/// The size classes whose free slots keep most.
fn kept_by(reading: &Reading) -> Vec<out::KeptBy> {
    let free = reading.account.leaf(Leaf::HeapFreeSlots).resident.0;
    if free < KEPT_LEAST || free < reading.rss_bytes() / KEPT_PART {
        return Vec::new();
    }
    let mut classes: Vec<out::KeptBy> = Vec::new();
    for class in &reading.account.size_classes {
        if class.elem_size == 0 || class.free_bytes.0 == 0 {
            continue;
        }
        let slot_bytes = class.elem_size;
        let known = classes
            .iter()
            .position(|kept| kept.slot_bytes == slot_bytes);
        let at = known.unwrap_or(classes.len());
        if known.is_none() {
            classes.push(out::KeptBy {
                slot_bytes,
                spans: 0,
                used_slots: 0,
                slots: 0,
                free_bytes: 0,
            });
        }
        if let Some(kept) = classes.get_mut(at) {
            kept.spans += class.spans;
            kept.used_slots += class.used;
            kept.slots += class.slots;
            kept.free_bytes += class.free_bytes.0;
        }
    }
    classes.sort_by_key(|kept| std::cmp::Reverse(kept.free_bytes));
    classes.truncate(MOST_CLASSES);
    classes
}
