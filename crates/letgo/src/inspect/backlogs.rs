//! [`backlogs()`]: channels whose queued elements hold much, as the rules want to know them.
//!
//! Channels are found by `letgo_heap` and weighed by its dominators; here they are joined by type,
//! and told who waits for them and who has them at hand.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

use letgo_diagnose as rules;
use letgo_heap::{Channel, Dominators, Holder, ObjectId, Root, RootKind, Walk};
use letgo_target::Addr;

use super::goroutines::{Places, status};
use super::roots::RootNames;
use super::{Marked, Program, Reading};

/// Types of channels that are handed on.
const MOST: usize = 5;
/// Fewer bytes are not looked into: no rule tells them.
const WORTH: u64 = 1 << 20;

/// Channels of one type.
#[derive(Default)]
struct Alike {
    channels: HashSet<ObjectId>,
    sum: rules::Backlog,
}

/// The types of channels whose elements hold most, the largest first.
pub(super) fn backlogs(
    program: &Program,
    reading: &Reading,
    marked: &Marked,
    dominators: &Dominators<'_>,
    names: &RootNames<'_>,
) -> Vec<rules::Backlog> {
    let graph = &marked.graph;
    let mut by_type: BTreeMap<Addr, Alike> = BTreeMap::new();
    let channels = graph.channels().iter();
    for channel in channels.filter(|one| marked.reachable.has(one.object)) {
        by_type.entry(channel.elem).or_default().add(channel);
    }
    for alike in by_type.values_mut() {
        alike.weigh(dominators);
    }
    let mut all: Vec<(Addr, Alike)> = by_type.into_iter().collect();
    all.retain(|(_, alike)| alike.sum.resident_bytes >= WORTH);
    all.sort_by_key(|(elem, alike)| (Reverse(alike.sum.resident_bytes), *elem));
    all.truncate(MOST);
    let gofunc = reading.runtime.layout().moduledata.gofunc.offset;
    let places = Places::new(program, gofunc).ok();
    let mut who = places.map(|places| Who {
        reading,
        marked,
        places,
    });
    let told = all.into_iter().map(|(elem, alike)| {
        let mut sum = rules::Backlog {
            go_type: format!("chan {}", graph.type_name(elem)),
            variable: variable(marked, &alike, names),
            ..alike.sum
        };
        if let Some(who) = &mut who {
            (sum.senders, sum.others) = who.of(&alike.channels);
        }
        sum
    });
    told.collect()
}

impl Alike {
    fn add(&mut self, channel: &Channel) {
        self.channels.insert(channel.object);
        self.sum.channels += 1;
        self.sum.queued += channel.queued;
        self.sum.room += channel.room;
        self.sum.full += u64::from(channel.queued == channel.room);
    }

    /// Sums what they hold; one that another of them holds is in what that one does.
    fn weigh(&mut self, dominators: &Dominators<'_>) {
        let mut within: HashMap<ObjectId, bool> = HashMap::new();
        for channel in &self.channels {
            let Some(held) = dominators.retained(Holder::Object(*channel)) else {
                continue;
            };
            let above = |object| dominators.holder(object);
            if !is_within(*channel, &self.channels, &above, &mut within) {
                self.sum.resident_bytes += held.bytes;
                self.sum.objects += held.objects;
            }
        }
    }
}

/// Whether one of `all` holds an object, itself left aside; `known` has what was found before.
fn is_within(
    object: ObjectId,
    all: &HashSet<ObjectId>,
    above: &dyn Fn(ObjectId) -> Option<Holder>,
    known: &mut HashMap<ObjectId, bool>,
) -> bool {
    let mut way = Vec::new();
    let mut at = object;
    let found = loop {
        if let Some(found) = known.get(&at) {
            break *found;
        }
        way.push(at);
        match above(at) {
            Some(Holder::Object(next)) if all.contains(&next) => break true,
            Some(Holder::Object(next)) => at = next,
            _ => break false,
        }
    };
    known.extend(way.into_iter().map(|object| (object, found)));
    found
}

