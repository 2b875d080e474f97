//! [`Survey`]: what the containers of variables have that nothing in them needs.
//!
//! Variables of known types are followed by the types of their fields, the objects that retain most
//! first: no types of other objects are needed. What retains little is not looked at, nor what is
//! beyond the limits: all sums are at least so much, and say whether there may be more.
//!
//! Values are read when the survey is made, of a target that may have gone on since. A header is
//! believed where it fits an object that the graph has.
//!
//! Does not know names of variables: a group is the path from one, `.pool[]`.
//!
//! Invariants: each object's elements are looked at once; steps, bytes and groups are bounded.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use letgo_gobin::Pointee;
use letgo_goruntime::types::TypeTable;
use letgo_target::{Addr, AddrRange, Gathered, ReadMemory, gather, read_bytes};
use rustc_hash::{FxHashMap, FxHashSet};

use super::fields::{Field, Fields, Header};
use super::pins::{Covers, Pins, Spare};
use super::{Looker, MapUse, SPARSE, Stretch};
use crate::bits::{index, word};
use crate::{Dominators, Graph, Holder, ObjectId};

/// Bytes that an object must retain to be looked into.
const LEAST_BYTES: u64 = 2 << 10;
/// Bytes that are read of the target.
const MOST_BYTES: u64 = 64 << 20;
/// Headers that are looked at.
const MOST_HEADERS: u64 = 1 << 18;
/// Elements of one array that are looked at.
const MOST_ELEMENTS: u64 = 1 << 16;
/// Values in a row that wait to be looked at, or were.
const MOST_TASKS: usize = 1 << 18;
/// Time that it may take: many times what the bounds above leave it.
const MOST_TIME: Duration = Duration::from_secs(10);
/// Groups that are told apart.
const MOST_GROUPS: usize = 1 << 12;
/// Bytes that are read at a time, and of how many objects.
const LOT_BYTES: u64 = 1 << 18;
const LOT: usize = 512;
/// Bytes that are gathered of os pages, not read by themselves.
const PAGE: u64 = 4096;
/// Bytes that one small value counts for: it is in an os page of which others have a part.
const SMALL: u64 = 1 << 10;
/// Longest path that is told apart.
const MOST_STEPS: u32 = 12;

/// Where a survey begins: a variable, or a word of one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum From {
    /// A variable of this type.
    Variable(Addr, Addr),
    /// A word of a variable, and what it points to.
    Word(Addr, Pointee),
}

/// Slices of one group whose arrays have room that is not in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Room {
    /// How many.
    pub slices: u64,
    /// Bytes up to their length.
    pub len_bytes: u64,
    /// Bytes from there to their capacity, as weighed.
    pub slack_bytes: u64,
}

/// Maps of one group that have far more slots than entries.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sparse {
    /// How many.
    pub maps: u64,
    /// Entries of all.
    pub entries: u64,
    /// Slots of all.
    pub slots: u64,
    /// Bytes that the same entries in maps made anew would not take, as weighed.
    pub slack_bytes: u64,
}

impl Room {
    fn add(&mut self, slice: &Stretch, weigh: &dyn Fn(AddrRange) -> u64) {
        let (len, cap) = (slice.len * slice.size, slice.cap * slice.size);
        self.slices += 1;
        self.len_bytes += len;
        self.slack_bytes += weigh(AddrRange::sized(slice.at.add(len), cap - len));
    }
}

impl Sparse {
    fn add(&mut self, own: MapUse, slack: u64) {
        if let Some(parts) = own.parts.filter(|_| slack > 0) {
            self.maps += 1;
            self.entries += own.entries;
            self.slots += parts.slots;
            self.slack_bytes += slack;
        }
    }
}

/// Containers that are reached from a variable by the same path.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Group {
    /// Which of the places where the survey began.
    pub from: u32,
    /// The path from the variable: `.items[].body`; empty for the variable itself.
    pub path: String,
    /// Type of what is there: `[]uint8`.
    pub type_name: String,
    /// Slices of which the end of their array is not in use.
    pub room: Room,
    /// Maps that have far more slots than entries.
    pub maps: Sparse,
    /// What slices and strings keep beside what they cover.
    pub pins: Pins,
    steps: u32,
    /// What the last step of the path leads to.
    to: Addr,
}

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Survey {
    /// Groups, in no order.
    pub groups: Vec<Group>,
    /// Not all could be looked at.
    pub is_cut: bool,
}

