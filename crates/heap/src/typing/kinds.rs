// tidy: what each kind of object looks like, an arm a kind, side by side
//! [`Kinds`]: what an object may be, each with a number, and what its words lead to.
//!
//! An object is a value of a type, a row of them (what a slice leads to), or one of the parts that
//! maps, channels, strings and closures are made of. Of each that was met there is one [`Kind`];
//! what its words lead to is worked out when one is first followed.
//!
//! Does not know objects (see `pass`).
//!
//! Invariants: kinds are numbered from 1, fewer than 2^29; lists of words together stay within a
//! limit, and kinds beyond it are followed no further.
//!
//! Source: src/runtime/map_noswiss.go, `hmap`, `mapextra`; src/internal/runtime/maps, `Map`,
//! `table`; src/runtime/chan.go, `makechan`; go1.19 to go1.27. See docs/formats/go-types.md.

mod names;
#[cfg(test)]
mod tests;
mod what;

use std::sync::{Arc, OnceLock};

use letgo_gobin::Pointee;
use letgo_goruntime::types::{GoHead, GoKind, GoShape, TypeTable};
use letgo_target::Addr;
use rustc_hash::FxHashMap;

use crate::bits::index;

pub(crate) use what::{Lead, What};

/// Most kinds that are numbered.
pub(crate) const MOST_KINDS: u32 = 1 << 20;
/// Most words of one value that are told apart; larger ones are followed no further.
const MOST_WORDS: u64 = 1 << 16;
/// Words of all kinds together.
const ALL_WORDS: usize = 32 << 20;
/// Deepest nesting of values that is followed.
const MOST_DEPTH: u32 = 64;
/// Most steps to flatten one type, and all of them.
const MOST_STEPS: u32 = 1 << 18;
const ALL_STEPS: u32 = 1 << 28;

/// Structures of the runtime that something more telling is known of, by the way that leads there.
const INTERNAL: [&str; 6] = [
    "runtime.hmap",
    "runtime.hchan",
    "maps.Map",
    "maps.table",
    "runtime.mapextra",
    "runtime.bmap",
];

/// How large an object of a kind is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fit {
    /// So many bytes.
    Once(u64),
    /// A multiple of so many bytes.
    Rows(u64),
    /// The header of a channel: so many bytes, or more where it holds no pointers.
    Chan(u64),
    /// Any size.
    Any,
}

/// What the words of an object lead to.
#[derive(Debug, Default)]
pub(crate) struct Words {
    /// Of one value, a packed [`Lead`] a word.
    pub(crate) leads: Vec<u32>,
    /// Whether values repeat.
    pub(crate) repeats: bool,
    /// Whether it is not known where its pointers are: any word may be one, none is followed.
    pub(crate) open: bool,
    /// Which of an object's first 64 words are pointers, a bit each.
    pub(crate) mask: u64,
    /// Whether all words of an object are, however many there are.
    pub(crate) full: bool,
    /// Whether any leads to an object of a known kind.
    pub(crate) leading: bool,
}

impl Words {
    /// Sums up what is known of the words.
    fn sum_up(&mut self) {
        let len = self.leads.len();
        self.mask = 0;
        for word in 0..64usize {
            let place = if self.repeats {
                word % len.max(1)
            } else {
                word
            };
            let pointer = self.leads.get(place).is_some_and(|lead| *lead != 0);
            self.mask |= u64::from(pointer) << word;
        }
        self.full = self.repeats && len > 0 && self.leads.iter().all(|lead| *lead != 0);
        self.leading = !self.open && self.leads.iter().any(|lead| Lead::leads_on(*lead));
    }
}

/// One kind of object.
#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) what: What,
    pub(crate) fit: Fit,
    /// Whether objects have pointers; nothing where both is possible.
    pub(crate) pointers: Option<bool>,
    /// The type of a value, or of one in a row.
    pub(crate) elem: Option<Addr>,
    /// That type, that of its first field, and so on.
    pub(crate) firsts: Vec<Addr>,
    /// The runtime's own, and known better by what leads there.
    pub(crate) internal: bool,
    pub(crate) words: OnceLock<Words>,
}

impl Kind {
    /// Whether objects say anything of those that they lead to, as far as it was worked out.
    #[inline]
    pub(crate) fn is_leading(&self) -> bool {
        self.words.get().is_some_and(|words| words.leading)
    }
}

