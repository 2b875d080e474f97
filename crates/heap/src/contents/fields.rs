//! [`Field`]: where a type has headers of containers, and pointers to what has some.
//!
//! Parts of maps are types as well, so that keys and values are fields of them. Two structures of
//! package sync hold what they lead to as addresses without a type: the items of a pool, and a
//! pointer that is loaded and stored as one.
//!
//! Does not read values (see `survey`).
//!
//! Invariants: a list has at most [`MOST`] fields, all within the type.
//!
//! Source: src/sync/pool.go, `Pool`, `poolLocal`; poolqueue.go, `eface`; src/sync/atomic/type.go,
//! `Pointer`; go1.19 to go1.27.

use std::sync::Arc;

use letgo_goruntime::types::{GoField, GoKind, GoShape, TypeTable};
use letgo_target::Addr;
use rustc_hash::FxHashMap;

/// Most fields of one type that are looked at.
const MOST: usize = 256;
/// Deepest nesting of structures.
const MOST_DEPTH: u32 = 16;
/// Elements of an array inside of a value: those of a group of a map, and of small arrays.
const MOST_ELEMENTS: u64 = 64;

/// What is in a field.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Header {
    /// A slice of elements of this type.
    Slice(Addr),
    /// A string.
    Text,
    /// A map of this type.
    Map(Addr),
    /// A channel of elements of this type.
    Chan(Addr),
    /// A pointer to a value of this type.
    Pointer(Addr),
    /// An interface: the first word is a type, or an itab.
    Interface,
    /// An array of so many values of this type as the next word says.
    Counted(Addr),
}

/// One field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Field {
    /// Bytes from the start of the value.
    pub(crate) offset: u64,
    pub(crate) header: Header,
    /// How it is named behind the name of the value: `.mu.list`, `[]`, nothing.
    pub(crate) name: String,
}

/// The fields of types that were asked for.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    known: FxHashMap<Addr, Arc<[Field]>>,
    /// Bytes of a value, and whether it has pointers.
    sizes: FxHashMap<Addr, Option<(u64, bool)>>,
    /// `sync.poolLocal`, once it was looked for.
    local: Option<Option<Addr>>,
    /// Fields were left out: too many, or too deep.
    pub(crate) is_cut: bool,
}

impl Fields {
    /// Bytes of a value of a type, and whether it has pointers.
    pub(crate) fn size(&mut self, table: &TypeTable, typ: Addr) -> Option<(u64, bool)> {
        *self.sizes.entry(typ).or_insert_with(|| {
            let head = table.head(typ)?;
            Some((head.size, head.ptr_bytes > 0))
        })
    }

    /// Those of a type, by offset.
    pub(crate) fn of(&mut self, table: &TypeTable, typ: Addr) -> Arc<[Field]> {
        if let Some(known) = self.known.get(&typ) {
            return Arc::clone(known);
        }
        let mut fields = Vec::new();
        self.flatten(table, typ, 0, "", &mut fields, MOST_DEPTH);
        let fields: Arc<[Field]> = fields.into();
        self.known.insert(typ, Arc::clone(&fields));
        fields
    }

    fn flatten(
        &mut self,
        table: &TypeTable,
        typ: Addr,
        at: u64,
        name: &str,
        into: &mut Vec<Field>,
        depth: u32,
    ) {
        let head = table.head(typ).filter(|head| head.ptr_bytes > 0);
        self.is_cut |= head.is_some() && depth == 0;
        let head = head.filter(|_| depth > 0);
        let Some(found) = head.and_then(|_| table.get(typ)) else {
            return;
        };
        let header = match (found.head.kind, found.shape) {
            (GoKind::Struct, GoShape::Struct { fields }) => {
                return self.structure(table, (typ, &fields), at, name, into, depth);
            }
            (GoKind::Array, GoShape::Array { elem, len }) => {
                let size = table.head(elem).map_or(0, |elem| elem.size);
                let name = format!("{name}[]");
                self.is_cut |= len > MOST_ELEMENTS;
                for number in 0..len.min(MOST_ELEMENTS) {
                    let at = at.saturating_add(number.saturating_mul(size));
                    self.flatten(table, elem, at, &name, into, depth - 1);
                }
                return;
            }
            (GoKind::Slice, GoShape::Slice { elem }) => Header::Slice(elem),
            (GoKind::String, _) => Header::Text,
            (GoKind::Map, _) => Header::Map(typ),
            (GoKind::Chan, GoShape::Chan { elem }) => Header::Chan(elem),
            (GoKind::Pointer, GoShape::Pointer { elem }) => Header::Pointer(elem),
            (GoKind::Interface, _) => Header::Interface,
            _ => return,
        };
        if into.len() >= MOST {
            self.is_cut = true;
            return;
        }
        into.push(Field {
            offset: at,
            header,
            name: name.to_owned(),
        });
    }

    fn structure(
        &mut self,
        table: &TypeTable,
        (typ, fields): (Addr, &[GoField]),
        at: u64,
        name: &str,
        into: &mut Vec<Field>,
        depth: u32,
    ) {
        let own = table.name(typ);
        let mut add = |offset: u64, header: Header| {
            if into.len() < MOST {
                into.push(Field {
                    offset: at.saturating_add(offset),
                    header,
                    name: name.to_owned(),
                });
            }
        };
        match own.as_str() {
            // Two words that are an interface's.
            "sync.eface" => return add(0, Header::Interface),
            "sync.Pool" => {
                if let Some(local) = self.local(table) {
                    for field in fields.iter().filter(|field| is_items(&field.name)) {
                        add(field.offset, Header::Counted(local));
                    }
                }
                return;
            }
            _ if own.starts_with("atomic.Pointer[") => {
                if let Some((offset, elem)) = pointed(table, fields) {
                    add(offset, Header::Pointer(elem));
                }
                return;
            }
            _ => {}
        }
        for field in fields {
            let part = step(field);
            let name = format!("{name}{part}");
            let at = at.saturating_add(field.offset);
            self.flatten(table, field.typ, at, &name, into, depth - 1);
        }
    }

    /// The type of what a pool has of each P.
    fn local(&mut self, table: &TypeTable) -> Option<Addr> {
        *self.local.get_or_insert_with(|| {
            let all = table.structures();
            all.into_iter()
                .find(|at| table.name(*at) == "sync.poolLocal")
        })
    }
}

/// Whether a field of a pool leads to its items; the next one is how many there are.
fn is_items(name: &str) -> bool {
    matches!(name, "local" | "victim")
}

/// `atomic.Pointer[T]` names T in an array of no length, and holds an `unsafe.Pointer`.
fn pointed(table: &TypeTable, fields: &[GoField]) -> Option<(u64, Addr)> {
    let GoShape::Array { elem, len: 0 } = table.get(fields.first()?.typ)?.shape else {
        return None;
    };
    let GoShape::Pointer { elem } = table.get(elem)?.shape else {
        return None;
    };
    let value = fields.last().filter(|last| last.name == "v")?;
    Some((value.offset, elem))
}

/// How a field is named in a path. What only the runtime calls so is left out.
fn step(field: &GoField) -> String {
    match field.name.as_str() {
        "slots" | "overflow" => String::new(),
        "key" | "keys" => " keys".into(),
        "elem" | "elems" => "[]".into(),
        _ if field.embedded => String::new(),
        name => format!(".{name}"),
    }
}
