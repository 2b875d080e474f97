//! The graph against what the program says of itself, and against the runtime's own marking.
//!
//! `lab/patients/graph` holds objects in every way, and prints where some lie that must be
//! reachable and some that must not. After a collection during which nothing was allocated, the
//! reachable bytes must be those that the runtime marked.

#![allow(clippy::unwrap_used, reason = "tests")]

mod cases;
mod process;

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Result, ensure};
use cases::for_each;
use letgo_heap::{Graph, GraphOptions, Limits, ObjectId, Reachable, Registers, RootKind};
use letgo_target::Addr;
use letgo_testkit::{Patient, thread_states};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use process::Process;
use process::liar::Liar;

/// How far reachable bytes may be from what the runtime marked: what a patient allocates between
/// its collection and its stop.
const NEAR: u64 = 64 << 10;

fn with(registers: &[Registers]) -> GraphOptions<'_> {
    GraphOptions {
        registers,
        ..GraphOptions::default()
    }
}

#[test]
fn what_is_held_is_reachable_and_what_is_not_is_not() {
    for_each("graph", |case, mut patient| {
        let places: Vec<(String, Addr)> = places(&patient);
        patient.stop()?;
        let process = Process::open(patient.pid())?;
        let census = process.census()?;
        let registers = process.registers()?;
        let graph = process.graph(&census, &with(&registers))?;
        let options = with(&registers);
        let reachable = graph.mark(&options);
        ensure!(reachable.coverage.is_complete(), "{:?}", reachable.coverage);
        for (name, addr) in &places {
            let object = graph.object_at(*addr);
            let found = object.is_some_and(|object| reachable.has(object));
            ensure!(found == name.starts_with("kept_"), "{name}: {object:?}");
            ensure!(object.is_some() || found, "{name} is gone");
        }
        ensure!(places.len() > 20, "only {places:?}");
        ensure!(reachable.dead.objects == 0, "{:?}", reachable.dead);
        println!(
            "{case}: {} places, {} of {} objects reachable, {} guessed, {} roots",
            places.len(),
            reachable.all.objects,
            reachable.in_use.objects,
            reachable.guessed.objects,
            graph.roots().len(),
        );
        let kinds = [
            RootKind::Data,
            RootKind::Bss,
            RootKind::Stack,
            RootKind::Finalizer,
        ];
        for kind in kinds {
            let found = graph.roots().iter().any(|root| root.kind == kind);
            ensure!(found, "no root {kind:?}");
        }
        Ok(())
    });
}

/// What the patient says of where objects are.
fn places(patient: &Patient) -> Vec<(String, Addr)> {
    let names = [
        "list_end",
        "slice_end",
        "tagged_last",
        "bulky_last",
        "grid_end",
        "pairs_end",
        "interface_slice_end",
        "map_value",
        "map_inner",
        "sync_map_value",
        "string_bytes",
        "channel_element",
        "interface",
        "closure",
        "interior",
        "timer",
        "stack_local",
        "stack_object",
        "deferred",
        "finalizer_queued",
        "finalizer_closure",
        "held_by_finalized",
        "cleanup_closure",
    ];
    let lost = ["list", "ring", "slice_element", "finalized", "weak"];
    let kept = names.iter().map(|name| format!("kept_{name}"));
    let lost = lost.iter().map(|name| format!("lost_{name}"));
    kept.chain(lost)
        .filter_map(|name| {
            let place = patient.truth().text(&name)?.parse().ok()?;
            Some((name, Addr(place)))
        })
        .collect()
}

#[test]
fn reachable_bytes_are_those_that_the_runtime_marked() {
    for_each("graph", |case, mut patient| {
        patient.command("collect")?;
        patient.stop()?;
        let process = Process::open(patient.pid())?;
        let census = process.census()?;
        let registers = process.registers()?;
        let options = GraphOptions {
            registers: &registers,
            ..GraphOptions::default()
        };
        let graph = process.graph(&census, &options)?;
        let reachable = graph.mark(&options);
        let marked = process.heap_marked()? - scanned_twice(&graph);
        let ours = reachable.all.bytes;
        println!(
            "{case}: marked {marked}, reachable {:+}, guessed {}, in use {}",
            i128::from(ours) - i128::from(marked),
            reachable.guessed.bytes,
            reachable.in_use.bytes,
        );
        ensure!(reachable.coverage.is_complete(), "{:?}", reachable.coverage);
        ensure!(
            ours.abs_diff(marked) <= NEAR,
            "{ours} reachable, {marked} marked"
        );
        ensure!(reachable.dead.objects == 0, "{:?}", reachable.dead);
        // Nothing else is in use after a collection.
        let lost = reachable.in_use.bytes - ours;
        ensure!(lost <= NEAR, "{lost} bytes in use and not reachable");
        Ok(())
    });
}

/// Readers that take the contents of slices of this size for something else find the slices and
/// not what they hold.
#[test]
fn four_million_leaves_are_found_through_slices_with_headers() {
    for_each("leaves", |case, mut patient| {
        let at = Addr(patient.truth().text("at").unwrap().parse()?);
        let expected = (patient.truth().get("slices"), patient.truth().get("leaves"));
        patient.stop()?;
        let process = Process::open(patient.pid())?;
        let census = process.census()?;
        let graph = process.graph(&census, &GraphOptions::default())?;
        let reachable = graph.mark(&GraphOptions::default());
        ensure!(reachable.coverage.is_complete(), "{:?}", reachable.coverage);
        let (mut slices, mut leaves) = (HashSet::new(), HashSet::new());
        graph.pointers(graph.object_at(at).unwrap(), &mut |slice| {
            slices.insert(slice);
            graph.pointers(slice, &mut |leaf| {
                leaves.insert(leaf);
            });
        });
        let found = (slices.len() as u64, leaves.len() as u64);
        ensure!(found == expected, "{found:?}");
        let mut all = slices.iter().chain(&leaves);
        ensure!(all.all(|object| reachable.has(*object)), "not reachable");
        println!("{case}: {found:?} of {:?}", reachable.all);
        Ok(())
    });
}

