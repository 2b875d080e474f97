//! `channel-backlog`: channels whose queued elements hold a large part of the heap.
//!
//! What they hold is proven by the object graph: once received and done with, all of that would be
//! garbage. Who should receive is not known; told are the goroutines that have the channel at hand.
//!
//! Channels of elements without pointers are not looked at: they hold their own buffer alone.

use letgo_account::Leaf;

use crate::backlog::{Backlog, Doing};
use crate::draft::{Case, Draft};
use crate::finding::{Confidence, Severity};
use crate::{herd, words};

/// Types of channels that are told.
const MOST: usize = 3;
/// Places that are named of one.
const NAMED: usize = 3;

/// Channels that hold much.
pub(crate) fn queued(case: &Case<'_>) -> Vec<Draft> {
    let all = case.facts.backlogs.iter().flatten();
    let large = all.filter(|one| is_told(case, one));
    large.take(MOST).map(|one| draft(case, one)).collect()
}

/// Whether it holds so much that it is told.
pub(super) fn is_told(case: &Case<'_>, one: &Backlog) -> bool {
    one.resident_bytes >= case.thresholds.high_bytes
        && case.is_share(one.resident_bytes, case.thresholds.high_share)
}

fn draft(case: &Case<'_>, one: &Backlog) -> Draft {
    let held = words::bytes(one.resident_bytes);
    let title = match (&one.variable, one.channels) {
        (Some(name), 1) => format!(
            "{name}, a {}, has {} of {} queued, which hold {held}",
            one.go_type,
            words::count(one.queued),
            words::count(one.room),
        ),
        (None, 1) => format!(
            "A {} has {} of {} queued, which hold {held}",
            one.go_type,
            words::count(one.queued),
            words::count(one.room),
        ),
        (_, channels) => format!(
            "{} channels, {}, have {} queued, which hold {held}",
            words::count(channels),
            one.go_type,
            words::count(one.queued),
        ),
    };
    let first = one.others.first().or(one.senders.first());
    let draft = Draft::new(Confidence::Proven, title)
        .most(Severity::Medium)
        .claim(Leaf::HeapReachable, one.resident_bytes)
        .count(one.queued)
        .location(first.and_then(|doing| doing.location.as_ref()))
        .evidence(format!(
            "{} % of {}: {} that nothing else holds; once they are received and done with, all \
             of that is garbage.",
            case.percent(one.resident_bytes),
            case.whole(),
            words::counted(one.objects, "object"),
        ))
        .evidence(filled(one))
        .evidence(at_hand(one));
    let draft = match &one.variable {
        Some(name) => draft.holder(name.clone()),
        None => draft.holder(one.go_type.clone()),
    };
    remedies(case, draft)
}

/// Who waits to send.
fn filled(one: &Backlog) -> String {
    let full = match (one.channels, one.full) {
        (1, 1) => "It is full".to_owned(),
        (1, _) => "It is not full".to_owned(),
        (_, 0) => "None of them is full".to_owned(),
        (_, 1) => "1 of them is full".to_owned(),
        (_, full) => format!("{} of them are full", words::count(full)),
    };
    match named(&one.senders) {
        Some(senders) => format!("{full}; waiting to send: {senders}."),
        None => format!("{full}; nobody waits to send."),
    }
}

/// Who else may receive.
fn at_hand(one: &Backlog) -> String {
    let it = if one.channels == 1 { "it" } else { "one" };
    match named(&one.others) {
        Some(others) => format!("Others with {it} at hand, of whom some may receive: {others}."),
        None => {
            format!("No other goroutine has {it} at hand: it may be that nobody receives any more.")
        }
    }
}

/// `12 in main.produce (main.go:88), chan send`
fn named(all: &[Doing]) -> Option<String> {
    let one = |doing: &Doing| {
        let at = doing.location.as_ref().map(herd::place);
        format!(
            "{} in {}, {}",
            words::count(doing.count),
            at.as_deref().unwrap_or("an unknown place"),
            doing.does
        )
    };
    let named: Vec<String> = all.iter().take(NAMED).map(one).collect();
    let more = words::total(all.iter().skip(NAMED).map(|doing| doing.count));
    let rest = match more {
        0 => String::new(),
        more => format!("; {} more", words::count(more)),
    };
    (!named.is_empty()).then(|| format!("{}{rest}", named.join("; ")))
}

