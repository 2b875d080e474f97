//! [`variables`]: the variables that hold most of a heap, as the rules want to know them.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::Instant;

use letgo_diagnose as rules;
use letgo_heap::{Dominators, GraphOptions, Holder, Root, RootKind};
use letgo_target::AddrRange;

use super::roots::RootNames;
use super::{Program, Reading, room};

/// How many are handed on.
const MOST: usize = 10;

/// The variables that hold most alone, the largest first; nothing where there is no graph, or no
/// room or time for who holds what.
pub fn variables(program: &Program, reading: &mut Reading) -> Option<Vec<rules::Holder>> {
    let mut marked = reading.marked.take()?;
    let started = Instant::now();
    let found = found(program, reading, &marked);
    if found.is_some() {
        marked.dominators = Some(started.elapsed());
    }
    reading.marked = Some(marked);
    found
}

fn found(
    program: &Program,
    reading: &Reading,
    marked: &super::Marked,
) -> Option<Vec<rules::Holder>> {
    // Where there is no page table, address space is what counts.
    let weigh = |range: AddrRange| match reading.rss {
        Some(_) => reading.residency.resident_in(range).0,
        None => range.len(),
    };
    let (graph, names) = (&marked.graph, RootNames::new(program, &reading.census));
    let options = GraphOptions {
        limits: room::limits(),
        ..GraphOptions::default()
    };
    let (groups, firsts) = grouped(graph.roots(), &names);
    let reachable = &marked.reachable;
    let dominators = Dominators::of(graph, reachable, &options, Some(&groups), &weigh).ok()?;
    let mut held: Vec<(u32, letgo_heap::Count)> = firsts
        .keys()
        .filter_map(|group| {
            let retained = dominators.retained(Holder::Group(*group))?;
            Some((*group, retained))
        })
        .collect();
    held.sort_by_key(|(group, retained)| (Reverse(retained.bytes), *group));
    held.truncate(MOST);
    let holders = held.into_iter().filter_map(|(group, retained)| {
        let root = firsts.get(&group)?;
        let named = names.name(root);
        // Dead goroutines and the like: other rules know them.
        let own = named.name.as_deref().unwrap_or_default();
        if own.starts_with("runtime.") {
            return None;
        }
        Some(rules::Holder {
            is_named: named.name.is_some(),
            name: named.name.or(named.place).unwrap_or_default(),
            address: root.value.to_string(),
            go_type: named.type_name,
            resident_bytes: retained.bytes,
            objects: retained.objects,
            stored_by: named.stored_by.into_iter().map(location).collect(),
            parts: Vec::new(),
        })
    });
    Some(holders.collect())
}

fn location(place: letgo_report::Location) -> rules::Location {
    rules::Location {
        function: place.function,
        file: place.file,
        line: place.line,
    }
}

/// The group of each root (the words of one variable together, a goroutine's stack together, every
/// other root by itself), and the first root of each group that is a variable.
fn grouped<'a>(roots: &'a [Root], names: &RootNames<'_>) -> (Vec<u32>, HashMap<u32, &'a Root>) {
    let (mut firsts, mut known, mut next) = (HashMap::new(), HashMap::new(), 0u32);
    let groups = roots.iter().map(|root| {
        let variable = matches!(root.kind, RootKind::Data | RootKind::Bss);
        let own = match variable {
            true => names.variable_at(root.at),
            false => names
                .goroutine_at(root.at)
                .map(|number| (false, number as u64)),
        };
        let mut fresh = || {
            next += 1;
            next - 1
        };
        let group = match own {
            Some(own) => *known.entry(own).or_insert_with(fresh),
            None => fresh(),
        };
        if variable {
            firsts.entry(group).or_insert(root);
        }
        group
    });
    let groups = groups.collect();
    (groups, firsts)
}
