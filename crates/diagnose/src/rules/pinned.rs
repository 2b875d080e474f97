//! `pinned-spans`: few reachable objects keep spans that would otherwise go back.
//!
//! Needs the object graph: without it nobody knows which of the slots in use will be. What is
//! counted, and how it is shared with `fragmentation`, is in [`crate::slack`].

use letgo_account::{ReachClass, Shares};

use crate::draft::{Case, Draft};
use crate::finding::Confidence;
use crate::slack::{self, Slack};
use crate::words;

/// Size classes that are named.
const NAMED: usize = 3;

/// Spans of which few slots are reachable.
pub(crate) fn spans(case: &Case<'_>) -> Option<Draft> {
    let slack = Slack::of(case).filter(|slack| slack.pinned_bytes > 0)?;
    let pinned = slack.pinned;
    let title = format!(
        "{} ({}) {} {} in {} from going back",
        words::counted(pinned.reachable.objects, "object"),
        words::bytes(pinned.reachable.slot_bytes),
        words::verb(pinned.reachable.objects, "keeps", "keep"),
        words::bytes(case.size(&pinned)),
        words::counted(pinned.spans, "span"),
    );
    let draft = Draft::new(Confidence::Proven, title).count(pinned.reachable.objects);
    let draft = slack.claim_pinned(draft).evidence(format!(
        "In these spans at most one slot of {} is reachable; {} of them are free or garbage, and \
         the next cycle fills {} of all free slots at most.",
        8 / case.thresholds.pinned_eighths.clamp(1, 8),
        words::bytes(slack::kept(&pinned)),
        words::bytes(slack.headroom),
    ));
    Some(remedies(case, worst(case, draft)))
}

fn worst(case: &Case<'_>, draft: Draft) -> Draft {
    let classes = case
        .facts
        .reached
        .iter()
        .flat_map(|reached| &reached.classes);
    let pinned = |class: &ReachClass| slack::pinned(class, case.thresholds.pinned_eighths);
    let mut classes: Vec<(&ReachClass, Shares)> = classes
        .map(|class| (class, pinned(class)))
        .filter(|(_, shares)| slack::kept(shares) > 0)
        .collect();
    classes.sort_by_key(|(_, shares)| std::cmp::Reverse(slack::kept(shares)));
    classes
        .iter()
        .take(NAMED)
        .fold(draft, |draft, (class, shares)| {
            draft.evidence(format!(
                "{}: {} ({}) {} {} with {}.",
                words::slots(class.elem_size, class.noscan),
                words::counted(shares.reachable.objects, "object"),
                words::bytes(shares.reachable.slot_bytes),
                words::verb(shares.reachable.objects, "keeps", "keep"),
                words::counted(shares.spans, "span"),
                case.size_words(shares),
            ))
        })
}

fn remedies(case: &Case<'_>, draft: Draft) -> Draft {
    draft
        .evidence("letgo release cannot give them back while these live: Go does not move objects.")
        .remedy(
            "next",
            case.letgo("heap"),
            "who holds the survivors: look for many small ones under one holder",
        )
        .remedy(
            "for good",
            "copy the survivors into new objects when a burst is over, and drop the old ones",
            "they fill few spans then, and those of the burst become free as a whole",
        )
        .remedy(
            "for good",
            "allocate what lives long apart from a burst: before it, or by value in one slice; \
             reuse what a burst needs (sync.Pool) instead of allocating it beside",
            "no span holds both",
        )
}
