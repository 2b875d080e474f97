//! [`goroutine_groups`]: the goroutines of a reading as the rules want to know them.

use letgo_diagnose as rules;
use letgo_heap::{Alone, Graph, GraphOptions};
use letgo_report as out;
use letgo_target::{AddrRange, ReadMemory};

use super::groups::{Group, group};
use super::growth::changes;
use super::outliving::outliving;
use super::places::Places;
use super::{leaks, listed};
use crate::inspect::{Program, Reading};

/// Goroutines alike from which on it is worth knowing what they hold.
const WORTH: u64 = 10;

/// What the rules want to know of goroutines.
#[derive(Clone, Debug, Default)]
pub struct Groups {
    /// All of them in groups, without the runtime's own.
    pub all: Vec<rules::GoroutineGroup>,
    /// Those that hold contexts of requests that have ended.
    pub outliving: Vec<rules::Outliving>,
}

/// The groups of goroutines; nothing where there is no graph or no table of functions. `now` is as
/// in [`super::goroutines_report`].
pub fn goroutine_groups(
    program: &Program,
    reading: &mut Reading,
    now: Option<&dyn ReadMemory>,
) -> Option<Groups> {
    let leaks = leaks(reading, now)?;
    let reading = &*reading;
    let census = &reading.census;
    let marked = reading.marked.as_ref()?;
    let graph = &marked.graph;
    let (of, groups) = group(census, Some(graph), Some(&leaks), None);
    let both = (graph, &marked.reachable);
    let outliving = outliving(program, census, both, (&of, &groups));
    let mut alone = None;
    if groups.iter().any(|group| group.count >= WORTH) {
        alone = Some(graph.held_alone(census, &of, &GraphOptions::default())?);
    }
    let gofunc = reading.runtime.layout().moduledata.gofunc.offset;
    let mut places = Places::new(program, gofunc).ok()?;
    let mut weighed = Weighed {
        reading,
        graph,
        places: &mut places,
    };
    let all = weighed.groups(&of, groups, alone.as_ref());
    let outliving = outliving.map(|own| {
        let groups = weighed.groups(&own.of, own.groups, own.alone.as_ref());
        let with = groups.into_iter().zip(own.requests);
        with.map(|(group, requests)| rules::Outliving { group, requests })
            .collect()
    });
    Some(Groups {
        all,
        outliving: outliving.unwrap_or_default(),
    })
}

/// What groups are weighed with.
struct Weighed<'a, 'p> {
    reading: &'a Reading,
    graph: &'a Graph,
    places: &'a mut Places<'p>,
}

impl Weighed<'_, '_> {
    /// Bytes in RAM; where there is no page table, address space is what counts.
    fn weigh(&self, range: AddrRange) -> u64 {
        match self.reading.rss {
            Some(_) => self.reading.residency.resident_in(range).0,
            None => range.len(),
        }
    }

    /// Groups with what they hold, without those of the runtime; `of` has the group of each
    /// goroutine.
    fn groups(
        &mut self,
        of: &[u32],
        groups: Vec<Group<'_>>,
        alone: Option<&Alone>,
    ) -> Vec<rules::GoroutineGroup> {
        let census = &self.reading.census;
        let mut stacks = vec![0u64; groups.len()];
        for (one, group) in census.goroutines.iter().zip(of) {
            if let Some(sum) = stacks.get_mut(*group as usize) {
                *sum += self.weigh(one.stack);
            }
        }
        let mut heap = vec![(0u64, 0u64); groups.len()];
        if let Some(alone) = alone {
            alone.each(&mut |object, group| {
                let range = self.graph.range_of(object);
                if let (Some(sum), Some(range)) = (heap.get_mut(group as usize), range) {
                    sum.0 += 1;
                    sum.1 += self.weigh(range);
                }
            });
        }
        let later = self.reading.later.as_deref();
        let changes = later.map(|later| changes(census, of, &groups, later));
        let mut changes = changes.unwrap_or_default().into_iter();
        let is_whole = self.reading.coverage.is_complete();
        let now_ns = self.reading.monotonic_ns;
        let bytes = stacks.into_iter().zip(heap);
        let all = groups.into_iter().zip(bytes);
        let all = all.map(|(group, bytes)| (group, bytes, changes.next()));
        let own = all.filter(|(group, _, _)| !group.first.system);
        let facts = own.map(
            |(group, (stack, (objects, heap)), change)| rules::GoroutineGroup {
                stack_resident_bytes: stack,
                heap_resident_bytes: heap,
                heap_objects: objects,
                change,
                is_whole,
                ..plain(listed(group, self.places, now_ns))
            },
        );
        facts.collect()
    }
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
