//! [`choose`]: how a running process is read, where the user did not say.
//!
//! A frozen copy where nothing stands against it, else a stop, whichever is predicted to pause the
//! process for no longer than is planned for; else it is read while it runs, and the report says
//! why. A prediction is made of the kernel's figures and the runtime's counters: nothing is stopped
//! for it. A stop that was asked for without a time is allowed a multiple of what is predicted.

use std::time::{Duration, Instant};

use letgo_linux::FrozenCopy;

use super::{Opened, View, complaints};
use crate::complaint::Complaint;

/// To read a span's record and bits. Measured: 516,000 of them in 0.3 s.
const NS_PER_SPAN: u64 = 600;
/// Bytes of an `mspan`, of which `mspan_sys` is made.
const MSPAN_BYTES: u64 = 160;
/// To copy a GiB of spans in use. Measured: 60 to 140 ms for 0.3 to 0.8 GiB on 2 cores, spans and
/// page table included; what holds no pointers is not read.
const NS_PER_GIB: u64 = 125_000_000;
/// To read a goroutine and its stack. Measured: 20,000 of them in 65 ms.
const NS_PER_GOROUTINE: u64 = 3_000;
/// To stop a thread and let it go.
const NS_PER_THREAD: u64 = 15_000;
/// Beside that.
const NS_FIXED: u64 = 2_000_000;
/// The most that a program is held that was stopped before.
const STOPPED: Duration = Duration::from_secs(60);
/// A stop is allowed so many times of what it is predicted to take.
const ALLOWANCE: u32 = 4;
/// What one is allowed at least that was asked for without a time: on a busy machine waiting for a
/// processor is the most of it.
const STOP_LEAST: Duration = Duration::from_millis(500);
/// And at most: 50 GiB of objects. Who stops a service for longer should say so.
const STOP_MOST: Duration = Duration::from_secs(10);
/// Times that are said are whole multiples of this.
const ROUND: Duration = Duration::from_millis(100);
/// The longest that may be asked for.
const ASKED_MOST: Duration = Duration::from_secs(60);

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

/// Stops a process, for at most `most`; where that is not said, for what it should take.
///
/// # Errors
/// A [`Complaint`] where it cannot be stopped or read.
pub(super) fn stop(opened: &mut Opened, most: Option<Duration>) -> Result<View, Complaint> {
    let began = Instant::now();
    // The same walk over the page table as will be made while it stands still.
    let smaps = opened.process.smaps();
    smaps.map_err(|error| complaints::of_process(&error))?;
    let predicted = predict_stop(opened, began.elapsed());
    let mut view = View::stopped(opened, most.unwrap_or_else(|| allowed(predicted)))?;
    view.pause_predicted = predicted;
    Ok(view)
}

/// What a stop is allowed for which no time was said.
fn allowed(predicted: Option<Duration>) -> Duration {
    let predicted = predicted.unwrap_or_default().saturating_mul(ALLOWANCE);
    predicted.clamp(STOP_LEAST, STOP_MOST)
}

/// What a stop should be allowed that was not done after `stood`.
pub(super) fn enough(predicted: Option<Duration>, stood: Duration) -> Duration {
    let predicted = predicted.unwrap_or_default().saturating_mul(ALLOWANCE);
    let least = predicted.max(stood.saturating_mul(2)).min(ASKED_MOST);
    let rounds = least.as_nanos().div_ceil(ROUND.as_nanos());
    ROUND.saturating_mul(u32::try_from(rounds).unwrap_or(u32::MAX))
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
    let goroutines = stats.goroutines.saturating_mul(NS_PER_GOROUTINE);
    let ours = [NS_FIXED, spans, objects, goroutines, threads];
    let ns = ours.into_iter().fold(0, u64::saturating_add);
    // Page table and smaps are read, beside each other.
    Some(Duration::from_nanos(ns) + look)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn a_stop_without_a_time_is_allowed_what_it_should_take() {
        assert_eq!(allowed(None), MS(500));
        assert_eq!(allowed(Some(MS(10))), MS(500));
        assert_eq!(allowed(Some(MS(700))), MS(2800));
        assert_eq!(allowed(Some(MS(60_000))), MS(10_000));
    }

    #[test]
    fn enough_is_more_than_what_was_not() {
        assert_eq!(enough(Some(MS(10)), MS(501)), MS(1100));
        assert_eq!(enough(Some(MS(612)), MS(501)), MS(2500));
        assert_eq!(enough(None, MS(1)), MS(100));
        assert_eq!(enough(Some(Duration::MAX), MS(1)), MS(60_000));
    }
}
