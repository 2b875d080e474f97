//! [`diff_report`]: two readings as `letgo.diff/1`.
//!
//! Of each moment a [`Side`] is kept: sums by leaf, size class, holder and group of goroutines, and
//! what its objects held. The first is let go before the second is read, so that two heaps are
//! never held at once.
//!
//! Holders are matched by what leads to objects (see `owners`), which is the same in every reading
//! of one build; groups of goroutines by their id there, else by where they are.

mod prints;
mod unchanged;

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime};

use letgo_account::Leaf;
use letgo_heap::{Count, Dominators, Graph, Holder, Limits, ObjectId, Reachable};
use letgo_report as out;
use letgo_report::{AmountDelta, Delta};
use letgo_target::{Addr, AddrRange};

use super::kinds::Kinds;
use super::owners::{Owner, OwnerKind, Owners};
use super::report::taken;
use super::roots::RootNames;
use super::{
    Depth, Program, Reading, Subject, Surroundings, extent, goroutines_report, heap_report, target,
};
use crate::complaint::Complaint;
use crate::inspect::room;
use crate::own;
pub use prints::Prints;
use unchanged::Told;

/// Types that are listed.
const MOST_TYPES: usize = 100;

/// Objects and bytes, and nothing else.
type Sum = (u64, u64);

/// One of two moments, summed up.
#[derive(Debug)]
pub struct Side {
    moment: out::Moment,
    at: SystemTime,
    monotonic_ns: Option<u64>,
    identity: Identity,
    rss: Option<u64>,
    /// Resident bytes, and those of address space that the runtime had.
    leaves: BTreeMap<Leaf, (u64, u64)>,
    totals: out::HeapTotals,
    classes: Vec<out::HeapClass>,
    holders: HashMap<Owner, Sum>,
    /// By name; empty where types are not known.
    types: HashMap<String, Sum>,
    goroutines: Vec<out::GoroutineGroup>,
    stack_bytes: u64,
    prints: Option<Prints>,
    /// What objects held could be told, by whom they are held.
    told: Option<Told>,
}

/// What tells a program from others.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Identity {
    /// What the linker wrote into it.
    build: Option<Vec<u8>>,
    pid: u32,
    /// What was added to its addresses.
    bias: u64,
    /// When it started, where that is known.
    started: Option<SystemTime>,
}

/// Two moments of one process give its start to within this: clocks are of ticks.
const SAME_START: Duration = Duration::from_secs(2);

impl Identity {
    fn of(program: &Program, around: &Surroundings, at: SystemTime) -> Identity {
        let image = &program.binary.image;
        let go = || image.go_build_id().map(String::into_bytes);
        Identity {
            build: image.build_id().or_else(go),
            pid: program.pid,
            bias: program.bias,
            started: around.uptime.and_then(|uptime| at.checked_sub(uptime)),
        }
    }

    fn is_same_build(&self, other: &Identity) -> bool {
        self.build.is_some() && self.build == other.build
    }

    /// Whether both are one process, as far as can be known.
    fn is_same_process(&self, other: &Identity) -> bool {
        let near = |(a, b): (SystemTime, SystemTime)| {
            let apart = a.duration_since(b).or_else(|_| b.duration_since(a));
            apart.is_ok_and(|apart| apart <= SAME_START)
        };
        let started = self.started.zip(other.started).is_none_or(near);
        let place = (self.pid, self.bias) == (other.pid, other.bias);
        self.is_same_build(other) && place && started
    }
}

/// Nothing of the report of `heap` is listed one by one.
const NO_HOLDERS: Depth = Depth {
    most: 0,
    children: 0,
    levels: 0,
};

