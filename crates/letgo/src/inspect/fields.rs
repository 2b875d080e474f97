//! [`Fields`]: what lies where in objects, in words: `.sessions`, `["alice"]`, `[3].conn`.
//!
//! A key of a map is read where there is memory to read, and is *map value* where not. Indices
//! count from the start of the object, which is that of the slice unless that was cut.

use letgo_heap::{Key, ObjectId, Part, Place, Typed};
use letgo_target::{Addr, ReadMemory};

use super::values::Values;

/// Characters of a key that are shown.
const MOST_KEY: usize = 24;

/// Fields of the objects of one graph.
pub(super) struct Fields<'a> {
    typed: &'a Typed<'a>,
    values: Option<Values<'a>>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(typed: &'a Typed<'a>, memory: Option<&'a dyn ReadMemory>) -> Fields<'a> {
        Fields {
            typed,
            values: memory.map(|memory| Values::new(typed, memory)),
        }
    }

    /// The word of an object that lies so many bytes behind its start, which is at `start`.
    pub(super) fn at(&self, object: ObjectId, start: Addr, offset: u64) -> Option<String> {
        let place = self.typed.place(object, offset)?;
        Some(words(&place, &|number| format!("[{number}]"), &|key| {
            let text = self
                .values
                .as_ref()?
                .key(key.typ, start.add(key.offset), MOST_KEY);
            Some(format!("[{}]", text?))
        }))
    }

    /// The same without what tells elements of one kind apart.
    pub(super) fn alike(&self, object: ObjectId, offset: u64) -> Option<String> {
        let place = self.typed.place(object, offset)?;
        Some(words(&place, &|_| "[]".into(), &|_| Some("[]".into())))
    }
}

/// A place in words.
pub(super) fn words(
    place: &Place,
    index: &dyn Fn(u64) -> String,
    key: &dyn Fn(&Key) -> Option<String>,
) -> String {
    let mut text = String::new();
    for part in place {
        match part {
            Part::Field(name) => text.extend([".", name]),
            Part::Index(number) => text += &index(*number),
            Part::MapKey => text += "map key",
            Part::MapValue(own) => text += key(own).as_deref().unwrap_or("map value"),
            Part::Captured(name) => text.extend(["captured ", name]),
            Part::Receiver => text += "receiver",
            Part::Runtime(name) => text.extend([".", name]),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_said_as_one_would_write_them() {
        let field = |name: &str| Part::Field(name.into());
        let key = Key {
            offset: 8,
            typ: Addr(0x1000),
        };
        let said = |place: &[Part], known: Option<&str>| {
            let key = |_: &Key| known.map(str::to_owned);
            words(&place.to_vec(), &|number| format!("[{number}]"), &key)
        };
        assert_eq!(said(&[field("inner"), field("p")], None), ".inner.p");
        let rows = [Part::Index(3), field("conn")];
        assert_eq!(said(&rows, None), "[3].conn");
        let value = [Part::MapValue(key), field("buf")];
        assert_eq!(said(&value, None), "map value.buf");
        assert_eq!(said(&value, Some("[\"a\"]")), "[\"a\"].buf");
        let captured = [Part::Captured("2".into())];
        assert_eq!(said(&captured, None), "captured 2");
    }
}
