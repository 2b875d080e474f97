//! [`Covers`]: what slices and strings cover of the objects that they keep; [`Pins`]: what else
//! these have.
//!
//! A slice of three bytes keeps the whole array that it was cut out of. That nothing else needs the
//! rest is proven by counting: every pointer to the object, in other objects and in roots, is one
//! of the headers that were looked at.
//!
//! A slice covers all that it has room for, but for a small one that does not start where its array
//! does: that was cut out of it, and covers what it shows. What lies between two headers of one
//! object counts as covered: less is said than could be. Room behind the length of a slice is its
//! own only where no other header and no other pointer leads to its array, which is known when all
//! headers were looked at.
//!
//! Does not find headers (see `survey`).

use letgo_target::{Addr, AddrRange};
use rustc_hash::FxHashMap;

use super::Stretch;
use crate::bits::BitSet;
use crate::{Graph, ObjectId};

/// Objects smaller than this are not looked at: their slots are rounded up anyway.
const LEAST_BYTES: u64 = 1 << 10;
/// Most objects that are remembered.
const MOST: usize = 1 << 17;

/// What is kept for little.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Pins {
    /// Objects of which at most half is covered.
    pub objects: u64,
    /// Bytes of their slots.
    pub object_bytes: u64,
    /// Bytes that headers cover, resident or not.
    pub covered_bytes: u64,
    /// Bytes that nothing covers, as weighed.
    pub pinned_bytes: u64,
}

impl Pins {
    pub(super) fn add(&mut self, more: Pins) {
        self.objects += more.objects;
        self.object_bytes += more.object_bytes;
        self.covered_bytes += more.covered_bytes;
        self.pinned_bytes += more.pinned_bytes;
    }
}

/// What of an object nothing needs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Spare {
    /// All but a part.
    Pinned(Pins),
    /// What is behind the length of the only slice that leads to it.
    Room(Stretch),
}

/// What is known of one object.
#[derive(Clone, Copy, Debug)]
struct Cover {
    /// Headers that lead there.
    headers: u32,
    /// From where to where they cover it.
    start: u64,
    end: u64,
    /// The group of the first.
    group: u32,
    /// The first, where it has room.
    room: Option<Stretch>,
}

/// What headers cover.
#[derive(Debug, Default)]
pub(super) struct Covers {
    known: FxHashMap<ObjectId, Cover>,
    /// Objects were left out.
    pub(super) is_cut: bool,
}

impl Covers {
    /// Takes a header.
    pub(super) fn add(&mut self, stretch: Stretch, group: u32) {
        let covered = stretch.covered();
        let (start, end) = (covered.start().0, covered.end().0);
        if let Some(known) = self.known.get_mut(&stretch.object) {
            known.headers += 1;
            known.start = known.start.min(start);
            known.end = known.end.max(end);
            return;
        }
        if stretch.slot.len() < LEAST_BYTES {
            return;
        }
        if self.known.len() >= MOST {
            self.is_cut = true;
            return;
        }
        let cover = Cover {
            headers: 1,
            start,
            end,
            group,
            room: Some(stretch).filter(Stretch::has_room),
        };
        self.known.insert(stretch.object, cover);
    }

    /// Tells of each object that nothing but these headers leads to, by group: at most half of it
    /// is covered, or there is but one header, which has room.
    pub(super) fn proven(
        mut self,
        graph: &Graph,
        weigh: &dyn Fn(AddrRange) -> u64,
        tell: &mut dyn FnMut(u32, Spare),
    ) {
        let range = |object: ObjectId| graph.range_of(object).unwrap_or_default();
        let is_half = |object: ObjectId, cover: &Cover| {
            cover.end.saturating_sub(cover.start) <= range(object).len() / 2
        };
        self.known.retain(|object, cover| {
            cover.room = cover.room.filter(|_| cover.headers == 1);
            cover.room.is_some() || is_half(*object, cover)
        });
        if self.known.is_empty() {
            return;
        }
        let led = led_to(graph, &self.known);
        let mut all: Vec<(ObjectId, Cover)> = self.known.into_iter().collect();
        all.sort_by_key(|(object, _)| *object);
        for (object, cover) in all {
            if led.get(&object.0) != Some(&cover.headers) {
                continue;
            }
            if is_half(object, &cover) {
                let covered = AddrRange::new(Addr(cover.start), Addr(cover.end));
                let pins = Pins {
                    objects: 1,
                    object_bytes: range(object).len(),
                    covered_bytes: covered.len(),
                    pinned_bytes: weigh(range(object)).saturating_sub(weigh(covered)),
                };
                tell(cover.group, Spare::Pinned(pins));
            }
            if let Some(slice) = cover.room {
                tell(cover.group, Spare::Room(slice));
            }
        }
    }
}

/// How many pointers lead to each of these, in objects, in use or not, and in roots.
fn led_to(graph: &Graph, known: &FxHashMap<ObjectId, Cover>) -> FxHashMap<u32, u32> {
    let mut wanted = BitSet::new(graph.slots() as usize);
    for object in known.keys() {
        wanted.insert_word(u64::from(object.0), 1);
    }
    let mut led: FxHashMap<u32, u32> = FxHashMap::default();
    let mut add = |number: u32| {
        if wanted.has(number) {
            *led.entry(number).or_insert(0) += 1;
        }
    };
    for target in graph.copied.edges.all() {
        add(*target);
    }
    let roots = graph.roots().iter();
    for object in roots.filter_map(|root| graph.object_at(root.value)) {
        add(object.0);
    }
    led
}