impl Side {
    /// Sums up a reading that has a graph; with the side that was before, what has not changed
    /// since is told as well.
    ///
    /// # Errors
    /// A [`Complaint`] where functions cannot be named.
    pub fn of(
        subject: &Subject,
        mut reading: Reading,
        before: Option<&mut Side>,
        limits: Limits,
    ) -> Result<Side, Complaint> {
        let program = subject.program();
        let around = subject.around();
        let memory = subject.as_it_is_now();
        let now = memory.as_ref().map(|memory| memory as _);
        let goroutines = goroutines_report(program, &mut reading, &around, now)?;
        let heap = heap_report(program, &mut reading, &around, NO_HOLDERS, None, limits);
        // Zeros in the place of contents look like a write, or like none.
        let redacted = subject.is_redacted();
        let mut prints = reading.prints.take().filter(|_| !redacted);
        let identity = Identity::of(program, &around, reading.at);
        let same = |side: &&mut Side| side.identity.is_same_process(&identity);
        let earlier = before.filter(same).and_then(|side| side.prints.take());
        let mut held = HashMap::new();
        let mut types = HashMap::new();
        let mut told = None;
        match Holding::of(program, &reading, limits) {
            Ok(None) => {}
            Ok(Some(holding)) => {
                held = holding.sums();
                types = holding.types();
                if let Some(prints) = &mut prints {
                    let numbers = RefCell::default();
                    prints.learn(&|start| holding.type_number(start, &numbers));
                }
                if let (Some(before), Some(after)) = (&earlier, &prints) {
                    told = Some(unchanged::tell(&holding, before, after));
                }
            }
            Err(error) => reading.coverage.skip("who holds what", error.to_string()),
        }
        Ok(Side {
            moment: out::Moment {
                target: target(program, &around),
                taken: taken(&reading),
                num_gc: u64::from(reading.stats().num_gc),
                redacted,
            },
            at: reading.at,
            monotonic_ns: reading.monotonic_ns,
            identity,
            rss: reading.rss.map(|rss| rss.rss),
            leaves: leaves(&reading),
            totals: heap.totals,
            classes: heap.size_classes,
            holders: held,
            types,
            goroutines: goroutines.groups,
            stack_bytes: goroutines.stack_bytes,
            prints,
            told,
        })
    }

    fn goroutines(&self) -> u64 {
        self.goroutines.iter().map(|group| group.count).sum()
    }
}

fn leaves(reading: &Reading) -> BTreeMap<Leaf, (u64, u64)> {
    let of = |leaf: Leaf| {
        let tally = reading.account.leaf(leaf);
        (leaf, (tally.resident.0, extent::of(leaf, tally)))
    };
    Leaf::ALL.into_iter().map(of).collect()
}

/// Who holds what in one reading.
pub(super) struct Holding<'a> {
    graph: &'a Graph,
    reachable: &'a Reachable,
    kinds: Kinds<'a>,
    owners: Owners,
    dominators: Dominators<'a>,
}

fn slot(range: AddrRange) -> u64 {
    range.len()
}

impl<'a> Holding<'a> {
    fn of(
        program: &'a Program,
        reading: &'a Reading,
        limits: Limits,
    ) -> Result<Option<Holding<'a>>, letgo_heap::Error> {
        let Some(marked) = &reading.marked else {
            return Ok(None);
        };
        let graph = &marked.graph;
        let names = RootNames::new(program, &reading.census, Some(marked));
        let owners = Owners::of(graph.roots(), &reading.census, &names);
        let options = room::options(limits);
        let groups = Some(owners.of_root.as_slice());
        let dominators = Dominators::of(graph, &marked.reachable, &options, groups, &slot)?;
        Ok(Some(Holding {
            graph,
            reachable: &marked.reachable,
            kinds: Kinds::new(program, marked),
            owners,
            dominators,
        }))
    }

    /// What each owner retains, and what several do together.
    fn sums(&self) -> HashMap<Owner, Sum> {
        let mut sums = HashMap::new();
        let all = self.reachable.all;
        let mut left = (all.objects, all.bytes);
        let mut add = |owner: Owner, retained: Count| {
            left.0 = left.0.saturating_sub(retained.objects);
            left.1 = left.1.saturating_sub(retained.bytes);
            if retained.objects > 0 {
                sums.insert(owner, (retained.objects, retained.bytes));
            }
        };
        for (number, owner) in (0u32..).zip(&self.owners.all) {
            let retained = self.dominators.retained(Holder::Group(number));
            add(owner.clone(), retained.unwrap_or_default());
        }
        let finalizers = self.dominators.retained(Holder::Finalizers);
        add(finalizing(), finalizers.unwrap_or_default());
        if left.0 > 0 {
            sums.insert(several(), left);
        }
        sums
    }
}

