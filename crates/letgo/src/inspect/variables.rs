//! [`held`]: the variables and channels that hold most of a heap, as the rules want to know them,
//! and what their containers have beyond what they need.

use std::cell::Cell;
use std::cmp::Reverse;
use std::time::{Duration, Instant};

use letgo_diagnose as rules;
use letgo_heap::{Count, Dominators, Holder};
use letgo_report::HolderRoot;
use letgo_target::{AddrRange, ReadMemory};

use super::backlogs::backlogs;
use super::contents::Inside;
use super::owners::{OwnerKind, Owners};
use super::roots::RootNames;
use super::slack::{Look, containers};
use super::{Program, Reading, room};

/// Where the main goroutine began.
const MAIN: &str = "runtime.main";
/// How many are handed on.
const MOST: usize = 32;

/// Who holds most, and what of it nobody needs.
#[derive(Debug, Default)]
pub struct Held {
    /// The variables that hold most alone, the largest first, then goroutines of one function.
    pub variables: Vec<rules::Holder>,
    /// Channels by type whose elements hold most, the largest first.
    pub backlogs: Vec<rules::Backlog>,
    /// Containers with slack, where counts could be read.
    pub containers: Option<rules::Containers>,
    /// Bytes of the slots of all that is reachable.
    pub reachable_bytes: u64,
    /// How long it took to find them.
    pub took: Duration,
}

/// Who holds most; nothing where there is no graph, or no room or time for who holds what.
/// `memory` is that of the program as it is now: how much is in containers.
pub fn held(program: &Program, reading: &Reading, memory: Option<&dyn ReadMemory>) -> Option<Held> {
    let started = Instant::now();
    let marked = reading.marked.as_ref()?;
    let graph = &marked.graph;
    let names = RootNames::new(program, &reading.census, Some(marked));
    let owners = Owners::of(graph.roots(), &reading.census, &names);
    let (options, weigh) = (room::options(room::limits()), weigh(reading));
    let groups = Some(owners.of_root.as_slice());
    let dominators = Dominators::of(graph, &marked.reachable, &options, groups, &weigh).ok()?;
    let inside = memory.map(|memory| Inside {
        program,
        marked,
        memory,
    });
    let containers = memory.map(|memory| {
        let look = Look {
            program,
            marked,
            names: &names,
            memory,
        };
        containers(&look, &weigh, &dominators)
    });
    let firsts = owners.firsts(graph.roots());
    let variables = largest(&owners, &dominators, OwnerKind::Variable).into_iter();
    let variables = variables.filter_map(|(number, retained)| {
        let (root, words) = firsts.get(&number)?;
        // Of one word among several the count is not the variable's.
        let inside = inside.filter(|_| *words == 1);
        let elements = inside.and_then(|inside| inside.of_root(root));
        let named = match words {
            1 => names.name(root),
            _ => names.whole(root),
        };
        Some(holder(named, retained, elements.as_ref()))
    });
    let goroutines = largest(&owners, &dominators, OwnerKind::Goroutines).into_iter();
    let goroutines = goroutines.filter_map(|(number, retained)| {
        let owner = owners.all.get(number as usize)?;
        Some(rules::Holder {
            name: match owner.name.as_str() {
                MAIN => "the main goroutine".to_owned(),
                name => format!("goroutines of {name}"),
            },
            is_named: true,
            is_goroutines: true,
            resident_bytes: retained.bytes,
            objects: retained.objects,
            ..rules::Holder::default()
        })
    });
    Some(Held {
        variables: variables.chain(goroutines).collect(),
        backlogs: backlogs(program, reading, marked, &dominators, &names),
        containers,
        reachable_bytes: marked.reachable.all.bytes,
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

/// The owners of a kind that hold most, by number.
fn largest(owners: &Owners, dominators: &Dominators<'_>, kind: OwnerKind) -> Vec<(u32, Count)> {
    let numbered = (0u32..).zip(&owners.all);
    // Dead goroutines and the like: other rules know them.
    let told = numbered.filter(|(_, owner)| {
        let own = !owner.name.starts_with("runtime.") || owner.name == MAIN;
        owner.kind == kind && own
    });
    let mut held: Vec<(u32, Count)> = told
        .filter_map(|(number, _)| Some((number, dominators.retained(Holder::Group(number))?)))
        .collect();
    held.sort_by_key(|(number, retained)| (Reverse(retained.bytes), *number));
    held.truncate(MOST);
    held
}

fn holder(
    named: HolderRoot,
    retained: Count,
    elements: Option<&letgo_report::Elements>,
) -> rules::Holder {
    rules::Holder {
        is_named: named.name.is_some(),
        is_goroutines: false,
        name: named.name.or(named.place).unwrap_or_default(),
        go_type: named.type_name,
        resident_bytes: retained.bytes,
        objects: retained.objects,
        stored_by: named.stored_by.into_iter().map(location).collect(),
        elements: elements.map(|own| rules::Elements {
            of: match own.of.as_str() {
                "map" => rules::Counted::Entries,
                "string" => rules::Counted::Bytes,
                "chan" => rules::Counted::Messages,
                _ => rules::Counted::Elements,
            },
            count: own.count,
        }),
        later: None,
    }
}

pub(super) fn location(place: letgo_report::Location) -> rules::Location {
    rules::Location {
        function: place.function,
        file: place.file,
        line: place.line,
    }
}
