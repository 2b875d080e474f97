//! [`goroutines_report`]: the goroutines of a reading as `letgo.goroutines/1`.
//!
//! Groups them, looks each place up once, and says of each group what it holds alone and whether
//! it can ever run again. Which can is found out by `letgo_heap`.

mod findings;
mod groups;
mod growth;
mod labels;
mod outliving;
mod places;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use letgo_goruntime::Goroutine;
use letgo_heap::{Doubt, GraphOptions, Leaks, Standing};
use letgo_report as out;
use letgo_target::ReadMemory;

use super::report::taken;
use super::{Program, Reading, Surroundings, complaints, target};
use crate::complaint::Complaint;
use crate::own;
pub use findings::{Groups, goroutine_groups};
use groups::{Group, group};
use labels::label;
pub(super) use places::Places;
use places::{c_frames, shorten};

/// The goroutines of a reading. `now` is the memory of the program as it has gone on since: what
/// moved there is not called leaked.
///
/// # Errors
/// A [`Complaint`] where the function table cannot be read.
pub fn goroutines_report(
    program: &Program,
    reading: &mut Reading,
    around: &Surroundings,
    now: Option<&dyn ReadMemory>,
) -> Result<out::GoroutinesReport, Complaint> {
    let leaks = leaks(reading, now);
    let census = &reading.census;
    let graph = reading.marked.as_ref().map(|marked| &marked.graph);
    let c_stacks = reading.marked.as_ref().map(|marked| &marked.c_stacks);
    let (of, mut groups) = group(census, graph, leaks.as_ref(), c_stacks);
    let alone = graph.and_then(|graph| graph.held_alone(census, &of, &GraphOptions::default()));
    for (group, count) in groups.iter_mut().zip(alone.unwrap_or_default().counts) {
        group.retained = Some(count);
    }
    let gofunc = reading.runtime.layout().moduledata.gofunc.offset;
    let mut places =
        Places::new(program, gofunc).map_err(|error| complaints::of_binary(&error, program.pid))?;
    let now_ns = reading.monotonic_ns;
    let labels = label(census, &reading.labels, &of, groups.len());
    let mut listed: Vec<out::GoroutineGroup> = groups
        .into_iter()
        .zip(labels)
        .map(|(group, labels)| out::GoroutineGroup {
            labels: labels.alike,
            label_sets: labels.sets,
            label_sets_more: labels.more,
            ..listed(group, &mut places, now_ns)
        })
        .collect();
    listed.sort_by_key(|group| {
        (
            Reverse(group.bytes()),
            Reverse(group.count),
            group.goids.first().copied(),
        )
    });
    let stacks = census.goroutines.iter().map(|one| one.stack.len());
    Ok(out::GoroutinesReport {
        schema: out::GoroutinesReport::SCHEMA.into(),
        letgo: own::cost(),
        target: target(program, around),
        taken: taken(reading),
        total: census.goroutines.len() as u64,
        dead: census.dead_goroutines,
        stack_bytes: stacks.sum(),
        dead_stack_bytes: census.dead_stack_bytes,
        by_status: by_status(&listed),
        leaks: summary(&listed, leaks.is_some(), reading),
        groups: listed,
    })
}

/// Which can never run again, where the graph tells: it has to be whole, and of one moment.
fn leaks(reading: &mut Reading, now: Option<&dyn ReadMemory>) -> Option<Leaks> {
    let marked = reading.marked.as_ref()?;
    let whole = reading.stands && reading.census.coverage.is_complete();
    let options = GraphOptions::default();
    let graph = &marked.graph;
    let mut leaks = graph.leaks(&reading.census, whole, &options);
    if leaks
        .standings
        .contains(&Standing::Unproven(Doubt::Incomplete))
    {
        return None;
    }
    if let Some(memory) = now
        && let Err(error) = leaks.look_again(&reading.runtime, memory, &reading.census)
    {
        let why = format!("they could not be looked at once more: {error}");
        reading.coverage.skip("leaked goroutines", why);
        return None;
    }
    Some(leaks)
}

/// One group as it is listed.
fn listed(
    mut group: Group<'_>,
    places: &mut Places<'_>,
    now_ns: Option<u64>,
) -> out::GoroutineGroup {
    let first = group.first;
    let (mut frames, is_cut) = places.stack(group.pcs, first.start_pc);
    let location = places.location(&frames);
    frames.splice(..0, group.c_stack.into_iter().flat_map(c_frames));
    let created_by = (first.goid != 1)
        .then(|| places.created_by(first.go_pc))
        .flatten();
    let status = status(first);
    let waits = !first.wait_reason.is_empty();
    let (verdict, why) = verdict(group.standing, waits);
    let id = places.id(&group, status.as_str());
    let since = |ns: u64| now_ns.map(|now| now.saturating_sub(ns));
    group.goids.sort_unstable();
    out::GoroutineGroup {
        id: Some(id),
        verdict,
        why,
        status,
        wait_reason: waits.then(|| first.wait_reason.to_owned()),
        count: group.count,
        system: first.system,
        waiting_ns: group.since.and_then(|(first, _)| since(first)),
        waiting_ns_min: group.since.and_then(|(_, last)| since(last)),
        location,
        frames_more: shorten(&mut frames),
        frames_cut: is_cut,
        frames,
        created_by,
        labels: BTreeMap::new(),
        label_sets: Vec::new(),
        label_sets_more: 0,
        stack_bytes: group.stack_bytes,
        stack_used_bytes: group.used_bytes,
        retained_bytes: group.retained.map(|count| count.bytes),
        retained_objects: group.retained.map(|count| count.objects),
        goids: group.goids,
    }
}

