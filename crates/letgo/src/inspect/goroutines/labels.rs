//! [`label`]: the labels of each group.
//!
//! Groups are not split by labels: a server that labels each request would have as many groups as
//! goroutines. What all of a group have alike is the group's; else the most common sets are listed.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use letgo_goruntime::{Census, LabelSet, Labelled, Labels};
use letgo_report as out;

/// Sets of a group that are listed.
const MOST_SETS: usize = 20;

/// The labels of a group.
#[derive(Clone, Debug, Default)]
pub(super) struct GroupLabels {
    /// Those that all of them have.
    pub(super) alike: BTreeMap<String, String>,
    /// The most common sets, where there are several.
    pub(super) sets: Vec<out::LabelSet>,
    /// Goroutines with none of these, or with labels that were not read.
    pub(super) more: u64,
}

/// The labels of so many groups, of which `of` says which goroutine is in which.
pub(super) fn label(
    census: &Census,
    labels: &Labels,
    of: &[u32],
    groups: usize,
) -> Vec<GroupLabels> {
    let mut counts: Vec<HashMap<Labelled, (u64, u64)>> = vec![HashMap::new(); groups];
    let goroutines = census.goroutines.iter().zip(&labels.of).zip(of);
    for ((one, labelled), group) in goroutines {
        if let Some(counts) = counts.get_mut(*group as usize) {
            let sum = counts.entry(*labelled).or_default();
            sum.0 += 1;
            sum.1 += one.stack.len();
        }
    }
    counts
        .into_iter()
        .map(|counts| GroupLabels::of(labels, counts))
        .collect()
}

impl GroupLabels {
    fn of(labels: &Labels, counts: HashMap<Labelled, (u64, u64)>) -> GroupLabels {
        let none = LabelSet::new();
        let content = |labelled: Labelled| match labelled {
            Labelled::None => Some(&none),
            Labelled::Set(number) => labels.sets.get(number as usize),
            Labelled::Unread => None,
        };
        let alike = alike(counts.keys().map(|labelled| content(*labelled)));
        if counts.len() < 2 {
            let more = counts.get(&Labelled::Unread).map_or(0, |sum| sum.0);
            return GroupLabels {
                alike,
                more,
                ..GroupLabels::default()
            };
        }
        let mut sets = Vec::new();
        let mut more = 0;
        let mut sorted: Vec<_> = counts.into_iter().collect();
        sorted.sort_by_key(|(labelled, (count, _))| (Reverse(*count), *labelled));
        for (labelled, (count, stack_bytes)) in sorted {
            match content(labelled) {
                Some(set) if sets.len() < MOST_SETS => sets.push(out::LabelSet {
                    labels: set.clone(),
                    count,
                    stack_bytes,
                }),
                _ => more += count,
            }
        }
        GroupLabels { alike, sets, more }
    }
}

/// The labels that all sets have; none where one of them is not known.
fn alike<'a>(mut sets: impl Iterator<Item = Option<&'a LabelSet>>) -> LabelSet {
    let Some(Some(first)) = sets.next() else {
        return LabelSet::new();
    };
    let mut alike = first.clone();
    for set in sets {
        let Some(set) = set else {
            return LabelSet::new();
        };
        alike.retain(|key, value| set.get(key) == Some(value));
    }
    alike
}
