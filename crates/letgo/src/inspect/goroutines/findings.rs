//! [`goroutine_groups`]: the goroutines of a reading as the rules want to know them.

use letgo_diagnose as rules;
use letgo_heap::GraphOptions;
use letgo_report as out;
use letgo_target::{AddrRange, ReadMemory};

use super::groups::group;
use super::growth::changes;
use super::places::Places;
use super::{leaks, listed};
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
    let census = &reading.census;
    // Where there is no page table, address space is what counts.
    let weigh = |range: AddrRange| match reading.rss {
        Some(_) => reading.residency.resident_in(range).0,
        None => range.len(),
    };
    let graph = reading.marked.as_ref().map(|marked| &marked.graph)?;
    let (of, groups) = group(census, Some(graph), Some(&leaks));
    let mut stacks = vec![0u64; groups.len()];
    for (one, group) in census.goroutines.iter().zip(&of) {
        if let Some(sum) = stacks.get_mut(*group as usize) {
            *sum += weigh(one.stack);
        }
    }
    let mut heap = vec![(0u64, 0u64); groups.len()];
    if groups.iter().any(|group| group.count >= WORTH) {
        let alone = graph.held_alone(census, &of, &GraphOptions::default())?;
        alone.each(&mut |object, group| {
            let range = graph.range_of(object);
            if let (Some(sum), Some(range)) = (heap.get_mut(group as usize), range) {
                sum.0 += 1;
                sum.1 += weigh(range);
            }
        });
    }
    let later = reading.later.as_deref();
    let changes = later.map(|later| changes(census, &of, &groups, later));
    let mut changes = changes.unwrap_or_default().into_iter();
    let gofunc = reading.runtime.layout().moduledata.gofunc.offset;
    let mut places = Places::new(program, gofunc).ok()?;
    let is_whole = reading.coverage.is_complete();
    let bytes = stacks.into_iter().zip(heap);
    let all = groups.into_iter().zip(bytes);
    let all = all.map(|(group, bytes)| (group, bytes, changes.next()));
    let own = all.filter(|(group, _, _)| !group.first.system);
    let now_ns = reading.monotonic_ns;
    let facts = own.map(
        |(group, (stack, (objects, heap)), change)| rules::GoroutineGroup {
            stack_resident_bytes: stack,
            heap_resident_bytes: heap,
            heap_objects: objects,
            change,
            is_whole,
            ..plain(listed(group, &mut places, now_ns))
        },
    );
    Some(facts.collect())
}

/// A group of the report, without any bytes in RAM.
fn plain(group: out::GoroutineGroup) -> rules::GoroutineGroup {
    let location = |place: out::Location| rules::Location {
        function: place.function,
        file: place.file,
        line: place.line,
    };
    rules::GoroutineGroup {
        verdict: match group.verdict {
            out::Verdict::Proven => rules::Verdict::Proven,
            out::Verdict::Likely => rules::Verdict::Likely,
            _ => rules::Verdict::None,
        },
        count: group.count,
        status: group.status.as_str().to_owned(),
        wait_reason: group.wait_reason.unwrap_or_default(),
        waiting_ns: group.waiting_ns,
        waiting_least_ns: group.waiting_ns_min,
        location: group.location.map(location),
        created_by: group.created_by.map(location),
        stack_virtual_bytes: group.stack_bytes,
        ..rules::GoroutineGroup::default()
    }
}
