//! Goroutines that stand in functions of a Go plugin: their frames have tables of their own, and
//! what these do not name is not kept.
//!
//! `lab/patients/plugin` prints where objects lie that must be reachable and some that must not:
//! these have only a dead word of a plugin's frame, which a reader without the plugin's tables
//! takes for a pointer.

#![allow(clippy::unwrap_used, reason = "tests")]

mod cases;
mod process;

use anyhow::{Result, ensure};
use cases::for_each_as;
use letgo_goruntime::Census;
use letgo_heap::{Graph, GraphOptions, Reachable};
use letgo_target::Addr;
use letgo_testkit::{Kind, Patient, Recipe, Strip};
use process::Process;

/// What a patient allocates between its collection and its stop.
const NEAR: u64 = 64 << 10;
/// Goroutines that wait in the plugin's function `lose`.
const LOST: usize = 3;

fn kinds() -> [Kind; 2] {
    let stripped = Kind {
        pie: true,
        strip: Strip::StripS,
        ..Kind::cgo()
    };
    [Kind::cgo(), stripped]
}

fn standing(recipe: Recipe) -> Recipe {
    recipe.arg("-stand").arg("-mib=8")
}

/// The places that the patient tells of, and whether they are kept.
fn places(patient: &Patient) -> Vec<(&'static str, Addr)> {
    let names = [
        "kept_local",
        "kept_object",
        "kept_between",
        "kept_passed",
        "kept_leaked",
        "lost_large",
        "lost_leaf",
        "lost_object",
    ];
    let place = |name| Some((name, Addr(patient.truth().text(name)?.parse().ok()?)));
    names.into_iter().filter_map(place).collect()
}

fn graph_of(process: &Process) -> Result<(Census, Graph)> {
    let census = process.census()?;
    let registers = process.registers()?;
    let options = GraphOptions {
        registers: &registers,
        ..GraphOptions::default()
    };
    let graph = process.graph(&census, &options)?;
    Ok((census, graph))
}

fn read(process: &Process) -> Result<(Graph, Reachable)> {
    let (_, graph) = graph_of(process)?;
    let reachable = graph.mark(&GraphOptions::default());
    ensure!(reachable.coverage.is_complete(), "{:?}", reachable.coverage);
    ensure!(reachable.dead.objects == 0, "{:?}", reachable.dead);
    Ok((graph, reachable))
}

/// Those that are as they should not be.
fn wrong(places: &[(&str, Addr)], graph: &Graph, reachable: &Reachable) -> Vec<String> {
    let is_wrong = |place: &&(&str, Addr)| {
        let object = graph.object_at(place.1);
        object.is_none_or(|object| reachable.has(object)) != place.0.starts_with("kept_")
    };
    let wrong = places.iter().filter(is_wrong);
    wrong.map(|place| place.0.to_owned()).collect()
}

#[test]
fn frames_of_plugins_keep_what_their_maps_name_and_no_more() {
    for_each_as(&kinds(), "plugin", standing, |case, mut patient| {
        let places = places(&patient);
        ensure!(places.len() == 8, "{places:?}");
        patient.stop()?;
        let process = Process::open(patient.pid())?;
        let (graph, reachable) = read(&process)?;
        let wrong_ones = wrong(&places, &graph, &reachable);
        ensure!(wrong_ones.is_empty(), "{wrong_ones:?}");
        let process = process.plugins_of_memory()?;
        let (again, of_memory) = read(&process)?;
        ensure!(of_memory.all == reachable.all, "{:?}", of_memory.all);
        ensure!(of_memory.guessed == reachable.guessed);
        ensure!(again.roots().len() == graph.roots().len());
        // A reader that does not know of them guesses, and the test can tell.
        let (graph, unknown) = read(&process.without_plugins())?;
        println!(
            "{case}: {} reachable, {} guessed; without tables {}, {} guessed",
            reachable.all.bytes, reachable.guessed.bytes, unknown.all.bytes, unknown.guessed.bytes,
        );
        let kept = wrong(&places, &graph, &unknown);
        ensure!(kept.iter().any(|name| name == "lost_large"), "{kept:?}");
        ensure!(unknown.guessed.bytes > reachable.guessed.bytes + (256 << 10));
        Ok(())
    });
}

#[test]
fn a_program_with_a_plugin_has_what_the_runtime_marked() {
    for_each_as(&kinds(), "plugin", standing, |case, mut patient| {
        patient.command("collect")?;
        patient.stop()?;
        let process = Process::open(patient.pid())?;
        let (_, reachable) = read(&process)?;
        let (ours, marked) = (reachable.all.bytes, process.heap_marked()?);
        println!(
            "{case}: marked {marked}, reachable {:+}, guessed {}",
            i128::from(ours) - i128::from(marked),
            reachable.guessed.bytes,
        );
        ensure!(ours.abs_diff(marked) <= NEAR, "{ours}, marked {marked}");
        let lost = reachable.in_use.bytes - ours;
        ensure!(lost <= NEAR, "{lost} bytes in use and not reachable");
        Ok(())
    });
}

#[test]
fn goroutines_that_are_lost_in_a_plugin_are_proven_so() {
    for_each_as(&kinds(), "plugin", standing, |case, mut patient| {
        patient.stop()?;
        let process = Process::open(patient.pid())?;
        let (census, graph) = graph_of(&process)?;
        let whole = census.coverage.is_complete();
        let leaks = graph.leaks(&census, whole, &GraphOptions::default());
        let proven = leaks.standings.iter();
        let proven = proven.filter(|one| **one == letgo_heap::Standing::Proven);
        let proven = proven.count();
        println!("{case}: {proven} proven of {}", census.goroutines.len());
        ensure!(proven == LOST, "{:?}", leaks.standings);
        Ok(())
    });
}