fn remedies(case: &Case<'_>, draft: Draft) -> Draft {
    draft
        .remedy(
            "next",
            case.letgo("goroutines"),
            "what those who should receive do meanwhile, and whether they are still there",
        )
        .remedy(
            "for good",
            "receive as fast as is sent: more goroutines, or work in batches",
            "the queue drains, and what it holds is freed",
        )
        .remedy(
            "for good",
            "a smaller buffer, and an answer for those who find it full (drop, or say busy)",
            "what waits is bounded by bytes that you chose",
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose;
    use crate::facts::Facts;
    use crate::finding::Finding;
    use crate::holder::Holder;
    use crate::testing::{MIB, find, place, spans, with_graph};

    fn jobs() -> Backlog {
        Backlog {
            go_type: "chan *main.Job".into(),
            channels: 1,
            queued: 4_000,
            room: 4_096,
            variable: Some("main.jobs".into()),
            resident_bytes: 96 * MIB,
            objects: 12_001,
            others: vec![Doing {
                count: 2,
                does: "sleep".into(),
                location: place("main.work", "work.go", 30),
            }],
            ..Backlog::default()
        }
    }

    fn with(backlogs: Vec<Backlog>) -> Facts {
        Facts {
            backlogs: Some(backlogs),
            ..with_graph(vec![spans(25_600, 8, 0)])
        }
    }

    fn told(one: Backlog) -> Option<Finding> {
        find(&with(vec![one]), "channel-backlog")
    }

    #[test]
    fn a_queue_that_holds_much_is_told_with_who_receives() {
        let finding = told(jobs()).expect("backlog");
        assert_eq!(
            finding.title,
            "main.jobs, a chan *main.Job, has 4,000 of 4,096 queued, which hold 96.0 MiB"
        );
        assert_eq!(finding.severity, Severity::Medium);
        assert_eq!(finding.confidence, Confidence::Proven);
        assert_eq!(finding.bytes, 96 * MIB);
        assert_eq!(finding.holder.as_deref(), Some("main.jobs"));
        assert_eq!(finding.location, place("main.work", "work.go", 30));
        assert_eq!(
            finding.evidence[1..],
            [
                "It is not full; nobody waits to send.",
                "Others with it at hand, of whom some may receive: 2 in main.work (work.go:30), \
                 sleep."
            ]
        );
    }

    #[test]
    fn senders_that_wait_and_receivers_that_are_gone_are_said() {
        let mut one = jobs();
        (one.variable, one.full, one.others) = (None, 1, Vec::new());
        one.senders = vec![Doing {
            count: 12,
            does: "chan send".into(),
            location: place("main.produce", "main.go", 9),
        }];
        let finding = told(one).expect("backlog");
        assert!(finding.title.starts_with("A chan *main.Job has 4,000 of"));
        assert_eq!(
            finding.evidence[1],
            "It is full; waiting to send: 12 in main.produce (main.go:9), chan send."
        );
        assert!(finding.evidence[2].ends_with("nobody receives any more."));
    }

    #[test]
    fn little_is_no_finding() {
        let mut small = jobs();
        small.resident_bytes = 64 * MIB - 1;
        assert_eq!(told(small), None);
        assert_eq!(find(&with(Vec::new()), "channel-backlog"), None);
    }

    #[test]
    fn the_variable_that_leads_to_a_queue_is_not_told_again() {
        let mut facts = with(vec![jobs()]);
        facts.holders = Some(vec![Holder {
            name: "main.jobs".into(),
            is_named: true,
            resident_bytes: 97 * MIB,
            objects: 12_002,
            ..Holder::default()
        }]);
        let ids: Vec<&str> = diagnose(&facts).iter().map(|one| one.id).collect();
        assert_eq!(ids, ["channel-backlog"]);
    }
}
