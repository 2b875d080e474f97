//! [`Place`]: what a word of an object is to whoever wrote the program: a field, an element, a
//! value of a map, a variable that a closure captured.
//!
//! Does not read contents: where the key of a map's value lies is said, and not what it is.
//!
//! Invariants: a place is told only of words that may hold pointers by the type; nesting is
//! followed to [`MOST_NESTED`].
//!
//! Source: src/cmd/compile/internal/reflectdata, `SwissMapGroupType`, `OldMapBucketType`;
//! src/cmd/compile/internal/typecheck/func.go, `ClosureType`, `MethodValueType`;
//! src/runtime/map_noswiss.go, `hmap`, `mapextra`; src/internal/runtime/maps, `Map`, `table`;
//! go1.19 to go1.27.

use letgo_goruntime::types::{GoField, GoKind, GoShape};
use letgo_target::Addr;

use super::Typed;
use super::kinds::{Kinds, What};
use crate::ObjectId;

/// Deepest nesting of values in each other that is followed.
const MOST_NESTED: u32 = 64;

/// A part of the way from an object to one of its words, from the outside in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Part {
    /// A field of a structure, by its name.
    Field(String),
    /// An element, counted from the start of the object.
    Index(u64),
    /// A key of a map.
    MapKey,
    /// A value of a map, and where its key lies.
    MapValue(Key),
    /// A variable that a closure captured: by its name up to 1.20, else by its place in the
    /// closure, from 1 on.
    Captured(String),
    /// What a method is called on.
    Receiver,
    /// A field of the runtime's, by its name there.
    Runtime(&'static str),
}

/// Where the key of a value lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key {
    /// Bytes from the start of the object's slot.
    pub offset: u64,
    /// The address of its type.
    pub typ: Addr,
}

/// What a word of an object is.
pub type Place = Vec<Part>;

impl Typed<'_> {
    /// What the word is that lies so many bytes behind the start of an object's slot; nothing where
    /// that is not known, or where no pointer can be.
    pub fn place(&self, object: ObjectId, offset: u64) -> Option<Place> {
        let span = self.graph.objects.span_of_slot(object.0)?;
        let header = span.elem_size - span.usable();
        let at = offset.checked_sub(header)?;
        let what = self.what(self.of(object)?)?;
        let kinds = self.graph.copied.seeds.lock();
        let mut way = Way {
            kinds: &kinds,
            header,
            parts: Vec::new(),
        };
        way.object(what, at)?;
        (!way.parts.is_empty()).then_some(way.parts)
    }
}

/// A place in the making.
struct Way<'a> {
    kinds: &'a Kinds,
    header: u64,
    parts: Vec<Part>,
}

