//! `context-retained`: goroutines that hold contexts of requests that have ended.
//!
//! That the requests have ended is read of their contexts, which `net/http` and gRPC cancel when a
//! handler has returned; that a goroutine holds one is read of its stack. Whether it will let go of
//! it is not known: work that goes on for a moment after the answer looks the same, and so does
//! whoever serves a connection that a handler took over (WebSocket). So few bytes are told only
//! where the goroutines have waited for long, and whoever waits for the network is no more than
//! possible.
//!
//! Those that can never run again are told by [`super::leak`].

use crate::draft::{Case, Draft};
use crate::finding::Confidence;
use crate::group::{GoroutineGroup, Outliving, Verdict};
use crate::herd::{self, Herd};
use crate::words;

/// Places that are told.
const MOST: usize = 3;
/// What whoever serves a connection waits for.
const NETWORK: &str = "IO wait";

/// Goroutines that outlive their requests.
pub(crate) fn retained(case: &Case<'_>) -> Vec<Draft> {
    let told = told(case).into_iter();
    told.map(|(one, confidence)| draft(case, one, confidence))
        .collect()
}

/// Those that are told, the largest first.
fn told<'a>(case: &Case<'a>) -> Vec<(&'a Outliving, Confidence)> {
    let all = case.facts.outliving.iter().flatten();
    let mut told: Vec<(&Outliving, Confidence)> = all
        .filter_map(|one| Some((one, confidence(case, one)?)))
        .collect();
    told.sort_by_key(|(one, _)| std::cmp::Reverse((one.group.bytes(), one.group.count)));
    told.truncate(MOST);
    told
}

/// The groups that are told here with all that they are: nobody else tells them again.
pub(crate) fn groups<'a>(case: &Case<'a>) -> Vec<&'a GoroutineGroup> {
    told(case).into_iter().map(|(one, _)| &one.group).collect()
}

/// How sure it is that they should not be there; nothing where that is not worth a word.
fn confidence(case: &Case<'_>, one: &Outliving) -> Option<Confidence> {
    let (group, limits) = (&one.group, case.thresholds);
    if group.verdict == Verdict::Proven {
        return None;
    }
    let is_old = |age: Option<u64>| age.is_some_and(|age| age >= limits.goroutines_old_ns);
    let grows = is_old(group.waiting_ns) && group.is_growing(limits.goroutines_swings);
    let bytes = group.bytes();
    let is_worth = group.count >= limits.leaked_least || case.stands_out(bytes, limits.low_share);
    if (is_old(group.waiting_least_ns) || grows) && is_worth {
        return Some(match group.wait_reason == NETWORK || !group.is_whole {
            true => Confidence::Possible,
            false => Confidence::Likely,
        });
    }
    let is_large = bytes >= limits.high_bytes && case.is_share(bytes, limits.high_share);
    is_large.then_some(Confidence::Possible)
}

fn draft(case: &Case<'_>, one: &Outliving, confidence: Confidence) -> Draft {
    let group = &one.group;
    let herd = Herd {
        groups: vec![group],
    };
    let title = format!(
        "{} {} the {} of {} that {} ended, and {} {}",
        herd.counted(),
        herd.one_or("keeps", "keep"),
        one_or(one.requests, "context", "contexts"),
        words::counted(one.requests, "request"),
        one_or(one.requests, "has", "have"),
        herd.one_or("holds", "hold"),
        herd.held()
    );
    let draft = Draft::new(confidence, title)
        .count(group.count)
        .location(group.location.as_ref());
    let started = group.created_by.as_ref();
    let draft = herd
        .claim(case, draft)
        .evidence(does(group))
        .maybe(started.map(|at| format!("Started by {}.", herd::place(at))))
        .evidence(herd.shares(case))
        .maybe(herd.came(case))
        .evidence(
            "The server has cancelled these contexts, and none of its goroutines works on the \
             requests any more; what hangs on a context stays as long as it is held.",
        )
        .evidence(
            "Work that goes on after the answer, or with a connection that was taken over \
             (WebSocket), looks the same.",
        );
    remedies(case, draft)
}

fn one_or<'w>(count: u64, one: &'w str, several: &'w str) -> &'w str {
    if count == 1 { one } else { several }
}

/// `select, for 5 min to 3 h.`
fn does(group: &GoroutineGroup) -> String {
    let reason = match group.wait_reason.as_str() {
        "" => group.status.as_str(),
        reason => reason,
    };
    match herd::waited(group) {
        Some(since) => format!("{reason}, {since}."),
        None => format!("{reason}."),
    }
}

