//! [`Covers`]: what slices and strings cover of the objects that they keep; [`Pins`]: what else
//! these have.
//!
//! A slice of three bytes keeps the whole array that it was cut out of. That nothing else needs the
//! rest is proven by counting: every pointer to the object, in other objects and in roots, is one
//! of the headers that were looked at.
//!
//! What lies between two headers of one object counts as covered: less is said than could be.
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
    /// Bytes that nothing covers, as weighed.
    pub pinned_bytes: u64,
}

impl Pins {
    pub(super) fn add(&mut self, object_bytes: u64, pinned: u64) {
        self.objects += 1;
        self.object_bytes += object_bytes;
        self.pinned_bytes += pinned;
    }
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
}

/// What headers cover.
#[derive(Debug, Default)]
pub(super) struct Covers {
    known: FxHashMap<ObjectId, Cover>,
}

impl Covers {
    /// Takes a header.
    pub(super) fn add(&mut self, stretch: Stretch, group: u32) {
        let size = stretch.size.max(1);
        let start = stretch.at.0;
        let end = start.saturating_add(stretch.cap.saturating_mul(size));
        if let Some(known) = self.known.get_mut(&stretch.object) {
            known.headers += 1;
            known.start = known.start.min(start);
            known.end = known.end.max(end);
            return;
        }
        if stretch.slot.len() >= LEAST_BYTES && self.known.len() < MOST {
            let cover = Cover {
                headers: 1,
                start,
                end,
                group,
            };
            self.known.insert(stretch.object, cover);
        }
    }

    /// Whether no more than one header leads to an object; of small ones that is not known.
    pub(super) fn is_first(&self, object: ObjectId) -> bool {
        self.known
            .get(&object)
            .is_some_and(|cover| cover.headers == 1)
    }

    /// Tells of each object of which at most half is covered, and that nothing else leads to: the
    /// group, bytes of its slot, and bytes that nothing covers.
    pub(super) fn proven(
        mut self,
        graph: &Graph,
        weigh: &dyn Fn(AddrRange) -> u64,
        tell: &mut dyn FnMut(u32, u64, u64),
    ) {
        self.known.retain(|object, cover| {
            let range = graph.range_of(*object).unwrap_or_default();
            cover.end.saturating_sub(cover.start) <= range.len() / 2
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
            let range = graph.range_of(object).unwrap_or_default();
            let covered = AddrRange::new(Addr(cover.start), Addr(cover.end));
            let pinned = weigh(range).saturating_sub(weigh(covered));
            tell(cover.group, range.len(), pinned);
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
