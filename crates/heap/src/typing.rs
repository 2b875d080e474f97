//! [`Typed`]: which Go type each object has, without DWARF.
//!
//! What is known while objects are read (see `seeds`) is followed from object to object by the
//! types of fields (see `pass`). What nothing leads to that is known has no type: unknown is better
//! than wrong.
//!
//! Does not read: types and bytes were kept when the graph was.
//!
//! Invariants: a type is given only to objects whose slot is one that the allocator would have
//! chosen for it, and whose pointers all lie where the type has pointers.

mod ahead;
mod claims;
mod kinds;
mod members;
mod pass;
mod places;
mod seeds;
mod taken;

use letgo_gobin::Pointee;
use letgo_target::Addr;
use rustc_hash::FxHashMap;

use crate::reachable::Count;
use crate::{Graph, ObjectId, Reachable, RootKind};
pub(crate) use claims::Claims;
use kinds::Lead;
pub(crate) use kinds::{Kinds, What};
pub use members::{Member, Members};
pub use pass::Conflicts;
use pass::{Later, Pass};
pub use places::{Key, Part, Place};
pub(crate) use seeds::{SeedHands, Seeds};

/// Rounds of less sure claims: each may make others sure.
const ROUNDS: u32 = 4;

/// What is known from outside of the heap.
#[derive(Clone, Copy, Debug, Default)]
pub struct TypeSeeds<'a> {
    /// Words of variables, and what each points to; addresses in the target.
    pub words: &'a [(Addr, Pointee)],
    /// Functions by entry, and the address of the type of their closures.
    pub closures: &'a [(Addr, Addr)],
}

/// A type of objects, as a number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TypeId(pub u32);

/// What objects of a type are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum TypeKind {
    /// A value.
    Value,
    /// What a slice leads to.
    Slice,
    /// The bytes of a string.
    Text,
    /// Several small values.
    Tiny,
    /// A map.
    Map,
    /// Memory of a map beside its header.
    MapPart,
    /// A channel.
    Chan,
    /// What a channel holds.
    ChanBuffer,
    /// A closure.
    Closure,
}

/// Reachable objects of one type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TypeCount {
    /// Which.
    pub id: TypeId,
    /// How many, and the bytes of their slots.
    pub count: Count,
}

/// The types of a graph's objects.
#[derive(Debug)]
pub struct Typed<'a> {
    graph: &'a Graph,
    /// Claims that were not believed.
    pub conflicts: Conflicts,
}

impl Graph {
    /// Finds the types of reachable objects, on one thread: where two claims on an object differ,
    /// what it led to before that was known depends on which came first.
    ///
    /// The target is not needed for it.
    pub fn typed(&self, reachable: &Reachable, known: &TypeSeeds<'_>) -> Typed<'_> {
        let seeds = &self.copied.seeds;
        seeds.lock().learn_closures(known.closures);
        let pass = Pass::new(&self.objects, &self.copied.edges, seeds, reachable);
        let mut conflicts = Conflicts::default();
        let (first, done) = pass.variables(&self.variables(known));
        let (mut later, mut looks, mut all) = (done.later, Vec::new(), true);
        later.extend(self.alone());
        let mut next = first;
        let mut larger = None;
        for _ in 0..ROUNDS {
            let done = pass.run(std::mem::take(&mut next), all);
            all = false;
            conflicts = conflicts.and(done.conflicts);
            looks.extend(done.looks);
            later.extend(done.later);
            if later.is_empty() {
                break;
            }
            let larger = larger.get_or_insert_with(|| seeds.lock().larger());
            next = pass.later(&mut later, larger, &mut conflicts);
            if next.is_empty() {
                break;
            }
        }
        pass.forget_looks(&looks);
        Typed {
            graph: self,
            conflicts: conflicts.and(done.conflicts),
        }
    }

    /// The types that [`Graph::typed`] found, with what it counted.
    pub fn typed_before(&self, conflicts: Conflicts) -> Typed<'_> {
        Typed {
            graph: self,
            conflicts,
        }
    }

    /// Channels that are known by their words, of the type that a channel of such elements has:
    /// only a goroutine may lead to them.
    fn alone(&self) -> Vec<Later> {
        if self.channels.is_empty() {
            return Vec::new();
        }
        let mut kinds = self.copied.seeds.lock();
        let types = kinds.channels();
        let channels = self.channels.iter().filter_map(|own| {
            let kind = kinds.number(What::Chan(*types.get(&own.elem)?))?;
            Some(Later::Alone(own.object.0, kind))
        });
        channels.collect()
    }

    /// What words of variables of known types lead to: what, which object, how far behind its
    /// slot's start.
    fn variables(&self, known: &TypeSeeds<'_>) -> Vec<(Lead, u32, u64)> {
        let mut kinds = self.copied.seeds.lock();
        let roots = self.roots.roots.iter();
        let is_variable = |kind: RootKind| matches!(kind, RootKind::Data | RootKind::Bss);
        let mut roots: Vec<_> = roots.filter(|root| is_variable(root.kind)).collect();
        roots.sort_by_key(|root| root.at);
        let mut leads = Vec::new();
        let mut add = |lead: Lead, value: Addr| {
            if let Some(found) = self.objects.slot_at(value.0) {
                leads.push((lead, found.number, found.offset));
            }
        };
        for (at, pointee) in known.words {
            let first = roots.partition_point(|root| root.at < *at);
            if let Some(root) = roots.get(first).filter(|root| root.at == *at) {
                add(kinds.pointed_to(*pointee), root.value);
            }
        }
        let goroutine = kinds.named("runtime.g").map(What::Value);
        let goroutine = goroutine.and_then(|what| kinds.number(what));
        if let Some(goroutine) = goroutine {
            for object in &self.copied.seeds.goroutines {
                leads.push((Lead::Whole(goroutine), *object, 0));
            }
        }
        leads
    }
}