/// Values in a row that will be looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Task {
    at: Addr,
    typ: Addr,
    size: u64,
    count: u64,
    group: u32,
}

struct Walk<'a> {
    looker: Looker<'a>,
    dominators: &'a Dominators<'a>,
    fields: Fields,
    /// By retained bytes, then by order of arrival: where in `tasks`.
    next: BinaryHeap<(u64, Reverse<usize>)>,
    tasks: Vec<Task>,
    seen: FxHashSet<ObjectId>,
    groups: Vec<Group>,
    by_step: FxHashMap<(u32, String, Addr), u32>,
    covers: Covers,
    bytes: u64,
    headers: u64,
    until: Instant,
    is_cut: bool,
}

impl Graph {
    /// Looks into the containers of variables, those that retain most first. `weigh` is as of
    /// [`Dominators::of`].
    ///
    /// # Consistency
    /// Values are as `memory` has them, which may be of later than the graph.
    pub fn survey(
        &self,
        memory: &dyn ReadMemory,
        weigh: &dyn Fn(AddrRange) -> u64,
        dominators: &Dominators<'_>,
        from: &[From],
    ) -> Survey {
        let kinds = self.copied.seeds.lock();
        let looker = Looker::new(self, &kinds.table, memory, weigh);
        let mut walk = Walk {
            looker,
            dominators,
            fields: Fields::default(),
            next: BinaryHeap::new(),
            tasks: Vec::new(),
            seen: FxHashSet::default(),
            groups: Vec::new(),
            by_step: FxHashMap::default(),
            covers: Covers::default(),
            bytes: 0,
            headers: 0,
            until: Instant::now() + MOST_TIME,
            is_cut: false,
        };
        for (number, from) in (0u32..).zip(from) {
            walk.start(number, *from);
        }
        walk.run();
        walk.finish()
    }
}

