//! [`Types`]: the types of a heap's objects with their names; [`types()`]: as `letgo.heap/1` has
//! them.

use std::cmp::Reverse;

use letgo_gobin::Pointee;
use letgo_heap::{Conflicts, Count, ObjectId, TypeId, TypeKind, TypeSeeds, Typed};
use letgo_report as out;
use letgo_target::Addr;

use super::{Marked, Program};

/// The types of a graph's objects, found once.
#[derive(Debug)]
pub(super) struct Types {
    conflicts: Conflicts,
    /// By number of a type.
    names: Vec<String>,
}

impl Marked {
    /// The types of the objects: from headers of objects, from interfaces, and from what the
    /// executable says of variables and closures. Found when they are first asked for.
    pub(super) fn typed(&self, program: &Program) -> Typed<'_> {
        self.graph.typed_before(self.types(program).conflicts)
    }

    /// The name of an object's type, where it is known.
    pub(super) fn type_name(&self, program: &Program, object: ObjectId) -> Option<&str> {
        let id = self.typed(program).of(object)?;
        self.name_of(program, id)
    }

    /// The name of a type; of a closure that of its function.
    pub(super) fn name_of(&self, program: &Program, id: TypeId) -> Option<&str> {
        let names = &self.types(program).names;
        names.get(id.0 as usize).map(String::as_str)
    }

    fn types(&self, program: &Program) -> &Types {
        self.types.get_or_init(|| find(program, self))
    }
}

fn find(program: &Program, marked: &Marked) -> Types {
    let bias = program.bias;
    let known = program.binary.globals_typed().ok();
    let mut words: Vec<(Addr, Pointee)> = known.map_or_else(Vec::new, |known| {
        let words = known.pointees.iter();
        let words = words.chain(&marked.statics(program).words);
        words
            .map(|(at, pointee)| (at.biased(bias), pointee.biased(bias)))
            .collect()
    });
    words.sort_by_key(|(at, _)| *at);
    words.dedup_by_key(|(at, _)| *at);
    let closures: Vec<(Addr, Addr)> = known.map_or_else(Vec::new, |known| {
        let closures = known.closures.iter();
        closures
            .map(|(entry, of)| (entry.biased(bias), of.biased(bias)))
            .collect()
    });
    let seeds = TypeSeeds {
        words: &words,
        closures: &closures,
    };
    let typed = marked.graph.typed(&marked.reachable, &seeds);
    let numbers = (0..typed.bound()).map(TypeId);
    Types {
        conflicts: typed.conflicts,
        names: numbers.map(|id| name(program, &typed, id)).collect(),
    }
}

/// Types that are listed.
const MOST: usize = 100;

/// What a report says of types.
#[derive(Debug, Default)]
pub(super) struct Listed {
    pub(super) types: Vec<out::HeapType>,
    pub(super) rest: Option<out::TypesRest>,
    pub(super) untyped: Option<out::Amount>,
    pub(super) conflicts: Option<out::TypesConflicts>,
}

/// Reachable objects by type.
pub(super) fn types(program: &Program, marked: &Marked) -> Listed {
    let typed = marked.typed(program);
    let (mut all, none) = typed.tally(&marked.reachable);
    // Numbers of types differ from reading to reading.
    all.sort_by_key(|own| {
        let name = marked.name_of(program, own.id).unwrap_or_default();
        (Reverse(own.count.bytes), Reverse(own.count.objects), name)
    });
    let (listed, beyond) = all.split_at(all.len().min(MOST));
    let listed = listed.iter().map(|own| out::HeapType {
        name: marked
            .name_of(program, own.id)
            .unwrap_or_default()
            .to_owned(),
        kind: kind(typed.kind(own.id)).to_owned(),
        objects: amount(own.count),
        shares_slots: typed.shares_slots(own.id),
    });
    let rest = beyond.iter().fold(Count::default(), |sum, own| Count {
        objects: sum.objects + own.count.objects,
        bytes: sum.bytes + own.count.bytes,
    });
    let conflicts = typed.conflicts;
    Listed {
        types: listed.collect(),
        rest: (!beyond.is_empty()).then(|| out::TypesRest {
            count: beyond.len() as u64,
            objects: amount(rest),
        }),
        untyped: Some(amount(none)),
        conflicts: Some(out::TypesConflicts {
            slot: conflicts.slot,
            pointers: conflicts.pointers,
            weaker: conflicts.weaker,
            disputed: conflicts.disputed,
        }),
    }
}

/// The name of a type; of a closure that of its function.
fn name(program: &Program, typed: &Typed<'_>, id: TypeId) -> String {
    let function = typed.function(id);
    match function.and_then(|entry| program.function_at(entry)) {
        Some(function) => format!("closure of {}", function.name),
        None => typed.name(id),
    }
}

fn amount(count: Count) -> out::Amount {
    out::Amount {
        count: count.objects,
        slot_bytes: count.bytes,
        resident_bytes: None,
    }
}

fn kind(kind: TypeKind) -> &'static str {
    match kind {
        TypeKind::Value => "value",
        TypeKind::Slice => "slice",
        TypeKind::Text => "string",
        TypeKind::Tiny => "tiny",
        TypeKind::Map => "map",
        TypeKind::MapPart => "map_part",
        TypeKind::Chan => "chan",
        TypeKind::ChanBuffer => "chan_buffer",
        TypeKind::Closure => "closure",
    }
}
