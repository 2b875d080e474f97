//! [`Evidence`]: what all that code and initial data say of each word of each variable, weighed.
//!
//! Each word has candidates. One candidate is taken; of several none, unless they say the same of
//! what is pointed to: arrays of different lengths of one element type are what slices point to.
//! The word behind the type word of an interface can point to anything, and is left alone.

use std::collections::BTreeMap;

use letgo_target::{Addr, ReadMemory, read_u64};
use rustc_hash::{FxHashMap, FxHashSet};

use super::flow::{Event, Program, Use};
use super::scan::Said;
use super::value::Value;
use super::{GlobalTypes, Pointee};
use crate::types::{Kind, Types};

/// Most functions that return what another returns.
const MOST_RETURNS: usize = 8;
/// Most places of the code that are kept of one word.
const MOST_STORES: usize = 16;
/// Deepest nesting, and most words, of a value that is flattened.
const MOST_DEPTH: usize = 16;
const MOST_WORDS: usize = 1 << 16;
const WORD: u64 = 8;
/// More than the flags of a `reflect.Value`, which stand behind a type and a pointer.
const MOST_FLAGS: u64 = 1 << 16;
/// In place of a function: the program starts with it.
const INITIAL: u64 = 0;

/// Candidates of all words.
pub(super) struct Evidence<'a> {
    program: &'a Program,
    image: &'a dyn ReadMemory,
    /// Entries of functions, in order.
    entries: &'a [Addr],
    candidates: BTreeMap<u64, Vec<Pointee>>,
    /// Constants that are stored, by word: lengths and capacities.
    numbers: FxHashSet<(u64, u64)>,
    /// Words that anything but nil is stored into, and by which function.
    stored: FxHashSet<(u64, u64)>,
    /// Words that a type's address is stored into, which may be the first of an interface, and by
    /// which function.
    type_words: FxHashSet<(u64, u64)>,
    stores: BTreeMap<u64, Vec<u64>>,
    closures: FxHashMap<u64, Option<u64>>,
}