/// All kinds that were met.
#[derive(Debug, Default)]
pub(crate) struct Kinds {
    pub(crate) table: TypeTable,
    kinds: Vec<Arc<Kind>>,
    numbers: FxHashMap<What, u32>,
    /// Types of closures by entry.
    pub(crate) closures: FxHashMap<Addr, Addr>,
    /// Bytes of `runtime.hchan`.
    pub(crate) hchan: u64,
    room: usize,
    steps: u32,
}

/// The number of [`What::Text`].
pub(crate) const TEXT: u32 = 1;
/// The number of [`What::Small`].
pub(crate) const SMALL: u32 = 2;
/// The number of a closure of an unknown function.
pub(crate) const CLOSURE: u32 = 3;
/// The number that says that there is more than one answer.
pub(crate) const DISPUTED: u32 = 4;

impl Kinds {
    pub(crate) fn new(table: TypeTable, hchan: u64) -> Kinds {
        let mut kinds = Kinds {
            table,
            hchan,
            room: ALL_WORDS,
            steps: ALL_STEPS,
            ..Kinds::default()
        };
        // In the order of the constants above; the last is never looked up by what it is.
        for what in [What::Text, What::Small, What::Closure(Addr::NULL)] {
            kinds.number(what);
        }
        kinds.kinds.push(Arc::new(plain(What::Small)));
        kinds
    }

    /// The kind of a number.
    pub(crate) fn get(&self, number: u32) -> Option<&Arc<Kind>> {
        self.kinds.get((number as usize).checked_sub(1)?)
    }

    pub(crate) fn len(&self) -> usize {
        self.kinds.len()
    }

    /// The number of what makes sense; nothing where it does not.
    pub(crate) fn number(&mut self, what: What) -> Option<u32> {
        if let Some(known) = self.numbers.get(&what) {
            return Some(*known).filter(|known| *known != 0);
        }
        let made = (self.kinds.len() < MOST_KINDS as usize).then(|| self.make(what))?;
        let number = made.map_or(0, |kind| {
            self.kinds.push(Arc::new(kind));
            u32::try_from(self.kinds.len()).unwrap_or(0)
        });
        self.numbers.insert(what, number);
        Some(number).filter(|number| *number != 0)
    }

    /// Learns the types of closures, by entry.
    pub(crate) fn learn_closures(&mut self, closures: &[(Addr, Addr)]) {
        self.closures.extend(closures.iter().copied());
        for at in 0..self.kinds.len() {
            let what = self.kinds.get(at).map(|kind| kind.what);
            let Some(what @ What::Closure(entry)) = what else {
                continue;
            };
            if self.closures.contains_key(&entry)
                && let Some(made) = self.make(what)
                && let Some(own) = self.kinds.get_mut(at)
            {
                *own = Arc::new(made);
            }
        }
    }

    fn make(&self, what: What) -> Option<Kind> {
        let table = &self.table;
        let sized = |head: GoHead| Some(head).filter(|head| head.size > 0);
        let part = |map: Addr| match table.get(map)?.shape {
            GoShape::Map { part, .. } => sized(table.head(part)?),
            _ => None,
        };
        let has = |pointers: bool| Some(pointers);
        let kind = |fit: Fit, pointers: Option<bool>, elem: Option<GoHead>| Kind {
            fit,
            pointers,
            elem: elem.map(|head| head.addr),
            firsts: elem.map_or_else(Vec::new, |head| self.firsts(head.addr)),
            ..plain(what)
        };
        Some(match what {
            What::Text => kind(Fit::Any, has(false), None),
            What::Small => kind(Fit::Any, has(false), None),
            What::Closure(entry) => match self.closures.get(&entry) {
                Some(own) => {
                    let head = sized(table.head(*own)?)?;
                    kind(Fit::Once(head.size), has(head.ptr_bytes > 0), None)
                }
                None => kind(Fit::Any, None, None),
            },
            What::Value(at) => {
                let head = sized(table.head(at)?)?;
                let name = table.name(at);
                Kind {
                    internal: INTERNAL.contains(&name.trim_start_matches('*')),
                    ..kind(Fit::Once(head.size), has(head.ptr_bytes > 0), Some(head))
                }
            }
            What::Row(at) => {
                let head = sized(table.head(at)?)?;
                let name = table.name(at);
                Kind {
                    internal: INTERNAL.contains(&name.trim_start_matches('*')),
                    ..kind(Fit::Rows(head.size), has(head.ptr_bytes > 0), Some(head))
                }
            }
            What::Map(at) => {
                part(at)?;
                kind(Fit::Once(48), has(true), None)
            }
            What::MapDirectory(_) => kind(Fit::Rows(8), has(true), None),
            What::MapTable(_) => kind(Fit::Once(32), has(true), None),
            What::MapSlots(at) => {
                let part = part(at)?;
                kind(Fit::Rows(part.size), has(part.ptr_bytes > 0), Some(part))
            }
            What::MapExtra(_) | What::MapOverflow(_) => kind(Fit::Once(24), has(true), None),
            What::MapOverflowList(_) => kind(Fit::Rows(8), has(true), None),
            What::Chan(at) => {
                self.sent(at)?;
                kind(Fit::Chan(self.hchan), None, None)
            }
            What::ChanBuffer(at) => {
                let sent = sized(self.sent(at)?)?;
                kind(Fit::Rows(sent.size), has(sent.ptr_bytes > 0), Some(sent))
            }
        })
    }