/// The name of the variable that leads to the only channel.
fn variable(marked: &Marked, alike: &Alike, names: &RootNames<'_>) -> Option<String> {
    if alike.channels.len() != 1 {
        return None;
    }
    let mut roots = marked.graph.roots().iter();
    let leads = |root: &&Root| {
        matches!(root.kind, RootKind::Data | RootKind::Bss)
            && is_of(marked, root, &alike.channels).is_some()
    };
    names.name(roots.find(leads)?).name
}

/// The channel that a root leads to.
fn is_of(marked: &Marked, root: &Root, channels: &HashSet<ObjectId>) -> Option<ObjectId> {
    let object = marked.graph.object_at(root.value)?;
    channels.contains(&object).then_some(object)
}

/// Looks up who has to do with channels.
struct Who<'a> {
    reading: &'a Reading,
    marked: &'a Marked,
    places: Places<'a>,
}

impl Who<'_> {
    /// Who waits to send, and who else has a channel at hand.
    fn of(&mut self, channels: &HashSet<ObjectId>) -> (Vec<rules::Doing>, Vec<rules::Doing>) {
        let graph = &self.marked.graph;
        let senders = graph.senders(&channels.iter().copied().collect());
        let roots = graph.roots().iter().filter(|root| !root.kind.is_guess());
        let others: HashSet<u32> = roots
            .filter(|root| is_of(self.marked, root, channels).is_some())
            .filter_map(Root::goroutine)
            .filter(|number| !senders.contains(number))
            .collect();
        (self.doing(senders), self.doing(others))
    }

    /// What goroutines do where, most of them first.
    fn doing(&mut self, goroutines: impl IntoIterator<Item = u32>) -> Vec<rules::Doing> {
        let goroutines: HashSet<u32> = goroutines.into_iter().collect();
        let graph = &self.marked.graph;
        let census = &self.reading.census;
        let walks = graph.walks().iter();
        let walks: HashMap<u32, &Walk> = walks
            .filter(|walk| goroutines.contains(&walk.goroutine))
            .map(|walk| (walk.goroutine, walk))
            .collect();
        let mut counts: HashMap<(&[Addr], Addr, String), u64> = HashMap::new();
        for number in &goroutines {
            let Some(one) = census.goroutines.get(*number as usize) else {
                continue;
            };
            let pcs = walks.get(number).map_or(&[][..], |walk| graph.pcs(walk));
            let does = match one.wait_reason {
                "" => status(one).as_str().to_owned(),
                reason => reason.to_owned(),
            };
            *counts.entry((pcs, one.start_pc, does)).or_default() += 1;
        }
        let mut all: Vec<rules::Doing> = counts
            .into_iter()
            .map(|((pcs, start, does), count)| {
                let (frames, _) = self.places.stack(pcs, start);
                let location = self.places.location(&frames);
                rules::Doing {
                    count,
                    does,
                    location: location.map(|place| rules::Location {
                        function: place.function,
                        file: place.file,
                        line: place.line,
                    }),
                }
            })
            .collect();
        all.sort_by_cached_key(|doing| {
            let at = doing.location.as_ref();
            let at = at.map(|at| (at.function.clone(), at.line));
            (Reverse(doing.count), at, doing.does.clone())
        });
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_of_them_holds_is_within_it() {
        // 0 holds 1, that 2, that 3; 4 is held by a root.
        let above = |object: ObjectId| match object.0 {
            0 | 4 => None,
            number => Some(Holder::Object(ObjectId(number - 1))),
        };
        let all: HashSet<ObjectId> = [1, 3, 4].map(ObjectId).into();
        for _ in 0..2 {
            let mut known = HashMap::new();
            let mut within = |number| is_within(ObjectId(number), &all, &above, &mut known);
            assert_eq!(
                [3, 1, 4, 2, 0].map(&mut within),
                [true, false, false, true, false]
            );
            assert!(within(3) && !within(1), "as before");
        }
    }
}
