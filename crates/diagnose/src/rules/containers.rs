//! `map-never-shrinks`, `slice-pinning`, `buffer-slack`: memory of containers that nothing in them
//! needs.
//!
//! The bytes are counted, at least so many; that they will be needed again is not known. So each
//! is medium at most, and silent below 16 MiB and 5 % of RSS.

use crate::containers::{ContainerGroup, Slack};
use crate::draft::{Case, Draft};
use crate::finding::{Confidence, Severity};
use crate::herd;
use crate::words;

/// Places that are told of each rule.
const MOST: usize = 3;

/// Maps that keep slots of entries that were deleted.
pub(crate) fn sparse_maps(case: &Case<'_>) -> Vec<Draft> {
    drafts(
        case,
        |group| group.sparse,
        |group, slack| {
            let maps = counted(slack.count, "map");
            let title = match slack.count {
                1 => format!(
                    "{}, a {}, has {} of slots that its entries do not need",
                    group.place(),
                    group.go_type,
                    words::bytes(slack.bytes)
                ),
                _ => format!(
                    "{maps} at {} have {} of slots that their entries do not need",
                    group.place(),
                    words::bytes(slack.bytes)
                ),
            };
            Draft::new(Confidence::Proven, title)
            .evidence(format!(
                "{} in {} slots. A map never gives slots back, whatever is deleted, and clear() \
                 keeps them too.",
                counted(slack.used, "entr"),
                words::count(slack.room),
            ))
            .remedy(
                "for good",
                "now and then copy what is left into a new map: m = maps.Clone(m) keeps the slots, \
                 make(map[K]V, len(m)) and a loop do not",
                "slots fit the entries again; the old ones go with the next GC",
            )
            .remedy(
                "for good",
                "store pointers where the values are large",
                "empty slots cost 8 bytes each, and values are freed when they are deleted",
            )
        },
    )
}

/// Arrays and texts that are kept for a small part.
pub(crate) fn pinned(case: &Case<'_>) -> Vec<Draft> {
    drafts(
        case,
        |group| group.pinned,
        |group, slack| {
            let title = format!(
                "{} at {} {} {} beside what {}",
                pieces(&group.go_type, slack.count),
                group.place(),
                words::verb(slack.count, "keeps", "keep"),
                words::bytes(slack.bytes),
                words::verb(slack.count, "it shows", "they show"),
            );
            Draft::new(Confidence::Likely, title)
                .evidence(format!(
                    "{} {} of {} that {} cut out of, and nothing else points there.",
                    words::verb(slack.count, "It covers", "They cover"),
                    words::bytes(slack.used),
                    words::bytes(slack.room),
                    words::verb(slack.count, "it was", "they were"),
                ))
                .remedy(
                    "for good",
                    "keep a copy of the part: strings.Clone(s), slices.Clone(b), bytes.Clone(b)",
                    "the rest goes with the next GC",
                )
        },
    )
}

/// Slices with far more capacity than length.
pub(crate) fn roomy(case: &Case<'_>) -> Vec<Draft> {
    drafts(
        case,
        |group| group.roomy,
        |group, slack| {
            let title = format!(
                "{} at {} {} {} beyond {} length",
                pieces(&group.go_type, slack.count),
                group.place(),
                words::verb(slack.count, "has", "have"),
                words::bytes(slack.bytes),
                words::verb(slack.count, "its", "their"),
            );
            Draft::new(Confidence::Likely, title)
            .evidence(format!(
                "{} of {} are in use; {} has room for four times what is in it, or more.",
                words::bytes(slack.used),
                words::bytes(slack.room),
                words::verb(slack.count, "it", "each"),
            ))
            .evidence("What a buffer once grew to it keeps, in a sync.Pool as well.")
            .remedy(
                "for good",
                "do not keep what grew beyond an ordinary size: drop it instead of putting it back",
                "buffers stay as large as most need them",
            )
            .remedy(
                "for good",
                "keep a copy where a slice will not grow any more: slices.Clone(b)",
                "the array fits its elements",
            )
        },
    )
}

/// How many bytes of a variable the rules here tell: nobody else counts them again.
pub(super) fn told_of(case: &Case<'_>, variable: &str) -> u64 {
    let kinds = [
        told(case, |group| group.sparse),
        told(case, |group| group.pinned),
        told(case, |group| group.roomy),
    ];
    let of_it = |group: &ContainerGroup| {
        let rest = group.name.strip_prefix(variable);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    let all = kinds.into_iter().flatten();
    words::total(all.filter(|(group, _)| of_it(group)).map(|own| own.1.bytes))
}

/// The places that stand out, those with most bytes first.
fn told<'a>(
    case: &Case<'a>,
    slack: impl Fn(&ContainerGroup) -> Slack,
) -> Vec<(&'a ContainerGroup, Slack)> {
    let thresholds = case.thresholds;
    let large = |slack: Slack| {
        slack.bytes >= thresholds.medium_bytes
            && case.is_share(slack.bytes, thresholds.medium_share)
    };
    let all = case.facts.containers.iter().flat_map(|all| &all.groups);
    let mut told: Vec<(&ContainerGroup, Slack)> = all
        .map(|group| (group, slack(group)))
        .filter(|(_, slack)| large(*slack))
        .collect();
    told.sort_by_key(|(group, slack)| (std::cmp::Reverse(slack.bytes), &group.name));
    told.truncate(MOST);
    told
}

