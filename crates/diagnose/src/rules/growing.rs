//! `growing-holder`: variables that hold more than they did at an earlier look.
//!
//! What a variable holds is what only it leads to, at both looks: garbage is in neither, so that
//! when a GC ran makes no difference. Two looks do not tell growth from a swing: a cache that fills
//! and is emptied in turn may be told as well, as possible.

use crate::draft::{Case, Draft};
use crate::finding::{Confidence, Severity};
use crate::herd;
use crate::holder::{Before, Holder};
use crate::words;

/// Holders that are told.
const MOST: usize = 3;
/// Nanoseconds of a minute.
const MINUTE: f64 = 60e9;

/// Variables that hold more and more.
pub(crate) fn holders(case: &Case<'_>) -> Vec<Draft> {
    let looked = |holder: &'_ Holder| holder.before;
    let all = case.facts.holders.iter().flatten();
    let mut grown: Vec<(&Holder, Before, u64)> = all
        .filter_map(|holder| {
            let before = looked(holder)?;
            let grown = holder.resident_bytes.checked_sub(before.resident_bytes)?;
            Some((holder, before, grown))
        })
        .filter(|(_, before, grown)| {
            let share = case.thresholds.holder_grew * words::float(before.resident_bytes);
            *grown >= case.thresholds.least_bytes && words::float(*grown) >= share
        })
        .collect();
    grown.sort_by_key(|(holder, _, grown)| (std::cmp::Reverse(*grown), &holder.name));
    let told = grown.into_iter().take(MOST);
    told.map(|(holder, before, grown)| draft(case, holder, before, grown))
        .collect()
}

fn draft(case: &Case<'_>, holder: &Holder, before: Before, grown: u64) -> Draft {
    let window = words::float(before.window_ns.max(1));
    let per_minute = |count: u64| words::whole(words::float(count) * MINUTE / window);
    let title = format!(
        "{} grew by {} in {}, {} a minute",
        holder.words(),
        words::bytes(grown),
        words::span(before.window_ns),
        words::bytes(per_minute(grown)),
    );
    let more = holder.objects.saturating_sub(before.objects);
    Draft::new(confidence(holder, before), title)
        .least(Severity::Low)
        .most(Severity::Medium)
        .claim(case.objects(), grown)
        .count(more)
        .holder(holder.name.clone())
        .location(holder.stored_by.first())
        .evidence(format!(
            "It alone held {} at the first look and {} at the second, {} more.",
            words::bytes(before.resident_bytes),
            words::bytes(holder.resident_bytes),
            words::counted(more, "object"),
        ))
        .maybe(counted(holder, before, per_minute))
        .maybe(stores(holder))
        .evidence("Two looks cannot tell growth from a swing: look again for longer.")
        .remedy(
            "next",
            case.letgo("why --watch 5m"),
            "whether it goes on at the same pace",
        )
        .remedy(
            "for good",
            "bound it: a size, an age, or deleting what is done with",
            "it stops growing, and what is over goes with the next GC",
        )
}

/// Entries that become more are no values that become larger for a while.
fn confidence(holder: &Holder, before: Before) -> Confidence {
    match (holder.elements, before.elements) {
        (Some(now), Some(then)) if now.of == then.of && now.count > then.count => {
            Confidence::Likely
        }
        _ => Confidence::Possible,
    }
}

/// `1,200 entries became 1,800, 1,200 a minute.`
fn counted(holder: &Holder, before: Before, per_minute: impl Fn(u64) -> u64) -> Option<String> {
    let (now, then) = (holder.elements?, before.elements?);
    if now.of != then.of {
        return None;
    }
    match now.count.checked_sub(then.count) {
        Some(0) | None => Some(format!(
            "It has {}, and had {}: what they lead to became larger.",
            now.words(),
            words::count(then.count)
        )),
        Some(more) => Some(format!(
            "{} became {}, {} a minute.",
            then.words(),
            words::count(now.count),
            words::count(per_minute(more))
        )),
    }
}

fn stores(holder: &Holder) -> Option<String> {
    let named: Vec<String> = holder
        .stored_by
        .iter()
        .take(MOST)
        .map(herd::place)
        .collect();
    (!named.is_empty()).then(|| format!("Stored into by {}.", named.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Facts;
    use crate::holder::{Counted, Elements};
    use crate::testing::{MIB, find, place, spans, with_graph};

    fn entries(count: u64) -> Option<Elements> {
        Some(Elements {
            of: Counted::Entries,
            count,
        })
    }

    fn grown(before_mib: u64, after_mib: u64) -> Facts {
        let holder = Holder {
            name: "main.cache".into(),
            is_named: true,
            go_type: Some("map[string]*main.Session".into()),
            resident_bytes: after_mib * MIB,
            objects: 3000,
            stored_by: place("main.(*Store).Put", "store.go", 41)
                .into_iter()
                .collect(),
            elements: entries(1800),
            before: Some(Before {
                window_ns: 30_000_000_000,
                resident_bytes: before_mib * MIB,
                objects: 2000,
                elements: entries(1200),
            }),
        };
        Facts {
            holders: Some(vec![holder]),
            ..with_graph(vec![spans(25_600, 8, 0)])
        }
    }

    #[test]
    fn what_grew_is_told_with_its_rate_and_who_stores_into_it() {
        let finding = find(&grown(36, 60), "growing-holder").expect("grew");
        assert_eq!(
            finding.title,
            "main.cache, a map[string]*main.Session, grew by 24.0 MiB in 30 s, 48.0 MiB a minute"
        );
        assert_eq!(
            finding.evidence[1],
            "1,200 entries became 1,800, 1,200 a minute."
        );
        assert_eq!(finding.confidence, Confidence::Likely);
        assert_eq!(finding.bytes, 24 * MIB);
    }

    #[test]
    fn what_stays_or_shrinks_is_none() {
        for (before, after) in [(60, 60), (60, 67), (60, 10), (0, 0)] {
            assert_eq!(find(&grown(before, after), "growing-holder"), None);
        }
        let mut once = grown(36, 60);
        for holder in once.holders.iter_mut().flatten() {
            holder.before = None;
        }
        assert_eq!(find(&once, "growing-holder"), None);
    }

    #[test]
    fn values_that_become_larger_are_only_possible() {
        let mut facts = grown(36, 60);
        for holder in facts.holders.iter_mut().flatten() {
            holder.elements = entries(1200);
        }
        let finding = find(&facts, "growing-holder").expect("grew");
        assert_eq!(finding.confidence, Confidence::Possible);
        assert!(finding.evidence[1].ends_with("what they lead to became larger."));
    }
}
