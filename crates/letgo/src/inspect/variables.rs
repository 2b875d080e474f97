//! [`variables`]: the variables that hold most of a heap, as the rules want to know them.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::Instant;

use letgo_diagnose as rules;
use letgo_heap::{Count, Dominators, GraphOptions, Holder, Root};
use letgo_target::AddrRange;

use super::owners::{OwnerKind, Owners};
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
    let roots = graph.roots();
    let owners = Owners::of(roots, &reading.census, &names);
    let mut firsts: HashMap<u32, &Root> = HashMap::new();
    for (root, owner) in roots.iter().zip(&owners.of_root) {
        firsts.entry(*owner).or_insert(root);
    }
    let groups = Some(owners.of_root.as_slice());
    let dominators = Dominators::of(graph, &marked.reachable, &options, groups, &weigh).ok()?;
    let numbered = (0u32..).zip(&owners.all);
    // Dead goroutines and the like: other rules know them.
    let told = numbered.filter(|(_, owner)| {
        owner.kind == OwnerKind::Variable && !owner.name.starts_with("runtime.")
    });
    let mut held: Vec<(u32, Count)> = told
        .filter_map(|(number, _)| Some((number, dominators.retained(Holder::Group(number))?)))
        .collect();
    held.sort_by_key(|(number, retained)| (Reverse(retained.bytes), *number));
    held.truncate(MOST);
    let holders = held.into_iter().filter_map(|(number, retained)| {
        let named = names.name(firsts.get(&number)?);
        Some(rules::Holder {
            is_named: named.name.is_some(),
            name: named.name.or(named.place).unwrap_or_default(),
            go_type: named.type_name,
            resident_bytes: retained.bytes,
            objects: retained.objects,
            stored_by: named.stored_by.into_iter().map(location).collect(),
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