impl<'a> Evidence<'a> {
    pub(super) fn new(
        program: &'a Program,
        image: &'a dyn ReadMemory,
        entries: &'a [Addr],
    ) -> Evidence<'a> {
        Evidence {
            program,
            image,
            entries,
            candidates: BTreeMap::new(),
            numbers: FxHashSet::default(),
            stored: FxHashSet::default(),
            type_words: FxHashSet::default(),
            stores: BTreeMap::new(),
            closures: FxHashMap::default(),
        }
    }

    pub(super) fn add(&mut self, said: &Said) {
        // Types of small maps, by the call that made them.
        let mut maps = FxHashMap::default();
        for event in &said.events {
            match *event {
                Event::Closure { function, ty } => self.add_closure(function, ty),
                Event::Used {
                    value: Value::Made(call),
                    as_: Use::Map { ty, .. },
                    ..
                } => only(&mut maps, call, ty),
                _ => {}
            }
        }
        let resolve = |value| match resolve(said, value) {
            Value::Made(call) => {
                let ty = maps.get(&call).copied().flatten();
                ty.map_or(Value::Unknown, Value::Map)
            }
            value => value,
        };
        for event in &said.events {
            match *event {
                Event::Stored { word, value, pc } => self.stored(word, resolve(value), pc),
                Event::Through { word, pc } => self.keep_store(word, pc),
                Event::Used { value, as_, pc } => {
                    if let Value::Loaded(word) = resolve(value) {
                        self.used(word, as_, pc);
                    }
                }
                Event::Lies { at, ty } => self.lies(at, Addr(ty)),
                Event::Closure { .. } => {}
            }
        }
    }

    fn add_closure(&mut self, function: u64, ty: u64) {
        let is_function = self.entries.binary_search(&Addr(function)).is_ok();
        if is_function && self.program.types.is(Addr(ty), Kind::Struct) {
            only(&mut self.closures, function, ty);
        }
    }

    fn stored(&mut self, word: u64, value: Value, pc: u64) {
        match value {
            Value::Zero => return,
            Value::Number(number) => {
                self.numbers.insert((word, number));
                return;
            }
            _ => {}
        }
        let function = self.function(pc);
        self.stored.insert((word, function));
        self.keep_store(word, pc);
        let types = &self.program.types;
        let is = |ty, kind| types.is(Addr(ty), kind);
        let candidate = match value {
            Value::New(ty) if self.is_closure(ty) => Some(Pointee::Func),
            Value::New(ty) => types.at(Addr(ty)).map(|_| Pointee::Ptr(Addr(ty))),
            Value::Elems(ty) => types.at(Addr(ty)).map(|_| Pointee::Slice(Addr(ty))),
            Value::Map(ty) => is(ty, Kind::Map).then_some(Pointee::Map(Addr(ty))),
            Value::Chan(ty) => is(ty, Kind::Chan).then_some(Pointee::Chan(Addr(ty))),
            Value::Text => Some(Pointee::Str),
            Value::Address(at) if types.at(Addr(at)).is_some() => {
                self.type_words.insert((word, function));
                None
            }
            Value::Address(at) => self.constant(at),
            _ => None,
        };
        self.candidates.entry(word).or_default().extend(candidate);
    }

    /// What a constant address says of the word that holds it.
    fn constant(&self, at: u64) -> Option<Pointee> {
        if self.program.is_variable(at) || !at.is_multiple_of(WORD) {
            return None;
        }
        if self.program.types.of_itab(self.image, Addr(at)).is_some() {
            return Some(Pointee::Iface);
        }
        let code = read_u64(self.image, Addr(at)).ok()?;
        let code = Addr(code.wrapping_sub(self.program.types.bias()));
        self.entries
            .binary_search(&code)
            .ok()
            .map(|_| Pointee::Func)
    }

    fn used(&mut self, word: u64, as_: Use, pc: u64) {
        let types = &self.program.types;
        let candidate = match as_ {
            Use::Map { ty, written } => {
                if written {
                    self.keep_store(word, pc);
                }
                types
                    .is(Addr(ty), Kind::Map)
                    .then_some(Pointee::Map(Addr(ty)))
            }
            Use::Elems(ty) => types.at(Addr(ty)).map(|_| Pointee::Slice(Addr(ty))),
        };
        self.candidates.entry(word).or_default().extend(candidate);
    }

    fn lies(&mut self, at: u64, ty: Addr) {
        if !self.program.is_variable(at) {
            return;
        }
        for (offset, pointee) in words(&self.program.types, ty) {
            let word = at.saturating_add(offset);
            self.candidates.entry(word).or_default().push(pointee);
        }
    }

    /// Takes what initial data says: interfaces and functions.
    pub(super) fn add_initial(&mut self, start: Addr, bytes: &[u8]) {
        let value = |index: usize| crate::bytes::u64_at(bytes, index * 8).unwrap_or(0);
        let bias = self.program.types.bias();
        let mut known: FxHashMap<u64, Option<Pointee>> = FxHashMap::default();
        for index in 0..bytes.len() / 8 {
            let (own, next) = (value(index), value(index + 1));
            let at = own.wrapping_sub(bias);
            if own == 0 || at < WORD {
                continue;
            }
            let word = start.add(index as u64 * WORD).0;
            let typed = self.program.types.range().contains(Addr(at));
            if typed && self.program.types.at(Addr(at)).is_some() {
                self.type_words.insert((word, INITIAL));
                if next != 0 {
                    self.stored.insert((word + WORD, INITIAL));
                }
                let third = value(index + 2);
                if (1..MOST_FLAGS).contains(&third) {
                    self.numbers.insert((word + 2 * WORD, third));
                }
                continue;
            }
            if self.program.is_constant(at)
                && let Some(pointee) = *known.entry(at).or_insert_with(|| self.constant(at))
            {
                self.candidates.entry(word).or_default().push(pointee);
            }
        }
    }

    fn is_closure(&self, ty: u64) -> bool {
        // There are few of them that are stored into variables.
        self.closures.values().any(|known| *known == Some(ty))
    }

    fn keep_store(&mut self, word: u64, pc: u64) {
        let entries = self.entries;
        let kept = self.stores.entry(word).or_default();
        let own = function(entries, pc);
        if kept.len() < MOST_STORES && kept.iter().all(|other| function(entries, *other) != own) {
            kept.push(pc);
        }
    }

    fn function(&self, pc: u64) -> u64 {
        function(self.entries, pc)
    }

    /// Weighs all candidates.
    pub(super) fn weigh(mut self) -> GlobalTypes {
        let numbered: FxHashSet<u64> = self.numbers.iter().map(|number| number.0).collect();
        let mut hidden = FxHashSet::default();
        for (word, function) in &self.type_words {
            let behind = word + WORD;
            // Else it may be a variable that holds a type, beside others.
            let is_value = !self.type_words.contains(&(behind, *function));
            let initial = *function == INITIAL && self.candidates.contains_key(&behind);
            let by = [*function, INITIAL];
            let stored = by.iter().any(|by| self.stored.contains(&(behind, *by)));
            if is_value && (initial || stored) {
                hidden.insert(behind);
                // A `reflect.Value` begins alike, and has its flags behind.
                let third = (behind + WORD, *function);
                let flags = self.stored.contains(&third) && !self.type_words.contains(&third);
                if !flags && !numbered.contains(&third.0) {
                    self.candidates
                        .entry(*word)
                        .or_default()
                        .push(Pointee::Iface);
                }
            }
        }
        let mut found = GlobalTypes::default();
        let mut interface = None;
        for (word, candidates) in &self.candidates {
            let behind = hidden.contains(word) || interface == word.checked_sub(WORD);
            if candidates.is_empty() || behind {
                continue;
            }
            match self.one_of(*word, candidates) {
                Some(pointee) => {
                    if pointee == Pointee::Iface {
                        interface = Some(*word);
                    }
                    found.pointees.push((Addr(*word), pointee));
                }
                None => found.conflicts += 1,
            }
        }
        for (word, pcs) in self.stores {
            found
                .stores
                .extend(pcs.iter().map(|pc| (Addr(word), Addr(*pc))));
        }
        let closures = self.closures.into_iter();
        found.closures = closures
            .filter_map(|(function, ty)| Some((Addr(function), Addr(ty?))))
            .collect();
        found.closures.sort();
        found
    }

    /// What all candidates of a word say, if they say one thing.
    fn one_of(&self, word: u64, candidates: &[Pointee]) -> Option<Pointee> {
        let first = *candidates.first()?;
        let types = &self.program.types;
        if candidates.iter().all(|other| *other == first) {
            if let Pointee::Ptr(ty) = first
                && types.is(ty, Kind::Array)
                && let Some(len) = types.array_len(ty)
                && self.numbers.contains(&(word + 2 * WORD, len))
                && (0..=len.min(64)).any(|len| self.numbers.contains(&(word + WORD, len)))
            {
                return types.elem(ty).map(Pointee::Slice);
            }
            return Some(first);
        }
        let elem = |candidate: &Pointee| match candidate {
            Pointee::Slice(elem) => Some(*elem),
            Pointee::Ptr(ty) if types.is(*ty, Kind::Array) => types.elem(*ty),
            _ => None,
        };
        let first = elem(&first)?;
        let same = candidates.iter().all(|other| elem(other) == Some(first));
        same.then_some(Pointee::Slice(first))
    }
}

