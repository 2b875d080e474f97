//! [`Herd`]: groups of goroutines of which the same is said, and which is said of which.
//!
//! A group is told once: as proven to be leaked, else as outliving its requests (see
//! [`contexts`]), else as likely to be leaked, else as old, else as growing, many or deep. Those
//! that are medium or more by their bytes are findings of their own, the others of their kind one
//! together, so that a leak of a hundred places is not a hundred findings.
//!
//! Goroutines that wait for a channel beside as many that wait for the network are taken to serve
//! a connection each, and not to be leaked: idle clients look the same as forgotten ones.

use std::cmp::Reverse;

use letgo_account::Leaf;

use crate::draft::{Case, Draft};
use crate::facts::Measure;
use crate::finding::Location;
use crate::group::{GoroutineGroup, Verdict};
use crate::rules::contexts;
use crate::waits::{Advice, Wait};
use crate::words;

/// Groups that get a finding of their own, of each kind.
const MOST_ALONE: usize = 3;
/// Groups that a finding of several names.
pub(crate) const NAMED: usize = 3;

/// What is said of a group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Told {
    /// They can never run again.
    Proven,
    /// They could be woken, and improbably will be: many, old, growing.
    Likely,
    /// All of them have waited for long: leaked, or not needed at the moment.
    Old,
    /// More than a moment ago.
    Grew,
    /// Very many.
    Many,
    /// Few of them, with much stack.
    Deep,
}

/// Groups of which the same is said, the most bytes first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Herd<'a> {
    pub(crate) groups: Vec<&'a GoroutineGroup>,
}

/// The herds of which this is said.
pub(crate) fn herds<'a>(case: &Case<'a>, told: Told) -> Vec<Herd<'a>> {
    let groups = case.facts.goroutine_groups.iter().flatten();
    let connections = connections(case);
    let elsewhere = contexts::groups(case);
    let is_elsewhere = |group: &GoroutineGroup| elsewhere.iter().any(|own| own.is_all_of(group));
    let mut groups: Vec<&GoroutineGroup> = groups
        .filter(|group| self::told(case, group, connections) == Some(told))
        .filter(|group| told == Told::Proven || !is_elsewhere(group))
        .collect();
    groups.sort_by_key(|group| (Reverse(group.bytes()), Reverse(group.count)));
    let is_large = |group: &&&GoroutineGroup| {
        let bytes = group.bytes();
        bytes >= case.thresholds.medium_bytes && case.is_share(bytes, case.thresholds.medium_share)
    };
    let alone = groups.iter().take(MOST_ALONE).filter(is_large).count();
    let others = groups.split_off(alone);
    let mut herds: Vec<Herd<'_>> = groups
        .into_iter()
        .map(|group| Herd {
            groups: vec![group],
        })
        .collect();
    herds.push(Herd { groups: others });
    herds.retain(|herd| herd.is_worth_a_word(case, told));
    herds
}

/// How many wait for the network.
fn connections(case: &Case<'_>) -> u64 {
    let groups = case.facts.goroutine_groups.iter().flatten();
    let waiting = groups.filter(|group| group.wait_reason == "IO wait");
    words::total(waiting.map(|group| group.count))
}

/// What is said of a group, if anything.
fn told(case: &Case<'_>, group: &GoroutineGroup, connections: u64) -> Option<Told> {
    let limits = case.thresholds;
    match group.verdict {
        Verdict::Proven => return Some(Told::Proven),
        Verdict::Likely => return Some(Told::Likely),
        Verdict::None => {}
    }
    let is_old = |age: Option<u64>| age.is_some_and(|age| age >= limits.goroutines_old_ns);
    let many = group.count >= limits.goroutines_many;
    let blocked = Wait::of(&group.wait_reason, case.facts.target.go_minor) != Wait::Outside;
    if many && blocked && connections < group.count.div_ceil(2) {
        if is_old(group.waiting_ns) && group.is_growing(limits.goroutines_swings) {
            return Some(Told::Likely);
        }
        if is_old(group.waiting_least_ns) {
            return Some(Told::Old);
        }
    }
    let stacks = group.stack_resident_bytes;
    let part = limits.goroutines_grew * words::float(group.count);
    let grew = group.is_growing(limits.goroutines_swings) && words::float(group.grown()) >= part;
    if many && grew {
        Some(Told::Grew)
    } else if group.count >= limits.goroutines_extreme
        || many && case.stands_out(stacks, limits.high_share)
    {
        Some(Told::Many)
    } else if case.stands_out(stacks, limits.medium_share)
        && stacks / group.count.max(1) >= limits.stack_deep
    {
        Some(Told::Deep)
    } else {
        None
    }
}

impl<'a> Herd<'a> {
    fn is_worth_a_word(&self, case: &Case<'_>, told: Told) -> bool {
        let by_number = matches!(told, Told::Proven | Told::Likely)
            && self.count() >= case.thresholds.leaked_least;
        let bytes = match told {
            Told::Deep => self.stacks(),
            _ => self.bytes(),
        };
        by_number || case.stands_out(bytes, case.thresholds.low_share)
    }

