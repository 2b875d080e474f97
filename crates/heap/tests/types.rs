//! Types of objects against what the program says of its own.
//!
//! `lab/patients/types` makes objects of many types and prints how many there are of each and where
//! one lies. No name of a variable is used: interfaces in one list lead to everything. A type that
//! is not what the program says fails whatever else was found.

#![allow(clippy::unwrap_used, reason = "tests")]

mod cases;
mod process;

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use cases::for_each;
use letgo_heap::{GraphOptions, TypeKind, TypeSeeds};
use letgo_target::Addr;
use letgo_testkit::Case;
use process::Process;

/// What the patient calls a type, what Go calls it, what its objects are, and whether the patient
/// counts all that there are.
const TYPES: &[(&str, &str, TypeKind, bool)] = &[
    ("small", "main.small", TypeKind::Value, true),
    ("large", "main.large", TypeKind::Value, true),
    ("huge", "main.huge", TypeKind::Value, true),
    ("outer", "main.outer", TypeKind::Value, true),
    (
        "pair",
        "main.pair[string,*main.leaf]",
        TypeKind::Value,
        true,
    ),
    ("grid", "main.grid", TypeKind::Value, true),
    ("corner", "main.corner", TypeKind::Value, true),
    ("middle", "main.middle", TypeKind::Value, true),
    ("pointing", "[]main.pointing", TypeKind::Slice, true),
    ("holder", "main.leafHolder", TypeKind::Value, true),
    ("brick", "[]main.brick", TypeKind::Slice, true),
    ("brick_left", "main.brickLeft", TypeKind::Value, true),
    ("brick_right", "main.brickRight", TypeKind::Value, true),
    ("sparse", "main.sparse", TypeKind::Value, true),
    ("sparse_first", "main.sparseFirst", TypeKind::Value, true),
    ("sparse_second", "main.sparseSecond", TypeKind::Value, true),
    ("many", "main.many", TypeKind::Value, true),
    ("cell", "main.cell", TypeKind::Value, true),
    ("counted", "main.counted", TypeKind::Value, true),
    ("square", "main.square", TypeKind::Value, true),
    ("circle", "main.circle", TypeKind::Value, true),
    (
        "made",
        "struct { P *main.leaf; N [8]int }",
        TypeKind::Value,
        true,
    ),
    ("made_map", "map[string]reflect.Type", TypeKind::Map, false),
    ("sessions", "map[string]*main.session", TypeKind::Map, true),
    ("session", "main.session", TypeKind::Value, true),
    ("peer", "main.peer", TypeKind::Value, true),
    ("peers", "[]*main.peer", TypeKind::Slice, true),
    ("few", "map[int]*main.stored", TypeKind::Map, true),
    ("stored", "main.stored", TypeKind::Value, true),
    ("numbers", "map[int]int", TypeKind::Map, true),
    ("wide", "map[[200]uint8]*[17]int", TypeKind::Map, true),
    ("wide_elem", "[17]int", TypeKind::Value, true),
    ("empty", "map[string]main.peer", TypeKind::Map, true),
    ("nested", "map[string]map[int]string", TypeKind::Map, true),
    ("nested_inner", "map[int]string", TypeKind::Map, true),
    ("sync_value", "main.element", TypeKind::Value, true),
    ("list", "list.List", TypeKind::Value, true),
    ("list_element", "list.Element", TypeKind::Value, true),
    ("messages", "chan *main.message", TypeKind::Chan, true),
    ("number_chan", "chan int", TypeKind::Chan, true),
    ("notes", "chan *main.note", TypeKind::Chan, true),
    ("note", "main.note", TypeKind::Value, true),
    ("message", "main.message", TypeKind::Value, true),
];

#[test]
fn objects_have_the_types_that_the_program_says() {
    for_each("types", |case, mut patient| {
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
        let typed = graph.typed(&reachable, &TypeSeeds::default());
        let (types, none) = typed.tally(&reachable);
        ensure!(types.iter().all(|own| own.id.0 < typed.bound()));
        let counts: HashMap<String, u64> = types
            .iter()
            .map(|own| (typed.name(own.id), own.count.objects))
            .collect();
        println!(
            "{case}: {} of {} objects without a type, {:?}",
            none.objects, reachable.all.objects, typed.conflicts
        );
        let mut wrong = Vec::new();
        for (key, name, kind, counted) in TYPES {
            let at = patient.truth().text(&format!("{key}_at"));
            let at = Addr(at.context(*key)?.parse()?);
            let object = graph.object_at(at).context(*key)?;
            let Some(found) = typed.of(object) else {
                wrong.push(format!("{key} at {at} has no type"));
                continue;
            };
            let (own, own_kind) = (typed.name(found), typed.kind(found));
            if own != *name || own_kind != *kind {
                wrong.push(format!("{key} at {at}: {own} {own_kind:?}"));
            }
            let (ours, theirs) = (
                counts.get(*name).copied().unwrap_or(0),
                patient.truth().get(&format!("{key}_count")),
            );
            if *counted && ours != theirs {
                wrong.push(format!("{ours} of {theirs} {name}"));
            }
        }
        closures(case, &patient, &graph, &typed, &mut wrong)?;
        for need in ["string bytes", "[]uint8"] {
            if counts.get(need).is_none_or(|count| *count < 3000) {
                wrong.push(format!("{need}: {:?}", counts.get(need)));
            }
        }
        ensure!(wrong.is_empty(), "{wrong:#?}");
        ensure!(typed.coverage().is_complete(), "{:?}", typed.coverage());
        Ok(())
    });
}

/// A closure is known by its function.
fn closures(
    _case: &Case,
    patient: &letgo_testkit::Patient,
    graph: &letgo_heap::Graph,
    typed: &letgo_heap::Typed<'_>,
    wrong: &mut Vec<String>,
) -> Result<()> {
    let at = Addr(
        patient
            .truth()
            .text("closure_at")
            .context("closure")?
            .parse()?,
    );
    let object = graph.object_at(at).context("closure")?;
    let found = typed.of(object);
    let kind = found.map(|found| typed.kind(found));
    let function = found.and_then(|found| typed.function(found));
    if kind != Some(TypeKind::Closure) || function.is_none() {
        wrong.push(format!("closure: {kind:?} {function:?}"));
    }
    Ok(())
}
