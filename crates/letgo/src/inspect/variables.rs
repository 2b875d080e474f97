//! [`held`]: the variables and channels that hold most of a heap, as the rules want to know them.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use letgo_diagnose as rules;
use letgo_heap::{Count, Dominators, Graph, Holder, Root};
use letgo_target::AddrRange;

use super::backlogs::backlogs;
use super::owners::{OwnerKind, Owners};
use super::roots::RootNames;
use super::{Program, Reading, room};

/// How many are handed on.
const MOST: usize = 10;

/// Who holds most.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// The variables that hold most alone, the largest first.
    pub variables: Vec<rules::Holder>,
    /// Channels by type whose elements hold most, the largest first.
    pub backlogs: Vec<rules::Backlog>,
    /// How long it took to find them.
    pub took: Duration,
}

/// Who holds most; nothing where there is no graph, or no room or time for who holds what.
pub fn held(program: &Program, reading: &Reading) -> Option<Held> {
    let started = Instant::now();
    let marked = reading.marked.as_ref()?;
    let (graph, names) = (&marked.graph, RootNames::new(program, &reading.census));
    let owners = Owners::of(graph.roots(), &reading.census, &names);
    let (options, weigh) = (room::options(room::limits()), weigh(reading));
    let groups = Some(owners.of_root.as_slice());
    let dominators = Dominators::of(graph, &marked.reachable, &options, groups, &weigh).ok()?;
    Some(Held {
        variables: largest(graph, &owners, &names, &dominators),
        backlogs: backlogs(program, reading, marked, &dominators, &names),
        took: started.elapsed(),
    })
}

/// The bytes that an object counts for: those that are resident. Where there is no page table,
/// address space is what counts.
fn weigh(reading: &Reading) -> impl Fn(AddrRange) -> u64 + '_ {
    // Objects are asked for by address, and runs are long.
    let last = Cell::new(AddrRange::default());
    move |range: AddrRange| {
        if reading.rss.is_none() || last.get().covers(range) {
            return range.len();
        }
        let run = reading.residency.run_at(range.start());
        match run.filter(|run| run.kind.is_resident()) {
            Some(run) if run.range.covers(range) => {
                last.set(run.range);
                range.len()
            }
            _ => reading.residency.resident_in(range).0,
        }
    }
}

/// The variables that retain most.
fn largest(
    graph: &Graph,
    owners: &Owners,
    names: &RootNames<'_>,
    dominators: &Dominators<'_>,
) -> Vec<rules::Holder> {
    let mut firsts: HashMap<u32, &Root> = HashMap::new();
    for (root, owner) in graph.roots().iter().zip(&owners.of_root) {
        firsts.entry(*owner).or_insert(root);
    }
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
        // Without a name, one is known by who stores into it.
        let of_runtime = |place: &letgo_report::Location| place.function.starts_with("runtime.");
        let stored = !named.stored_by.is_empty();
        if named.name.is_none() && stored && named.stored_by.iter().all(of_runtime) {
            return None;
        }
        Some(rules::Holder {
            is_named: named.name.is_some(),
            name: named.name.or(named.place).unwrap_or_default(),
            go_type: named.type_name,
            resident_bytes: retained.bytes,
            objects: retained.objects,
            stored_by: named.stored_by.into_iter().map(location).collect(),
        })
    });
    holders.collect()
}

fn location(place: letgo_report::Location) -> rules::Location {
    rules::Location {
        function: place.function,
        file: place.file,
        line: place.line,
    }
}
