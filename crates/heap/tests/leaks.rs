//! Which goroutines can never run again, against what the program knows of itself.
//!
//! `lab/patients/leaks` has goroutines that wait in every way there is, and tells which of them are
//! lost; it shows the word by waking all others.

#![allow(clippy::unwrap_used, reason = "tests")]

mod cases;
mod process;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use cases::for_each_with;
use letgo_goruntime::Census;
use letgo_heap::{Graph, GraphOptions, Leaks, ObjectId, Registers, Standing};
use letgo_target::Addr;
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

    /// How many are proven.
    fn proven(&self) -> usize {
        let all = self.leaks.standings.iter();
        all.filter(|one| **one == Standing::Proven).count()
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
            let proven = look.proven() as u64;
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
        let before = look.proven();
        let (runtime, memory) = (&look.process.runtime, &look.process.memory);
        look.leaks.look_again(runtime, memory, &look.census)?;
        ensure!(before > 30 && look.proven() == before, "they still rest");
        // As if each had been another goroutine.
        for one in &mut look.census.goroutines {
            one.g = one.g.add(8);
        }
        look.leaks.look_again(runtime, memory, &look.census)?;
        ensure!(look.proven() == 0, "they do not rest as they did");
        Ok(())
    });
}

/// What a group holds alone, by its definition: what is reached, and not without the group.
struct Naive<'a> {
    look: &'a Look,
    /// Objects that hold only for their own goroutine: g's and sudogs.
    own: BTreeMap<ObjectId, Addr>,
}

impl Naive<'_> {
    fn of(look: &Look) -> Naive<'_> {
        let graph = &look.graph;
        let gs = look.census.goroutines.iter();
        let gs: BTreeMap<ObjectId, Addr> = gs
            .filter_map(|one| Some((graph.object_at(one.g)?, one.g)))
            .collect();
        let size = u64::from(look.process.runtime.layout().sudog.size);
        let mut own = gs.clone();
        for object in (0..graph.slots()).map(ObjectId) {
            let len = graph.range_of(object).map_or(0, |range| range.len());
            if (size..size + 32).contains(&len) {
                // The first word of a sudog is its goroutine.
                let mut first = None;
                graph.pointers(object, &mut |to| first = first.or(Some(to)));
                if let Some(g) = first.and_then(|first| gs.get(&first)) {
                    own.insert(object, *g);
                }
            }
        }
        Naive { look, own }
    }

    /// All that is reached by the goroutines that `may`, and by no goroutine.
    fn reached(&self, may: impl Fn(usize) -> bool) -> BTreeSet<ObjectId> {
        let graph = &self.look.graph;
        let mut next: Vec<ObjectId> = Vec::new();
        for root in graph.roots() {
            if root.goroutine().is_none_or(|number| may(number as usize)) {
                next.extend(graph.object_at(root.value));
            }
        }
        for object in graph.finalized() {
            graph.pointers(*object, &mut |to| next.push(to));
        }
        for (number, one) in self.look.census.goroutines.iter().enumerate() {
            let own = self.own.iter().filter(|(_, g)| **g == one.g && may(number));
            own.for_each(|(object, _)| graph.pointers(*object, &mut |to| next.push(to)));
        }
        let mut reached = BTreeSet::new();
        while let Some(object) = next.pop() {
            if !self.own.contains_key(&object) && reached.insert(object) {
                graph.pointers(object, &mut |to| next.push(to));
            }
        }
        reached
    }
}

#[test]
fn what_a_group_holds_alone_is_not_reached_without_it() {
    const GROUPS: u32 = 3;
    let all = |recipe: letgo_testkit::Recipe| recipe.arg("-all");
    for_each_with("leaks", all, |case, mut patient| {
        let look = Look::at(&mut patient)?;
        let options = GraphOptions {
            registers: &look.registers,
            ..GraphOptions::default()
        };
        let goids = look.census.goroutines.iter().map(|one| one.goid);
        let groups: Vec<u32> = goids
            .map(|goid| u32::try_from(goid % u64::from(GROUPS)).unwrap())
            .collect();
        let alone = look
            .graph
            .held_alone(&look.census, &groups, &options)
            .context("time")?;
        let mut found = vec![BTreeSet::new(); GROUPS as usize];
        alone.each(&mut |object, group| {
            found[group as usize].insert(object);
        });
        let naive = Naive::of(&look);
        let everything = naive.reached(|_| true);
        for (group, found) in (0..GROUPS).zip(found) {
            let without = naive.reached(|number| groups[number] != group);
            let own: BTreeSet<ObjectId> = everything.difference(&without).copied().collect();
            let count = alone.counts[group as usize];
            let bytes = found
                .iter()
                .filter_map(|object| look.graph.range_of(*object));
            ensure!(count.objects == found.len() as u64, "{count:?}");
            ensure!(count.bytes == bytes.map(|range| range.len()).sum::<u64>());
            // A sudog of who waits for something else is an object like any other there.
            let found: BTreeSet<ObjectId> = found
                .into_iter()
                .filter(|object| !naive.own.contains_key(object))
                .collect();
            let differ: Vec<_> = own.symmetric_difference(&found).collect();
            ensure!(differ.is_empty(), "{differ:?}");
            println!("{case}: group {group} holds {count:?} alone");
            ensure!(count.objects > 10, "{count:?}");
        }
        Ok(())
    });
}
