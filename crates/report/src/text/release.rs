//! [`release`]: what was given back, as it happens: [`release_head`] before anything is written,
//! a row of [`CurveRows`] for each step of the decay, [`release_tail`] when it is over.

use crate::page::{Ink, Line, Look, Page, bar};
use crate::{Basis, CurvePoint, Ending, ReleaseReport, Watch, units};

/// A row for each so much of the first RSS that goes.
const STEPS: u64 = 12;
/// A row at least every so often while nothing goes, in nanoseconds.
const QUIET_NS: u64 = 2_000_000_000;
/// Columns of the curve: time, RSS, free heap, then the bar.
const COLUMNS: [usize; 3] = [9, 20, 32];
/// Size classes that are named.
const MOST_CLASSES: usize = 3;
/// What is not worth a release: fewer bytes.
const LITTLE: u64 = 16 << 20;

/// Draws all of it, from a report that is whole.
pub fn release(report: &ReleaseReport, look: Look) -> String {
    let mut out = release_head(report, look);
    let mut rows = CurveRows::new(report, look);
    for point in &report.curve {
        out.extend(rows.row(point));
    }
    out + &rows.last() + &release_tail(report, look)
}

/// Draws what is expected.
pub fn release_head(report: &ReleaseReport, look: Look) -> String {
    let mut page = Page::new(look);
    let target = &report.target;
    let head = Line::new()
        .add(Ink::Bold, format!("letgo release {}", target.pid))
        .add(Ink::Plain, "   ")
        .add(Ink::Bold, &target.exe)
        .add(Ink::Plain, format!("   {}", target.go_version));
    page.line(head);
    page.gap();
    expectation(&mut page, report);
    if report.dry_run {
        for note in &report.notes {
            page.wrapped(0, Ink::Plain, note);
        }
        kept_by(&mut page, report);
        page.wrapped(0, Ink::Dim, "Nothing was written (--dry-run).");
    } else {
        page.gap();
    }
    page.finish()
}

fn expectation(page: &mut Page, report: &ReleaseReport) {
    let predicted = &report.predicted;
    let before = report.before.rss_bytes;
    let line = Line::new()
        .add(Ink::Plain, "expected  ")
        .add(Ink::Bold, change(before, predicted.rss_bytes))
        .add(
            Ink::Plain,
            format!(": {} back", units::bytes(predicted.returned_bytes)),
        );
    page.line(line);
    let mut parts = vec![format!(
        "{} in free spans",
        units::bytes(predicted.free_bytes)
    )];
    if predicted.basis == Basis::Graph {
        parts.push(format!(
            "{} in spans that hold only garbage",
            units::bytes(predicted.garbage_bytes)
        ));
    }
    page.wrapped(10, Ink::Dim, &parts.join(", "));
    if let Some(unexamined) = predicted.unexamined_bytes {
        let text = format!(
            "and up to {} more: objects that no GC has looked at yet",
            units::bytes(unexamined)
        );
        page.wrapped(10, Ink::Dim, &text);
    }
}

fn change(before: u64, after: u64) -> String {
    format!("RSS {} -> {}", units::bytes(before), units::bytes(after))
}

/// The rows of the decay curve, one at a time.
#[derive(Clone, Debug)]
pub struct CurveRows {
    look: Look,
    scale: u64,
    drawn: Option<CurvePoint>,
    waiting: Option<CurvePoint>,
}

impl CurveRows {
    /// The rows of one release.
    pub fn new(report: &ReleaseReport, look: Look) -> CurveRows {
        CurveRows {
            look,
            scale: report.before.rss_bytes.max(1),
            drawn: None,
            waiting: None,
        }
    }

    /// The row of a point; nothing where it says no more than the last one.
    pub fn row(&mut self, point: &CurvePoint) -> Option<String> {
        let worth = self.drawn.is_none_or(|drawn| {
            drawn.rss_bytes.abs_diff(point.rss_bytes) >= self.scale / STEPS
                || drawn.gcs != point.gcs
                || point.at_ns.saturating_sub(drawn.at_ns) >= QUIET_NS
        });
        if !worth {
            self.waiting = Some(*point);
            return None;
        }
        Some(self.draw(*point))
    }

    /// The row of the last point, if it was not drawn.
    pub fn last(&mut self) -> String {
        let same = |point: &CurvePoint| {
            self.drawn.is_some_and(|drawn| {
                (drawn.rss_bytes, drawn.heap_free_bytes) == (point.rss_bytes, point.heap_free_bytes)
            })
        };
        let waiting = self.waiting.filter(|point| !same(point));
        waiting.map_or_else(String::new, |point| self.draw(point))
    }