fn drafts(
    case: &Case<'_>,
    slack: impl Fn(&ContainerGroup) -> Slack,
    tell: impl Fn(&ContainerGroup, Slack) -> Draft,
) -> Vec<Draft> {
    let is_cut = case.facts.containers.as_ref().is_some_and(|all| all.is_cut);
    let told = told(case, slack).into_iter();
    told.map(|(group, own)| {
        let draft = tell(group, own)
            .most(Severity::Medium)
            .claim(case.objects(), own.bytes)
            .count(own.count)
            .holder(group.name.clone())
            .location(group.stored_by.first())
            .maybe(stores(group))
            .evidence_if(is_cut, || {
                "Not all that lies in containers was looked at, be it for a limit or because it \
                 could not be read; what retains most came first. It may be more."
                    .into()
            });
        Draft {
            remedies: own_first(case, draft.remedies.clone()),
            ..draft
        }
    })
    .collect()
}

/// With a look at the heap before what changes the program.
fn own_first(
    case: &Case<'_>,
    remedies: Vec<crate::finding::Remedy>,
) -> Vec<crate::finding::Remedy> {
    let look = crate::finding::Remedy {
        what: "next".into(),
        command: case.letgo("heap"),
        expect: "what the variable holds, level by level".into(),
    };
    std::iter::once(look).chain(remedies).collect()
}

fn stores(group: &ContainerGroup) -> Option<String> {
    let named: Vec<String> = group.stored_by.iter().take(MOST).map(herd::place).collect();
    (!named.is_empty()).then(|| format!("Stored into by {}.", named.join(", ")))
}

/// `1 entry`, `5 entries`, `2 maps`.
fn counted(count: u64, noun: &str) -> String {
    match (noun, count) {
        ("entr", 1) => "1 entry".into(),
        ("entr", _) => format!("{} entries", words::count(count)),
        _ => words::counted(count, noun),
    }
}

/// `3,000 strings`, `1 slice ([]uint8)`.
fn pieces(go_type: &str, count: u64) -> String {
    match go_type {
        "string" => words::counted(count, "string"),
        "" => words::counted(count, "slice"),
        _ => format!("{} ({go_type})", words::counted(count, "slice")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::containers::Containers;
    use crate::facts::Facts;
    use crate::testing::{MIB, find, place, spans, with_graph};

    fn facts(edit: impl FnOnce(&mut ContainerGroup)) -> Facts {
        let mut group = ContainerGroup {
            name: "main.cache".into(),
            is_named: true,
            go_type: "map[int]main.profile".into(),
            stored_by: place("main.put", "store.go", 41).into_iter().collect(),
            ..ContainerGroup::default()
        };
        edit(&mut group);
        Facts {
            containers: Some(Containers {
                groups: vec![group],
                is_cut: false,
            }),
            ..with_graph(vec![spans(25_600, 8, 0)])
        }
    }

    fn slack(mib: u64) -> Slack {
        Slack {
            count: 1,
            used: 4000,
            room: 600_000,
            bytes: mib * MIB,
        }
    }

    #[test]
    fn a_map_with_many_empty_slots_is_named() {
        let facts = facts(|group| group.sparse = slack(60));
        let finding = find(&facts, "map-never-shrinks").expect("map");
        assert_eq!(
            finding.title,
            "main.cache, a map[int]main.profile, has 60.0 MiB of slots that its entries do not need"
        );
        assert!(finding.evidence[0].starts_with("4,000 entries in 600,000 slots."));
        assert!(
            finding
                .evidence
                .iter()
                .any(|line| line.contains("main.put (store.go:41)"))
        );
        assert_eq!(
            (finding.severity, finding.bytes),
            (Severity::Medium, 60 * MIB)
        );
    }

    #[test]
    fn buffers_and_pieces_are_counted() {
        let buffers = facts(|group| {
            (group.go_type, group.roomy) = ("[]uint8".into(), slack(60));
            group.roomy.count = 3000;
        });
        let finding = find(&buffers, "buffer-slack").expect("buffers");
        assert_eq!(
            finding.title,
            "3,000 slices ([]uint8) at main.cache have 60.0 MiB beyond their length"
        );
        let pieces = facts(|group| {
            (group.go_type, group.pinned) = ("string".into(), slack(60));
            group.pinned.count = 3000;
        });
        let finding = find(&pieces, "slice-pinning").expect("pieces");
        assert_eq!(
            finding.title,
            "3,000 strings at main.cache keep 60.0 MiB beside what they show"
        );
    }

    #[test]
    fn one_buffer_and_one_piece_are_told_as_one() {
        let buffer = facts(|group| {
            (group.go_type, group.roomy) = ("[]uint8".into(), slack(60));
        });
        let finding = find(&buffer, "buffer-slack").expect("buffer");
        assert_eq!(
            finding.title,
            "1 slice ([]uint8) at main.cache has 60.0 MiB beyond its length"
        );
        let piece = facts(|group| {
            (group.go_type, group.pinned) = ("string".into(), slack(20));
        });
        let finding = find(&piece, "slice-pinning").expect("piece");
        assert_eq!(
            finding.title,
            "1 string at main.cache keeps 20.0 MiB beside what it shows"
        );
        assert!(finding.evidence[0].starts_with("It covers "));
    }
}
