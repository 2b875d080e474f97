//! [`Sharing`]: which objects more than one owner leads to.
//!
//! An owner is a variable, all goroutines that began with one function, or what the runtime keeps
//! for finalizers and the like (see `owners`); a guess shares nothing that others lead to. To cut
//! the shortest way to a shared object frees nothing: it is held otherwise as well.
//!
//! Dominators are let go before this is asked, so that their memory is there for ways.

use letgo_heap::{Dominators, Holder, Limits, ObjectId};

use super::owners::Owners;
use super::room;
use super::roots::RootNames;
use super::{Marked, Reading};

/// Of some objects of a graph, whether they are shared.
pub(super) struct Sharing {
    /// A bit a slot.
    words: Vec<u64>,
}

impl Sharing {
    /// Finds those that are `wanted`; nothing where the limits do not allow to know.
    pub(super) fn of(
        reading: &Reading,
        marked: &Marked,
        names: &RootNames<'_>,
        wanted: &dyn Fn(ObjectId) -> bool,
        limits: Limits,
    ) -> Option<Sharing> {
        let graph = &marked.graph;
        let owners = Owners::of(graph.roots(), &reading.census, names);
        let groups = Some(owners.of_root.as_slice());
        let options = room::options(limits);
        let weigh = |_| 0;
        let dominators = Dominators::of(graph, &marked.reachable, &options, groups, &weigh).ok()?;
        let mut tops = Tops::new(&dominators, graph.slots());
        let mut words = vec![0; graph.slots().div_ceil(64) as usize];
        for object in (0..graph.slots()).map(ObjectId) {
            if marked.reachable.has(object)
                && wanted(object)
                && tops.of(object) == Some(Holder::Top)
                && let Some(word) = words.get_mut(object.0 as usize / 64)
            {
                *word |= 1u64 << (object.0 % 64);
            }
        }
        Some(Sharing { words })
    }

    /// Whether an object is shared, of those that were wanted.
    pub(super) fn has(&self, object: ObjectId) -> bool {
        let word = self.words.get(object.0 as usize / 64);
        word.is_some_and(|word| word >> (object.0 % 64) & 1 != 0)
    }
}

/// What holds each object that no other object holds, each found once.
pub(super) struct Tops<'a, 'b> {
    dominators: &'a Dominators<'b>,
    /// By object.
    known: Vec<Option<Holder>>,
    way: Vec<ObjectId>,
}

impl<'a, 'b> Tops<'a, 'b> {
    pub(super) fn new(dominators: &'a Dominators<'b>, slots: u32) -> Tops<'a, 'b> {
        Tops {
            dominators,
            known: vec![None; slots as usize],
            way: Vec::new(),
        }
    }

    /// The group, the finalizers or the top that an object belongs to; nothing for one that is not
    /// reachable.
    pub(super) fn of(&mut self, object: ObjectId) -> Option<Holder> {
        let mut at = object;
        self.way.clear();
        let top = loop {
            if let Some(known) = self.known.get(at.0 as usize).copied().flatten() {
                break known;
            }
            self.way.push(at);
            match self.dominators.holder(at)? {
                Holder::Object(above) => at = above,
                other => break other,
            }
        };
        for passed in &self.way {
            if let Some(known) = self.known.get_mut(passed.0 as usize) {
                *known = Some(top);
            }
        }
        Some(top)
    }
}