/// Keeps what is said of a key, as long as it is one thing.
fn only(known: &mut FxHashMap<u64, Option<u64>>, key: u64, said: u64) {
    let known = known.entry(key).or_insert(Some(said));
    if *known != Some(said) {
        *known = None;
    }
}

/// The number, from 1, of the function that an instruction belongs to.
fn function(entries: &[Addr], pc: u64) -> u64 {
    entries.partition_point(|entry| entry.0 <= pc) as u64
}

/// Follows functions that return what others return.
fn resolve(said: &Said, mut value: Value) -> Value {
    for _ in 0..MOST_RETURNS {
        let Value::Result(entry, number) = value else {
            return value;
        };
        let returned = said.returned.get(&entry);
        value = returned
            .and_then(|results| results.get(usize::from(number)))
            .copied()
            .unwrap_or_default();
    }
    Value::Unknown
}

/// The words with pointers of a value of a type, and what they point to; those that point to
/// something unknown are left out.
pub(super) fn words(types: &Types, ty: Addr) -> Vec<(u64, Pointee)> {
    let mut found = Vec::new();
    flatten(types, ty, 0, 0, &mut found);
    found
}

fn flatten(types: &Types, ty: Addr, offset: u64, depth: usize, found: &mut Vec<(u64, Pointee)>) {
    let Some(head) = types.at(ty) else { return };
    if depth > MOST_DEPTH || found.len() >= MOST_WORDS || head.ptr_bytes == 0 {
        return;
    }
    let pointee = match head.kind {
        Kind::Pointer => types.elem(ty).map(Pointee::Ptr),
        Kind::Slice => types.elem(ty).map(Pointee::Slice),
        Kind::Map => Some(Pointee::Map(ty)),
        Kind::Chan => Some(Pointee::Chan(ty)),
        Kind::Func => Some(Pointee::Func),
        Kind::Text => Some(Pointee::Str),
        Kind::Interface => Some(Pointee::Iface),
        Kind::Struct => {
            for (at, field) in types.fields(ty).unwrap_or_default() {
                flatten(types, field, offset.saturating_add(at), depth + 1, found);
            }
            None
        }
        Kind::Array => {
            let elem = types.elem(ty).and_then(|elem| types.at(elem));
            let count = types.array_len(ty).unwrap_or(0).min(MOST_WORDS as u64);
            if let Some(elem) = elem.filter(|elem| elem.ptr_bytes > 0) {
                for index in 0..count {
                    if found.len() >= MOST_WORDS {
                        return;
                    }
                    let at = offset.saturating_add(index.saturating_mul(elem.size));
                    flatten(types, elem.addr, at, depth + 1, found);
                }
            }
            None
        }
        Kind::Plain | Kind::Unsafe => None,
    };
    found.extend(pointee.map(|pointee| (offset, pointee)));
}
