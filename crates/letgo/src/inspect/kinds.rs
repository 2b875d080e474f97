//! [`Kinds`]: what objects are called where many are told in few words: by their type, else by the
//! size of their slots.

use std::cell::RefCell;
use std::collections::HashMap;

use letgo_heap::{ObjectId, TypeId, Typed};

use super::{Marked, Program};

/// What objects of one kind have alike.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Kind {
    /// Their type, where it is known.
    pub(super) type_name: Option<String>,
    /// Bytes of their slots.
    pub(super) slot_bytes: u64,
}

impl Kind {
    /// In words.
    pub(super) fn name(&self) -> String {
        match &self.type_name {
            Some(name) => name.clone(),
            None => format!("{} B", letgo_report::units::count(self.slot_bytes)),
        }
    }
}

/// What somebody calls a kind: a type, or for objects whose type is not known the size of their
/// slots, as in `48 B`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Called {
    name: String,
    slot_bytes: Option<u64>,
}

impl Called {
    pub(super) fn new(name: &str) -> Called {
        let digits = name
            .strip_suffix(" B")
            .map(|digits| digits.replace(',', ""));
        Called {
            name: name.to_owned(),
            slot_bytes: digits.and_then(|digits| digits.parse().ok()),
        }
    }
}

/// Kinds of a graph's objects, numbered as they are asked for.
pub(super) struct Kinds<'a> {
    program: &'a Program,
    marked: &'a Marked,
    typed: Typed<'a>,
    numbers: RefCell<HashMap<(Option<TypeId>, u64), u32>>,
    kinds: RefCell<Vec<Kind>>,
}

impl<'a> Kinds<'a> {
    pub(super) fn new(program: &'a Program, marked: &'a Marked) -> Kinds<'a> {
        Kinds {
            program,
            marked,
            typed: marked.typed(program),
            numbers: RefCell::default(),
            kinds: RefCell::default(),
        }
    }

    /// The type of an object, where it is known.
    pub(super) fn type_of(&self, object: ObjectId) -> Option<&str> {
        self.name(self.typed.of(object)?)
    }

    fn name(&self, id: TypeId) -> Option<&str> {
        self.marked.name_of(self.program, id)
    }

    fn slot_bytes(&self, object: ObjectId) -> u64 {
        let range = self.marked.graph.range_of(object);
        range.map_or(0, |range| range.len())
    }

    /// Whether an object is of a kind that is called so.
    pub(super) fn is(&self, object: ObjectId, called: &Called) -> bool {
        match self.type_of(object) {
            Some(name) => name == called.name,
            None => called.slot_bytes == Some(self.slot_bytes(object)),
        }
    }

    /// The number of its kind.
    pub(super) fn number(&self, object: ObjectId) -> u32 {
        let key = (self.typed.of(object), self.slot_bytes(object));
        let (mut numbers, mut kinds) = (self.numbers.borrow_mut(), self.kinds.borrow_mut());
        *numbers.entry(key).or_insert_with(|| {
            let (id, slot_bytes) = key;
            kinds.push(Kind {
                type_name: id.and_then(|id| self.name(id)).map(str::to_owned),
                slot_bytes,
            });
            u32::try_from(kinds.len() - 1).unwrap_or(u32::MAX)
        })
    }

    /// The kind of a number.
    pub(super) fn kind(&self, number: u32) -> Option<Kind> {
        self.kinds.borrow().get(number as usize).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_called_as_they_are_shown() {
        let kind = Kind {
            type_name: None,
            slot_bytes: 57_344,
        };
        assert_eq!(Called::new(&kind.name()).slot_bytes, Some(57_344));
        for name in ["main.T", "48", "B", "x B", " B"] {
            assert_eq!(Called::new(name).slot_bytes, None, "{name}");
        }
    }
}