    fn sum(&self, of: impl Fn(&GoroutineGroup) -> u64) -> u64 {
        words::total(self.groups.iter().map(|group| of(group)))
    }

    /// Goroutines.
    pub(crate) fn count(&self) -> u64 {
        self.sum(|group| group.count)
    }

    /// Resident bytes of stacks.
    pub(crate) fn stacks(&self) -> u64 {
        self.sum(|group| group.stack_resident_bytes)
    }

    /// Resident bytes of stacks, and of what only these hold of the heap.
    pub(crate) fn bytes(&self) -> u64 {
        self.sum(GoroutineGroup::bytes)
    }

    /// How many more they were at a second look.
    pub(crate) fn grown(&self) -> u64 {
        self.sum(GoroutineGroup::grown)
    }

    /// `12,211 goroutines`
    pub(crate) fn counted(&self) -> String {
        words::counted(self.count(), "goroutine")
    }

    /// One of two words, for one goroutine and for several.
    pub(crate) fn one_or<'w>(&self, one: &'w str, several: &'w str) -> &'w str {
        if self.count() == 1 { one } else { several }
    }

    /// Its bytes, `at least` so many where something was left out.
    pub(crate) fn held(&self) -> String {
        self.at_least(self.bytes())
    }

    pub(crate) fn at_least(&self, bytes: u64) -> String {
        let whole = self.groups.iter().all(|group| group.is_whole);
        let least = if whole { "" } else { "at least " };
        format!("{least}{}", words::bytes(bytes))
    }

    /// Whose place the finding has: the only group's, or the largest one's.
    pub(crate) fn largest(&self) -> Option<&'a GoroutineGroup> {
        self.groups.first().copied()
    }

    /// The only group.
    pub(crate) fn only(&self) -> Option<&'a GoroutineGroup> {
        self.largest().filter(|_| self.groups.len() == 1)
    }

    /// What to change, each once, the largest group's first.
    pub(crate) fn advice(&self, case: &Case<'_>) -> Vec<Advice> {
        let named = self.groups.iter().take(NAMED);
        let waits = named.map(|group| Wait::of(&group.wait_reason, case.facts.target.go_minor));
        let mut advice: Vec<Advice> = Vec::new();
        for one in waits.flat_map(Wait::advice) {
            if !advice.contains(one) {
                advice.push(*one);
            }
        }
        advice
    }

    /// Claims its stacks, and what only it holds of the heap.
    pub(crate) fn claim(&self, case: &Case<'_>, draft: Draft) -> Draft {
        draft
            .claim(Leaf::StacksGoroutine, self.stacks())
            .claim(case.objects(), self.sum(|group| group.heap_resident_bytes))
    }

    /// Where the bytes are.
    pub(crate) fn shares(&self, case: &Case<'_>) -> String {
        let all = self.sum(|group| group.stack_virtual_bytes);
        let stacks = stacks(case, self.stacks(), all);
        match self.sum(|group| group.heap_objects) {
            0 => stacks,
            objects => format!(
                "{stacks} On the heap, held by nothing else: {} in {}.",
                self.at_least(self.sum(|group| group.heap_resident_bytes)),
                words::counted(objects, "object"),
            ),
        }
    }

    /// How many came and went between two looks, where they became more.
    pub(crate) fn came(&self, case: &Case<'_>) -> Option<String> {
        let changes = || self.groups.iter().filter_map(|group| group.change);
        let came = words::total(changes().map(|change| change.came));
        let went = words::total(changes().map(|change| change.went));
        if came <= went {
            return None;
        }
        let went_words = match went {
            0 => "none".to_owned(),
            went => words::count(went),
        };
        let window = match case.facts.rates.map(|rates| rates.window_ns) {
            Some(window) if window > 0 => format!(", {} apart", words::span(window)),
            _ => String::new(),
        };
        let then = self.count();
        Some(format!(
            "Between two looks{window}, {} came and {went_words} went: from {} to {}.",
            words::count(came),
            words::count(then),
            words::count(then.saturating_add(came).saturating_sub(went)),
        ))
    }
}

/// How long those of a group have waited: `for 5 min to 3 days`.
pub(crate) fn waited(group: &GoroutineGroup) -> Option<String> {
    let longest = words::age(group.waiting_ns?);
    let least = group.waiting_least_ns.map(words::age);
    Some(match least {
        Some(least) if least == longest => format!("for {longest}"),
        None if group.count == 1 => format!("for {longest}"),
        None => format!("for up to {longest}"),
        Some(least) => format!("for {least} to {longest}"),
    })
}

/// A place within a sentence, its file without directories: `main.leak (leak.go:88)`.
pub(crate) fn place(location: &Location) -> String {
    let file = location.file.rsplit('/').next().unwrap_or_default();
    match file {
        "" => location.function.clone(),
        file => format!("{} ({file}:{})", location.function, location.line),
    }
}

/// How large stacks are, and where that is known what of them is in RAM.
pub(crate) fn stacks(case: &Case<'_>, resident: u64, all: u64) -> String {
    let all = words::bytes(all);
    match case.facts.measure {
        Measure::Resident => format!("Stacks: {} resident of {all}.", words::bytes(resident)),
        Measure::Virtual => format!("Stacks: {all}."),
    }
}
