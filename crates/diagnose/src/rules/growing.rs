//! `growing-holder`: variables, and goroutines of one function, that hold more at a second look
//! than they did at the first.
//!
//! What a variable holds is what only it leads to, at both looks: garbage is in neither, so that
//! when a GC ran makes no difference. It holds more as well where somebody else has let go of what
//! both led to: so no variable is told to have grown by more than all that is reachable has. Two
//! looks do not tell growth from a swing: a cache that fills and is emptied in turn may be told as
//! well, as possible.

use crate::draft::{Case, Draft};
use crate::finding::{Confidence, Severity};
use crate::herd;
use crate::holder::{Holder, Later};
use crate::rules::containers;
use crate::rules::holders::in_slack;
use crate::words;

/// Holders that are told.
const MOST: usize = 3;
/// Nanoseconds of a minute.
const MINUTE: f64 = 60e9;

/// Variables that hold more and more.
pub(crate) fn holders(case: &Case<'_>) -> Vec<Draft> {
    let told = told(case).into_iter();
    told.map(|(holder, later, grown)| draft(case, holder, later, grown))
        .collect()
}

/// Whether a variable is told here.
pub(super) fn is_told(case: &Case<'_>, holder: &Holder) -> bool {
    told(case).iter().any(|(own, ..)| own.name == holder.name)
}

/// Those that are told, with by how much they grew, the most first.
fn told<'a>(case: &Case<'a>) -> Vec<(&'a Holder, Later, u64)> {
    let all = case.facts.holders.iter().flatten();
    let mut grown: Vec<(&Holder, Later, u64)> = all
        .filter_map(|holder| {
            let later = holder.later?;
            let grown = later.resident_bytes.checked_sub(holder.resident_bytes)?;
            Some((holder, later, grown.min(later.heap_grew)))
        })
        .filter(|(holder, _, grown)| {
            let share = case.thresholds.holder_grew * words::float(holder.resident_bytes);
            *grown >= case.thresholds.least_bytes && words::float(*grown) >= share
        })
        .collect();
    grown.sort_by_key(|(holder, _, grown)| (std::cmp::Reverse(*grown), &holder.name));
    grown.truncate(MOST);
    grown
}