impl Holding<'_> {
    /// Reachable objects by the name of their type; nothing where types are not known.
    fn types(&self) -> HashMap<String, Sum> {
        let mut sums: HashMap<u32, Sum> = HashMap::new();
        let objects = (0..self.graph.slots()).map(ObjectId);
        for object in objects.filter(|object| self.reachable.has(*object)) {
            let bytes = self.graph.range_of(object).map_or(0, |range| range.len());
            let sum = sums.entry(self.kinds.number(object)).or_default();
            *sum = (sum.0 + 1, sum.1.saturating_add(bytes));
        }
        self.by_type(sums, |to, by| *to = more(*to, by))
    }

    /// A number made of the name of an object's type, the same in each reading; `known` has those
    /// of kinds that were asked for before.
    fn type_number(&self, start: Addr, known: &RefCell<HashMap<u32, u32>>) -> u32 {
        let Some(object) = self.graph.object_at(start) else {
            return prints::NO_TYPE;
        };
        let kind = self.kinds.number(object);
        *known.borrow_mut().entry(kind).or_insert_with(|| {
            let name = self.kinds.kind(kind).and_then(|kind| kind.type_name);
            name.map_or(prints::NO_TYPE, |name| prints::number_of(&name))
        })
    }

    /// Sums over kinds by the name of a type, those without one together; nothing where none has.
    fn by_type<T: Default>(
        &self,
        sums: HashMap<u32, T>,
        add: impl Fn(&mut T, T),
    ) -> HashMap<String, T> {
        let mut named: HashMap<String, T> = HashMap::new();
        let mut any = false;
        for (number, sum) in sums {
            let name = self.kinds.kind(number).and_then(|kind| kind.type_name);
            any |= name.is_some();
            let name = name.unwrap_or_else(|| "no type known".into());
            add(named.entry(name).or_default(), sum);
        }
        if any { named } else { HashMap::new() }
    }
}

fn more(to: Sum, by: Sum) -> Sum {
    (to.0 + by.0, to.1.saturating_add(by.1))
}

/// What only finalizers keep.
fn finalizing() -> Owner {
    Owner {
        kind: OwnerKind::Special,
        name: "finalizers of objects that nothing else leads to".into(),
        place: None,
    }
}

/// What more than one owner leads to.
fn several() -> Owner {
    Owner {
        kind: OwnerKind::Several,
        name: "several together".into(),
        place: None,
    }
}

/// What moved between two sides.
pub fn diff_report(before: &Side, after: &Side, top: usize) -> out::DiffReport {
    let same_build = before.identity.is_same_build(&after.identity);
    let same_process = before.identity.is_same_process(&after.identity);
    let resident = before.rss.is_some() && after.rss.is_some();
    let (holders, holders_rest) = holders(before, after, same_build, top);
    let (unchanged, unchanged_why_not) = unchanged::report(before, after, same_build, same_process);
    let cycles = after.moment.num_gc.checked_sub(before.moment.num_gc);
    out::DiffReport {
        schema: out::DiffReport::SCHEMA.into(),
        letgo: own::cost(),
        before: before.moment.clone(),
        after: after.moment.clone(),
        same_build,
        same_process,
        note: note(same_build, same_process),
        elapsed_ns: elapsed(before, after, same_process),
        gc_cycles: cycles.filter(|_| same_process),
        totals: totals(before, after),
        leaves: leaf_diffs(before, after, resident),
        leaves_resident: resident,
        size_classes: classes(before, after),
        types: types(before, after),
        holders,
        holders_rest,
        goroutines: goroutines(before, after, same_build),
        unchanged,
        unchanged_why_not,
    }
}

fn note(same_build: bool, same_process: bool) -> Option<String> {
    match (same_build, same_process) {
        (true, true) => None,
        (true, false) => Some("these are two processes of one build".into()),
        _ => Some(
            "these are different builds: holders and types are matched by name, and objects not at all".into(),
        ),
    }
}

