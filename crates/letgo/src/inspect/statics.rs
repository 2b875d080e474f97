//! [`Statics`]: what variables point to that is no heap: `var cache = &Cache{...}`.
//!
//! The compiler lays out such a value beside the variables, without a name. It belongs to the
//! variable that leads there, if only one does, as far as the type of the pointer reaches.
//!
//! Addresses are those of link time.

use std::collections::{HashMap, HashSet};

use letgo_gobin::{GlobalTypes, Kind, Pointee, Types};
use letgo_target::{Addr, AddrRange};

use super::Program;

/// Most values that are followed.
const MOST: usize = 1 << 16;
/// Most words of values that are told.
const MOST_WORDS: usize = 1 << 20;
/// Deepest nesting of structures.
const MOST_DEPTH: u32 = 16;

/// Of which type a value is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Of {
    /// That of this descriptor.
    Descriptor(Addr),
    /// That of this shape.
    Shape(usize),
}

/// Values without a name, by address.
#[derive(Debug, Default)]
pub(super) struct Statics {
    /// Where each lies, and the variable that leads there; nothing where several do.
    values: Vec<(AddrRange, Option<Addr>)>,
    /// The names of the types of values, by where these start.
    types: HashMap<Addr, String>,
    /// Their words that are pointers, and to what.
    pub(super) words: Vec<(Addr, Pointee)>,
}

/// A value that is to be looked at.
#[derive(Clone, Copy)]
struct Value {
    at: Addr,
    of: Of,
    /// The word of the variable that leads there.
    owner: Addr,
}

/// What is known of all types.
#[derive(Clone, Copy)]
struct Known<'a> {
    globals: &'a GlobalTypes,
    types: &'a Types,
    /// Words of variables that lead to variables, and where to.
    leads: &'a HashMap<Addr, Addr>,
}

impl Known<'_> {
    /// The name of a type and the bytes of a value.
    fn told(&self, of: Of) -> Option<(String, u64)> {
        match of {
            Of::Descriptor(at) => {
                let head = self.types.at(at)?;
                Some((self.types.name(at)?, head.size))
            }
            Of::Shape(number) => {
                let shape = self.globals.shapes.get(number)?;
                Some((shape.name.clone(), shape.bytes))
            }
        }
    }
}

impl Statics {
    /// `between` are words of variables that lead to variables, and where to, as the program has
    /// them.
    pub(super) fn of(program: &Program, between: &[(Addr, Addr)]) -> Statics {
        let binary = &program.binary;
        let (Ok(globals), Ok(types)) = (binary.globals_typed(), binary.types()) else {
            return Statics::default();
        };
        let variables = binary.variables().unwrap_or_default();
        let whole = |word: Addr| {
            let within = variables.at(word).map_or(0, |(_, within)| within);
            Addr(word.0 - within)
        };
        let linked = |at: &Addr| Addr(at.0.wrapping_sub(program.bias));
        let between = between.iter().map(|(word, at)| (linked(word), linked(at)));
        let leads: HashMap<Addr, Addr> = between.collect();
        let mut first: Vec<Value> = Vec::new();
        for (word, at) in &leads {
            let of = match globals.pointee(*word) {
                Some(Pointee::Ptr(of)) => Some(Of::Descriptor(of)),
                Some(_) => None,
                None => globals.shape(*word).map(Of::Shape),
            };
            let (at, owner) = (*at, *word);
            first.extend(of.map(|of| Value { at, of, owner }));
        }
        first.sort_by_key(|value| value.owner);
        let known = Known {
            globals,
            types: &types,
            leads: &leads,
        };
        let mut found = Statics::default();
        found.follow(&known, first, &whole);
        found.values.sort_by_key(|(range, _)| range.start());
        found.words.sort_by_key(|(at, _)| *at);
        found.words.dedup();
        found
    }