    fn draw(&mut self, point: CurvePoint) -> String {
        let mut page = Page::new(self.look);
        let first = self.drawn.is_none();
        let gcs = self.drawn.map_or(0, |drawn| drawn.gcs);
        (self.drawn, self.waiting) = (Some(point), None);
        let [time, rss, free] = COLUMNS;
        if first {
            let heads = Line::new()
                .right(time, Ink::Dim, "after")
                .right(rss, Ink::Dim, "RSS")
                .right(free, Ink::Dim, "free heap");
            page.line(heads);
        }
        let word = match point.gcs.saturating_sub(gcs) {
            0 => String::new(),
            _ => format!("  {}", units::counted(point.gcs.into(), "GC")),
        };
        let room = page.width().saturating_sub(free + 2 + word.len());
        let bar = bar(self.look, point.rss_bytes, self.scale, room.min(40));
        let line = Line::new()
            .right(time, Ink::Dim, &units::time(point.at_ns))
            .right(rss, Ink::Plain, &units::bytes(point.rss_bytes))
            .right(free, Ink::Plain, &units::bytes(point.heap_free_bytes))
            .add(Ink::Plain, "  ")
            .add(Ink::Cyan, bar)
            .add(Ink::Dim, word);
        page.line(line);
        page.finish()
    }
}

/// Draws what came of it.
pub fn release_tail(report: &ReleaseReport, look: Look) -> String {
    let mut page = Page::new(look);
    let Some(after) = &report.after else {
        return page.finish();
    };
    page.gap();
    let (before, now) = (report.before.rss_bytes, after.rss_bytes);
    let back = before.saturating_sub(now);
    let ink = if back >= LITTLE {
        Ink::Green
    } else {
        Ink::Yellow
    };
    let line = Line::new()
        .add(Ink::Plain, "measured  ")
        .add(Ink::Bold, change(before, now))
        .add(Ink::Plain, ": ")
        .add(ink, format!("{} back", units::bytes(back)))
        .add(
            Ink::Plain,
            format!(", {} of RSS", units::percent(back, before)),
        );
    page.line(line);
    page.wrapped(10, Ink::Plain, &cost(report));
    page.wrapped(10, Ink::Plain, &against(report, now));
    ending(&mut page, report);
    kept_by(&mut page, report);
    if report.page_faults_expected > 0 && back >= LITTLE {
        let text = format!(
            "If the program grows to its size before, expect {} for it.",
            units::counted(report.page_faults_expected, "page fault")
        );
        page.wrapped(0, Ink::Dim, &text);
    }
    for note in &report.notes {
        page.wrapped(0, Ink::Plain, note);
    }
    if let Some(watch) = &report.watch {
        watched(&mut page, report, watch);
    }
    page.finish()
}

fn cost(report: &ReleaseReport) -> String {
    let pause = match report.pause_ns_max {
        0 => "no thread was stopped".to_owned(),
        pause => format!("stopped for {} at most", units::time(pause)),
    };
    format!(
        "in {}, with {}; {pause}",
        units::time(report.took_ns),
        units::counted(report.gcs.into(), "GC")
    )
}

fn against(report: &ReleaseReport, now: u64) -> String {
    let expected = report.predicted.rss_bytes;
    let off = now.abs_diff(expected);
    let side = if now <= expected { "less" } else { "more" };
    format!("{} {side} than expected", units::bytes(off))
}

fn ending(page: &mut Page, report: &ReleaseReport) {
    if report.restored {
        page.wrapped(10, Ink::Plain, "every setting is as it was");
    } else {
        let names = report.not_restored.join(", ");
        let text = format!("not put back: {names}; the next letgo that writes tries again");
        page.wrapped(10, Ink::Red, &text);
    }
    let word = match &report.end {
        Some(Ending::TimedOut) => {
            "Not all that could go went in the time allowed: --timeout gives it more."
        }
        Some(Ending::ProgramSetsGcPercent) => {
            "The program sets GOGC by itself and keeps it: no GC was forced."
        }
        Some(Ending::Interrupted) => "It was ended early.",
        _ => return,
    };
    page.wrapped(0, Ink::Yellow, word);
}

fn kept_by(page: &mut Page, report: &ReleaseReport) {
    if report.kept_by.is_empty() {
        return;
    }
    let text = "What stays beside the objects themselves: free slots of spans in which a few \
                objects live.";
    page.wrapped(0, Ink::Plain, text);
    for class in report.kept_by.iter().take(MOST_CLASSES) {
        let text = format!(
            "{} in {} of {} slots: {} of {} slots used",
            units::bytes(class.free_bytes),
            units::counted(class.spans, "span"),
            units::bytes(class.slot_bytes),
            units::count(class.used_slots),
            units::count(class.slots),
        );
        page.wrapped(2, Ink::Plain, &text);
    }
}

fn watched(page: &mut Page, report: &ReleaseReport, watch: &Watch) {
    let after = report.after.as_ref().map_or(0, |after| after.rss_bytes);
    let grown = watch.rss_bytes.saturating_sub(after);
    let text = format!(
        "{} later: RSS {}, {} more than right after",
        units::age(watch.watched_ns),
        units::bytes(watch.rss_bytes),
        units::bytes(grown)
    );
    page.wrapped(0, Ink::Plain, &text);
    if watch.returned_resident_bytes >= LITTLE {
        let text = format!(
            "{} of it is returned memory that huge pages filled again: start the program with \
             GODEBUG=disablethp=1, or set transparent_hugepage/enabled to madvise",
            units::bytes(watch.returned_resident_bytes)
        );
        page.wrapped(0, Ink::Yellow, &text);
    }
}