/// How many ways of lying are tried.
const LIES: u64 = 24;

/// How often a program that never rests is stopped, somewhere.
const STOPS: usize = 12;

#[test]
fn nothing_that_the_collector_found_dead_is_reachable_for_sure() {
    for_each("alloc", |case, patient| {
        let (mut dead, mut unswept, mut guessed) = (0, 0, 0);
        for _ in 0..STOPS {
            let stopped = Stopped::stop(patient.pid())?;
            let process = Process::open(patient.pid())?;
            let census = process.census()?;
            let registers = process.registers()?;
            let options = GraphOptions {
                registers: &registers,
                ..GraphOptions::default()
            };
            let graph = process.graph(&census, &options)?;
            let reachable = graph.mark(&options);
            drop(stopped);
            ensure!(reachable.coverage.is_complete(), "{:?}", reachable.coverage);
            ensure!(reachable.dead.objects == 0, "{:?}", reachable.dead);
            ensure!(reachable.all.objects > 1000, "{:?}", reachable.all);
            dead += reachable.dead_guessed.objects;
            guessed += reachable.guessed.objects;
            unswept += census.spans.iter().filter(|span| span.needs_sweep).count();
        }
        println!("{case}: {unswept} unswept spans, {guessed} guessed, {dead} of them dead");
        Ok(())
    });
}

#[test]
fn a_program_that_runs_is_read_as_well() {
    for_each("alloc", |case, patient| {
        let mut most = 0;
        for _ in 0..3 {
            let process = Process::open(patient.pid())?;
            let census = process.census()?;
            let graph = process.graph(&census, &GraphOptions::default())?;
            let reachable = graph.mark(&GraphOptions::default());
            let Reachable { all, in_use, .. } = &reachable;
            ensure!(all.objects <= in_use.objects, "{all:?}");
            most = most.max(all.objects);
            println!(
                "{case}: {} of {} objects, {} skipped, {} torn",
                all.objects,
                in_use.objects,
                reachable.coverage.skipped.len(),
                reachable.coverage.torn,
            );
        }
        // One reading may fall where what holds nearly all is in a register.
        ensure!(most > 1000, "at most {most} objects are reachable");
        Ok(())
    });
}

#[test]
fn lies_are_bounded_and_never_a_panic() {
    for_each("graph", |case, mut patient| {
        patient.stop()?;
        let process = Process::open(patient.pid())?;
        let census = process.census()?;
        let limits = Limits {
            list: 10_000,
            frames: 10_000,
            copy_time: Duration::from_secs(5),
            mark_time: Duration::from_secs(5),
            ..Limits::default()
        };
        let registers = process.registers()?;
        let options = GraphOptions {
            limits,
            registers: &registers,
            ..GraphOptions::default()
        };
        let truth = process.graph(&census, &options)?.mark(&options);
        let (mut less, mut said) = (0, 0);
        for seed in 0..LIES {
            let liar = Liar {
                memory: &process.memory,
                seed,
                one_word_in: [7, 50, 1000, 30_000][usize::try_from(seed % 4)?],
                one_read_in: [20, 500, 10_000][usize::try_from(seed % 3)?],
            };
            let lying = process.binary_that_lies(seed)?;
            let binary = lying.as_ref().unwrap_or(&process.binary);
            let Ok(graph) = Graph::read(&process.runtime, binary, &liar, &census, &options) else {
                continue;
            };
            let reachable = graph.mark(&options);
            less += u64::from(reachable.all.objects < truth.all.objects);
            said += u64::from(!reachable.coverage.is_complete());
            for object in (0..graph.slots()).step_by(101).map(ObjectId) {
                graph.pointers(object, &mut |_| {});
                graph.range_of(object);
            }
        }
        println!("{case}: {less} of {LIES} found less, {said} said what they left out");
        ensure!(
            said > LIES / 2,
            "{said} of {LIES} said that something was left out"
        );
        Ok(())
    });
}

/// A process that was stopped from outside; dropping it lets it go on.
struct Stopped(Pid);

impl Stopped {
    fn stop(pid: u32) -> Result<Stopped> {
        let stopped = Stopped(Pid::from_raw(pid.try_into()?));
        kill(stopped.0, Signal::SIGSTOP)?;
        while thread_states(pid)?.iter().any(|state| *state != 'T') {
            std::thread::yield_now();
        }
        Ok(stopped)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = kill(self.0, Signal::SIGCONT);
    }
}

/// Bytes that the runtime counts twice: an object with a finalizer is scanned as a root and, when
/// it is reached, as an object, and both add to what is marked (mgcmark.go, `scanObject`).
fn scanned_twice(graph: &Graph) -> u64 {
    let finalized = graph.finalized().iter();
    let scanned = finalized.filter(|object| graph.is_followed(**object));
    let ranges = scanned.filter_map(|object| graph.range_of(*object));
    ranges.map(|range| range.len()).sum()
}