impl Typed<'_> {
    /// The type of an object; nothing where it is not known.
    pub fn of(&self, object: ObjectId) -> Option<TypeId> {
        let claim = self.graph.copied.seeds.claims.get(object.0);
        claim
            .filter(|claim| !Pass::is_disputed(*claim))
            .map(|claim| TypeId(claim.kind))
    }

    /// Its name, as a person would say it: `map[string]*main.Session`.
    pub fn name(&self, id: TypeId) -> String {
        let kinds = self.graph.copied.seeds.lock();
        let what = kinds.get(id.0).map(|kind| kind.what);
        what.map_or_else(|| "?".to_owned(), |what| kinds.name(what))
    }

    /// What objects of it are.
    pub fn kind(&self, id: TypeId) -> TypeKind {
        let what = self.what(id);
        let kinds = self.graph.copied.seeds.lock();
        if what.is_some_and(|what| kinds.is_map_part(what)) {
            return TypeKind::MapPart;
        }
        match what {
            Some(What::Row(_)) => TypeKind::Slice,
            Some(What::Text) => TypeKind::Text,
            Some(What::Small) => TypeKind::Tiny,
            Some(What::Map(_)) => TypeKind::Map,
            Some(What::Chan(_)) => TypeKind::Chan,
            Some(What::ChanBuffer(_)) => TypeKind::ChanBuffer,
            Some(What::Closure(_)) => TypeKind::Closure,
            Some(What::Value(_)) | None => TypeKind::Value,
            Some(_) => TypeKind::MapPart,
        }
    }

    /// Whether the allocator may put several of its values into one slot: objects are slots then.
    pub fn shares_slots(&self, id: TypeId) -> bool {
        let kinds = self.graph.copied.seeds.lock();
        kinds.get(id.0).is_some_and(|kind| claims::is_tiny(kind))
    }

    /// Where its descriptor lies; of a part of a map or a channel that of the map or channel, of a
    /// row that of an element.
    pub fn descriptor(&self, id: TypeId) -> Option<Addr> {
        self.what(id)?.named_by()
    }

    /// Where the function of a closure starts.
    pub fn function(&self, id: TypeId) -> Option<Addr> {
        match self.what(id)? {
            What::Closure(entry) => Some(entry).filter(|entry| !entry.is_null()),
            _ => None,
        }
    }

    pub(crate) fn what(&self, id: TypeId) -> Option<What> {
        let kinds = self.graph.copied.seeds.lock();
        kinds.get(id.0).map(|kind| kind.what)
    }

    /// Every [`TypeId`] is below; they start at 1.
    pub fn bound(&self) -> u32 {
        let len = self.graph.copied.seeds.lock().len();
        u32::try_from(len + 1).unwrap_or(u32::MAX)
    }

    /// What was left out of the types themselves.
    pub fn coverage(&self) -> &letgo_target::Coverage {
        &self.graph.copied.seeds.coverage
    }

    /// Reachable objects of each type, most bytes first, and those without one.
    pub fn tally(&self, reachable: &Reachable) -> (Vec<TypeCount>, Count) {
        let len = self.graph.copied.seeds.lock().len();
        let mut counts = vec![Count::default(); len + 1];
        let mut none = Count::default();
        for span in &self.graph.objects.spans {
            reachable.members().each(span.first, span.nelems, |number| {
                let own = self.of(ObjectId(number));
                let count = own.and_then(|id| counts.get_mut(id.0 as usize));
                let count = count.unwrap_or(&mut none);
                count.objects += 1;
                count.bytes += span.elem_size;
            });
        }
        let numbered = (0u32..).zip(counts);
        let mut types: Vec<TypeCount> = numbered
            .filter(|(_, count)| count.objects > 0)
            .map(|(number, count)| TypeCount {
                id: TypeId(number),
                count,
            })
            .collect();
        types.sort_by_key(|own| (std::cmp::Reverse(own.count.bytes), own.id));
        (types, none)
    }
}

impl kinds::Kinds {
    /// Every structure, by the types that it starts with.
    fn larger(&self) -> FxHashMap<Addr, Vec<Addr>> {
        let mut larger: FxHashMap<Addr, Vec<Addr>> = FxHashMap::default();
        for at in self.table.structures() {
            for first in self.firsts(at).into_iter().skip(1) {
                larger.entry(first).or_default().push(at);
            }
        }
        larger
    }

    /// The type of channels by what is sent: the only one, or the one without a name of its own.
    fn channels(&self) -> FxHashMap<Addr, Addr> {
        let mut types: FxHashMap<Addr, Option<Addr>> = FxHashMap::default();
        let is_plain =
            |at: Addr, elem| self.table.name(at) == format!("chan {}", self.table.name(elem));
        for (at, elem) in self.table.channels() {
            let own = types.entry(elem);
            let is_first = matches!(own, std::collections::hash_map::Entry::Vacant(_));
            let own = own.or_insert(Some(at));
            let known = own.filter(|known| is_plain(*known, elem));
            if !is_first && known.is_none() {
                *own = Some(at).filter(|at| is_plain(*at, elem));
            }
        }
        let types = types.into_iter();
        types.filter_map(|(elem, at)| Some((elem, at?))).collect()
    }

    /// The structure of this name.
    fn named(&self, name: &str) -> Option<Addr> {
        let all = self.table.structures();
        all.into_iter().find(|at| self.table.name(*at) == name)
    }
}