/// What came is not in the account, which is of the first look: its bytes are what was held then.
fn draft(case: &Case<'_>, holder: &Holder, later: Later, grown: u64) -> Draft {
    let window = words::float(later.window_ns.max(1));
    let per_minute = |count: u64| words::whole(words::float(count) * MINUTE / window);
    let title = format!(
        "{} grew by {} in {}, {} a minute",
        holder.words(),
        words::bytes(grown),
        words::span(later.window_ns),
        words::bytes(per_minute(grown)),
    );
    let more = later.objects.saturating_sub(holder.objects);
    // It is as large as it is now, whatever it was at the first look.
    let large = later.resident_bytes >= case.thresholds.high_bytes
        && case.is_share(later.resident_bytes, case.thresholds.high_share);
    let slack = containers::told_of(case, &holder.name).min(holder.resident_bytes);
    Draft::new(confidence(case, holder, later), title)
        .least(if large {
            Severity::Medium
        } else {
            Severity::Low
        })
        .most(Severity::Medium)
        .claim(case.objects(), holder.resident_bytes - slack)
        .count(holder.objects)
        .holder(holder.name.clone())
        .location(holder.stored_by.first())
        .evidence(format!(
            "{} alone held {} at the first look, which the account is of, and {} at the second, \
             {} more.",
            if holder.is_goroutines { "They" } else { "It" },
            words::bytes(holder.resident_bytes),
            words::bytes(later.resident_bytes),
            words::counted(more, "object"),
        ))
        .maybe(counted(holder, later, per_minute))
        .maybe(stores(holder))
        .evidence_if(slack > 0, || in_slack(slack))
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

/// Entries that become more are no values that become larger for a while: as many more as bytes.
fn confidence(case: &Case<'_>, holder: &Holder, later: Later) -> Confidence {
    let (Some(now), Some(then)) = (later.elements, holder.elements) else {
        return Confidence::Possible;
    };
    let more = words::float(now.count.saturating_sub(then.count));
    let least = case.thresholds.holder_grew * words::float(then.count);
    match now.of == then.of && more > 0.0 && more >= least {
        true => Confidence::Likely,
        false => Confidence::Possible,
    }
}

/// `1,200 entries became 1,800, 1,200 a minute.`
fn counted(holder: &Holder, later: Later, per_minute: impl Fn(u64) -> u64) -> Option<String> {
    let (now, then) = (later.elements?, holder.elements?);
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
            is_goroutines: false,
            go_type: Some("map[string]*main.Session".into()),
            resident_bytes: before_mib * MIB,
            objects: 2000,
            stored_by: place("main.(*Store).Put", "store.go", 41)
                .into_iter()
                .collect(),
            elements: entries(1200),
            later: Some(Later {
                window_ns: 30_000_000_000,
                heap_grew: 1 << 40,
                resident_bytes: after_mib * MIB,
                objects: 3000,
                elements: entries(1800),
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
        assert_eq!(finding.bytes, 36 * MIB, "what was held at the first look");
    }

    #[test]
    fn a_holder_is_weighed_by_what_it_is_at_the_second_look() {
        for (before, after, severity) in [(1, 20, Severity::Low), (1, 160, Severity::Medium)] {
            let finding = find(&grown(before, after), "growing-holder").expect("grew");
            assert_eq!(finding.severity, severity, "{after} MiB");
        }
    }

    #[test]
    fn goroutines_that_hold_more_and_more_are_told_and_large_ones_are_no_global_holder() {
        let mut facts = grown(100, 160);
        for holder in facts.holders.iter_mut().flatten() {
            holder.name = "goroutines of main.serve".into();
            holder.is_goroutines = true;
            holder.go_type = None;
        }
        let finding = find(&facts, "growing-holder").expect("grew");
        let title = "goroutines of main.serve grew by 60.0 MiB in 30 s, 120 MiB a minute";
        assert_eq!(finding.title, title);
        for holder in facts.holders.iter_mut().flatten() {
            holder.later = None;
        }
        assert_eq!(find(&facts, "global-holder"), None);
    }

    #[test]
    fn what_somebody_else_let_go_of_is_no_growth() {
        let mut facts = grown(36, 600);
        for later in facts
            .holders
            .iter_mut()
            .flatten()
            .filter_map(|own| own.later.as_mut())
        {
            later.heap_grew = MIB;
        }
        assert_eq!(find(&facts, "growing-holder"), None);
        for later in facts
            .holders
            .iter_mut()
            .flatten()
            .filter_map(|own| own.later.as_mut())
        {
            later.heap_grew = 10 * MIB;
        }
        let finding = find(&facts, "growing-holder").expect("grew");
        assert!(
            finding.title.contains("grew by 10.0 MiB in"),
            "{}",
            finding.title
        );
    }

    #[test]
    fn what_stays_or_shrinks_is_none() {
        for (before, after) in [(60, 60), (60, 67), (60, 10), (0, 0)] {
            assert_eq!(find(&grown(before, after), "growing-holder"), None);
        }
        let mut once = grown(36, 60);
        for holder in once.holders.iter_mut().flatten() {
            holder.later = None;
        }
        assert_eq!(find(&once, "growing-holder"), None);
    }

    #[test]
    fn values_that_become_larger_are_only_possible() {
        let mut facts = grown(36, 60);
        for holder in facts.holders.iter_mut().flatten() {
            holder.elements = entries(1800);
        }
        let finding = find(&facts, "growing-holder").expect("grew");
        assert_eq!(finding.confidence, Confidence::Possible);
        assert!(finding.evidence[1].ends_with("what they lead to became larger."));
    }
}