    /// Type of what a channel transports.
    fn sent(&self, chan: Addr) -> Option<GoHead> {
        match self.table.get(chan)?.shape {
            GoShape::Chan { elem } => self.table.head(elem),
            _ => None,
        }
    }

    /// A type, that of its first field or element, and so on.
    pub(crate) fn firsts(&self, of: Addr) -> Vec<Addr> {
        let mut firsts = vec![of];
        let mut at = of;
        while firsts.len() < MOST_DEPTH as usize {
            let sized = |typ: &Addr| self.table.head(*typ).is_some_and(|head| head.size > 0);
            let next = match self.table.get(at).map(|found| found.shape) {
                Some(GoShape::Array { elem, len }) if len > 0 => Some(elem),
                Some(GoShape::Struct { fields }) => {
                    let first = fields.iter().filter(|field| field.offset == 0);
                    first.map(|field| field.typ).find(sized)
                }
                _ => None,
            };
            match next {
                Some(next) if !firsts.contains(&next) => {
                    firsts.push(next);
                    at = next;
                }
                _ => break,
            }
        }
        firsts
    }

    /// What the words of a kind lead to, worked out now unless that was done before.
    pub(crate) fn words(&mut self, number: u32) {
        let Some(kind) = self.get(number).cloned() else {
            return;
        };
        if kind.words.get().is_some() {
            return;
        }
        let mut words = self.work_out(kind.what).unwrap_or(Words {
            open: true,
            ..Words::default()
        });
        words.sum_up();
        self.room = self.room.saturating_sub(words.leads.len());
        // Somebody else's answer is the same.
        let _ = kind.words.set(words);
    }

    fn work_out(&mut self, what: What) -> Option<Words> {
        let once = |leads: Vec<u32>| Words {
            leads,
            ..Words::default()
        };
        let rows = |leads: Vec<u32>| Words {
            leads,
            repeats: true,
            ..Words::default()
        };
        Some(match what {
            What::Text | What::Small => Words::default(),
            What::MapDirectory(map) => {
                rows(self.places(&[(0, What::MapTable(map), false)], 1, Lead::None))
            }
            What::MapTable(map) => {
                once(self.places(&[(2, What::MapSlots(map), true)], 4, Lead::None))
            }
            What::MapExtra(map) => {
                let list = What::MapOverflow(map);
                let mut leads = self.places(&[(0, list, false), (1, list, false)], 3, Lead::None);
                if let Some(next) = leads.get_mut(2) {
                    *next = Lead::Unknown.packed();
                }
                once(leads)
            }
            What::MapOverflow(map) => {
                once(self.places(&[(0, What::MapOverflowList(map), true)], 3, Lead::None))
            }
            What::MapOverflowList(map) => {
                rows(self.places(&[(0, What::MapSlots(map), false)], 1, Lead::None))
            }
            What::Chan(chan) => {
                let len = index(self.hchan / 8);
                // Beside what it holds, those that wait and what the runtime keeps.
                let buffer = (2, What::ChanBuffer(chan), true);
                let mut leads = vec![Lead::Unknown.packed(); len];
                if let (Some(own), Some(number)) = (leads.get_mut(2), self.number(buffer.1)) {
                    *own = Lead::Row(number).packed();
                }
                once(leads)
            }
            What::Map(map) if self.has_groups(map) => {
                let own = self.number(what)?;
                let mut leads = vec![0; 6];
                if let Some(parts) = leads.get_mut(2) {
                    *parts = Lead::MapParts(own).packed();
                }
                once(leads)
            }
            What::Map(map) => {
                let slots = What::MapSlots(map);
                let places = [
                    (2, slots, true),
                    (3, slots, true),
                    (5, What::MapExtra(map), false),
                ];
                once(self.places(&places, 6, Lead::None))
            }
            What::MapSlots(map) => {
                let GoShape::Map { part, .. } = self.table.get(map)?.shape else {
                    return None;
                };
                let mut leads = self.flat(part)?;
                self.overflow(map, part, &mut leads);
                rows(leads)
            }
            What::Row(at) => rows(self.flat(at)?),
            What::ChanBuffer(chan) => {
                let sent = self.sent(chan)?.addr;
                rows(self.flat(sent)?)
            }
            What::Value(at) => match self.table.get(at)?.shape {
                GoShape::Array { elem, .. } => rows(self.flat(elem)?),
                _ => once(self.flat(at)?),
            },
            What::Closure(entry) => {
                let own = *self.closures.get(&entry)?;
                once(self.flat(own)?)
            }
        })
    }