/// A goroutine's state in the report's words.
pub(super) fn status(one: &Goroutine) -> out::GoroutineStatus {
    use letgo_goruntime::Status;
    match one.status {
        Status::Idle => out::GoroutineStatus::Idle,
        Status::Runnable => out::GoroutineStatus::Runnable,
        Status::Running => out::GoroutineStatus::Running,
        Status::Syscall => out::GoroutineStatus::Syscall,
        Status::Waiting => out::GoroutineStatus::Waiting,
        Status::CopyStack => out::GoroutineStatus::CopyStack,
        Status::Preempted => out::GoroutineStatus::Preempted,
        Status::Leaked => out::GoroutineStatus::Leaked,
        Status::Dead | Status::DeadExtra => out::GoroutineStatus::Other("dead".into()),
        Status::Other(number) => out::GoroutineStatus::Other(format!("status {number}")),
    }
}

/// What is said of it, and of one that waits why no more than that.
fn verdict(standing: Option<Standing>, waits: bool) -> (out::Verdict, Option<out::Unproven>) {
    use out::Unproven;
    let why = match standing {
        Some(Standing::Proven) => return (out::Verdict::Proven, None),
        None => Unproven::NotAnalysed,
        Some(Standing::Runs) => Unproven::Event,
        Some(Standing::Reached) => Unproven::Reached,
        Some(Standing::Main) => Unproven::Main,
        Some(Standing::Unproven(doubt)) => match doubt {
            Doubt::Incomplete => Unproven::Incomplete,
            Doubt::Stack => Unproven::Stack,
            Doubt::Unknown => Unproven::Unknown,
            Doubt::Variable => Unproven::Variable,
            Doubt::Waking => Unproven::Waking,
            Doubt::InHand => Unproven::InHand,
            Doubt::CalledByC => Unproven::CalledByC,
            Doubt::Bubble => Unproven::Bubble,
            Doubt::Moved => Unproven::Moved,
        },
    };
    (out::Verdict::None, waits.then_some(why))
}

/// How many are in each state, most first.
fn by_status(groups: &[out::GoroutineGroup]) -> Vec<out::StatusCount> {
    let mut sums: BTreeMap<_, (u64, u64)> = BTreeMap::new();
    for group in groups {
        let state = (group.status.clone(), group.wait_reason.clone());
        let sum = sums.entry(state).or_default();
        sum.0 += group.count;
        sum.1 += group.stack_bytes;
    }
    let mut states: Vec<out::StatusCount> = sums
        .into_iter()
        .map(
            |((status, wait_reason), (count, stack_bytes))| out::StatusCount {
                status,
                wait_reason,
                count,
                stack_bytes,
            },
        )
        .collect();
    states.sort_by_key(|state| Reverse(state.count));
    states
}

/// Those that can never run again, altogether.
fn summary(groups: &[out::GoroutineGroup], analysed: bool, reading: &Reading) -> out::LeakSummary {
    let of = |verdict: out::Verdict| groups.iter().filter(move |one| one.verdict == verdict);
    let count = |verdict| of(verdict).map(|one| one.count).sum();
    let leaked = || of(out::Verdict::Proven).chain(of(out::Verdict::Likely));
    out::LeakSummary {
        analysed,
        why_not: (!analysed).then(|| why_not(reading)),
        proven: count(out::Verdict::Proven),
        likely: count(out::Verdict::Likely),
        stack_bytes: leaked().map(|one| one.stack_bytes).sum(),
        retained_bytes: analysed.then(|| leaked().filter_map(|one| one.retained_bytes).sum()),
    }
}

/// Why it was not looked for leaks.
fn why_not(reading: &Reading) -> String {
    let graph = |skip: &&letgo_target::Skip| skip.what == "the object graph";
    let skipped = reading.coverage.skipped.iter().find(graph);
    match (skipped, &reading.why) {
        (Some(skip), _) => format!("the object graph cannot be had: {}", skip.why),
        (None, Some(why)) => why.clone(),
        (None, None) if reading.stands => "something was left out of this reading".into(),
        (None, None) => "the program ran on while it was read; leave --no-pause out".into(),
    }
}
