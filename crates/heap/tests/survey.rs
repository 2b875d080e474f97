//! What containers have beyond what they need, where memory lies: bounded, never a panic, and never
//! more than there is.

#![allow(clippy::unwrap_used, reason = "tests")]

mod cases;
mod process;

use anyhow::{Result, ensure};
use cases::for_each;
use letgo_heap::{Dominators, Graph, GraphOptions, RootKind, Survey, SurveyFrom};
use letgo_target::{Addr, AddrRange, ReadMemory};
use process::Process;
use process::liar::Liar;

const LIES: u64 = 48;

/// The words of variables that something can be said of, but for the runtime's own.
fn places(process: &Process, graph: &Graph) -> Result<Vec<SurveyFrom>> {
    let known = process.binary.globals_typed()?;
    let bias = process.runtime.bias();
    let roots = graph.roots().iter();
    let words = roots.filter(|root| matches!(root.kind, RootKind::Data | RootKind::Bss));
    let from = words.filter_map(|root| {
        let linked = Addr(root.at.0.wrapping_sub(bias));
        let variable = known.variable(linked);
        if variable.is_some_and(|one| one.name.starts_with("runtime.")) {
            return None;
        }
        let pointee = known.pointee(linked)?;
        Some(SurveyFrom::Word(root.at, pointee.biased(bias)))
    });
    Ok(from.collect())
}

/// Bytes that are told of maps, of slices with room, and of what is kept for a part of it.
fn told(survey: &Survey) -> [u64; 3] {
    let groups = || survey.groups.iter();
    [
        groups().map(|group| group.maps.slack_bytes).sum(),
        groups().map(|group| group.room.slack_bytes).sum(),
        groups().map(|group| group.pins.pinned_bytes).sum(),
    ]
}

#[test]
fn a_survey_of_lies_ends_and_tells_no_more_than_there_is() {
    for_each("containers", |case, mut patient| {
        patient.command("forget")?;
        patient.stop()?;
        let process = Process::open(patient.pid())?;
        let census = process.census()?;
        let options = GraphOptions::default();
        let graph = process.graph(&census, &options)?;
        let reachable = graph.mark(&options);
        let weigh = |range: AddrRange| range.len();
        let dominators = Dominators::of(&graph, &reachable, &options, None, &weigh)?;
        let from = places(&process, &graph)?;
        let survey = |memory: &dyn ReadMemory| graph.survey(memory, &weigh, &dominators, &from);
        let truth = survey(&process.memory);
        ensure!(!truth.is_cut, "something was left out");
        let [maps, ..] = told(&truth);
        ensure!(maps > 64 << 10, "{case}: {truth:?}");
        let (mut less, mut said, mut other) = (0, 0, 0);
        for seed in 0..LIES {
            let found = survey(&Liar {
                memory: &process.memory,
                seed,
                one_word_in: [3, 20, 200, 3000][usize::try_from(seed % 4)?],
                one_read_in: [5, 40, 400][usize::try_from(seed % 3)?],
            });
            let bytes = told(&found);
            ensure!(
                bytes.iter().all(|bytes| *bytes <= reachable.all.bytes),
                "{case}, {seed}: {bytes:?} of {} B",
                reachable.all.bytes
            );
            less += u64::from(bytes[0] < maps);
            said += u64::from(found.is_cut);
            other += u64::from(found != truth);
        }
        println!("{case}: {less} of {LIES} told less, {said} said so, {other} were others");
        ensure!(said > 0 && other > LIES / 2, "{said} said so, {other}");
        Ok(())
    });
}
