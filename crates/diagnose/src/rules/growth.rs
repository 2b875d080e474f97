//! `goroutine-growth`: goroutines that become more, or are very many, or have very much stack.
//!
//! None of them is known to be leaked, see [`super::leak`]: they may well be what the load asks
//! for. Where the stacks were not looked at, only the number and the stacks' bytes speak.

use letgo_account::Leaf;

use crate::draft::{Case, Draft};
use crate::finding::Confidence;
use crate::group::GoroutineGroup;
use crate::herd::{self, Herd, NAMED, Told};
use crate::words;

/// Goroutines whose number or stacks stand out.
pub(crate) fn herds(case: &Case<'_>) -> Vec<Draft> {
    if case.facts.goroutine_groups.is_none() {
        return uncounted(case).into_iter().collect();
    }
    [Told::Grew, Told::Many, Told::Deep]
        .into_iter()
        .flat_map(|told| {
            let herds = herd::herds(case, told);
            herds.into_iter().map(move |herd| draft(case, told, &herd))
        })
        .collect()
}

/// Very many, of whom nobody knows what they do.
fn uncounted(case: &Case<'_>) -> Option<Draft> {
    let count = case.facts.goroutines.count;
    let stacks = case.facts.leaf(Leaf::StacksGoroutine);
    let bytes = stacks.resident_bytes;
    let stands_out = case.stands_out(bytes, case.thresholds.medium_share);
    if count < case.thresholds.goroutines_extreme || !stands_out {
        return None;
    }
    let title = format!(
        "Stacks of {} goroutines hold {}",
        words::count(count),
        words::bytes(bytes)
    );
    let draft = Draft::new(Confidence::Possible, title)
        .claim(Leaf::StacksGoroutine, bytes)
        .count(count)
        .evidence(format!(
            "{} What they wait for was not looked at.",
            herd::stacks(case, bytes, stacks.virtual_bytes)
        ));
    Some(bounded(asked(case, draft)))
}

fn draft(case: &Case<'_>, told: Told, herd: &Herd<'_>) -> Draft {
    let largest = herd.largest();
    let draft = Draft::new(confidence(case, told, herd), title(told, herd))
        .count(herd.count())
        .location(largest.and_then(|group| group.location.as_ref()));
    let draft = match told {
        // What few goroutines hold is what they work on.
        Told::Deep => draft.claim(Leaf::StacksGoroutine, herd.stacks()),
        _ => herd.claim(case, draft),
    };
    let draft = herd
        .groups
        .iter()
        .take(NAMED)
        .fold(draft, |draft, group| draft.evidence(line(group)));
    let more = herd.groups.len().saturating_sub(NAMED);
    let draft = draft.evidence_if(more > 0, || {
        format!("And {} more.", words::counted(more as u64, "place"))
    });
    let draft = match told {
        Told::Deep => draft
            .evidence(format!(
                "{} of stack each.",
                words::bytes(herd.stacks() / herd.count().max(1))
            ))
            .evidence("A GC halves a stack of which less than a quarter is used."),
        _ => draft
            .evidence(herd.shares(case))
            .maybe(herd.came(case))
            .evidence("Nothing shows that they are leaked: more work needs more goroutines."),
    };
    remedies(case, told, draft)
}

/// Growth of what has long been there is hardly a swing of the load.
fn confidence(case: &Case<'_>, told: Told, herd: &Herd<'_>) -> Confidence {
    let old = case.thresholds.goroutines_old_ns;
    let is_old = |group: &&GoroutineGroup| group.waiting_ns.is_some_and(|age| age >= old);
    match told {
        Told::Grew if herd.groups.iter().all(is_old) => Confidence::Likely,
        _ => Confidence::Possible,
    }
}

fn title(told: Told, herd: &Herd<'_>) -> String {
    let places = match herd.groups.len() {
        1 => "one place".to_owned(),
        places => format!("{} places", words::count(places as u64)),
    };
    match told {
        Told::Deep => format!(
            "{} {} {} of stack",
            herd.counted(),
            herd.one_or("has", "have"),
            words::bytes(herd.stacks())
        ),
        Told::Grew => format!(
            "{} at {places} hold {}, and become more",
            herd.counted(),
            herd.held()
        ),
        _ => format!("{} at {places} hold {}", herd.counted(), herd.held()),
    }
}

/// `4,000 in main.handle (main.go:88): IO wait, for 2 min to 3 h. Started by main.main (...).`
fn line(group: &GoroutineGroup) -> String {
    let at = group.location.as_ref().map(herd::place);
    let does = match group.wait_reason.as_str() {
        "" => group.status.as_str(),
        reason => reason,
    };
    let mut line = format!(
        "{} in {}: {does}",
        words::count(group.count),
        at.as_deref().unwrap_or("an unknown place"),
    );
    if let Some(since) = herd::waited(group) {
        line.push_str(&format!(", {since}"));
    }
    line.push('.');
    if let Some(at) = &group.created_by {
        line.push_str(&format!(" Started by {}.", herd::place(at)));
    }
    line
}

fn asked(case: &Case<'_>, draft: Draft) -> Draft {
    draft.remedy(
        "next",
        case.letgo("goroutines"),
        "what they wait for, what they hold, and which can never run again",
    )
}

fn bounded(draft: Draft) -> Draft {
    draft
        .remedy(
            "for good",
            "bound how many run at once (a worker pool, a semaphore, a limit of connections)",
            "stacks stay near that bound",
        )
        .remedy(
            "for good",
            "give each a deadline: contexts with timeouts, ReadTimeout and IdleTimeout of servers",
            "none waits for a peer that is gone",
        )
}

fn remedies(case: &Case<'_>, told: Told, draft: Draft) -> Draft {
    let draft = asked(case, draft);
    match told {
        Told::Deep => draft.remedy(
            "for good",
            "look for deep recursion, and for large arrays and structs in local variables",
            "a stack grows in powers of two with what is used of it",
        ),
        _ => bounded(draft),
    }
}
