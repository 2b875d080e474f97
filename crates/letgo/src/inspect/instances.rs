//! [`type_report`]: the objects of one type, as `letgo.type/1`.
//!
//! Contents are read when the report is made, of the program as it is then.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use letgo_heap::{Dominators, Holder, Limits, ObjectId};
use letgo_report as out;
use letgo_target::{AddrRange, ReadMemory, read_bytes};

use super::holders::groups;
use super::kinds::{Called, Kinds};
use super::report::taken;
use super::roots::RootNames;
use super::{Marked, Program, Reading, Surroundings, target};
use crate::complaint::Complaint;
use crate::inspect::room;
use crate::own;

/// Bytes of an object that are shown.
const SHOWN: u64 = 32;

/// What objects are sorted by: bytes that they retain, then the first; and how many they retain.
type Size = (u64, Reverse<ObjectId>, u64);

/// The objects of a type: all counted, and at most so many listed. `memory` is that of the program
/// as it is now.
///
/// # Errors
/// A [`Complaint`] where there is no graph, the limits were hit, or no object has the type.
pub fn type_report(
    program: &Program,
    reading: &Reading,
    around: &Surroundings,
    name: &str,
    memory: Option<&dyn ReadMemory>,
    most: usize,
    limits: Limits,
) -> Result<out::TypeReport, Complaint> {
    let Some(marked) = &reading.marked else {
        let wrong = "the object graph was not read";
        return Err(Complaint::no_report(wrong, "Leave --no-pause out"));
    };
    let (graph, reachable) = (&marked.graph, &marked.reachable);
    let names = RootNames::new(program, &reading.census);
    let groups = groups(graph.roots(), &names);
    let options = room::options(limits);
    let weigh = |range: AddrRange| range.len();
    let dominators = Dominators::of(graph, reachable, &options, Some(&groups), &weigh);
    let dominators = dominators.map_err(|error| {
        Complaint::no_report(
            error.to_string(),
            "Give letgo more memory, or ask a snapshot",
        )
    })?;
    let kinds = Kinds::new(program, marked);
    let (sums, largest) = count(marked, &kinds, &Called::new(name), &dominators, most);
    let [alive, garbage] = sums;
    if alive.count + garbage.count == 0 {
        return Err(Complaint::no_report(
            format!("no object is known to be of the type {name}"),
            "Where types are not known, the size of slots stands for them, as in '48 B'",
        ));
    }
    let one = |Reverse((bytes, Reverse(object), objects)): Reverse<Size>| {
        let range = graph.range_of(object).unwrap_or_default();
        out::Instance {
            object: out::HeldObject {
                address: range.start().to_string(),
                slot_bytes: range.len(),
                type_name: kinds.type_of(object).map(str::to_owned),
            },
            retained_bytes: bytes,
            retained_objects: objects,
            contents: memory.and_then(|memory| contents(memory, range)),
        }
    };
    let listed: Vec<out::Instance> = largest.into_iter().map(one).collect();
    let beside = alive.count.saturating_sub(listed.len() as u64);
    Ok(out::TypeReport {
        schema: out::TypeReport::SCHEMA.into(),
        letgo: own::cost(),
        target: target(program, around),
        taken: taken(reading),
        type_name: name.to_owned(),
        reachable: alive,
        garbage,
        largest: listed,
        more: beside,
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
    let (graph, reachable) = (&marked.graph, &marked.reachable);
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
        let is_alive = reachable.has(object);
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

/// The first bytes of an object.
fn contents(memory: &dyn ReadMemory, range: AddrRange) -> Option<out::Contents> {
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
    // A character that was cut at the end is no reason.
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(bytes.get(..error.valid_up_to())?).ok()?
        }
        Err(_) => return None,
    };
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
