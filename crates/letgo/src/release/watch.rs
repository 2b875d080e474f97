//! [`watch`]: whether what was given back comes back.

use std::time::{Duration, Instant};

use letgo_account::Leaf;
use letgo_report as out;

use crate::inspect::{Opened, Options, Reading};
use crate::progress::Progress;
use crate::signals;

/// Time between two looks.
const EVERY: Duration = Duration::from_secs(1);

/// Looks once a second for `time`, or until a signal, and reads the process again at the end.
pub(super) fn watch(
    report: &mut out::ReleaseReport,
    opened: &mut Opened,
    time: Duration,
    progress: &Progress,
) {
    let began = Instant::now();
    let mut curve = Vec::new();
    while began.elapsed() < time && !signals::caught() {
        let left = time.saturating_sub(began.elapsed());
        progress.step(format!("watching for another {} s", left.as_secs()));
        std::thread::sleep(EVERY.min(left));
        let Ok(statm) = opened.process.statm() else {
            break;
        };
        let light = opened.light().map(|light| light.stats).unwrap_or_default();
        curve.push(out::CurvePoint {
            at_ns: report.took_ns.saturating_add(nanoseconds(began.elapsed())),
            rss_bytes: statm.resident_bytes,
            heap_free_bytes: light.heap_idle.saturating_sub(light.heap_released),
            gcs: light.num_gc,
        });
    }
    let watched_ns = nanoseconds(began.elapsed());
    let Ok(reading) = Reading::take(opened, Options::default(), progress) else {
        report
            .notes
            .push("The process ended while it was watched.".into());
        return;
    };
    report.watch = Some(out::Watch {
        watched_ns,
        curve,
        rss_bytes: reading.rss_bytes(),
        returned_resident_bytes: reading.account.leaf(Leaf::HeapReturnedResident).resident.0,
    });
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
