//! Which goroutines can never run again, against what the program knows of itself.
//!
//! `lab/patients/leaks` has goroutines that wait in every way there is, and tells which of them are
//! lost; it shows the word by waking all others.

#![allow(clippy::unwrap_used, reason = "tests")]

mod cases;
mod process;

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use cases::for_each_with;
use letgo_goruntime::Census;
use letgo_heap::{Graph, GraphOptions, Leaks, Registers, Standing};
use letgo_testkit::{Figures, Patient};
use process::Process;

/// Looks at a patient, until all that are lost were proven.
const LOOKS: u32 = 5;

/// A reading of a stopped patient.
struct Look {
    census: Census,
    graph: Graph,
    leaks: Leaks,
    registers: Vec<Registers>,
    process: Process,
}

impl Look {
    fn at(patient: &mut Patient) -> Result<Look> {
        patient.stop()?;
        let process = Process::open(patient.pid())?;
        let census = process.census()?;
        let registers = process.registers()?;
        let options = GraphOptions {
            registers: &registers,
            ..GraphOptions::default()
        };
        let graph = process.graph(&census, &options)?;
        let whole = census.coverage.is_complete();
        let leaks = graph.leaks(&census, whole, &options);
        Ok(Look {
            census,
            graph,
            leaks,
            registers,
            process,
        })
    }

    /// The standing of each goroutine by its number.
    fn by_goid(&self) -> BTreeMap<u64, Standing> {
        let goids = self.census.goroutines.iter().map(|one| one.goid);
        goids.zip(self.leaks.standings.iter().copied()).collect()
    }
}

/// The functions of one class, with the numbers of their goroutines.
fn of_class(truth: &Figures, class: &str) -> Result<Vec<(String, Vec<u64>)>> {
    let mut found = Vec::new();
    for name in truth.names() {
        let Some(function) = name.strip_prefix(&format!("{class}:")) else {
            continue;
        };
        let text = truth.text(&format!("goids:{function}")).unwrap_or_default();
        let goids = text.split(',').filter(|word| !word.is_empty());
        let goids: Result<Vec<u64>, _> = goids.map(str::parse).collect();
        found.push((function.to_owned(), goids.context("numbers")?));
    }
    Ok(found)
}

#[test]
fn who_is_proven_is_lost_and_who_is_lost_is_proven() {
    let all = |recipe: letgo_testkit::Recipe| recipe.arg("-all");
    for_each_with("leaks", all, |case, mut patient| {
        let truth = patient.truth().clone();
        let lost = of_class(&truth, "leaked")?;
        let lost: BTreeMap<u64, String> = lost
            .into_iter()
            .flat_map(|(function, goids)| {
                goids.into_iter().map(move |goid| (goid, function.clone()))
            })
            .collect();
        let mut unproven = lost.clone();
        // A word that is left over on a stack may speak for one of them: then it is not proven at
        // that moment.
        for _ in 0..LOOKS {
            let look = Look::at(&mut patient)?;
            let standings = look.by_goid();
            for class in ["kept", "busy", "stuck"] {
                for (function, goids) in of_class(&truth, class)? {
                    for goid in goids {
                        let standing = standings.get(&goid);
                        ensure!(
                            standing != Some(&Standing::Proven),
                            "{function} is {class}, and goroutine {goid} is said to be lost"
                        );
                    }
                }
            }
            unproven.retain(|goid, _| standings.get(goid) != Some(&Standing::Proven));
            let proven = look.leaks.proven() as u64;
            ensure!(
                proven <= lost.len() as u64 + truth.get("either"),
                "{proven}"
            );
            println!("{case}: {proven} of {} lost", lost.len());
            if unproven.is_empty() {
                break;
            }
            patient.resume()?;
        }
        // A word that is left over does not go while the program sleeps; and a lock or a channel of
        // less than 16 bytes without pointers shares its slot with others, which may be held.
        let most = lost.len() / 10;
        ensure!(
            unproven.len() <= most,
            "lost, and never proven: {unproven:?}"
        );
        ensure!(lost.len() > 30, "only {} are lost", lost.len());
        Ok(())
    });
}

#[test]
fn who_goes_on_is_not_proven_any_more() {
    let all = |recipe: letgo_testkit::Recipe| recipe.arg("-all");
    for_each_with("leaks", all, |_, mut patient| {
        let mut look = Look::at(&mut patient)?;
        let before = look.leaks.proven();
        let (runtime, memory) = (&look.process.runtime, &look.process.memory);
        look.leaks.look_again(runtime, memory, &look.census)?;
        ensure!(
            before > 30 && look.leaks.proven() == before,
            "they still rest"
        );
        // As if each had been another goroutine.
        for one in &mut look.census.goroutines {
            one.g = one.g.add(8);
        }
        look.leaks.look_again(runtime, memory, &look.census)?;
        ensure!(look.leaks.proven() == 0, "they do not rest as they did");
        Ok(())
    });
}

#[test]
fn what_is_held_alone_is_what_goes_without_the_group() {
    let all = |recipe: letgo_testkit::Recipe| recipe.arg("-all");
    for_each_with("leaks", all, |_, mut patient| {
        let look = Look::at(&mut patient)?;
        let options = GraphOptions {
            registers: &look.registers,
            ..GraphOptions::default()
        };
        let groups: Vec<u32> = look
            .census
            .goroutines
            .iter()
            .map(|one| u32::try_from(one.goid % 7).unwrap())
            .collect();
        let alone = look.graph.held_alone(&look.census, &groups, &options);
        let mut counted = vec![0u64; alone.counts.len()];
        alone.each(&mut |_, group| counted[group as usize] += 1);
        let own: Vec<u64> = alone.counts.iter().map(|count| count.objects).collect();
        ensure!(counted == own, "{counted:?} {own:?}");
        // One group of all holds whatever only goroutines hold: at least what its parts hold.
        let one = vec![0; groups.len()];
        let together = look.graph.held_alone(&look.census, &one, &options);
        let most = together.counts.first().map_or(0, |count| count.objects);
        ensure!(
            most >= own.iter().sum::<u64>() && most > 0,
            "{most} {own:?}"
        );
        Ok(())
    });
}