impl<'a> Walk<'a> {
    fn table(&self) -> &'a TypeTable {
        self.looker.table
    }

    fn start(&mut self, from: u32, place: From) {
        let own = Group {
            from,
            ..Group::default()
        };
        match place {
            From::Variable(at, typ) => {
                let Some(head) = self.table().head(typ).filter(|head| head.size <= LOT_BYTES)
                else {
                    self.is_cut = true;
                    return;
                };
                let group = self.enter(own);
                let task = Task {
                    at,
                    typ,
                    size: head.size,
                    count: 1,
                    group,
                };
                // Variables come first: nothing leads to them.
                self.push(u64::MAX, task);
            }
            From::Word(at, pointee) => {
                let header = match pointee {
                    Pointee::Ptr(to) => Header::Pointer(to),
                    Pointee::Slice(elem) => Header::Slice(elem),
                    Pointee::Map(of) => Header::Map(of),
                    Pointee::Str => Header::Text,
                    Pointee::Iface => Header::Interface,
                    Pointee::Chan(_) | Pointee::Func => return,
                };
                let Some(words) = self.looker.words(at, 24) else {
                    return;
                };
                let group = self.enter(own);
                self.header(group, &words, header);
            }
        }
    }

    fn enter(&mut self, group: Group) -> u32 {
        self.groups.push(group);
        u32::try_from(self.groups.len() - 1).unwrap_or(0)
    }

    fn push(&mut self, retained: u64, task: Task) {
        if self.tasks.len() >= MOST_TASKS {
            self.is_cut = true;
            return;
        }
        self.next.push((retained, Reverse(self.tasks.len())));
        self.tasks.push(task);
    }

    fn run(&mut self) {
        while !self.next.is_empty() {
            if self.is_spent() {
                self.is_cut = true;
                return;
            }
            let lot = self.lot();
            let small = lot.iter().filter(|task| task.size * task.count <= PAGE);
            let asked = small.map(|task| (task.at, task.size * task.count));
            let Ok(gathered) = gather(self.looker.memory, asked) else {
                self.is_cut = true;
                return;
            };
            for task in lot {
                self.look(task, &gathered);
            }
        }
    }

    fn is_spent(&self) -> bool {
        let is_late = || Instant::now() >= self.until;
        self.bytes >= MOST_BYTES || self.headers >= MOST_HEADERS || is_late()
    }

    /// The next tasks, not too many bytes together.
    fn lot(&mut self) -> Vec<Task> {
        let (mut lot, mut bytes) = (Vec::new(), 0);
        while lot.len() < LOT && bytes < LOT_BYTES {
            let Some((_, Reverse(number))) = self.next.pop() else {
                break;
            };
            if let Some(task) = self.tasks.get(number) {
                bytes += (task.size * task.count).max(SMALL);
                lot.push(*task);
            }
        }
        self.bytes += bytes;
        lot
    }

    /// Looks at values in a row, a part at a time.
    fn look(&mut self, task: Task, gathered: &Gathered) {
        let fields = self.fields.of(self.looker.table, task.typ);
        if fields.is_empty() || task.size == 0 {
            return;
        }
        let all = task.size * task.count;
        if all <= PAGE {
            if let Some(bytes) = gathered.get(task.at, index(all)) {
                self.values(task, &fields, bytes);
            }
            return;
        }
        let per_part = (LOT_BYTES / task.size).max(1);
        let mut done = 0;
        while done < task.count && self.headers < MOST_HEADERS {
            let part = per_part.min(task.count - done);
            let len = part * task.size;
            let read = read_bytes(self.looker.memory, task.at.add(done * task.size), len, len);
            let Ok(bytes) = read else {
                self.is_cut = true;
                return;
            };
            self.values(task, &fields, &bytes);
            done += part;
        }
        self.is_cut |= done < task.count;
    }

    fn values(&mut self, task: Task, fields: &[Field], bytes: &[u8]) {
        // The group of each field is the same in all values.
        let groups: Vec<u32> = fields
            .iter()
            .map(|field| self.step(task.group, &field.name, field.header))
            .collect();
        for value in bytes.chunks_exact(index(task.size)) {
            for (field, group) in fields.iter().zip(&groups) {
                if let Some(header) = value.get(index(field.offset)..) {
                    self.header(*group, header, field.header);
                }
            }
        }
    }

    /// The group behind another one; that one again where types repeat, as in a list.
    fn step(&mut self, parent: u32, name: &str, header: Header) -> u32 {
        let to = match header {
            Header::Slice(to)
            | Header::Map(to)
            | Header::Chan(to)
            | Header::Pointer(to)
            | Header::Counted(to) => to,
            Header::Text | Header::Interface => Addr::NULL,
        };
        let key = (parent, name.to_owned(), to);
        if let Some(known) = self.by_step.get(&key) {
            return *known;
        }
        let above = self.groups.get(index(u64::from(parent)));
        let (from, path, steps, last) = above.map_or_else(Default::default, |above| {
            (above.from, above.path.clone(), above.steps, above.to)
        });
        // `.next.next` is `.next`; what is in `[][]T` is not what `[]T` has.
        let repeats = !name.is_empty() && path.ends_with(name) && last == to;
        let group = match repeats || steps >= MOST_STEPS || self.groups.len() >= MOST_GROUPS {
            true => parent,
            false => self.enter(Group {
                from,
                path: path + name,
                steps: steps + 1,
                to,
                ..Group::default()
            }),
        };
        self.by_step.insert(key, group);
        group
    }

    fn header(&mut self, group: u32, words: &[u8], header: Header) {
        if word(words, 0) == 0 {
            return;
        }
        self.headers += 1;
        match header {
            Header::Slice(elem) => self.slice(group, words, elem),
            Header::Text => {
                if let Some(text) = self.looker.text(words) {
                    self.name(group, || "string".into());
                    self.covers.add(text, group);
                }
            }
            Header::Map(of) => self.map(group, Addr(word(words, 0)), of),
            Header::Pointer(to) => self.pointed(group, Addr(word(words, 0)), to),
            Header::Interface => self.interface(group, words),
            Header::Counted(of) => {
                self.row(group, Addr(word(words, 0)), of, word(words, 8));
            }
            // What waits in channels is about to be taken out.
            Header::Chan(_) => {}
        }
    }

    fn name(&mut self, group: u32, name: impl FnOnce() -> String) {
        if let Some(group) = self.groups.get_mut(index(u64::from(group)))
            && group.type_name.is_empty()
        {
            group.type_name = name();
        }
    }

    fn slice(&mut self, group: u32, words: &[u8], elem: Addr) {
        let Some((size, has_pointers)) = self.fields.size(self.looker.table, elem) else {
            return;
        };
        let Some(slice) = self.looker.slice(words, size) else {
            return;
        };
        let table = self.table();
        self.name(group, || format!("[]{}", table.name(elem)));
        self.covers.add(slice, group);
        if has_pointers {
            let elems = self.step(group, "[]", Header::Pointer(elem));
            self.row(elems, slice.at, elem, slice.len);
        }
    }

    fn map(&mut self, group: u32, at: Addr, of: Addr) {
        let Some(object) = self.looker.graph.object_at(at) else {
            return;
        };
        if self.retained(object) < LEAST_BYTES || !self.seen.insert(object) {
            return;
        }
        if self.is_spent() {
            self.is_cut = true;
            return;
        }
        let Some((own, places)) = self.looker.map_use(at, of) else {
            self.is_cut = true;
            return;
        };
        self.bytes += places.len() as u64 * SMALL;
        self.is_cut |= own.entries > 0 && own.parts.is_none();
        let table = self.table();
        self.name(group, || table.name(of));
        let sparse = own
            .parts
            .filter(|parts| own.entries <= parts.slots / SPARSE);
        let slack = sparse.map_or(0, |parts| parts.slack_bytes());
        if let Some(group) = self.groups.get_mut(index(u64::from(group))) {
            group.maps.add(own, slack);
        }
        if let Some(part) = self.looker.map_part(of) {
            for (at, count) in places {
                self.row(group, at, part, count);
            }
        }
    }

    fn pointed(&mut self, group: u32, at: Addr, to: Addr) {
        self.row(group, at, to, 1);
    }

    fn interface(&mut self, group: u32, words: &[u8]) {
        let (first, value) = (Addr(word(words, 0)), Addr(word(words, 8)));
        let table = self.table();
        let typ = table.head(first).map(|head| head.addr);
        let typ = typ.or_else(|| table.itab(first)).or_else(|| {
            let bytes = self.looker.words(first, 24)?;
            table.decode_itab(&bytes)
        });
        let Some(head) = typ.and_then(|typ| table.head(typ)) else {
            return;
        };
        if !head.direct {
            return self.row(group, value, head.addr, 1);
        }
        // The word is the value itself: a pointer, a map.
        let fields = self.fields.of(table, head.addr);
        if let [field] = &*fields
            && field.offset == 0
            && matches!(field.header, Header::Pointer(_) | Header::Map(_))
        {
            let words = value.0.to_le_bytes();
            self.header(group, &words, field.header);
        }
    }

    /// Takes values in a row on the list, where they retain enough and nobody has yet.
    fn row(&mut self, group: u32, at: Addr, typ: Addr, count: u64) {
        let Some((size, true)) = self.fields.size(self.looker.table, typ) else {
            return;
        };
        let Some((object, range)) = self.looker.object(at.0).filter(|_| count > 0) else {
            return;
        };
        let room = range.end().0.saturating_sub(at.0) / size.max(1);
        if room < count {
            return;
        }
        if size > LOT_BYTES {
            self.is_cut = true;
            return;
        }
        let retained = self.retained(object);
        if retained < LEAST_BYTES || !self.seen.insert(object) {
            return;
        }
        self.is_cut |= count > MOST_ELEMENTS;
        let task = Task {
            at,
            typ,
            size,
            count: count.min(MOST_ELEMENTS),
            group,
        };
        self.push(retained, task);
    }

    fn retained(&self, object: ObjectId) -> u64 {
        let held = self.dominators.retained(Holder::Object(object));
        held.map_or(0, |held| held.bytes)
    }

    fn finish(self) -> Survey {
        let Walk {
            looker,
            mut groups,
            covers,
            fields,
            is_cut,
            ..
        } = self;
        let is_cut = is_cut || covers.is_cut || fields.is_cut;
        let weigh = looker.weigh;
        covers.proven(looker.graph, weigh, &mut |group, spare| {
            if let Some(group) = groups.get_mut(index(u64::from(group))) {
                match spare {
                    Spare::Pinned(pins) => group.pins.add(pins),
                    Spare::Room(slice) => group.room.add(&slice, weigh),
                }
            }
        });
        groups.retain(|group| {
            group.room.slices > 0 || group.maps.maps > 0 || group.pins != Pins::default()
        });
        Survey { groups, is_cut }
    }
}
