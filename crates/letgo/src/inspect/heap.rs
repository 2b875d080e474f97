//! [`heap_report`]: a reading as `letgo.heap/1`.
//!
//! Moves figures, computes none but sums.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use letgo_account::{Held, ReachClass, Reached};
use letgo_heap::Limits;
use letgo_report as out;
use letgo_target::{ReadMemory, ResidentBytes};

use super::beside::beside;
use super::contents::Inside;
use super::holders::{Depth, holders};
use super::report::taken;
use super::roots::RootNames;
use super::{Marked, Program, Reading, Surroundings, target, types};
use crate::own;

/// What is in a heap and who holds it, found within `limits`, where any holder is asked for. Where
/// dominators cannot be had, no holder is listed and the coverage says why. `memory` is that of the
/// program as it is now: how much is in containers.
pub fn heap_report(
    program: &Program,
    reading: &mut Reading,
    around: &Surroundings,
    depth: Depth,
    memory: Option<&dyn ReadMemory>,
    limits: Limits,
) -> out::HeapReport {
    let mut listed = (Vec::new(), None);
    let mut types = types::Listed::default();
    if let Some(mut marked) = reading.marked.take() {
        let found = beside(
            || types::types(program, &marked),
            || who_holds(program, reading, (&marked, memory), depth, limits),
        );
        types = found.0;
        let mut dominators = None;
        match found.1 {
            Some((Ok((holders, rest)), took)) => {
                listed = (holders, Some(rest));
                dominators = Some(took);
            }
            Some((Err(error), _)) => reading.coverage.skip("who holds what", error.to_string()),
            None => {}
        }
        reading
            .coverage
            .merge(marked.typed(program).coverage().clone());
        marked.dominators = dominators.or(marked.dominators);
        reading.marked = Some(marked);
    }
    let reached = reading.account.reached.clone().unwrap_or_default();
    let resident = reading.rss.is_some();
    out::HeapReport {
        schema: out::HeapReport::SCHEMA.into(),
        letgo: own::cost(),
        target: target(program, around),
        taken: taken(reading),
        totals: totals(&reached, resident),
        size_classes: size_classes(&reached, resident),
        holders: listed.0,
        holders_rest: listed.1,
        types: types.types,
        types_rest: types.rest,
        untyped: types.untyped,
        types_conflicts: types.conflicts,
    }
}

/// The holders, and how long it took; nothing where none is asked for.
type Holders = (
    Result<(Vec<out::Holder>, out::Rest), letgo_heap::Error>,
    Duration,
);

fn who_holds(
    program: &Program,
    reading: &Reading,
    (marked, memory): (&Marked, Option<&dyn ReadMemory>),
    depth: Depth,
    limits: Limits,
) -> Option<Holders> {
    if depth.most == 0 {
        return None;
    }
    let started = Instant::now();
    let names = RootNames::new(program, &reading.census, Some(marked));
    let graph = (&marked.graph, &marked.reachable, &reading.census);
    // Waits for the types, once who holds what is known.
    let types = |object| marked.type_name(program, object).map(str::to_owned);
    let inside = memory.map(|memory| Inside {
        program,
        marked,
        memory,
    });
    let found = holders(graph, &names, &types, inside, depth, limits);
    Some((found, started.elapsed()))
}

fn amount(held: Held, resident: bool) -> out::Amount {
    out::Amount {
        count: held.objects,
        slot_bytes: held.slot_bytes,
        resident_bytes: resident.then_some(held.resident.0),
    }
}

fn some(held: Held, resident: bool) -> Option<out::Amount> {
    (held.objects > 0).then(|| amount(held, resident))
}

fn both(a: Held, b: Held) -> Held {
    Held {
        objects: a.objects + b.objects,
        slot_bytes: a.slot_bytes + b.slot_bytes,
        resident: ResidentBytes(a.resident.0 + b.resident.0),
    }
}

fn totals(reached: &Reached, resident: bool) -> out::HeapTotals {
    let classes: Vec<out::HeapClass> = size_classes(reached, resident);
    let sum = |of: fn(&out::HeapClass) -> out::Amount| {
        let parts = classes.iter().map(of);
        parts.fold(out::Amount::default(), |sum, part| out::Amount {
            count: sum.count + part.count,
            slot_bytes: sum.slot_bytes + part.slot_bytes,
            resident_bytes: resident
                .then(|| sum.resident_bytes.unwrap_or(0) + part.resident_bytes.unwrap_or(0)),
        })
    };
    out::HeapTotals {
        spans: sum(|class| class.spans),
        objects: amount(both(reached.reachable, reached.garbage), resident),
        reachable: amount(reached.reachable, resident),
        garbage: amount(reached.garbage, resident),
        free_slots: sum(|class| class.free_slots),
        guessed: some(reached.guessed, resident),
        unknown: some(reached.unknown, resident),
    }
}

/// Classes with and without pointers together, most bytes of spans first.
fn size_classes(reached: &Reached, resident: bool) -> Vec<out::HeapClass> {
    let mut joined: BTreeMap<u8, Vec<&ReachClass>> = BTreeMap::new();
    for class in &reached.classes {
        joined.entry(class.class).or_default().push(class);
    }
    let mut classes: Vec<out::HeapClass> = joined
        .into_iter()
        .map(|(number, classes)| heap_class(number, &classes, resident))
        .collect();
    classes.sort_by_key(|class| std::cmp::Reverse(class.spans.slot_bytes));
    classes
}

fn heap_class(number: u8, classes: &[&ReachClass], resident: bool) -> out::HeapClass {
    let mut all = letgo_account::Shares::default();
    let mut going = 0;
    let mut slot_bytes = 0;
    for class in classes {
        all.add(&class.all());
        going += class.going().spans;
        slot_bytes = class.elem_size;
    }
    let used = all.reachable.objects + all.garbage.objects;
    let free = all.slots.saturating_sub(used);
    out::HeapClass {
        class: u32::from(number),
        slot_bytes,
        spans: out::Amount {
            count: all.spans,
            slot_bytes: all.span_bytes,
            resident_bytes: resident.then_some(all.resident.0),
        },
        spans_going: going,
        slots: all.slots,
        reachable: amount(all.reachable, resident),
        garbage: amount(all.garbage, resident),
        free_slots: out::Amount {
            count: free,
            slot_bytes: free.saturating_mul(slot_bytes),
            resident_bytes: resident.then_some(all.free.0),
        },
    }
}
