//! [`Kinds`]: what objects are called where many are told in few words: by their type, else by the
//! size of their slots.
//!
//! No types are known so far: each kind is a size.

use std::cell::RefCell;
use std::collections::HashMap;

use letgo_heap::{Graph, ObjectId};

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
    graph: &'a Graph,
    numbers: RefCell<HashMap<Kind, u32>>,
    kinds: RefCell<Vec<Kind>>,
}

impl<'a> Kinds<'a> {
    pub(super) fn new(graph: &'a Graph) -> Kinds<'a> {
        Kinds {
            graph,
            numbers: RefCell::default(),
            kinds: RefCell::default(),
        }
    }

    /// The type of an object, where it is known.
    #[allow(clippy::unused_self, reason = "no types are known so far")]
    pub(super) fn type_of(&self, _object: ObjectId) -> Option<&str> {
        None
    }

    /// The kind of an object.
    pub(super) fn of(&self, object: ObjectId) -> Kind {
        Kind {
            type_name: self.type_of(object).map(str::to_owned),
            slot_bytes: self.graph.range_of(object).map_or(0, |range| range.len()),
        }
    }

    /// Whether an object is of a kind that is called so.
    pub(super) fn is(&self, object: ObjectId, called: &Called) -> bool {
        match self.type_of(object) {
            Some(name) => name == called.name,
            None => called.slot_bytes.is_some_and(|bytes| {
                let range = self.graph.range_of(object);
                range.is_some_and(|range| range.len() == bytes)
            }),
        }
    }

    /// The number of its kind.
    pub(super) fn number(&self, object: ObjectId) -> u32 {
        let kind = self.of(object);
        let (mut numbers, mut kinds) = (self.numbers.borrow_mut(), self.kinds.borrow_mut());
        *numbers.entry(kind).or_insert_with_key(|kind| {
            kinds.push(kind.clone());
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
