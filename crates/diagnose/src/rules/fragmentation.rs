//! `fragmentation`: free slots in spans in use, beyond what the next cycle will fill.
//!
//! A span goes back only when all its slots are free, and Go never moves objects: a few survivors
//! of a burst keep their spans. Right after a GC half of all slots may be free in a healthy
//! program, so only what exceeds the headroom of GOGC=100 is counted.
//!
//! With the object graph it is known which objects stay, and spans that few of them keep are
//! another finding: see [`crate::slack`].

use letgo_account::{Leaf, ReachClass, Shares};

use crate::draft::{Case, Draft};
use crate::facts::SizeClass;
use crate::finding::Confidence;
use crate::slack::{self, Slack};
use crate::words;

/// Size classes that are named.
const NAMED: usize = 3;

/// Free slots that nothing will fill soon.
pub(crate) fn free_slots(case: &Case<'_>) -> Option<Draft> {
    match Slack::of(case) {
        Some(slack) => by_graph(case, &slack),
        None => by_bits(case),
    }
}

/// Slots without a reachable object in spans that stay.
fn by_graph(case: &Case<'_>, slack: &Slack) -> Option<Draft> {
    if !case.stands_out(slack.rest_bytes, case.thresholds.medium_share) {
        return None;
    }
    let title = format!(
        "{} lie free in spans that stay, even when all garbage is collected",
        words::bytes(slack.rest_bytes)
    );
    let draft = slack.claim_rest(Draft::new(Confidence::Proven, title));
    let draft = draft.evidence(format!(
        "Spans that stay are {}, what is reachable in them {}; the next cycle fills {} of the free \
         slots at most.",
        words::bytes(case.size(&slack.staying)),
        words::bytes(slack.staying.reachable.resident.0),
        words::bytes(slack.headroom)
    ));
    let draft = draft.evidence_if(slack.pinned_bytes > 0, || {
        format!(
            "Beside them, {} lie in spans that few objects keep: see pinned-spans.",
            words::bytes(slack.pinned_bytes)
        )
    });
    let draft = worst_by_graph(case, slack, draft);
    Some(remedies(case, draft))
}

fn worst_by_graph(case: &Case<'_>, slack: &Slack, draft: Draft) -> Draft {
    // What the other finding names is not named again.
    let passed_over = match slack.pinned_bytes {
        0 => 0,
        _ => case.thresholds.pinned_eighths,
    };
    let classes = case
        .facts
        .reached
        .iter()
        .flat_map(|reached| &reached.classes);
    let mut classes: Vec<(&ReachClass, Shares)> = classes
        .map(|class| (class, slack::better_used(class, passed_over)))
        .filter(|(_, shares)| slack::kept(shares) > 0)
        .collect();
    classes.sort_by_key(|(_, shares)| std::cmp::Reverse(slack::kept(shares)));
    classes
        .iter()
        .take(NAMED)
        .fold(draft, |draft, (class, shares)| {
            draft.evidence(format!(
                "{}: {} % of {} reachable in {} with {}, {} lost.",
                words::slots(class.elem_size, class.noscan),
                words::percent(shares.reachable.objects, shares.slots),
                words::count(shares.slots),
                words::counted(shares.spans, "span"),
                case.size_words(shares),
                words::bytes(slack::kept(shares))
            ))
        })
}

/// Free slots by the allocation bits alone.
fn by_bits(case: &Case<'_>) -> Option<Draft> {
    let stats = &case.facts.stats;
    let free = case.facts.resident(Leaf::HeapFreeSlots);
    let goal = case
        .pacer
        .goal_at(case.pacer.gogc().unwrap_or(100).min(100));
    let headroom = goal.saturating_sub(stats.heap_alloc);
    let bytes = free.saturating_sub(headroom);
    if !case.stands_out(bytes, case.thresholds.medium_share) {
        return None;
    }
    let title = format!(
        "{} of free slots are in spans that still hold objects",
        words::bytes(bytes)
    );
    let draft = Draft::new(Confidence::Proven, title)
        .claim(Leaf::HeapFreeSlots, bytes)
        .evidence(format!(
            "Spans in use are {}, their objects {}; the next cycle fills {} of the free slots at most.",
            words::bytes(stats.heap_inuse),
            words::bytes(stats.heap_alloc),
            words::bytes(headroom)
        ));
    let draft = worst(case, draft);
    Some(remedies(case, draft))
}

fn worst(case: &Case<'_>, draft: Draft) -> Draft {
    let mut classes: Vec<&SizeClass> = case
        .facts
        .size_classes
        .iter()
        .filter(|class| class.free_resident_bytes > 0 && class.slots > class.used_slots)
        .collect();
    classes.sort_by_key(|class| std::cmp::Reverse(class.free_resident_bytes));
    classes.iter().take(NAMED).fold(draft, |draft, class| {
        draft.evidence(format!(
            "{} B slots: {} % of {} used in {} spans, {} lost.",
            class.slot_bytes,
            words::percent(class.used_slots, class.slots),
            words::count(class.slots),
            words::count(class.spans),
            words::bytes(class.free_resident_bytes)
        ))
    })
}

fn remedies(case: &Case<'_>, draft: Draft) -> Draft {
    draft
        .evidence("letgo release cannot give it back while they live: Go does not move objects.")
        .remedy(
            "next",
            case.letgo("heap"),
            "which objects survive, and who holds them",
        )
        .remedy(
            "for good",
            "allocate what lives long apart from what dies together: copy survivors out of a \
             burst, or keep them in one slice",
            "spans of the burst become free as a whole",
        )
}
