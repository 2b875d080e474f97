//! The graph of a process against the runtime's own dump of the same heap, at the same moment; and
//! dominators of a real heap against their definition.
//!
//! `debug.WriteHeapDump` stops the world and writes. It writes into a pipe here: as long as the
//! pipe is not read to its end, the world stands, and the graph is read meanwhile. So nothing is
//! allocated between the two, and all must be equal.

#![allow(clippy::unwrap_used, reason = "tests")]

mod cases;
mod heap_dump;
mod process;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;

use anyhow::{Result, ensure};
use cases::for_each;
use heap_dump::{HeapDump, Piece};
use letgo_goruntime::Census;
use letgo_heap::{
    Dominators, Graph, GraphOptions, Holder, ObjectId, Pointing, Reachable, Registers, RootKind,
};
use letgo_target::{Addr, AddrRange};
use letgo_testkit::Recipe;
use nix::sys::stat::Mode;
use process::Process;

/// Reads the graph while a patient dumps its heap, and the dump.
fn both(pid: u32, pipe: File) -> Result<(Census, Graph, HeapDump)> {
    let mut pipe = pipe;
    let mut dump = vec![0];
    pipe.read_exact(&mut dump)?;
    let process = Process::open(pid)?;
    let census = process.census()?;
    let graph = process.graph(&census, &GraphOptions::default())?;
    pipe.read_to_end(&mut dump)?;
    Ok((census, graph, HeapDump::parse(&dump)?))
}

