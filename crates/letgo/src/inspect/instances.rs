//! [`type_report`]: the objects of one type, as `letgo.type/1`.
//!
//! Contents are read when the report is made, of the program as it is then.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use letgo_heap::{Dominators, Holder, Limits, ObjectId, TypeKind, Typed};
use letgo_report as out;
use letgo_target::{Addr, AddrRange, ReadMemory, read_bytes};

use super::fields;
use super::kinds::{Called, Kinds};
use super::nearest::{advice, nearest};
use super::owners::Owners;
use super::report::taken;
use super::roots::RootNames;
use super::values::{Values, text_of};
use super::{Contents, Marked, Program, Reading, Surroundings, target};
use crate::complaint::Complaint;
use crate::inspect::room;
use crate::own;

/// Bytes of an object that are shown.
const SHOWN: u64 = 32;
/// Fields of an object that are shown, and characters of each.
const MOST_FIELDS: usize = 64;
const MOST_TEXT: usize = 48;

/// What objects are sorted by: bytes that they retain, then the first; and how many they retain.
type Size = (u64, Reverse<ObjectId>, u64);

/// The objects of a type: all counted, and at most so many listed. `contents` are those of the
/// program as it is now.
///
/// # Errors
/// A [`Complaint`] where there is no graph, the limits were hit, or no object has the type.
pub fn type_report(
    program: &Program,
    reading: &Reading,
    around: &Surroundings,
    name: &str,
    contents: Option<Contents<'_>>,
    most: usize,
    limits: Limits,
) -> Result<out::TypeReport, Complaint> {
    let Some(marked) = &reading.marked else {
        let wrong = "the object graph was not read";
        return Err(Complaint::no_report(wrong, "Leave --no-pause out"));
    };
    let graph = &marked.graph;
    let dominators = dominators(program, reading, marked, limits)?;
    let kinds = Kinds::new(program, marked);
    let (sums, largest) = count(marked, &kinds, &Called::new(name), &dominators, most);
    let [alive, garbage] = sums;
    if alive.count + garbage.count == 0 {
        let near = advice(&nearest(program, marked, name));
        let next = near.unwrap_or_else(|| {
            "Values in a slice are asked for as '[]TYPE'. Where types are not known, the size of \
             slots stands for them, as in '48 B'"
                .into()
        });
        let wrong = format!("no object is known to be of the type {name}");
        return Err(Complaint::no_report(wrong, next));
    }
    let typed = marked.typed(program);
    let shown = contents.and_then(Contents::shown);
    let one = |Reverse((bytes, Reverse(object), objects)): Reverse<Size>| {
        let range = graph.range_of(object).unwrap_or_default();
        let looked = shown.map(|shown| look(&typed, shown, object, range.start()));
        let (fields, fields_more) = looked.unwrap_or_default();
        out::Instance {
            object: out::HeldObject {
                address: range.start().to_string(),
                slot_bytes: range.len(),
                type_name: kinds.type_of(object).map(str::to_owned),
                elements: None,
            },
            retained_bytes: bytes,
            retained_objects: objects,
            contents: shown.and_then(|shown| first(shown, range)),
            fields,
            fields_more,
        }
    };
    let first = largest.first().and_then(|own| typed.of(own.0.1.0));
    let shares_slots = first.is_some_and(|id| typed.shares_slots(id));
    let listed: Vec<out::Instance> = largest.into_iter().map(one).collect();
    let note = unknown(&listed, contents);
    Ok(out::TypeReport {
        schema: out::TypeReport::SCHEMA.into(),
        letgo: own::cost(),
        target: target(program, around),
        taken: taken(reading),
        type_name: name.to_owned(),
        reachable: alive,
        garbage,
        shares_slots,
        more: alive.count.saturating_sub(listed.len() as u64),
        largest: listed,
        note,
    })
}

/// Who holds what, in bytes of slots.
fn dominators<'a>(
    program: &Program,
    reading: &Reading,
    marked: &'a Marked,
    limits: Limits,
) -> Result<Dominators<'a>, Complaint> {
    let graph = &marked.graph;
    let names = RootNames::new(program, &reading.census, Some(marked));
    let groups = Owners::of(graph.roots(), &reading.census, &names).of_root;
    let (options, groups) = (room::options(limits), Some(groups.as_slice()));
    Dominators::of(graph, &marked.reachable, &options, groups, &AddrRange::len).map_err(|error| {
        Complaint::no_report(
            error.to_string(),
            "Give letgo more memory, or ask a snapshot",
        )
    })
}

/// Why something of the objects is not known, where that is so.
fn unknown(listed: &[out::Instance], contents: Option<Contents<'_>>) -> Option<String> {
    if contents.is_some_and(|own| own.is_redacted) {
        return Some("Contents were left out of this snapshot (letgo snap --redact).".into());
    }
    let fields = listed.iter().flat_map(|one| &one.fields);
    let is_unread = fields.into_iter().any(|field| field.unread_bytes.is_some());
    is_unread.then(|| {
        "There is text that could not be read: a snapshot has strings, and whatever else has no \
         pointers, only with --contents."
            .into()
    })
}