fn elapsed(before: &Side, after: &Side, same_process: bool) -> Option<u64> {
    let own = after.monotonic_ns.zip(before.monotonic_ns);
    let own = own.and_then(|(after, before)| after.checked_sub(before));
    let ours = after.at.duration_since(before.at).ok();
    let ours = ours.and_then(|time| u64::try_from(time.as_nanos()).ok());
    own.filter(|_| same_process).or(ours)
}

fn totals(before: &Side, after: &Side) -> out::DiffTotals {
    let (old, new) = (&before.totals, &after.totals);
    out::DiffTotals {
        rss_bytes: before.rss.zip(after.rss).map(|(a, b)| Delta::new(a, b)),
        reachable: amount(old.reachable, new.reachable),
        garbage: amount(old.garbage, new.garbage),
        free_slots: amount(old.free_slots, new.free_slots),
        goroutines: Delta::new(before.goroutines(), after.goroutines()),
        stack_bytes: Delta::new(before.stack_bytes, after.stack_bytes),
    }
}

fn amount(before: out::Amount, after: out::Amount) -> AmountDelta {
    sums(
        (before.count, before.slot_bytes),
        (after.count, after.slot_bytes),
    )
}

fn sums(before: Sum, after: Sum) -> AmountDelta {
    AmountDelta {
        count: Delta::new(before.0, after.0),
        slot_bytes: Delta::new(before.1, after.1),
    }
}

fn leaf_diffs(before: &Side, after: &Side, resident: bool) -> Vec<out::LeafDiff> {
    let of = |side: &Side, leaf: Leaf| {
        let (in_ram, had) = side.leaves.get(&leaf).copied().unwrap_or_default();
        if resident { in_ram } else { had }
    };
    let mut leaves: Vec<out::LeafDiff> = Leaf::ALL
        .into_iter()
        .map(|leaf| out::LeafDiff {
            id: leaf.id().into(),
            label: label(leaf).into(),
            bytes: Delta::new(of(before, leaf), of(after, leaf)),
        })
        .filter(|leaf| leaf.bytes.before > 0 || leaf.bytes.after > 0)
        .collect();
    leaves.sort_by_key(|leaf| Reverse(leaf.bytes.delta.unsigned_abs()));
    leaves
}

/// As in an account that a graph was there for: both of these have one.
fn label(leaf: Leaf) -> &'static str {
    match leaf {
        Leaf::HeapGarbage => "garbage, next GC takes it",
        Leaf::HeapObjects => "objects the graph does not know",
        other => other.label(),
    }
}

fn classes(before: &Side, after: &Side) -> Vec<out::ClassDiff> {
    let mut joined: BTreeMap<u32, (u64, out::Amount, out::Amount)> = BTreeMap::new();
    for class in &before.classes {
        let own = joined.entry(class.class).or_default();
        (own.0, own.1) = (class.slot_bytes, class.reachable);
    }
    for class in &after.classes {
        let own = joined.entry(class.class).or_default();
        (own.0, own.2) = (class.slot_bytes, class.reachable);
    }
    let mut classes: Vec<out::ClassDiff> = joined
        .into_iter()
        .map(|(class, (slot_bytes, old, new))| out::ClassDiff {
            class,
            slot_bytes,
            reachable: amount(old, new),
        })
        .filter(|class| class.reachable != AmountDelta::default())
        .collect();
    classes.sort_by_key(|class| Reverse(class.reachable.slot_bytes.delta.unsigned_abs()));
    classes
}

