//! Types of variables from DWARF.
//!
//! A type that the program has a descriptor of is flattened by that; of others, DWARF says what
//! they are made of, down to where a descriptor is needed to say what a pointer leads to.
//!
//! DWARF tells a descriptor by its offset from the start of the section that it lies in.

use std::rc::Rc;

use letgo_target::{Addr, AddrRange};
use rustc_hash::FxHashMap;

use super::evidence::words;
use super::{GlobalTypes, Pointee, Shape, TypedVariable};
use crate::dwarf::{GoType, Sections, Units};
use crate::types::{Kind, Types};
use crate::{Error, GoBinary, Image, Section};

/// Most variables, and most words of them all.
const MOST_VARIABLES: usize = 1 << 20;
const MOST_WORDS: usize = 4 << 20;
/// Most types without a descriptor that are laid out.
const MOST_SHAPES: usize = 1 << 16;
/// Deepest nesting of a type, names of types included.
const MOST_DEPTH: usize = 32;
/// Most elements of an array that are looked at.
const MOST_ELEMENTS: u64 = 1 << 16;

/// Words and variables, both in order; nothing without DWARF.
pub(super) fn read(binary: &GoBinary, types: &Types) -> Result<Option<GlobalTypes>, Error> {
    let debug = binary
        .debug
        .as_ref()
        .filter(|debug| debug.image.has_dwarf());
    let image = debug.map_or(&binary.image, |debug| &debug.image);
    let Some(sections) = Sections::read(image)? else {
        return Ok(None);
    };
    let units = sections.units()?;
    let own = types.range().start();
    let start = debug.map_or(own, |debug| debug.types_start(own));
    let section = section_of(image, start);
    let mut reader = Reader {
        units: &units,
        types,
        before: start.since(section),
        known: FxHashMap::default(),
        words: Vec::new(),
        leads: Vec::new(),
        shapes: Vec::new(),
        shaped: FxHashMap::default(),
        pending: Vec::new(),
    };
    let mut variables = Vec::new();
    units.typed_variables(&mut |name, addr, kind| {
        let own = debug.map_or(Some(addr), |debug| debug.own(addr));
        let Some(addr) = own else { return };
        let is_go = binary.module.holds_variable(addr) && name.contains(&b'.');
        if is_go && variables.len() < MOST_VARIABLES && reader.words.len() < MOST_WORDS {
            variables.push(reader.variable(name, addr, kind));
        }
    })?;
    let leads = reader.lay_out();
    let (mut words, shapes) = (reader.words, reader.shapes);
    words.sort();
    words.dedup_by_key(|word| word.0);
    variables.sort();
    Ok(Some(GlobalTypes {
        pointees: words,
        variables,
        shapes,
        leads,
        ..GlobalTypes::default()
    }))
}

/// Where the section starts that `start` lies in. A file of symbols alone has its header, too.
fn section_of(image: &Image, start: Addr) -> Addr {
    let mut sections = image.sections().iter();
    // Sections that are not loaded have no address.
    let holds = |section: &&Section| {
        let range = AddrRange::sized(section.addr, section.len);
        !section.addr.is_null() && range.contains(start)
    };
    sections.find(holds).map_or(start, |section| section.addr)
}

struct Reader<'a> {
    units: &'a Units<'a>,
    types: &'a Types,
    /// How far into their section descriptors start.
    before: u64,
    known: FxHashMap<usize, Option<Rc<GoType>>>,
    words: Vec<(Addr, Pointee)>,
    /// Words that point to values without a descriptor, and which shape these have.
    leads: Vec<(Addr, usize)>,
    shapes: Vec<Shape>,
    /// The shape of a type.
    shaped: FxHashMap<usize, usize>,
    /// Types whose shapes are not laid out yet.
    pending: Vec<(usize, usize)>,
}