    fn follow(&mut self, known: &Known<'_>, mut next: Vec<Value>, whole: &dyn Fn(Addr) -> Addr) {
        let mut owners: HashMap<AddrRange, Option<Addr>> = HashMap::new();
        let mut seen = HashSet::new();
        while let Some(Value { at, of, owner }) = next.pop() {
            let Some((name, size)) = known.told(of).filter(|(_, size)| *size > 0) else {
                continue;
            };
            let own = owners.entry(AddrRange::sized(at, size));
            let own = own.or_insert(Some(whole(owner)));
            if *own != Some(whole(owner)) {
                *own = None;
            }
            if !seen.insert((at, of, whole(owner))) || seen.len() > MOST {
                continue;
            }
            self.types.entry(at).or_insert(name);
            for (word, of) in self.flatten(known, at, of) {
                if let Some(at) = known.leads.get(&word) {
                    next.push(Value { at: *at, of, owner });
                }
            }
        }
        self.values = owners.into_iter().collect();
    }

    /// Notes the pointers of a value; answers those whose targets have a type that is known.
    fn flatten(&mut self, known: &Known<'_>, at: Addr, of: Of) -> Vec<(Addr, Of)> {
        let first = self.words.len();
        let mut leads = Vec::new();
        match of {
            Of::Descriptor(of) => self.flatten_type(known.types, at, of, MOST_DEPTH),
            Of::Shape(number) => {
                let shape = known.globals.shapes.get(number);
                let words = shape
                    .map(|shape| shape.words.as_slice())
                    .unwrap_or_default();
                let words = words.iter().map(|(offset, to)| (at.add(*offset), *to));
                self.words.extend(words);
                let shapes = shape
                    .map(|shape| shape.leads.as_slice())
                    .unwrap_or_default();
                let shapes = shapes.iter();
                leads.extend(shapes.map(|(offset, to)| (at.add(*offset), Of::Shape(*to))));
            }
        }
        for (word, pointee) in self.words.get(first..).unwrap_or_default() {
            if let Pointee::Ptr(of) = pointee {
                leads.push((*word, Of::Descriptor(*of)));
            }
        }
        leads
    }

    fn flatten_type(&mut self, types: &Types, at: Addr, of: Addr, depth: u32) {
        let Some(depth) = depth.checked_sub(1) else {
            return;
        };
        let Some(head) = types.at(of).filter(|_| self.words.len() < MOST_WORDS) else {
            return;
        };
        let elem = || types.elem(of);
        let pointee = match head.kind {
            Kind::Pointer => elem().map(Pointee::Ptr),
            Kind::Slice => elem().map(Pointee::Slice),
            Kind::Map => Some(Pointee::Map(of)),
            Kind::Chan => Some(Pointee::Chan(of)),
            Kind::Func => Some(Pointee::Func),
            Kind::Text => Some(Pointee::Str),
            Kind::Struct => {
                for (offset, field) in types.fields(of).unwrap_or_default() {
                    self.flatten_type(types, at.add(offset), field, depth);
                }
                None
            }
            _ => None,
        };
        self.words.extend(pointee.map(|pointee| (at, pointee)));
    }

    /// What the word at an address points to, where it is one of a value's.
    pub(super) fn pointee(&self, at: Addr) -> Option<Pointee> {
        let found = self.words.binary_search_by_key(&at, |(word, _)| *word);
        let (_, pointee) = self.words.get(found.ok()?)?;
        Some(*pointee)
    }

    /// The type of the value that starts at an address.
    pub(super) fn type_at(&self, at: Addr) -> Option<&str> {
        self.types.get(&at).map(String::as_str)
    }

    /// The variable that leads to the value that an address lies in, and how far in that is.
    pub(super) fn owner(&self, at: Addr) -> Option<(Addr, u64)> {
        let next = self
            .values
            .partition_point(|(range, _)| range.start() <= at);
        let before = self.values.get(..next).unwrap_or_default().iter().rev();
        let mut holding = before.take(8).filter(|(range, _)| range.contains(at));
        let (range, owner) = holding.next()?;
        // A value within another: whose it is, both must say.
        let alike = holding.all(|(_, other)| other == owner);
        Some(((*owner).filter(|_| alike)?, at.since(range.start())))
    }
}