/// Reachable objects of a kind and garbage of it, and which of them retain most, largest first.
fn count(
    marked: &Marked,
    kinds: &Kinds<'_>,
    called: &Called,
    dominators: &Dominators<'_>,
    most: usize,
) -> ([out::Amount; 2], Vec<Reverse<Size>>) {
    let graph = &marked.graph;
    let mut sums = [out::Amount::default(); 2];
    let mut largest = BinaryHeap::new();
    for object in (0..graph.slots()).map(ObjectId) {
        let Some(range) = graph.range_of(object).filter(|_| kinds.is(object, called)) else {
            continue;
        };
        if graph.object_at(range.start()) != Some(object) {
            continue;
        }
        let [alive, garbage] = &mut sums;
        let is_alive = marked.reachable.has(object);
        let sum = if is_alive { alive } else { garbage };
        sum.count += 1;
        sum.slot_bytes += range.len();
        if is_alive && let Some(held) = dominators.retained(Holder::Object(object)) {
            largest.push(Reverse((held.bytes, Reverse(object), held.objects)));
            if largest.len() > most {
                largest.pop();
            }
        }
    }
    (sums, largest.into_sorted_vec())
}

/// What is in the fields of an object, and how many are left out.
fn look(
    typed: &Typed<'_>,
    memory: &dyn ReadMemory,
    object: ObjectId,
    start: Addr,
) -> (Vec<out::FieldValue>, u64) {
    let values = Values::new(typed, memory);
    let kind = typed.of(object).map(|id| typed.kind(id));
    if let Some(kind @ (TypeKind::Map | TypeKind::Chan)) = kind {
        return (header(&values, kind, start), 0);
    }
    let members = typed.members(object, MOST_FIELDS).unwrap_or_default();
    let index = |number: u64| format!("[{number}]");
    let field = |member: &letgo_heap::Member| {
        let name = fields::words(&member.place, &index, &|_| None);
        let value = values.value(member.typ, start.add(member.offset), MOST_TEXT);
        out::FieldValue {
            name: name.trim_start_matches('.').to_owned(),
            type_name: Some(typed.ask(|types| types.name(member.typ))),
            is_zero: value.as_ref().is_some_and(|value| is_zero(value)),
            unread_bytes: match &value {
                Some(_) => None,
                None => values.unread(member.typ, start.add(member.offset)),
            },
            value,
        }
    };
    (members.listed.iter().map(field).collect(), members.more)
}

/// What the header of a map or of a channel counts.
fn header(values: &Values<'_>, kind: TypeKind, start: Addr) -> Vec<out::FieldValue> {
    let names: &[&str] = match kind {
        TypeKind::Map => &["entries"],
        _ => &["queued", "room"],
    };
    let count = |(number, name): (u64, &&str)| {
        let count = values.word(start, number);
        out::FieldValue {
            name: (*name).to_owned(),
            type_name: None,
            is_zero: count == Some(0),
            unread_bytes: None,
            value: count.map(|count| count.to_string()),
        }
    };
    (0..).zip(names).map(count).collect()
}

/// Whether a value is that of a variable that nothing was stored into.
fn is_zero(value: &str) -> bool {
    matches!(value, "0" | "false" | "nil" | "\"\"" | "all zero")
}

/// The first bytes of an object.
fn first(memory: &dyn ReadMemory, range: AddrRange) -> Option<out::Contents> {
    let len = range.len().min(SHOWN);
    let bytes = read_bytes(memory, range.start(), len, SHOWN).ok()?;
    Some(out::Contents {
        text: text(&bytes),
        hex: bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        more: range.len() - len,
    })
}

/// Bytes as text, up to the zeros that fill a slot; nothing where they do not look like any.
fn text(bytes: &[u8]) -> Option<String> {
    let end = bytes.iter().rposition(|byte| *byte != 0)? + 1;
    let bytes = bytes.get(..end)?;
    let text = text_of(bytes)?;
    let is_plain = |c: char| !c.is_control() || matches!(c, '\n' | '\t' | '\r');
    let looks = text.chars().count() > 1 && text.chars().all(is_plain);
    looks.then(|| text.escape_debug().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_text_is_shown_as_text() {
        assert_eq!(text(b"key 17\0\0").as_deref(), Some("key 17"));
        assert_eq!(text(b"a\nb").as_deref(), Some("a\\nb"));
        assert_eq!(text("gr\u{fc}\u{df}e".as_bytes()).as_deref(), Some("grüße"));
        assert_eq!(
            text(b"ends in a cut \xc3").as_deref(),
            Some("ends in a cut ")
        );
        for bytes in [
            &b"\0\0\0\0"[..],
            b"\x01\x02key",
            b"x\0\0",
            b"\xff\xfe",
            b"a\0b",
        ] {
            assert_eq!(text(bytes), None, "{bytes:?}");
        }
    }
}
