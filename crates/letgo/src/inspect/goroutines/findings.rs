//! [`goroutine_groups`]: the goroutines of a reading as the rules want to know them.

use letgo_diagnose as rules;
use letgo_heap::{GraphOptions, Standing};
use letgo_report as out;
use letgo_target::ReadMemory;

use super::groups::{Group, group};
use super::places::Places;
use super::{leaks, status};
use crate::inspect::{Program, Reading};

/// Goroutines alike from which on it is worth knowing what they hold.
const WORTH: u64 = 10;

/// The groups of goroutines, without the runtime's own; nothing where there is no graph or no
/// table of functions. `now` is as in [`super::goroutines_report`].
pub fn goroutine_groups(
    program: &Program,
    reading: &mut Reading,
    now: Option<&dyn ReadMemory>,
) -> Option<Vec<rules::GoroutineGroup>> {
    let leaks = leaks(reading, now)?;
    let (census, residency) = (&reading.census, &reading.residency);
    let graph = reading.marked.as_ref().map(|marked| &marked.graph)?;
    let (of, groups) = group(census, Some(graph), Some(&leaks));
    let mut stacks = vec![0u64; groups.len()];
    for (one, group) in census.goroutines.iter().zip(&of) {
        if let Some(sum) = stacks.get_mut(*group as usize) {
            *sum += residency.resident_in(one.stack).0;
        }
    }
    let mut heap = vec![(0u64, 0u64); groups.len()];
    if groups.iter().any(|group| group.count >= WORTH) {
        let alone = graph.held_alone(census, &of, &GraphOptions::default());
        alone.each(&mut |object, group| {
            let range = graph.range_of(object);
            if let (Some(sum), Some(range)) = (heap.get_mut(group as usize), range) {
                sum.0 += 1;
                sum.1 += residency.resident_in(range).0;
            }
        });
    }
    let gofunc = reading.runtime.layout().moduledata.gofunc.offset;
    let mut places = Places::new(program, gofunc).ok()?;
    let is_whole = reading.coverage.is_complete();
    let bytes = stacks.into_iter().zip(heap);
    let listed = groups.into_iter().zip(bytes);
    let own = listed.filter(|(group, _)| !group.first.system);
    let now_ns = reading.monotonic_ns;
    let facts = own.map(
        |(group, (stack, (heap_objects, heap)))| rules::GoroutineGroup {
            stack_resident_bytes: stack,
            heap_resident_bytes: heap,
            heap_objects,
            is_whole,
            ..plain(&group, &mut places, now_ns)
        },
    );
    Some(facts.collect())
}

/// What is known of a group without any bytes in RAM.
fn plain(group: &Group<'_>, places: &mut Places<'_>, now_ns: Option<u64>) -> rules::GoroutineGroup {
    let first = group.first;
    let (frames, _) = places.stack(group.pcs, first.start_pc);
    let location = |place: out::Location| rules::Location {
        function: place.function,
        file: place.file,
        line: place.line,
    };
    let since = |ns: u64| now_ns.map(|now| now.saturating_sub(ns));
    rules::GoroutineGroup {
        verdict: match group.standing {
            Some(Standing::Proven) => rules::Verdict::Proven,
            _ => rules::Verdict::None,
        },
        count: group.count,
        status: status(first).as_str().to_owned(),
        wait_reason: first.wait_reason.to_owned(),
        waiting_ns: group.since.and_then(|(first, _)| since(first)),
        waiting_least_ns: group.since.and_then(|(_, last)| since(last)),
        location: places.location(&frames).map(location),
        created_by: (first.goid != 1)
            .then(|| places.created_by(first.go_pc))
            .flatten()
            .map(location),
        stack_virtual_bytes: group.stack_bytes,
        ..rules::GoroutineGroup::default()
    }
}
