//! `global-holder`: variables of the program that alone hold a large part of the heap.
//!
//! What is held is proven by the object graph: without the variable, all of that would be garbage.
//! Whether the program needs it is not known: a cache that is meant to be large is told as well,
//! and at most as medium.

use letgo_account::Leaf;

use crate::draft::{Case, Draft};
use crate::finding::{Confidence, Location, Severity};
use crate::herd;
use crate::holder::Holder;
use crate::rules::containers;
use crate::words;

/// Holders that are told; `letgo heap` lists more.
const MOST: usize = 3;
/// Stores that are named of one.
const NAMED: usize = 3;

/// Variables that hold much.
pub(crate) fn global_holder(case: &Case<'_>) -> Vec<Draft> {
    let facts = case.facts;
    let thresholds = case.thresholds;
    let large = |holder: &&Holder| {
        holder.resident_bytes >= thresholds.high_bytes
            && case.is_share(holder.resident_bytes, thresholds.high_share)
    };
    let holders = facts.holders.iter().flatten().filter(large);
    holders
        .filter(|holder| !holder.is_goroutines)
        .filter(|holder| !is_queue(case, holder) && !super::growing::is_told(case, holder))
        .take(MOST)
        .map(|holder| draft(case, holder))
        .collect()
}

/// Whether it holds a queue and little else, which is told as such.
fn is_queue(case: &Case<'_>, holder: &Holder) -> bool {
    let queues = case.facts.backlogs.iter().flatten();
    let mut told = queues.filter(|one| super::backlog::is_told(case, one));
    told.any(|one| {
        let beside = holder.resident_bytes.saturating_sub(one.resident_bytes);
        one.variable.as_ref() == Some(&holder.name) && beside < case.thresholds.high_bytes
    })
}

fn draft(case: &Case<'_>, holder: &Holder) -> Draft {
    let title = format!(
        "{} holds {}",
        holder.words(),
        words::bytes(holder.resident_bytes)
    );
    let slack = containers::told_of(case, &holder.name).min(holder.resident_bytes);
    let draft = Draft::new(Confidence::Proven, title)
        .most(Severity::Medium)
        .claim(Leaf::HeapReachable, holder.resident_bytes - slack)
        .count(holder.objects)
        .holder(holder.name.clone())
        .location(holder.stored_by.first())
        .evidence(format!(
            "{} % of {}: {} that nothing else holds; without it all of that would be garbage.",
            case.percent(holder.resident_bytes),
            case.whole(),
            words::counted(holder.objects, "object"),
        ))
        .maybe(
            holder
                .elements
                .map(|own| format!("It has {}.", own.words())),
        )
        .maybe(stores(&holder.stored_by))
        .evidence_if(slack > 0, || in_slack(slack));
    draft
        .remedy(
            "next",
            case.letgo("heap"),
            "what it holds, level by level, and of which types",
        )
        .remedy(
            "for good",
            "bound it: a size, an age, or deleting what is done with",
            "if it is meant to be as large, nothing is wrong: size the limit for it",
        )
}

/// What of a holder the rules about containers tell.
pub(super) fn in_slack(bytes: u64) -> String {
    format!(
        "{} of it are counted where its containers have more than they need.",
        words::bytes(bytes)
    )
}

fn stores(stored_by: &[Location]) -> Option<String> {
    let named: Vec<String> = stored_by.iter().take(NAMED).map(herd::place).collect();
    (!named.is_empty()).then(|| format!("Stored into by {}.", named.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::containers::{ContainerGroup, Containers, Slack};
    use crate::diagnose;
    use crate::facts::Facts;
    use crate::testing::{MIB, find, place, spans, with_graph};

    fn cache() -> Holder {
        Holder {
            name: "main.cache".into(),
            is_named: true,
            go_type: Some("map[string]*main.Session".into()),
            resident_bytes: 96 * MIB,
            objects: 1_200_300,
            stored_by: place("main.(*Store).Put", "store.go", 41)
                .into_iter()
                .collect(),
            ..Holder::default()
        }
    }

    fn held(holders: Vec<Holder>) -> Facts {
        Facts {
            holders: Some(holders),
            ..with_graph(vec![spans(25_600, 8, 0)])
        }
    }

    #[test]
    fn a_variable_that_holds_much_is_named_with_who_stores_into_it() {
        let facts = held(vec![cache()]);
        let finding = find(&facts, "global-holder").expect("holder");
        assert_eq!(
            finding.title,
            "main.cache, a map[string]*main.Session, holds 96.0 MiB"
        );
        assert_eq!(finding.severity, Severity::Medium);
        assert_eq!(finding.confidence, Confidence::Proven);
        assert_eq!(finding.bytes, 96 * MIB);
        assert_eq!(finding.holder.as_deref(), Some("main.cache"));
        assert_eq!(
            finding.evidence[1..],
            ["Stored into by main.(*Store).Put (store.go:41)."]
        );
        assert_eq!(finding.remedies[0].command, "letgo heap 4242");
    }

    #[test]
    fn what_is_told_of_its_containers_is_not_counted_again() {
        let group = |name: &str| ContainerGroup {
            name: name.into(),
            is_named: true,
            roomy: Slack {
                count: 9,
                used: 1,
                room: 40,
                bytes: 20 * MIB,
            },
            ..ContainerGroup::default()
        };
        let facts = Facts {
            containers: Some(Containers {
                groups: vec![group("main.cache[].body"), group("main.cached")],
                is_cut: false,
            }),
            ..held(vec![cache()])
        };
        let finding = find(&facts, "global-holder").expect("holder");
        assert_eq!(finding.bytes, 76 * MIB);
        let last = finding.evidence.last().expect("some");
        assert!(
            last.starts_with("20.0 MiB of it are counted where"),
            "{last}"
        );
    }

    #[test]
    fn without_names_it_is_a_place() {
        let mut holder = cache();
        (holder.is_named, holder.name) = (false, "bss+0x1e40".into());
        (holder.go_type, holder.stored_by) = (None, Vec::new());
        let finding = find(&held(vec![holder]), "global-holder").expect("holder");
        assert_eq!(finding.title, "the variable at bss+0x1e40 holds 96.0 MiB");
        assert_eq!(finding.location, None);
    }

    #[test]
    fn little_is_no_finding_and_many_are_three() {
        let mut small = cache();
        small.resident_bytes = 64 * MIB - 1;
        assert_eq!(find(&held(vec![small]), "global-holder"), None);
        assert_eq!(find(&held(Vec::new()), "global-holder"), None);
        let mut one = cache();
        one.resident_bytes = 70 * MIB;
        let facts = held(vec![one; 5]);
        let findings = diagnose(&facts);
        let count = findings.iter().filter(|one| one.id == "global-holder");
        assert_eq!(count.count(), MOST);
        let bytes: u64 = findings.iter().map(|one| one.bytes).sum();
        assert!(bytes <= facts.rss_bytes);
    }
}
