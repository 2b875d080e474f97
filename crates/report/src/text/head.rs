//! What all reports on one program begin with: which it is, how it was read, and what was left out.

use unicode_width::UnicodeWidthStr;

use crate::page::{Ink, Line, Page, trim_start};
use crate::{CoverageReport, Method, RunState, Taken, Target, units};

/// Most reasons for incompleteness on the one screen.
pub(super) const MOST_SKIPS: usize = 3;

/// Writes which program it is and how it was read.
pub(super) fn write(page: &mut Page, verb: &str, target: &Target, taken: &Taken) {
    let mut go = target.go_version.clone();
    if let Some(library) = &target.library {
        let file = library.rsplit('/').next().unwrap_or(library);
        go = format!("{go} in {file}");
    }
    let traits = [
        (target.stripped, ", stripped"),
        (target.pie, ", PIE"),
        (target.cgo, ", cgo"),
    ];
    go.extend(traits.iter().filter(|(has, _)| *has).map(|(_, word)| *word));

    let deleted = if target.exe_deleted { " (deleted)" } else { "" };
    let room = page.width().saturating_sub(4 + deleted.len());
    let exe = trim_start(page.look(), &target.exe, room) + deleted;
    let mut parts = vec![
        (Ink::Bold, format!("letgo {verb} {}", target.pid)),
        (Ink::Bold, exe),
        (Ink::Plain, go),
    ];
    if let Some(uptime) = target.uptime_ns {
        parts.push((Ink::Plain, format!("up {}", units::age(uptime))));
    }
    let line = flow(page, parts, "   ");
    let [long, middle, short] = method(target, taken);
    let fits = |text: &&String| line.width() + 3 + text.width() <= page.width();
    match [&long, &middle, &short].into_iter().find(fits) {
        Some(text) => right(page, line, Ink::Dim, text),
        None => {
            page.line(line);
            right(page, Line::new(), Ink::Dim, &long);
        }
    }
    if let Some(note) = &taken.note {
        page.wrapped(4, Ink::Dim, note);
    }
}

/// Writes parts one after the other, on further lines where one is full; returns the last line.
pub(super) fn flow(page: &mut Page, parts: Vec<(Ink, String)>, gap: &str) -> Line {
    let mut line = Line::new();
    for (ink, text) in parts {
        if line.width() > 0 && line.width() + gap.width() + text.width() > page.width() {
            page.line(std::mem::take(&mut line));
            line = line.pad_to(4);
        } else if line.width() > 0 {
            line.push(Ink::Plain, gap);
        }
        line.push(ink, text);
    }
    line
}

/// Ends a line with text at the right edge, or below it where it does not fit.
pub(super) fn right(page: &mut Page, mut line: Line, ink: Ink, text: &str) {
    let width = page.width();
    if line.width() + 3 + text.width() > width {
        page.line(std::mem::take(&mut line));
        page.wrapped(0, ink, text);
    } else {
        page.line(line.right(width, ink, text));
    }
}

/// How it was read, in many words and in ever fewer.
fn method(target: &Target, taken: &Taken) -> [String; 3] {
    let pause = units::time(taken.pause_ns_max);
    let paused = format!("paused {pause}");
    let still = match &target.state {
        Some(RunState::Stopped) => Some("stopped"),
        Some(RunState::Frozen) => Some("frozen"),
        _ => None,
    };
    let [long, short] = match (&taken.method, taken.copied_bytes) {
        // It lost nothing by standing still for us.
        (Method::Stopped, _) if still.is_some() => {
            let how = still.unwrap_or_default();
            [format!("read as it was, {how}"), how.into()]
        }
        (Method::Running, _) if taken.pause_ns_max == 0 => match still {
            Some(how) => [format!("read as it was, {how}"), how.into()],
            None => ["read while it ran, no pause".into(), "no pause".into()],
        },
        (Method::Core, _) => ["from a core file".into(), "core file".into()],
        (Method::Snapshot, _) => ["from a snapshot".into(), "snapshot".into()],
        (Method::Stopped, None) => [format!("all threads stopped for {pause}"), paused],
        (Method::Stopped | Method::Frozen, Some(bytes)) => {
            [format!("copied {}, {paused}", units::bytes(bytes)), paused]
        }
        (Method::Frozen, None) => [format!("copied, {paused}"), paused],
        (other, _) => [format!("{other}, {paused}"), paused],
    };
    let longest = match taken.pause_ns_predicted {
        Some(predicted) => format!("{long} (expected {})", units::time(predicted)),
        None => long.clone(),
    };
    [longest, long, short]
}

/// Writes what was left out, at most so many reasons; nothing of a whole reading.
pub(super) fn coverage(page: &mut Page, coverage: &CoverageReport, rss: u64, most: usize) {
    if coverage.complete {
        return;
    }
    // A report on the heap alone has no RSS to compare with.
    if coverage.drift_bytes != 0 && rss > 0 {
        let drift = coverage.drift_bytes.unsigned_abs();
        let (drift, share) = (units::bytes(drift), share_of(drift, rss));
        let than = if coverage.drift_bytes > 0 {
            "more"
        } else {
            "less"
        };
        let text = format!("together {drift} ({share}) {than} than RSS, which moved meanwhile");
        page.wrapped(2, Ink::Yellow, &text);
    }
    page.gap();
    page.wrapped(0, Ink::Yellow, "This reading is incomplete:");
    for skip in coverage.skipped.iter().take(most) {
        let number = match skip.count {
            1 => String::new(),
            count => units::count(count) + " ",
        };
        let text = format!("{number}{}: {}", skip.what, skip.why);
        page.wrapped(2, Ink::Yellow, &text);
    }
    let unseen = coverage.skipped.iter().skip(most).map(|skip| skip.count);
    let more: u64 = unseen.sum::<u64>() + coverage.skipped_more;
    if more > 0 {
        page.wrapped(2, Ink::Yellow, &format!("and {} more", units::count(more)));
    }
    if coverage.skipped.is_empty() && more == 0 {
        let text = "more than 0.5 % of RSS moved meanwhile; --stop reads with all threads stopped";
        page.wrapped(2, Ink::Yellow, text);
    }
}

/// A share in hundredths of a percent, rounded up.
pub(super) fn share_of(part: u64, whole: u64) -> String {
    let steps = (u128::from(part) * 10_000).div_ceil(u128::from(whole.max(1)));
    format!("{}.{:02} %", steps / 100, steps % 100)
}