impl Way<'_> {
    fn size(&self, of: Addr) -> Option<u64> {
        Some(self.kinds.table.head(of)?.size).filter(|size| *size > 0)
    }

    fn object(&mut self, what: What, at: u64) -> Option<()> {
        match what {
            What::Value(of) | What::Row(of) if self.kinds.is_map_part(what) => self.slots(of, at),
            What::Value(of) => self.value(of, at, MOST_NESTED),
            What::Row(of) => self.row(of, at),
            What::MapSlots(map) => match self.kinds.table.get(map)?.shape {
                GoShape::Map { part, .. } => self.slots(part, at),
                _ => None,
            },
            What::MapDirectory(_) | What::MapOverflowList(_) => {
                self.parts.push(Part::Index(at / 8));
                Some(())
            }
            What::ChanBuffer(chan) => match self.kinds.table.get(chan)?.shape {
                GoShape::Chan { elem } => self.row(elem, at),
                _ => None,
            },
            What::Closure(entry) => self.captured(*self.kinds.closures.get(&entry)?, at),
            What::Map(_) | What::MapTable(_) | What::MapExtra(_) | What::Chan(_) => {
                self.parts.push(Part::Runtime(self.runtime(what, at)?));
                Some(())
            }
            What::Text | What::Small | What::MapOverflow(_) => None,
        }
    }

    /// What the runtime calls the words of its own structures that lead on.
    fn runtime(&self, what: What, at: u64) -> Option<&'static str> {
        Some(match (what, at) {
            (What::Map(map), 16) if self.kinds.has_groups(map) => "dirPtr",
            (What::Map(_), 16) => "buckets",
            (What::Map(_), 24) => "oldbuckets",
            (What::Map(_), 40) => "extra",
            (What::MapTable(_), 16) => "groups",
            (What::MapExtra(_), 0) => "overflow",
            (What::MapExtra(_), 8) => "oldoverflow",
            (What::MapExtra(_), 16) => "nextOverflow",
            (What::Chan(_), 16) => "buf",
            _ => return None,
        })
    }

    /// Values of a type behind each other.
    fn row(&mut self, of: Addr, at: u64) -> Option<()> {
        let size = self.size(of)?;
        self.parts.push(Part::Index(at / size));
        self.value(of, at % size, MOST_NESTED)
    }

    /// The groups or buckets of a map.
    fn slots(&mut self, part: Addr, at: u64) -> Option<()> {
        let size = self.size(part)?;
        let (first, at) = (at - at % size, at % size);
        let GoShape::Struct { fields } = self.kinds.table.get(part)?.shape else {
            return None;
        };
        let field = self.field(&fields, at)?;
        let within = at - field.offset;
        if field.name == "overflow" {
            self.parts.push(Part::Runtime("overflow"));
            return Some(());
        }
        let (elem, elem_size) = self.element(field.typ)?;
        let (number, inside) = (within / elem_size, within % elem_size);
        match field.name.as_str() {
            "slots" => {
                let GoShape::Struct { fields } = self.kinds.table.get(elem)?.shape else {
                    return None;
                };
                let slot = first + field.offset + number * elem_size;
                let key = fields.first()?;
                let own = self.field(&fields, inside)?;
                let place = Key {
                    offset: self.header + slot + key.offset,
                    typ: key.typ,
                };
                self.slot(own.offset > key.offset, place);
                self.value(own.typ, inside - own.offset, MOST_NESTED)
            }
            name @ ("keys" | "elems") => {
                let keys = fields.iter().find(|field| field.name == "keys")?;
                let (typ, key_size) = self.element(keys.typ)?;
                let place = Key {
                    offset: self.header + first + keys.offset + number * key_size,
                    typ,
                };
                self.slot(name == "elems", place);
                self.value(elem, inside, MOST_NESTED)
            }
            _ => None,
        }
    }

    fn slot(&mut self, is_value: bool, key: Key) {
        self.parts.push(match is_value {
            true => Part::MapValue(key),
            false => Part::MapKey,
        });
    }

    /// The type of an array's elements, and their size.
    fn element(&self, array: Addr) -> Option<(Addr, u64)> {
        match self.kinds.table.get(array)?.shape {
            GoShape::Array { elem, .. } => Some((elem, self.size(elem)?)),
            _ => None,
        }
    }

    /// The field that a byte lies in.
    fn field<'f>(&self, fields: &'f [GoField], at: u64) -> Option<&'f GoField> {
        let holds = |field: &&GoField| {
            let size = self.kinds.table.head(field.typ).map_or(0, |head| head.size);
            field.offset <= at && at - field.offset < size
        };
        fields.iter().find(holds)
    }

    /// A word of a closure: behind the function are variables, or a receiver.
    fn captured(&mut self, of: Addr, at: u64) -> Option<()> {
        let GoShape::Struct { fields } = self.kinds.table.get(of)?.shape else {
            return None;
        };
        let own = self.field(&fields, at)?;
        let place = fields.iter().position(|field| field.offset == own.offset);
        self.parts.push(captured(&own.name, place?));
        self.value(own.typ, at - own.offset, MOST_NESTED)
    }

    /// A word of a value.
    fn value(&mut self, of: Addr, at: u64, depth: u32) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        let found = self.kinds.table.get(of)?;
        match found.shape {
            GoShape::Struct { fields } => {
                let own = self.field(&fields, at)?;
                let inside = at - own.offset;
                // `atomic.Pointer[T]` has one word, and its name tells nothing.
                let atomic = own.name == "v" && self.kinds.table.name(of).contains("atomic.");
                if !atomic {
                    self.parts.push(Part::Field(own.name.clone()));
                }
                self.value(own.typ, inside, depth)
            }
            GoShape::Array { elem, .. } => {
                let size = self.size(elem)?;
                self.parts.push(Part::Index(at / size));
                self.value(elem, at % size, depth)
            }
            _ => {
                let pointer = match found.head.kind {
                    GoKind::Bool | GoKind::Number | GoKind::Uint8 => None,
                    GoKind::Interface => Some(8),
                    _ => Some(0),
                };
                (pointer == Some(at)).then_some(())
            }
        }
    }
}

/// A field of a closure behind its function.
pub(super) fn captured(name: &str, place: usize) -> Part {
    match name {
        "R" => Part::Receiver,
        name if numbered(name) => Part::Captured(place.to_string()),
        name => Part::Captured(name.to_owned()),
    }
}

/// Whether the compiler made up the name of a captured variable: `X0`, `X1`.
fn numbered(name: &str) -> bool {
    let digits = name.strip_prefix('X').filter(|digits| !digits.is_empty());
    digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
}
