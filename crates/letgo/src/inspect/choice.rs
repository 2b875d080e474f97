//! [`choose`]: how a running process is read, where the user did not say.
//!
//! A frozen copy where nothing stands against it, else a stop, whichever is predicted to pause the
//! process for no longer than is planned for; else it is read while it runs, and the report says
//! why. A prediction is made of the kernel's figures and the runtime's counters: nothing is stopped
//! for it.

use std::time::{Duration, Instant};

use letgo_linux::FrozenCopy;

use super::{Opened, View, complaints};
use crate::complaint::Complaint;

/// To read a span's record and bits. Measured: 516,000 of them in 0.3 s.
const NS_PER_SPAN: u64 = 600;
/// Bytes of an `mspan`, of which `mspan_sys` is made.
const MSPAN_BYTES: u64 = 160;
/// To copy a GiB of objects. Measured: 2.5 GB/s on 2 cores; half of a heap holds pointers at most.
const NS_PER_GIB: u64 = 400_000_000;
/// To stop a thread and let it go.
const NS_PER_THREAD: u64 = 15_000;
/// Beside that.
const NS_FIXED: u64 = 2_000_000;
/// The most that a program is held that was stopped before.
const STOPPED: Duration = Duration::from_secs(60);
/// A stop is allowed so many times of what it is predicted to take.
const ALLOWANCE: u32 = 4;

/// Views a process in the way that is best for it.
///
/// # Errors
/// A [`Complaint`] where it is gone or may not be read.
pub(super) fn choose(opened: &mut Opened, most: Duration) -> Result<View, Complaint> {
    let told = |error| complaints::of_process(&error);
    // One that is stopped already loses nothing by a stop.
    if opened.process.stat().is_ok_and(|stat| stat.state == 'T')
        && let Ok(view) = View::stopped(opened, STOPPED)
    {
        return Ok(view);
    }
    let began = Instant::now();
    let (mut prediction, hindrances) = FrozenCopy::prediction(&opened.process).map_err(told)?;
    let look = began.elapsed();
    // The first walk over page tables that nobody looked at for long says too much.
    if prediction.pause > most {
        let (again, _) = FrozenCopy::prediction(&opened.process).map_err(told)?;
        prediction.pause = prediction.pause.min(again.pause);
    }
    let against = match hindrances.first() {
        Some(hindrance) => hindrance.to_string(),
        None if prediction.pause > most => too_long("a frozen copy", prediction.pause, most),
        None => match View::frozen(opened) {
            Ok(mut view) => {
                view.pause_predicted = Some(prediction.pause);
                return Ok(view);
            }
            Err(complaint) => complaint.wrong,
        },
    };
    let against = match predict_stop(opened, look) {
        None => against,
        Some(pause) if pause > most => format!("{against}; {}", too_long("a stop", pause, most)),
        Some(pause) => match View::stopped(opened, most.max(pause * ALLOWANCE)) {
            Ok(mut view) => {
                view.pause_predicted = Some(pause);
                view.why = Some(format!("no frozen copy was made: {against}"));
                return Ok(view);
            }
            Err(complaint) => format!("{against}; {}", complaint.wrong),
        },
    };
    let mut view = View::running(opened)?;
    view.why = Some(format!("it was read while it runs: {against}"));
    Ok(view)
}

fn too_long(what: &str, pause: Duration, most: Duration) -> String {
    format!(
        "{what} would pause it for about {} ms, and --max-pause is {} ms",
        pause.as_millis(),
        most.as_millis()
    )
}

/// How long a stop would take in which the kernel's figures, spans and objects are read; `look` is
/// what the kernel's figures took just now.
fn predict_stop(opened: &mut Opened, look: Duration) -> Option<Duration> {
    let stats = opened.light().ok()?.stats;
    let spans = (stats.mspan_sys / MSPAN_BYTES).saturating_mul(NS_PER_SPAN);
    let objects = (stats.heap_inuse >> 10).saturating_mul(NS_PER_GIB) >> 20;
    let threads = u64::from(stats.threads).saturating_mul(NS_PER_THREAD);
    let ours = [NS_FIXED, spans, objects / 2, threads];
    let ns = ours.into_iter().fold(0, u64::saturating_add);
    // Page table and smaps are read, beside each other.
    Some(Duration::from_nanos(ns) + look)
}