    /// So many words, some of which lead to something: where, to what, and whether to a row.
    fn places(&mut self, places: &[(usize, What, bool)], len: usize, other: Lead) -> Vec<u32> {
        let mut leads = vec![other.packed(); len];
        for (place, what, row) in places {
            let number = self.number(*what);
            let lead = number.map_or(Lead::Unknown, |number| match row {
                true => Lead::Row(number),
                false => Lead::Whole(number),
            });
            if let Some(own) = leads.get_mut(*place) {
                *own = lead.packed();
            }
        }
        leads
    }

    /// Whether a map keeps its slots in groups (1.24 and later) and not in buckets.
    pub(super) fn has_groups(&self, map: Addr) -> bool {
        let Some(GoShape::Map { part, .. }) = self.table.get(map).map(|found| found.shape) else {
            return false;
        };
        let part = self.table.get(part).map(|part| part.shape);
        let first = match &part {
            Some(GoShape::Struct { fields }) => fields.first(),
            _ => None,
        };
        first.is_some_and(|first| first.name == "ctrl")
    }

    /// The last word of a bucket leads to another.
    fn overflow(&mut self, map: Addr, part: Addr, leads: &mut [u32]) {
        let fields = match self.table.get(part).map(|part| part.shape) {
            Some(GoShape::Struct { fields }) => fields,
            _ => return,
        };
        let Some(last) = fields.last().filter(|last| last.name == "overflow") else {
            return;
        };
        let number = self.number(What::MapSlots(map));
        let place = leads.get_mut(index(last.offset / 8));
        if let (Some(place), Some(number)) = (place.filter(|place| **place != 0), number) {
            *place = Lead::Whole(number).packed();
        }
    }

    /// What the words of one value lead to.
    fn flat(&mut self, of: Addr) -> Option<Vec<u32>> {
        let head = self.table.head(of)?;
        let words = head.size.div_ceil(8);
        if words > MOST_WORDS || index(words) > self.room {
            return None;
        }
        let mut leads = vec![0; index(words)];
        let most = MOST_STEPS.min(self.steps);
        let mut steps = most;
        let flat = self.flatten(of, 0, &mut leads, MOST_DEPTH, &mut steps);
        self.steps -= most - steps;
        flat.map(|()| leads)
    }