#[test]
fn the_graph_is_that_of_the_runtime_s_own_dump() {
    let folder = std::env::temp_dir().join(format!("letgo-dump-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("pipe");
    nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
    let prepare = |recipe: Recipe| recipe.env("LETGO_DUMP", &path);
    cases::for_each_with("graph", prepare, |case, mut patient| {
        let pid = patient.pid();
        let (census, graph, dump) = std::thread::scope(|scope| {
            let dumping = scope.spawn(|| patient.command("dump").map(drop));
            let both = both(pid, File::open(&path)?);
            dumping.join().unwrap()?;
            both
        })?;
        ensure!(graph.coverage().is_complete(), "{:?}", graph.coverage());
        let objects = objects(&graph);
        let edges = compare_objects(&census, &graph, &objects, &dump)?;
        compare_variables(&graph, RootKind::Data, &dump.data, &objects)?;
        compare_variables(&graph, RootKind::Bss, &dump.bss, &objects)?;
        let (named, inside) = compare_stacks(&graph, &dump)?;
        compare_finalizers(&graph, &dump)?;
        println!(
            "{case}: {} objects, {edges} edges, {} roots; of stacks {named} in the dump's maps, {inside} in its frames",
            objects.len(),
            graph.roots().len(),
        );
        Ok(())
    });
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Where every object in use is.
fn objects(graph: &Graph) -> BTreeMap<u64, (ObjectId, u64)> {
    let ids = (0..graph.slots()).map(ObjectId);
    let ranges = ids.filter_map(|id| Some((id, graph.range_of(id)?)));
    ranges
        .filter(|(id, range)| graph.object_at(range.start()) == Some(*id))
        .map(|(id, range)| (range.start().0, (id, range.len())))
        .collect()
}

/// The object that an address leads to.
fn target(objects: &BTreeMap<u64, (ObjectId, u64)>, addr: u64) -> Option<ObjectId> {
    let (start, (id, len)) = objects.range(..=addr).next_back()?;
    (addr - start < *len).then_some(*id)
}

/// All objects are the dump's, and what each points to. Returns how many pointers there are.
///
/// The dump goes on behind the last slot of a span, as far as another would fit; those are no
/// objects (heapdump.go, `dumpobjs`).
fn compare_objects(
    census: &Census,
    graph: &Graph,
    objects: &BTreeMap<u64, (ObjectId, u64)>,
    dump: &HeapDump,
) -> Result<usize> {
    let behind = |addr: u64| {
        let spans = census.spans.iter();
        let mut own = spans.filter(|span| span.range().contains(Addr(addr)));
        own.any(|span| addr - span.base.0 >= u64::from(span.nelems) * span.elem_size)
    };
    for (addr, (id, len)) in objects {
        let theirs = dump.objects.get(addr).map(|piece| piece.bytes.len() as u64);
        ensure!(
            theirs == Some(*len),
            "{id:?} at {addr:#x}: {len}, {theirs:?}"
        );
    }
    let mut edges = 0;
    for (addr, piece) in &dump.objects {
        let Some((id, _)) = objects.get(addr) else {
            ensure!(behind(*addr), "{addr:#x} is only in the dump");
            continue;
        };
        let theirs = piece.values();
        let theirs: Vec<(u64, ObjectId)> = theirs
            .filter_map(|(at, value)| Some((at, target(objects, value)?)))
            .collect();
        let ours = pointing(graph, *id);
        ensure!(ours == theirs, "{addr:#x}: {ours:?} and {theirs:?}");
        let mut targets = Vec::new();
        graph.pointers(*id, &mut |to| targets.push(to));
        let same = targets.iter().eq(ours.iter().map(|(_, target)| target));
        ensure!(same, "{addr:#x}: {ours:?} and {targets:?}");
        edges += ours.len();
    }
    compare_referrers(graph, objects)?;
    Ok(edges)
}

/// Where the pointers of an object lie in it, and what they lead to.
fn pointing(graph: &Graph, object: ObjectId) -> Vec<(u64, ObjectId)> {
    let mut pointing = Pointing::new(graph, object);
    let next = || pointing.next(graph);
    let all = std::iter::from_fn(next);
    all.map(|one| (one.offset, one.target)).collect()
}

/// Who points to each object is what going over all of them says.
fn compare_referrers(graph: &Graph, objects: &BTreeMap<u64, (ObjectId, u64)>) -> Result<()> {
    let mut theirs: BTreeMap<ObjectId, Vec<(ObjectId, u64)>> = BTreeMap::new();
    for (source, _) in objects.values() {
        for (offset, target) in pointing(graph, *source) {
            theirs.entry(target).or_default().push((*source, offset));
        }
    }
    let referrers = graph.referrers(&GraphOptions::default())?;
    for object in (0..graph.slots()).map(ObjectId) {
        let ours: Vec<_> = (0..).map_while(|at| referrers.of(object, at)).collect();
        let theirs = theirs.remove(&object).unwrap_or_default();
        ensure!(ours == theirs, "{object:?}: {ours:?} and {theirs:?}");
    }
    ensure!(referrers.of(ObjectId(u32::MAX), 0).is_none(), "no object");
    let mut options = GraphOptions::default();
    options.limits.path_bytes = graph.referrers_bytes() - 1;
    ensure!(graph.referrers(&options).is_err(), "it has no room");
    Ok(())
}

/// The variables that lead to objects are the dump's.
fn compare_variables(
    graph: &Graph,
    kind: RootKind,
    dump: &BTreeMap<u64, Piece>,
    objects: &BTreeMap<u64, (ObjectId, u64)>,
) -> Result<()> {
    let roots = graph.roots().iter().filter(|root| root.kind == kind);
    let ours: BTreeSet<(u64, u64)> = roots.map(|root| (root.at.0, root.value.0)).collect();
    let values = dump.iter().flat_map(|(start, piece)| {
        let values = piece.values();
        values.map(move |(at, value)| (start + at, value))
    });
    let theirs: BTreeSet<(u64, u64)> = values
        .filter(|(_, value)| target(objects, *value).is_some())
        .collect();
    ensure!(!ours.is_empty(), "no {kind:?}");
    let different: Vec<_> = ours.symmetric_difference(&theirs).take(5).collect();
    ensure!(different.is_empty(), "{kind:?}: {different:x?}");
    Ok(())
}

/// Every word of a stack that we take for a root lies in a frame of the dump and holds the same
/// there. Returns how many the dump's own maps name, and how many they do not: it has no maps of
/// objects on stacks.
fn compare_stacks(graph: &Graph, dump: &HeapDump) -> Result<(u64, u64)> {
    let (mut named, mut inside) = (0, 0);
    let on_heap = |addr: Addr| graph.object_at(addr).is_some();
    let roots = graph.roots().iter();
    for root in roots.filter(|root| root.kind == RootKind::Stack && !on_heap(root.at)) {
        let before = dump.frames.range(..=root.at.0).next_back();
        let frame = before.filter(|(start, frame)| root.at.0 - *start < frame.bytes.len() as u64);
        let Some((start, frame)) = frame else {
            anyhow::bail!("{root:x?} is in no frame");
        };
        let at = root.at.0 - start;
        ensure!(frame.word(at) == Some(root.value.0), "{root:x?}");
        if frame.pointers.contains(&at) {
            named += 1;
        } else {
            inside += 1;
        }
    }
    ensure!(named > 100, "{named} roots on stacks");
    Ok((named, inside))
}

/// The objects with finalizers are the dump's, and so are their closures, those of finalizers that
/// wait included.
fn compare_finalizers(graph: &Graph, dump: &HeapDump) -> Result<()> {
    let at = |addr: &u64| graph.object_at(Addr(*addr));
    let ours: BTreeSet<ObjectId> = graph.finalized().iter().copied().collect();
    let theirs: BTreeSet<ObjectId> = dump
        .finalizers
        .iter()
        .filter_map(|(own, _)| at(own))
        .collect();
    ensure!(
        ours == theirs,
        "{} and {} finalized",
        ours.len(),
        theirs.len()
    );
    let values = |kind| {
        let roots = graph.roots().iter().filter(move |root| root.kind == kind);
        roots.map(|root| root.value.0).collect::<BTreeSet<u64>>()
    };
    let closures = |list: &[(u64, u64)]| -> BTreeSet<u64> {
        let closures = list.iter().map(|(_, closure)| *closure);
        closures.filter(|closure| at(closure).is_some()).collect()
    };
    ensure!(
        values(RootKind::Finalizer) == closures(&dump.finalizers),
        "closures of finalizers"
    );
    let waiting = values(RootKind::FinalizerQueue);
    let missing = closures(&dump.queued).difference(&waiting).count();
    ensure!(missing == 0, "{missing} of the queue");
    Ok(())
}

/// Objects of a real heap whose retained sizes are compared with the definition.
const SAMPLES: usize = 60;

#[test]
fn what_an_object_retains_is_what_cannot_be_reached_without_it() {
    for_each("graph", |case, mut patient| {
        patient.stop()?;
        let process = Process::open(patient.pid())?;
        let census = process.census()?;
        let options = GraphOptions::default();
        let graph = process.graph(&census, &options)?;
        let reachable = graph.mark(&options);
        let weigh = |range: AddrRange| range.len();
        let dominators = Dominators::of(&graph, &reachable, &options, None, &weigh)?;
        nothing_is_taken_by_guesses(&process, &census, &graph, &dominators)?;
        let all = dominators.retained(Holder::Top);
        ensure!(all == Some(reachable.all), "{all:?}, {:?}", reachable.all);
        let (largest, count) = dominators.largest(Holder::Top, usize::MAX);
        ensure!(largest.len() as u64 == count, "{count}");
        let sum: u64 = largest.iter().map(|held| held.retained.bytes).sum();
        ensure!(sum == reachable.all.bytes, "{sum}, {:?}", reachable.all);
        let edges = Edges::of(&graph, &reachable);
        let whole = edges.reached(None);
        ensure!(whole.1 == reachable.all.bytes, "{whole:?}");
        for object in samples(&graph, &dominators) {
            let without = edges.reached(Some(object));
            let retained = dominators.retained(Holder::Object(object)).unwrap();
            let lost = (whole.0 - without.0, whole.1 - without.1);
            let found = (retained.objects, retained.bytes);
            ensure!(lost == found, "{object:?}: {lost:?}, {found:?}");
        }
        println!("{case}: {count} at the top, {all:?}");
        Ok(())
    });
}

/// A register that leads to any object that is held for certain changes nobody's count; this is
/// what is left in one that nobody will read.
fn nothing_is_taken_by_guesses(
    process: &Process,
    census: &Census,
    graph: &Graph,
    without: &Dominators<'_>,
) -> Result<()> {
    let objects = samples(graph, without);
    let address = |object: &ObjectId| graph.range_of(*object).map(|range| range.start().0);
    let general: Vec<u64> = objects.iter().filter_map(address).collect();
    let threads = process.registers()?.into_iter();
    let registers: Vec<Registers> = threads
        .map(|thread| Registers {
            general: general.clone(),
            ..thread
        })
        .collect();
    let options = GraphOptions {
        registers: &registers,
        ..GraphOptions::default()
    };
    let graph = process.graph(census, &options)?;
    let reachable = graph.mark(&options);
    let roots = graph.roots().iter();
    let guesses = roots.filter(|root| root.kind == RootKind::Register).count();
    ensure!(guesses * 2 > objects.len(), "{guesses}");
    let weigh = |range: AddrRange| range.len();
    let with = Dominators::of(&graph, &reachable, &options, None, &weigh)?;
    for object in objects {
        let holders = [without, &with].map(|own| own.holder(object));
        let held = [without, &with].map(|own| own.retained(Holder::Object(object)));
        let is_object = matches!(holders[0], Some(Holder::Object(_)));
        ensure!(held[0] == held[1], "{object:?}: {held:?}");
        ensure!(!is_object || holders[0] == holders[1], "{holders:?}");
    }
    Ok(())
}

/// Objects that retain much, and some that lie anywhere.
fn samples(graph: &Graph, dominators: &Dominators<'_>) -> Vec<ObjectId> {
    let mut found = Vec::new();
    let mut level = vec![Holder::Top];
    while found.len() < SAMPLES && !level.is_empty() {
        let below = level
            .iter()
            .flat_map(|holder| dominators.largest(*holder, 4).0);
        level = below.map(|held| held.holder).take(SAMPLES).collect();
        let objects = level.iter().filter_map(|holder| match holder {
            Holder::Object(object) => Some(*object),
            _ => None,
        });
        found.extend(objects);
    }
    let step = (graph.slots() as usize / SAMPLES).max(1);
    let anywhere = (0..graph.slots()).step_by(step).map(ObjectId);
    found.extend(anywhere.filter(|object| dominators.holder(*object).is_some()));
    found
}

/// The graph as lists.
struct Edges {
    sizes: Vec<u64>,
    edges: Vec<Vec<u32>>,
    roots: Vec<u32>,
}

impl Edges {
    fn of(graph: &Graph, reachable: &Reachable) -> Edges {
        let is_reachable = |object: ObjectId| reachable.has(object);
        let ids = || (0..graph.slots()).map(ObjectId);
        // A guess takes nothing from what is certain.
        let guessed = |object: ObjectId| reachable.is_guessed(object);
        let edges = ids().map(|object| {
            let mut edges = Vec::new();
            graph.pointers(object, &mut |to| {
                if !guessed(object) || guessed(to) {
                    edges.push(to.0);
                }
            });
            edges
        });
        let size = |object| graph.range_of(object).map_or(0, |range| range.len());
        let roots = graph.roots().iter();
        let mut roots: Vec<u32> = roots
            .filter_map(|root| {
                let object = graph.object_at(root.value)?;
                (!root.kind.is_guess() || guessed(object)).then_some(object.0)
            })
            .collect();
        let edges: Vec<Vec<u32>> = edges.collect();
        // What is kept of objects that are lost otherwise.
        for object in graph
            .finalized()
            .iter()
            .filter(|object| !is_reachable(**object))
        {
            roots.extend(&edges[object.0 as usize]);
        }
        Edges {
            sizes: ids().map(size).collect(),
            edges,
            roots,
        }
    }

    /// Objects and bytes that are reached without one.
    fn reached(&self, without: Option<ObjectId>) -> (u64, u64) {
        let mut found = vec![false; self.edges.len()];
        if let Some(without) = without {
            found[without.0 as usize] = true;
        }
        let mut stack = self.roots.clone();
        let (mut objects, mut bytes) = (0, 0);
        while let Some(at) = stack.pop() {
            if !std::mem::replace(&mut found[at as usize], true) {
                objects += 1;
                bytes += self.sizes[at as usize];
                stack.extend(&self.edges[at as usize]);
            }
        }
        (objects, bytes)
    }
}
