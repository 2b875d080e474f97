//! `limit-stale`: a memory limit that was made for another size of the container.
//!
//! A limit is read once, at the start; a container can be resized while it runs. That it was
//! made smaller is proven where its peak is above its limit: the kernel charges no more than the
//! limit of the moment, but for a few pages. That it was made larger leaves no trace, so a limit
//! that is far below the container and that GC pays for is a finding only as possible.

use crate::draft::{Case, Draft};
use crate::finding::{Confidence, Severity};
use crate::words::{self, float};

/// A fiftieth of a limit: what the kernel may charge beyond it where it must not fail.
const FORCED_CHARGES: u64 = 50;

/// A module that sets the limit from the container, at the start and then, by default, no more.
const AUTOMEMLIMIT: &str = "github.com/KimMachineGun/automemlimit";

/// The limit belongs to a container that was larger or smaller.
pub(crate) fn limit_stale(case: &Case<'_>) -> Option<Draft> {
    if let Some(confidence) = lowered(case) {
        return Some(smaller_now(case, confidence));
    }
    larger_now(case)
}

/// How sure it is that the container was made smaller under the limit.
pub(super) fn lowered(case: &Case<'_>) -> Option<Confidence> {
    let container = case.facts.container.as_ref()?;
    let limit = container.limit?;
    let memory_limit = case.pacer.limit()?;
    if memory_limit.saturating_add(case.pacer.outside(container)) <= limit {
        return None;
    }
    if container.peak.is_some_and(|peak| above(peak, limit)) {
        Some(Confidence::Proven)
    } else if memory_limit > limit && automatic(case) {
        Some(Confidence::Likely)
    } else {
        None
    }
}

/// Whether a peak is above a limit by more than the charges that the kernel may not refuse.
fn above(peak: u64, limit: u64) -> bool {
    peak > limit.saturating_add(limit / FORCED_CHARGES)
}

fn automatic(case: &Case<'_>) -> bool {
    let linked = case
        .facts
        .target
        .modules
        .iter()
        .any(|module| module.starts_with(AUTOMEMLIMIT));
    linked && case.facts.environment.gomemlimit.is_none()
}

fn smaller_now(case: &Case<'_>, confidence: Confidence) -> Draft {
    let container = case.facts.container.clone().unwrap_or_default();
    let limit = container.limit.unwrap_or_default();
    let memory_limit = case.pacer.limit().unwrap_or_default();
    let title = format!(
        "The memory limit of {} was made for a larger container; it has {} now",
        words::bytes(memory_limit),
        words::bytes(limit)
    );
    let peak = container.peak.filter(|peak| above(*peak, limit));
    let draft = Draft::new(confidence, title)
        .least(if case.limit_near() {
            Severity::High
        } else {
            Severity::Medium
        })
        .maybe(peak.map(|peak| {
            format!(
                "The container's peak is {}, above its limit: it was lowered since.",
                words::bytes(peak)
            )
        }))
        .evidence_if(automatic(case), || set_once("above the container's limit"))
        .maybe(case.origin("GOMEMLIMIT"));
    super::limit::advise(case, draft)
}

fn set_once(place: &str) -> String {
    format!(
        "The program links automemlimit, which sets the limit from the container at the start; \
         it is {place} now."
    )
}

fn larger_now(case: &Case<'_>) -> Option<Draft> {
    let container = case.facts.container.as_ref()?;
    let limit = container.limit?;
    let memory_limit = case.pacer.limit()?;
    let used = memory_limit.saturating_add(case.pacer.outside(container));
    let gogc = case.pacer.effective_gogc()?;
    let forgotten = float(used) < case.thresholds.limit_stale * float(limit);
    let paid_for = case.pacer.limit_binds() && gogc < case.thresholds.limit_binding_gogc;
    let better = case
        .pacer
        .advice()
        .backstop
        .filter(|better| *better > memory_limit)?;
    if !forgotten || !paid_for {
        return None;
    }
    let title = format!(
        "The memory limit of {} is far below the container's {}, and GC pays for it",
        words::bytes(memory_limit),
        words::bytes(limit)
    );
    let likely = automatic(case);
    let draft = Draft::new(if likely { Confidence::Likely } else { Confidence::Possible }, title)
        .least(Severity::Low)
        .evidence(format!(
            "The limit, not GOGC, decides when GC runs: GOGC={gogc:.0} in effect, at a live heap of {}.",
            words::bytes(case.pacer.live())
        ))
        .evidence_if(likely, || set_once("far below the container's limit"))
        .evidence("It may be meant so: that a container was made larger leaves no trace.")
        .maybe(case.origin("GOMEMLIMIT"))
        .remedy("now", case.tune(None, Some(better)), "fewer GCs, more memory");
    Some(draft)
}