    fn flatten(
        &mut self,
        of: Addr,
        at: u64,
        leads: &mut [u32],
        depth: u32,
        steps: &mut u32,
    ) -> Option<()> {
        *steps = steps.checked_sub(1)?;
        let depth = depth.checked_sub(1)?;
        let found = self.table.get(of)?;
        if found.head.ptr_bytes == 0 {
            return Some(());
        }
        let mut set = |offset: u64, lead: Lead| {
            if let Some(place) = leads.get_mut(index(offset / 8)) {
                *place = lead.packed();
            }
        };
        match (found.head.kind, found.shape) {
            (GoKind::Struct, GoShape::Struct { fields }) => {
                let name = self.table.name(of);
                *steps = steps.checked_sub(u32::try_from(fields.len()).ok()?)?;
                for field in &fields {
                    let offset = at.checked_add(field.offset)?;
                    self.flatten(field.typ, offset, leads, depth, steps)?;
                }
                if name.starts_with("atomic.Pointer[") {
                    self.atomic(&fields, at, leads);
                }
            }
            (GoKind::Array, GoShape::Array { elem, len }) => {
                let size = self.table.head(elem)?.size;
                for number in 0..len {
                    let offset = size.checked_mul(number)?.checked_add(at)?;
                    self.flatten(elem, offset, leads, depth, steps)?;
                }
            }
            (GoKind::Pointer, GoShape::Pointer { elem }) => set(at, self.pointer(elem)),
            (GoKind::Slice, GoShape::Slice { elem }) => {
                let number = self.number(What::Row(elem));
                set(at, number.map_or(Lead::Unknown, Lead::Row));
            }
            (GoKind::String, _) => set(at, Lead::Text),
            (GoKind::Map, _) => {
                let number = self.number(What::Map(of));
                set(at, number.map_or(Lead::Unknown, Lead::Whole));
            }
            (GoKind::Chan, _) => {
                let number = self.number(What::Chan(of));
                set(at, number.map_or(Lead::Unknown, Lead::Whole));
            }
            (GoKind::Func, _) => set(at, Lead::Func),
            // What an interface holds was seen when its words were.
            (GoKind::Interface, _) => set(at.checked_add(8)?, Lead::Unknown),
            _ => set(at, Lead::Unknown),
        }
        Some(())
    }

    /// `atomic.Pointer[T]` names T in an array of no length, and holds an `unsafe.Pointer`.
    fn atomic(&mut self, fields: &[letgo_goruntime::types::GoField], at: u64, leads: &mut [u32]) {
        let named = fields.first().and_then(|first| self.table.get(first.typ));
        let Some(GoShape::Array { elem, len: 0 }) = named.map(|named| named.shape) else {
            return;
        };
        let target = match self.table.get(elem).map(|elem| elem.shape) {
            Some(GoShape::Pointer { elem }) => elem,
            _ => return,
        };
        let lead = self.pointer(target);
        if let Some(last) = fields.last().filter(|last| last.name == "v")
            && let Some(place) = leads.get_mut(index((at + last.offset) / 8))
        {
            *place = lead.packed();
        }
    }

    /// What a pointer to a type leads to.
    fn pointer(&mut self, to: Addr) -> Lead {
        let number = self.number(What::Value(to));
        let known = number.filter(|number| self.get(*number).is_some_and(|kind| !kind.internal));
        known.map_or(Lead::Unknown, Lead::Whole)
    }

    /// What a word of a variable leads to, by what the executable says of it.
    pub(crate) fn pointed_to(&mut self, pointee: Pointee) -> Lead {
        let whole = |number: Option<u32>| number.map_or(Lead::Unknown, Lead::Whole);
        match pointee {
            Pointee::Ptr(elem) => self.pointer(elem),
            Pointee::Slice(elem) => {
                let number = self.number(What::Row(elem));
                number.map_or(Lead::Unknown, Lead::Row)
            }
            Pointee::Map(of) => whole(self.number(What::Map(of))),
            Pointee::Chan(of) => whole(self.number(What::Chan(of))),
            Pointee::Func => Lead::Func,
            Pointee::Str => Lead::Text,
            Pointee::Iface => Lead::Unknown,
        }
    }

    /// What the second word of an interface leads to that holds a value of a type.
    pub(crate) fn held_by_interface(&mut self, of: Addr) -> Lead {
        let Some(found) = self.table.get(of) else {
            return Lead::Unknown;
        };
        let whole = |number: Option<u32>| number.map_or(Lead::Unknown, Lead::Whole);
        match (found.head.kind, found.shape) {
            (GoKind::Pointer, GoShape::Pointer { elem }) => self.pointer(elem),
            (GoKind::Map, _) => whole(self.number(What::Map(of))),
            (GoKind::Chan, _) => whole(self.number(What::Chan(of))),
            (GoKind::Func, _) => Lead::Func,
            (GoKind::UnsafePointer, _) => Lead::Unknown,
            _ if found.head.direct => {
                let leads = self.flat(of).unwrap_or_default();
                leads
                    .first()
                    .map_or(Lead::Unknown, |lead| Lead::unpacked(*lead))
            }
            _ => whole(self.number(What::Value(of))),
        }
    }
}

/// A kind of which nothing more is known.
fn plain(what: What) -> Kind {
    Kind {
        what,
        fit: Fit::Any,
        pointers: Some(false),
        elem: None,
        firsts: Vec::new(),
        internal: false,
        words: OnceLock::new(),
    }
}
