//! `container-limit-near`: the container's working set is close to its limit.
//!
//! Concerns the whole container. The bytes of this process that could go are other findings'.

use letgo_account::Leaf;

use crate::draft::{Case, Draft};
use crate::finding::{Confidence, Severity};
use crate::words;

/// A pressure from which it is worth a sentence: a tenth of the time.
const PRESSURE: f64 = 0.10;

/// The limit is near.
pub(crate) fn limit_near(case: &Case<'_>) -> Option<Draft> {
    let container = case.facts.container.as_ref()?;
    let limit = container.limit?;
    if !case.limit_near() {
        return None;
    }
    let room = limit.saturating_sub(container.working_set);
    let title = format!(
        "The container is {} % full: {} left of {}",
        words::percent(container.working_set, limit),
        words::bytes(room),
        words::bytes(limit)
    );
    let kills = container.oom_kills.filter(|kills| *kills > 0);
    let peak = container
        .peak
        .map(|peak| format!("; the peak was {}", words::bytes(peak)));
    let pressure = container
        .pressure_some_10s
        .filter(|share| *share >= PRESSURE);
    let draft = Draft::new(Confidence::Proven, title)
        .least(Severity::High)
        .evidence(format!(
            "Working set {}, of which {} is this process's RSS{}.",
            words::bytes(container.working_set),
            words::bytes(case.facts.rss_bytes),
            peak.unwrap_or_default()
        ))
        .maybe(other(case))
        .maybe(
            kills.map(|kills| format!("{kills} processes were killed in it for want of memory.")),
        )
        .maybe(pressure.map(|share| {
            format!(
                "Tasks waited for memory {} of the last 10 s.",
                words::fraction(share)
            )
        }));
    Some(remedies(case, draft))
}

fn other(case: &Case<'_>) -> Option<String> {
    let container = case.facts.container.as_ref()?;
    let parts = [
        ("page cache", container.file),
        ("kernel memory", container.kernel),
        ("socket buffers", container.sock),
    ];
    let named: Vec<String> = parts
        .iter()
        .filter_map(|(name, bytes)| {
            let bytes = bytes.filter(|bytes| *bytes >= case.thresholds.least_bytes)?;
            Some(format!("{} of {name}", words::bytes(bytes)))
        })
        .collect();
    (!named.is_empty()).then(|| format!("Charged beside it: {}.", named.join(", ")))
}

fn remedies(case: &Case<'_>, draft: Draft) -> Draft {
    let idle = case.facts.resident(Leaf::HeapIdle);
    let draft = if idle >= case.thresholds.least_bytes && case.facts.locked_bytes == 0 {
        draft.remedy(
            "now",
            case.letgo("release"),
            format!("up to {} back", words::bytes(idle)),
        )
    } else {
        draft
    };
    draft.remedy(
        "for good",
        "raise the container's limit, and the memory limit after it",
        "to shrink, lower the memory limit first",
    )
}
