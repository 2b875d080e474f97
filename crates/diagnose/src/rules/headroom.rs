//! `headroom-high`: a GOGC above the default lets the heap grow to a multiple of what is live.
//!
//! That is a trade of memory for CPU, and may be meant. The finding says what it costs.

use letgo_account::Leaf;

use crate::draft::{Case, Draft};
use crate::finding::{Confidence, Severity};
use crate::pacer::scaled;
use crate::words;

/// GOGC is high, and memory follows.
pub(crate) fn high(case: &Case<'_>) -> Option<Draft> {
    let pacer = case.pacer;
    let gogc = pacer
        .gogc()
        .filter(|gogc| *gogc > case.thresholds.gogc_high)?;
    let goal = pacer.goal()?;
    let extra = goal.saturating_sub(pacer.goal_at(100));
    if pacer.limit_binds() || !case.stands_out(extra, case.thresholds.medium_share) {
        return None;
    }
    let title = format!(
        "GOGC={gogc} lets the heap grow to {}, {:.1} times what is live",
        words::bytes(goal),
        words::float(goal) / words::float(pacer.live().max(1))
    );
    let draft = Draft::new(Confidence::Proven, title)
        .evidence(format!(
            "{} is live; GOGC=100 would collect at {}.",
            words::bytes(pacer.live()),
            words::bytes(pacer.goal_at(100))
        ))
        .maybe(case.origin("GOGC"));
    Some(remedies(case, claims(case, draft)))
}

/// Claims what is resident beyond what GOGC=100 would keep: first free spans, then garbage, then
/// (without the graph) what was allocated since the last GC and may be garbage.
fn claims(case: &Case<'_>, draft: Draft) -> Draft {
    let facts = case.facts;
    let normal = scaled(case.pacer.goal_at(100), case.pacer.spread() * 1.1);
    let leaves = [
        Leaf::HeapIdle,
        Leaf::HeapGarbage,
        Leaf::HeapObjects,
        Leaf::HeapReachable,
    ];
    let heap = words::total(leaves.iter().map(|leaf| facts.resident(*leaf)));
    let mut beyond = heap.saturating_sub(normal);
    let free = [
        (Leaf::HeapIdle, facts.resident(Leaf::HeapIdle)),
        (Leaf::HeapGarbage, facts.resident(Leaf::HeapGarbage)),
        (
            Leaf::HeapObjects,
            case.pacer
                .unexamined()
                .min(facts.resident(Leaf::HeapObjects)),
        ),
    ];
    let mut draft = draft;
    for (leaf, bytes) in free {
        let bytes = bytes.min(beyond);
        beyond -= bytes;
        if bytes > 0 {
            draft = draft.claim(leaf, bytes);
        }
    }
    draft
}

fn remedies(case: &Case<'_>, draft: Draft) -> Draft {
    let container = case.facts.container.as_ref();
    let limit = container.and_then(|container| container.limit);
    let peak = container.and_then(|container| case.pacer.projected_peak(container));
    let overflows = matches!((peak, limit), (Some(peak), Some(limit)) if peak > limit);
    let advice = case.pacer.advice();
    let draft = if overflows {
        draft
            .least(Severity::Medium)
            .evidence("At its goal the heap does not fit the container.")
    } else {
        draft
    };
    draft.remedy(
        "for good",
        case.tune(Some(advice.gogc), advice.limit),
        format!(
            "a heap of up to {}, and more GC CPU",
            words::bytes(case.pacer.goal_at(advice.gogc))
        ),
    )
}
