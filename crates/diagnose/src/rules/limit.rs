//! `limit-missing` and `limit-too-high`: the memory limit against the container.
//!
//! GOMEMLIMIT counts what the Go runtime maps and has not returned. C memory, mapped files,
//! kernel memory and other processes of the container come on top.

use crate::draft::{Case, Draft};
use crate::finding::{Confidence, Severity};
use crate::pacer::scaled;
use crate::words::{self, float};

/// The heap may grow past the container before the next GC, and nothing tells the runtime.
pub(crate) fn missing(case: &Case<'_>) -> Option<Draft> {
    let container = case.facts.container.as_ref()?;
    let limit = container.limit?;
    if case.pacer.limit().is_some() {
        return None;
    }
    let peak = case
        .pacer
        .projected_peak(container)?
        .max(container.working_set);
    if float(peak) < case.thresholds.limit_missing * float(limit) {
        return None;
    }
    let title = if peak >= limit {
        "The heap's next goal does not fit the container, and no memory limit says so"
    } else {
        "No memory limit, and the heap's next goal nearly fills the container"
    };
    let draft = Draft::new(Confidence::Likely, title)
        .least(if peak >= limit {
            Severity::Medium
        } else {
            Severity::Low
        })
        .evidence(format!(
            "The next GC ends at a heap of {} ({}); with all else that makes {} of {}.",
            words::bytes(case.pacer.goal()?),
            case.settings(),
            words::bytes(peak),
            words::bytes(limit)
        ))
        .evidence(outside(case)?);
    Some(advise(case, draft))
}

/// The limit acts only after the container is full.
pub(crate) fn too_high(case: &Case<'_>) -> Option<Draft> {
    if super::stale::lowered(case).is_some() {
        return None;
    }
    let memory_limit = case.pacer.limit()?;
    let Some((container, limit)) = case
        .facts
        .container
        .as_ref()
        .and_then(|c| Some((c, c.limit?)))
    else {
        return beyond_host(case, memory_limit);
    };
    let outside = case.pacer.outside(container);
    if memory_limit.saturating_add(outside) <= limit {
        return None;
    }
    let title = format!(
        "The memory limit of {} does not fit the container of {}",
        words::bytes(memory_limit),
        words::bytes(limit)
    );
    let by_itself = memory_limit >= limit;
    let half_full = container.working_set >= limit / 2;
    let least = match () {
        () if case.limit_near() => Severity::High,
        () if half_full => Severity::Medium,
        () => Severity::Low,
    };
    let draft = Draft::new(
        if by_itself {
            Confidence::Proven
        } else {
            Confidence::Likely
        },
        title,
    )
    .least(least)
    .evidence(outside_sentence(outside, memory_limit, limit))
    .maybe(case.origin("GOMEMLIMIT"));
    Some(advise(case, draft))
}

fn beyond_host(case: &Case<'_>, memory_limit: u64) -> Option<Draft> {
    let host = case.facts.host_memory_bytes;
    if host == 0 || memory_limit <= host {
        return None;
    }
    let title = format!(
        "The memory limit of {} is more than the host's {}",
        words::bytes(memory_limit),
        words::bytes(host)
    );
    let advice = case.pacer.advice();
    let fits = advice.limit.filter(|limit| *limit < scaled(host, 0.9));
    let draft = Draft::new(Confidence::Proven, title)
        .least(Severity::Low)
        .evidence("The limit never acts: memory runs out before it.")
        .maybe(case.origin("GOMEMLIMIT"));
    Some(match fits {
        Some(limit) => draft.remedy("for good", case.tune(None, Some(limit)), ""),
        None => draft,
    })
}

fn outside(case: &Case<'_>) -> Option<String> {
    let container = case.facts.container.as_ref()?;
    Some(format!(
        "{} of the working set is outside of the Go runtime: C, files, kernel, other processes.",
        words::bytes(case.pacer.outside(container))
    ))
}

fn outside_sentence(outside: u64, memory_limit: u64, limit: u64) -> String {
    let over = memory_limit.saturating_add(outside).saturating_sub(limit);
    format!(
        "{} of the working set is nothing that the limit counts (C, files, kernel, other \
         processes): the container is full {} before the limit is reached.",
        words::bytes(outside),
        words::bytes(over)
    )
}

/// Suggests a limit that the container can hold, or says that none fits.
pub(super) fn advise(case: &Case<'_>, draft: Draft) -> Draft {
    match case.pacer.advice().backstop {
        Some(limit) => draft
            .remedy(
                "now",
                case.tune(None, Some(limit)),
                "GC runs before the container is full, and more often as it fills",
            )
            .remedy(
                "for good",
                format!("start it with GOMEMLIMIT={}", words::size_argument(limit)),
                "set it with the container's limit, by the same template",
            ),
        None => draft
            .evidence(format!(
                "A harmless limit would be {} at least (1.3 x live, and what is not heap): the \
                 container has no room for it.",
                words::bytes(case.pacer.least_limit())
            ))
            .remedy(
                "for good",
                "give the container more memory, or hold less",
                "",
            ),
    }
}
