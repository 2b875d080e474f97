//! Ways to objects of a real heap: those that the program knows of, and all of them against a
//! plain search over the same graph.

#![allow(clippy::unwrap_used, reason = "tests")]

mod cases;
mod process;

use std::collections::{HashMap, VecDeque};

use anyhow::{Result, ensure};
use cases::for_each;
use letgo_heap::{
    Count, Dominators, Graph, GraphOptions, Holder, Naming, ObjectId, Path, Reachable, Start,
};
use letgo_target::{Addr, AddrRange};
use process::Process;

const PLAIN: Naming<'static> = Naming {
    group: &|_| 0,
    kind: &|_| 0,
    shared: &|_| false,
};

/// How far each object is from the nearest root that is no guess, by a plain search.
fn plain(graph: &Graph) -> Vec<Option<u32>> {
    let mut known = vec![None; graph.slots() as usize];
    let mut queue = VecDeque::new();
    for root in graph.roots().iter().filter(|root| !root.kind.is_guess()) {
        if let Some(object) = graph.object_at(root.value)
            && known[object.0 as usize].is_none()
        {
            known[object.0 as usize] = Some(0);
            queue.push_back(object);
        }
    }
    while let Some(object) = queue.pop_front() {
        let next = known[object.0 as usize].map(|far: u32| far + 1);
        graph.pointers(object, &mut |to| {
            if known[to.0 as usize].is_none() {
                known[to.0 as usize] = next;
                queue.push_back(to);
            }
        });
    }
    known
}

/// A way starts at its root and goes along pointers.
fn check(graph: &Graph, path: &Path) -> Result<()> {
    let first = *path.objects.first().unwrap();
    match path.start {
        Start::Root(number) => {
            let root = graph.roots()[number as usize];
            ensure!(graph.object_at(root.value) == Some(first), "{root:?}");
        }
        Start::Finalizer(object) => {
            let mut leads = false;
            graph.pointers(object, &mut |to| leads |= to == first);
            ensure!(leads, "{object:?}");
        }
    }
    for pair in path.objects.windows(2) {
        let mut leads = false;
        graph.pointers(pair[0], &mut |to| leads |= to == pair[1]);
        ensure!(leads, "{pair:?}");
    }
    Ok(())
}

/// The way to one object, from both sides.
fn way(graph: &Graph, reachable: &Reachable, object: ObjectId) -> Result<Path> {
    let options = GraphOptions::default();
    let one = graph.paths_to(object, reachable, &PLAIN, &options)?;
    let wanted = |other| other == object;
    let all = graph.paths_to_all(&wanted, reachable, &PLAIN, &options)?;
    let (one, all) = (one.shortest.unwrap(), all.shortest.unwrap());
    ensure!(one.objects.len() == all.objects.len(), "{one:?} {all:?}");
    check(graph, &one)?;
    check(graph, &all)?;
    Ok(one)
}

#[test]
fn ways_are_those_that_the_program_knows() {
    for_each("graph", |case, mut patient| {
        let at = |name: &str| -> Result<Addr> {
            let text = patient.truth().text(name).unwrap();
            Ok(Addr(text.parse()?))
        };
        let (list, lost) = (at("kept_list_end")?, at("lost_list")?);
        let (tagged, slice) = (at("kept_tagged_last")?, at("kept_slice_end")?);
        patient.stop()?;
        let process = Process::open(patient.pid())?;
        let census = process.census()?;
        let options = GraphOptions::default();
        let graph = process.graph(&census, &options)?;
        let reachable = graph.mark(&options);
        let object = |addr| graph.object_at(addr).unwrap();
        // A variable leads to the first of 20,000; then each to the next.
        let path = way(&graph, &reachable, object(list))?;
        ensure!(path.objects.len() == 20_000, "{}", path.objects.len());
        // Variable, array of the slice, element; of the tagged ones the object between as well.
        ensure!(way(&graph, &reachable, object(slice))?.objects.len() == 2);
        ensure!(way(&graph, &reachable, object(tagged))?.objects.len() == 3);
        let lost = graph.paths_to(object(lost), &reachable, &PLAIN, &options)?;
        ensure!(lost.shortest.is_none() && lost.kinds.is_empty());
        let distances = graph.distances(&reachable, &options)?;
        let (mut compared, mut further) = (0, 0);
        for (number, far) in plain(&graph).into_iter().enumerate() {
            let own = distances[number];
            match far {
                Some(far) => ensure!(far == own, "{number}: {far} {own}"),
                None if own != u32::MAX => further += 1,
                None => {}
            }
            compared += 1;
            let reached = own != u32::MAX;
            let object = ObjectId(u32::try_from(number)?);
            ensure!(reached == reachable.has(object), "{number}: {own}");
        }
        println!("{case}: {compared} slots, {further} by finalizers or guesses");
        Ok(())
    });
}

/// Every reachable byte is in one stack of holders, and all stacks through an object that no other
/// one dominates are what it retains.
#[test]
fn stacks_of_holders_sum_to_what_is_retained() {
    for_each("graph", |case, mut patient| {
        patient.stop()?;
        let process = Process::open(patient.pid())?;
        let census = process.census()?;
        let options = GraphOptions::default();
        let graph = process.graph(&census, &options)?;
        let reachable = graph.mark(&options);
        let slot = |range: AddrRange| range.len();
        let dominators = Dominators::of(&graph, &reachable, &options, None, &slot)?;
        // The first are told apart one by one, all others not at all.
        let kind = |object| match dominators.holder(object) {
            Some(Holder::Object(_)) | None => u32::MAX - 1,
            Some(_) => object.0,
        };
        for most in [usize::MAX, 50] {
            let stacks = dominators.stacks(&|_| 7, &kind, most);
            let (mut sum, mut firsts) = (Count::default(), HashMap::new());
            for stack in &stacks {
                ensure!(stack.group == 7, "{stack:?}");
                sum.objects += stack.own.objects;
                sum.bytes += stack.own.bytes;
                if let Some(Some(first)) = stack.kinds.first() {
                    *firsts.entry(*first).or_insert(0) += stack.own.bytes;
                }
            }
            ensure!(sum == reachable.all, "{sum:?} {:?}", reachable.all);
            ensure!(most > 50 || stacks.len() <= 150, "{}", stacks.len());
            for (first, bytes) in &firsts {
                let held = dominators.retained(Holder::Object(ObjectId(*first)));
                let held = held.unwrap().bytes;
                ensure!(held == *bytes, "{first}: {held} {bytes}");
            }
            println!(
                "{case}: {} stacks, {} at the top",
                stacks.len(),
                firsts.len()
            );
        }
        Ok(())
    });
}