/// By growth, the `top` largest, and what is beside them.
fn holders(
    before: &Side,
    after: &Side,
    same_build: bool,
    top: usize,
) -> (Vec<out::HolderDiff>, Option<out::HolderRest>) {
    let mut joined: BTreeMap<(OwnerKind, String), (Sum, Sum)> = BTreeMap::new();
    let add = |to: &mut Sum, by: Sum| *to = more(*to, by);
    for (owner, sum) in &before.holders {
        add(
            &mut joined.entry(key(owner, same_build)).or_default().0,
            *sum,
        );
    }
    for (owner, sum) in &after.holders {
        add(
            &mut joined.entry(key(owner, same_build)).or_default().1,
            *sum,
        );
    }
    let mut all: Vec<out::HolderDiff> = joined
        .into_iter()
        .map(|((kind, name), (old, new))| out::HolderDiff {
            kind: kind.word().into(),
            name,
            retained: sums(old, new),
        })
        .collect();
    all.sort_by_key(|holder| {
        let bytes = holder.retained.slot_bytes;
        (Reverse(bytes.delta.unsigned_abs()), Reverse(bytes.after))
    });
    let rest = all.split_off(top.min(all.len()));
    let beside = rest.iter().fold(((0, 0), (0, 0)), |mut sum, holder| {
        let retained = holder.retained;
        add(
            &mut sum.0,
            (retained.count.before, retained.slot_bytes.before),
        );
        add(
            &mut sum.1,
            (retained.count.after, retained.slot_bytes.after),
        );
        sum
    });
    let beside = (!rest.is_empty()).then(|| out::HolderRest {
        count: rest.len() as u64,
        retained: sums(beside.0, beside.1),
    });
    (all, beside)
}

/// Types that changed, the largest growth first.
fn types(before: &Side, after: &Side) -> Vec<out::TypeDiff> {
    let mut joined: BTreeMap<&str, (Sum, Sum)> = BTreeMap::new();
    for (name, sum) in &before.types {
        joined.entry(name).or_default().0 = *sum;
    }
    for (name, sum) in &after.types {
        joined.entry(name).or_default().1 = *sum;
    }
    let mut types: Vec<out::TypeDiff> = joined
        .into_iter()
        .map(|(name, (old, new))| out::TypeDiff {
            name: name.to_owned(),
            reachable: sums(old, new),
        })
        .filter(|one| one.reachable.slot_bytes.delta != 0 || one.reachable.count.delta != 0)
        .collect();
    types.sort_by_key(|one| Reverse(one.reachable.slot_bytes.delta.unsigned_abs()));
    types.truncate(MOST_TYPES);
    types
}

/// What a holder is matched by: places are those of one build.
pub(super) fn key(owner: &Owner, same_build: bool) -> (OwnerKind, String) {
    let name = match (&owner.place, same_build) {
        (Some(_), false) => "variables without a name".into(),
        (Some(_), true) => format!("variable {}", owner.name),
        (None, _) => owner.name.clone(),
    };
    (owner.kind, name)
}

/// What groups of goroutines are matched by.
fn group_key(group: &out::GoroutineGroup, same_build: bool) -> String {
    let place = |location: &Option<out::Location>| match location {
        Some(place) => place.function.clone(),
        None => String::new(),
    };
    match &group.id {
        Some(id) if same_build => id.clone(),
        _ => format!(
            "{} {} {} {}",
            place(&group.location),
            place(&group.created_by),
            group.status,
            group.wait_reason.clone().unwrap_or_default()
        ),
    }
}

fn goroutines(before: &Side, after: &Side, same_build: bool) -> Vec<out::GoroutineDiff> {
    let mut joined: BTreeMap<String, (&out::GoroutineGroup, Sum, Sum)> = BTreeMap::new();
    for (groups, is_after) in [(&before.goroutines, false), (&after.goroutines, true)] {
        for group in groups {
            let start = (group, (0, 0), (0, 0));
            let own = joined.entry(group_key(group, same_build)).or_insert(start);
            let sum = if is_after { &mut own.2 } else { &mut own.1 };
            *sum = (sum.0 + group.count, sum.1 + group.stack_bytes);
        }
    }
    let mut groups: Vec<out::GoroutineDiff> = joined
        .into_values()
        .filter(|(_, old, new)| old != new)
        .map(|(group, old, new)| out::GoroutineDiff {
            location: group.location.clone(),
            created_by: group.created_by.clone(),
            wait_reason: group.wait_reason.clone(),
            count: Delta::new(old.0, new.0),
            stack_bytes: Delta::new(old.1, new.1),
        })
        .collect();
    groups.sort_by_key(|group| {
        (
            Reverse(group.count.delta.unsigned_abs()),
            Reverse(group.stack_bytes.delta.unsigned_abs()),
        )
    });
    groups
}
