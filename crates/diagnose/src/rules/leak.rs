//! `goroutine-leak`: goroutines that wait for what never comes.
//!
//! Which of them can never run again is proven by the object graph: nothing that can still run
//! reaches what they wait for. Beside those, many of one stack that have waited for long are told
//! where they grow (likely) or all are old (possible), though they can still be woken.
//!
//! Does not say what else they hold together with others: that is nobody's alone.

use crate::draft::{Case, Draft};
use crate::finding::{Confidence, Severity};
use crate::group::GoroutineGroup;
use crate::herd::{self, Herd, NAMED, Told};
use crate::waits::Wait;
use crate::words;

/// Goroutines that are blocked for good, proven or not.
pub(crate) fn blocked(case: &Case<'_>) -> Vec<Draft> {
    [Told::Proven, Told::Likely, Told::Old]
        .into_iter()
        .flat_map(|told| {
            let herds = herd::herds(case, told);
            herds.into_iter().map(move |herd| draft(case, told, &herd))
        })
        .collect()
}

fn draft(case: &Case<'_>, told: Told, herd: &Herd<'_>) -> Draft {
    let (confidence, what) = match told {
        Told::Proven => (Confidence::Proven, "can never run again"),
        Told::Likely => (Confidence::Likely, "likely never run again"),
        _ => (Confidence::Possible, "have waited for long"),
    };
    let title = format!(
        "{} {what}; {} {}",
        herd.counted(),
        herd.one_or("it holds", "they hold"),
        herd.held()
    );
    let grows = told == Told::Proven && herd.grown() > 0;
    let draft = Draft::new(confidence, title)
        .count(herd.count())
        .location(herd.largest().and_then(|group| group.location.as_ref()))
        .least(if grows { Severity::Low } else { Severity::Info });
    let draft = places(case, told, herd, herd.claim(case, draft))
        .evidence(herd.shares(case))
        .maybe(herd.came(case))
        .evidence(outlook(told));
    remedies(case, told, herd, draft)
}

/// What they wait for, since when, and who started them.
fn places(case: &Case<'_>, told: Told, herd: &Herd<'_>, draft: Draft) -> Draft {
    if let Some(group) = herd.only() {
        let started = group.created_by.as_ref();
        let started = started.map(|at| format!("Started by {}.", herd::place(at)));
        return draft.evidence(wait(case, told, group)).maybe(started);
    }
    let named = herd.groups.iter().take(NAMED);
    let draft = named.fold(draft, |draft, group| {
        let at = group.location.as_ref().map(herd::place);
        let started = group.created_by.as_ref();
        let started = started.map_or_else(String::new, |at| {
            format!(" Started by {}.", herd::place(at))
        });
        draft.evidence(format!(
            "{} in {}: {}{started}",
            words::count(group.count),
            at.as_deref().unwrap_or("an unknown place"),
            wait(case, told, group)
        ))
    });
    let more = herd.groups.len().saturating_sub(NAMED);
    draft.evidence_if(more > 0, || {
        format!("And {} more.", words::counted(more as u64, "place"))
    })
}

/// `chan receive, for 3 days; nothing that can still run reaches the channel.`
fn wait(case: &Case<'_>, told: Told, group: &GoroutineGroup) -> String {
    let reason = match group.wait_reason.as_str() {
        "" => group.status.as_str(),
        reason => reason,
    };
    let since = herd::waited(group);
    let since = since.as_deref().unwrap_or("since when is not known");
    match told {
        Told::Proven => {
            let wait = Wait::of(&group.wait_reason, case.facts.target.go_minor);
            format!("{reason}, {since}; {}.", wait.hopeless())
        }
        _ => format!("{reason}, {since}."),
    }
}

/// What will become of them.
fn outlook(told: Told) -> &'static str {
    match told {
        Told::Proven => {
            "No GC frees them and letgo release gives nothing of it back: only the end of the \
             process does."
        }
        Told::Likely => "What they wait for can still be reached, so that they may be woken.",
        _ => {
            "What they wait for can still be reached: workers that have nothing to do look the \
             same."
        }
    }
}

fn remedies(case: &Case<'_>, told: Told, herd: &Herd<'_>, draft: Draft) -> Draft {
    let draft = draft.remedy(
        "next",
        case.letgo("goroutines"),
        "their whole stacks, and what each group holds",
    );
    let advice = herd.advice(case).into_iter();
    let draft = advice.fold(draft, |draft, (change, expect)| {
        draft.remedy("for good", change, expect)
    });
    match told {
        Told::Proven => draft.remedy(
            "now",
            "restart it",
            "the only way to give back what they hold; they come again until the code is changed",
        ),
        _ => draft,
    }
}