fn remedies(case: &Case<'_>, draft: Draft) -> Draft {
    draft
        .remedy(
            "next",
            case.letgo("goroutines"),
            "their whole stacks, and what each group holds",
        )
        .remedy(
            "for good",
            "return when the request's context is done: a case <-ctx.Done() in every select and \
             loop",
            "they end with the request",
        )
        .remedy(
            "for good",
            "give work that goes on after the answer the few values that it needs, and a context \
             of its own with a timeout",
            "the request, its context and its values are freed once it is answered",
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose;
    use crate::facts::Facts;
    use crate::finding::Finding;
    use crate::group::Change;
    use crate::testing::{MIB, find, place, receivers, with_groups};

    /// So many that have waited for 20 min to 3 days, and hold so much.
    fn outliving(count: u64, heap: u64) -> Outliving {
        Outliving {
            group: GoroutineGroup {
                wait_reason: "select".into(),
                location: place("main.refresh", "refresh.go", 12),
                heap_resident_bytes: heap,
                heap_objects: count * 4,
                ..receivers(Verdict::None, count)
            },
            requests: count,
        }
    }

    fn facts(one: Outliving) -> Facts {
        Facts {
            outliving: Some(vec![one.clone()]),
            ..with_groups(vec![one.group])
        }
    }

    fn told(one: Outliving) -> Option<Finding> {
        find(&facts(one), "context-retained")
    }

    fn young(mut one: Outliving) -> Outliving {
        one.group.waiting_least_ns = Some(0);
        one.group.waiting_ns = Some(30_000_000_000);
        one
    }

    #[test]
    fn old_ones_are_likely_to_be_forgotten() {
        let finding = told(outliving(40, 82 * MIB)).expect("retained");
        assert_eq!(finding.confidence, Confidence::Likely);
        assert_eq!(finding.bytes, 82 * MIB + 40 * 4096);
        assert_eq!(finding.location, place("main.refresh", "refresh.go", 12));
        assert_eq!(
            finding.title,
            "40 goroutines keep the contexts of 40 requests that have ended, and hold 82.2 MiB"
        );
        assert_eq!(finding.evidence[0], "select, for 20 min to 3 days.");
    }

    #[test]
    fn young_ones_are_told_where_they_hold_much_and_as_possible() {
        assert_eq!(told(young(outliving(40, 60 * MIB))), None);
        let finding = told(young(outliving(40, 82 * MIB))).expect("retained");
        assert_eq!(finding.confidence, Confidence::Possible);
    }

    #[test]
    fn few_that_hold_little_are_nothing() {
        assert_eq!(told(outliving(9, 2 * MIB)), None);
        assert!(told(outliving(10, 0)).is_some());
        assert_eq!(
            told(young(outliving(400, 0))),
            None,
            "work after the answer"
        );
        let mut growing = young(outliving(400, 0));
        growing.group.change = Some(Change { came: 40, went: 0 });
        assert_eq!(told(growing.clone()), None, "load that grows");
        growing.group.waiting_ns = Some(3_600_000_000_000);
        assert!(told(growing).is_some());
    }

    #[test]
    fn whoever_waits_for_the_network_is_only_possible() {
        let mut one = outliving(40, 82 * MIB);
        one.group.wait_reason = NETWORK.into();
        let finding = told(one).expect("retained");
        assert_eq!(finding.confidence, Confidence::Possible);
        let mut one = outliving(40, 82 * MIB);
        one.group.is_whole = false;
        let finding = told(one).expect("retained");
        assert_eq!(finding.confidence, Confidence::Possible);
    }

    #[test]
    fn what_is_told_here_is_told_nowhere_else() {
        let mut one = outliving(4000, 82 * MIB);
        let facts = facts(one.clone());
        assert!(find(&facts, "context-retained").is_some());
        assert_eq!(find(&facts, "goroutine-leak"), None);
        // Those of the place that keep no context are more.
        one.group.count = 5000;
        let facts = Facts {
            goroutine_groups: Some(vec![one.group]),
            ..facts
        };
        assert!(find(&facts, "goroutine-leak").is_some());
    }

    #[test]
    fn proven_leaks_are_told_as_leaks_alone() {
        let mut one = outliving(40, 82 * MIB);
        one.group.verdict = Verdict::Proven;
        let facts = facts(one);
        assert_eq!(find(&facts, "context-retained"), None);
        assert!(find(&facts, "goroutine-leak").is_some());
    }

    #[test]
    fn without_a_graph_nothing_is_said() {
        let mut facts = facts(outliving(40, 82 * MIB));
        facts.outliving = None;
        assert_eq!(find(&facts, "context-retained"), None);
        facts.outliving = Some(Vec::new());
        let findings = diagnose(&facts);
        assert!(findings.iter().all(|one| one.id != "context-retained"));
    }
}
