//! [`Referrers`]: who points to each object, and from where in it.
//!
//! Of all objects in use, garbage as well.
//!
//! Does not read the target.
//!
//! Invariants: 4 bytes a slot and 8 a pointer, within [`crate::Limits::path_bytes`]; there is no
//! partial answer.

use super::turned::{self, Arrows, Turned};
use super::{Bounds, LOOK};
use crate::pointing::Pointing;
use crate::{Error, Graph, GraphOptions, ObjectId};

/// An object, and which of its words.
type Item = (u32, u32);

/// Who points to each object.
#[derive(Debug)]
pub struct Referrers(Turned<Item>);

impl Referrers {
    /// The pointer number `at` that leads to an object: the object that it lies in, and how many
    /// bytes behind the start of its slot. By rising number of that, then by offset.
    #[inline]
    pub fn of(&self, object: ObjectId, at: usize) -> Option<(ObjectId, u64)> {
        let items = self.0.of_target(object.0);
        let (source, word) = *items.iter().rev().nth(at)?;
        Some((ObjectId(source), u64::from(word) * 8))
    }
}

impl Graph {
    /// Finds who points to each object.
    ///
    /// # Errors
    /// [`Error::PathBytes`], [`Error::PathTime`].
    pub fn referrers(&self, options: &GraphOptions<'_>) -> Result<Referrers, Error> {
        let bounds = self.bounds(options);
        bounds.room(self.referrers_bytes())?;
        let arrows = All {
            graph: self,
            bounds,
        };
        Ok(Referrers(Turned::of(&arrows, self.slots(), bounds, 0)?))
    }

    /// The most bytes that [`Graph::referrers`] takes; all there are where words of an object
    /// cannot be numbered.
    pub fn referrers_bytes(&self) -> u64 {
        let largest = self.objects.spans.iter().map(|span| span.elem_size).max();
        match largest.is_some_and(|size| size / 8 > u64::from(u32::MAX)) {
            true => u64::MAX,
            false => turned::bytes::<Item>(self.slots(), self.edges()),
        }
    }
}

/// All pointers between objects in use.
struct All<'a> {
    graph: &'a Graph,
    bounds: Bounds,
}

impl Arrows for All<'_> {
    type Item = Item;

    fn each(&self, take: &mut impl FnMut(u32, Item)) -> Result<(), Error> {
        for number in 0..self.graph.slots() {
            if (number as usize).is_multiple_of(LOOK) {
                self.bounds.time()?;
            }
            if !self.graph.objects.in_use.has(number) {
                continue;
            }
            let mut pointing = Pointing::new(self.graph, ObjectId(number));
            while let Some(pointer) = pointing.next(self.graph) {
                let word = u32::try_from(pointer.offset / 8).unwrap_or(u32::MAX);
                take(pointer.target.0, (number, word));
            }
        }
        Ok(())
    }
}
