//! [`containers`]: what the containers of variables have beyond what they need, as the rules want
//! to know it.
//!
//! Moves figures and names them; who finds them is `letgo_heap`.

use std::collections::{HashMap, HashSet};

use letgo_diagnose as rules;
use letgo_heap::{Dominators, Root, RootKind, SurveyFrom, SurveyGroup};
use letgo_target::{Addr, AddrRange, ReadMemory};

use super::contents::pointee;
use super::roots::RootNames;
use super::variables::location;
use super::{Marked, Program};

/// Groups of each kind that are handed on.
const MOST: usize = 10;

/// What is looked into.
pub(super) struct Look<'a> {
    pub(super) program: &'a Program,
    pub(super) marked: &'a Marked,
    pub(super) names: &'a RootNames<'a>,
    pub(super) memory: &'a dyn ReadMemory,
}

/// The containers that the program's own variables lead to.
pub(super) fn containers(
    look: &Look<'_>,
    weigh: &dyn Fn(AddrRange) -> u64,
    dominators: &Dominators<'_>,
) -> rules::Containers {
    let (from, roots) = places(look);
    let graph = &look.marked.graph;
    let found = graph.survey(look.memory, weigh, dominators, &from);
    let mut known: HashMap<u32, rules::ContainerGroup> = HashMap::new();
    let wanted = largest(&found.groups);
    let groups = wanted.into_iter().filter_map(|group| {
        let own = match known.get(&group.from) {
            Some(own) => own.clone(),
            None => {
                let root = graph.roots().get(*roots.get(group.from as usize)?)?;
                let own = named(look.names, root);
                known.insert(group.from, own.clone());
                own
            }
        };
        Some(told(own, group))
    });
    let groups = groups.filter(|group| !group.name.starts_with("runtime."));
    rules::Containers {
        groups: groups.collect(),
        is_cut: found.is_cut,
    }
}

/// Where a survey begins: each variable of a known type once, else each word of a known one; and
/// the number of a root of each.
fn places(look: &Look<'_>) -> (Vec<SurveyFrom>, Vec<usize>) {
    let (mut from, mut roots) = (Vec::new(), Vec::new());
    let Ok(known) = look.program.binary.globals_typed() else {
        return (from, roots);
    };
    let bias = look.program.bias;
    let mut seen: HashSet<Addr> = HashSet::new();
    for (number, root) in look.marked.graph.roots().iter().enumerate() {
        if !matches!(root.kind, RootKind::Data | RootKind::Bss) {
            continue;
        }
        let linked = Addr(root.at.0.wrapping_sub(bias));
        let variable = known.variable(linked);
        if variable.is_some_and(|one| one.name.starts_with("runtime.")) {
            continue;
        }
        let whole = variable.and_then(|one| Some((one.range.start(), one.descriptor?)));
        let place = match whole {
            Some((start, typ)) => SurveyFrom::Variable(start.biased(bias), typ.biased(bias)),
            None => match pointee(look.program, root) {
                Some(pointee) => SurveyFrom::Word(root.at, pointee),
                None => continue,
            },
        };
        if seen.insert(whole.map_or(root.at, |whole| whole.0.biased(bias))) {
            from.push(place);
            roots.push(number);
        }
    }
    (from, roots)
}

/// The groups with most of anything.
fn largest(groups: &[SurveyGroup]) -> Vec<&SurveyGroup> {
    let bytes: [fn(&SurveyGroup) -> u64; 3] = [
        |group| group.maps.slack_bytes,
        |group| group.room.slack_bytes,
        |group| group.pins.pinned_bytes,
    ];
    let mut wanted: Vec<&SurveyGroup> = Vec::new();
    for of in bytes {
        let mut sorted: Vec<&SurveyGroup> = groups.iter().filter(|group| of(group) > 0).collect();
        sorted.sort_by_key(|group| (std::cmp::Reverse(of(group)), group.from, &group.path));
        for group in sorted.into_iter().take(MOST) {
            if !wanted.iter().any(|known| std::ptr::eq(*known, group)) {
                wanted.push(group);
            }
        }
    }
    wanted
}

/// The variable of a root.
fn named(names: &RootNames<'_>, root: &Root) -> rules::ContainerGroup {
    let named = names.name(root);
    // The variable and not its word.
    let name = named.name.map(|name| match name.rsplit_once("+0x") {
        Some((variable, _)) => variable.to_owned(),
        None => name,
    });
    rules::ContainerGroup {
        is_named: name.is_some(),
        name: name.or(named.place).unwrap_or_default(),
        stored_by: named.stored_by.into_iter().map(location).collect(),
        ..rules::ContainerGroup::default()
    }
}

fn told(own: rules::ContainerGroup, group: &SurveyGroup) -> rules::ContainerGroup {
    let (maps, room, pins) = (&group.maps, &group.room, &group.pins);
    rules::ContainerGroup {
        name: own.name + &group.path,
        go_type: group.type_name.clone(),
        sparse: rules::Slack {
            count: maps.maps,
            used: maps.entries,
            room: maps.slots,
            bytes: maps.slack_bytes,
        },
        roomy: rules::Slack {
            count: room.slices,
            used: room.len_bytes,
            room: room.len_bytes.saturating_add(room.slack_bytes),
            bytes: room.slack_bytes,
        },
        pinned: rules::Slack {
            count: pins.objects,
            used: pins.covered_bytes,
            room: pins.object_bytes,
            bytes: pins.pinned_bytes,
        },
        ..own
    }
}