impl Reader<'_> {
    fn variable(&mut self, name: &[u8], addr: Addr, kind: usize) -> TypedVariable {
        self.flatten(kind, addr, 0);
        let descriptor = self.descriptor(kind);
        let size = match descriptor.and_then(|ty| self.types.at(ty)) {
            Some(head) => Some(head.size),
            None => self.size(kind),
        };
        TypedVariable {
            range: AddrRange::sized(addr, size.unwrap_or(0)),
            name: String::from_utf8_lossy(name).into_owned(),
            type_name: self
                .get(kind)
                .map_or_else(String::new, |ty| ty.name.clone()),
            descriptor,
        }
    }

    fn get(&mut self, kind: usize) -> Option<Rc<GoType>> {
        let units = self.units;
        let known = self.known.entry(kind);
        known
            .or_insert_with(|| units.go_type(kind).map(Rc::new))
            .clone()
    }

    /// The type's own descriptor. A name of a type has that of the named type.
    fn descriptor(&mut self, kind: usize) -> Option<Addr> {
        let mut at = kind;
        for _ in 0..MOST_DEPTH {
            let ty = self.get(at)?;
            if let Some(found) = ty.runtime {
                let offset = found.0.checked_sub(self.before)?;
                let found = self.types.at(self.types.range().start().add(offset))?;
                let same = ty.kind.and_then(|kind| Kind::of(u8::try_from(kind).ok()?));
                return (same == Some(found.kind)).then_some(found.addr);
            }
            if ty.kind.is_some() {
                return None;
            }
            at = ty.inner?;
        }
        None
    }

    fn size(&mut self, kind: usize) -> Option<u64> {
        let mut at = kind;
        for _ in 0..MOST_DEPTH {
            let ty = self.get(at)?;
            if ty.size.is_some() {
                return ty.size;
            }
            at = ty.inner?;
        }
        None
    }

    fn flatten(&mut self, kind: usize, at: Addr, depth: usize) {
        if depth > MOST_DEPTH || self.words.len() >= MOST_WORDS {
            return;
        }
        let Some(ty) = self.get(kind) else { return };
        if let Some(found) = self.descriptor(kind) {
            let words = words(self.types, found).into_iter();
            let placed = words.map(|(offset, pointee)| (at.add(offset), pointee));
            self.words.extend(placed);
            return;
        }
        let pointee = match ty.kind {
            Some(17) => return self.flatten_array(&ty, at, depth),
            Some(19) => Some(Pointee::Func),
            Some(20) => Some(Pointee::Iface),
            Some(22) => {
                let found = ty.inner.and_then(|to| self.descriptor(to));
                if let (None, Some(to)) = (found, ty.inner)
                    && self.leads.len() < MOST_WORDS
                    && let Some(shape) = self.shape(to)
                {
                    self.leads.push((at, shape));
                }
                found.map(Pointee::Ptr)
            }
            Some(23) => ty
                .elem
                .and_then(|to| self.descriptor(to))
                .map(Pointee::Slice),
            Some(24) => Some(Pointee::Str),
            Some(25) => {
                for (offset, member) in &ty.members {
                    self.flatten(*member, at.add(*offset), depth + 1);
                }
                None
            }
            None => {
                if let Some(inner) = ty.inner {
                    self.flatten(inner, at, depth + 1);
                }
                None
            }
            Some(_) => None,
        };
        self.words.extend(pointee.map(|pointee| (at, pointee)));
    }

    /// The shape of a type, laid out later.
    fn shape(&mut self, kind: usize) -> Option<usize> {
        if let Some(known) = self.shaped.get(&kind) {
            return Some(*known);
        }
        let bytes = self.size(kind).filter(|bytes| *bytes > 0)?;
        let own = Some(self.shapes.len()).filter(|own| *own < MOST_SHAPES)?;
        let name = self.get(kind)?.name.clone();
        self.shapes.push(Shape {
            name,
            bytes,
            ..Shape::default()
        });
        self.shaped.insert(kind, own);
        self.pending.push((kind, own));
        Some(own)
    }

    /// Lays out all shapes; answers the words of variables that point to one.
    fn lay_out(&mut self) -> Vec<(Addr, usize)> {
        let words = std::mem::take(&mut self.words);
        let mut leads = std::mem::take(&mut self.leads);
        let mut room = MOST_WORDS;
        while let Some((kind, own)) = self.pending.pop().filter(|_| room > 0) {
            self.flatten(kind, Addr(0), 0);
            room = room.saturating_sub(self.words.len() + self.leads.len());
            if let Some(shape) = self.shapes.get_mut(own) {
                let words = self.words.drain(..);
                shape.words = words.map(|(at, pointee)| (at.0, pointee)).collect();
                let leads = self.leads.drain(..);
                shape.leads = leads.map(|(at, shape)| (at.0, shape)).collect();
            }
        }
        self.words = words;
        leads.sort_unstable();
        leads.dedup_by_key(|lead| lead.0);
        leads
    }

    fn flatten_array(&mut self, ty: &GoType, at: Addr, depth: usize) {
        let Some(inner) = ty.inner else { return };
        let Some(size) = self.size(inner).filter(|size| *size > 0) else {
            return;
        };
        for index in 0..ty.count.min(MOST_ELEMENTS) {
            let before = self.words.len();
            self.flatten(inner, at.add(index.saturating_mul(size)), depth + 1);
            if self.words.len() == before {
                // Elements without anything to say.
                return;
            }
        }
    }
}
