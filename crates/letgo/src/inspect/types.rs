//! [`types()`]: the types of a heap's objects, as `letgo.heap/1` has them.

use letgo_heap::{Count, ObjectId, Reachable, TypeId, TypeKind, Typed};
use letgo_report as out;

use super::Program;

/// Types that are listed.
const MOST: usize = 100;

/// What a report says of types.
#[derive(Debug, Default)]
pub(super) struct Types {
    pub(super) types: Vec<out::HeapType>,
    pub(super) rest: Option<out::TypesRest>,
    pub(super) untyped: Option<out::Amount>,
    pub(super) conflicts: Option<out::TypesConflicts>,
}

/// Reachable objects by type.
pub(super) fn types(
    program: &Program,
    bias: u64,
    reachable: &Reachable,
    typed: &Typed<'_>,
) -> Types {
    let (all, none) = typed.tally(reachable);
    let (listed, beyond) = all.split_at(all.len().min(MOST));
    let listed = listed.iter().map(|own| out::HeapType {
        name: name(program, bias, typed, own.id),
        kind: kind(typed.kind(own.id)).to_owned(),
        objects: amount(own.count),
    });
    let rest = beyond.iter().fold(Count::default(), |sum, own| Count {
        objects: sum.objects + own.count.objects,
        bytes: sum.bytes + own.count.bytes,
    });
    let conflicts = typed.conflicts;
    Types {
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

/// The name of an object's type, where it is known.
pub(super) fn name_of(
    program: &Program,
    bias: u64,
    typed: &Typed<'_>,
    object: ObjectId,
) -> Option<String> {
    typed.of(object).map(|id| name(program, bias, typed, id))
}

/// The name of a type; of a closure that of its function.
fn name(program: &Program, bias: u64, typed: &Typed<'_>, id: TypeId) -> String {
    let function = typed.function(id).and_then(|entry| {
        let link_time = entry.biased(bias.wrapping_neg());
        program.binary.functions.function_at(link_time).ok()?
    });
    match function {
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
