//! [`Turned`]: pointers the other way round: for each object, what leads to it.
//!
//! A counting sort: one pass counts, one puts in. What is kept of each pointer is up to whoever
//! asks: the object that it lies in, or its place in that as well.
//!
//! Invariants: 4 bytes a slot and the items' own; the limit is checked before either is taken.

use super::Bounds;
use crate::Error;

/// Pointers that can be gone over more than once, in one order.
pub(super) trait Arrows {
    /// What is kept of each.
    type Item: Copy + Default;

    /// Hands over each: the slot that it leads to, and what is kept.
    fn each(&self, take: &mut impl FnMut(u32, Self::Item)) -> Result<(), Error>;
}

/// What leads to each slot.
#[derive(Debug)]
pub(super) struct Turned<T> {
    starts: Vec<u32>,
    items: Vec<T>,
}

impl<T: Copy + Default> Turned<T> {
    /// Of so many slots; `beside` are bytes that are taken for something else.
    pub(super) fn of(
        arrows: &impl Arrows<Item = T>,
        slots: u32,
        bounds: Bounds,
        beside: u64,
    ) -> Result<Turned<T>, Error> {
        bounds.room(bytes::<T>(slots, 0).saturating_add(beside))?;
        let mut starts = vec![0u32; slots as usize + 1];
        let mut count = 0u64;
        arrows.each(&mut |target, _| {
            if let Some(start) = starts.get_mut(target as usize) {
                *start += 1;
                count += 1;
            }
        })?;
        bounds.room(bytes::<T>(slots, count).saturating_add(beside))?;
        // Ends, which become starts while they are filled from behind.
        let mut end = 0u32;
        for start in &mut starts {
            end = end.saturating_add(*start);
            *start = end;
        }
        let mut items = vec![T::default(); usize::try_from(count).unwrap_or(0)];
        arrows.each(&mut |target, item| {
            if let Some(start) = starts.get_mut(target as usize) {
                *start = start.wrapping_sub(1);
                if let Some(place) = items.get_mut(*start as usize) {
                    *place = item;
                }
            }
        })?;
        Ok(Turned { starts, items })
    }

    /// What leads to a slot, what was handed over last first.
    #[inline]
    pub(super) fn of_target(&self, number: u32) -> &[T] {
        let at = |number: usize| self.starts.get(number).map_or(0, |at| *at as usize);
        let number = number as usize;
        let range = at(number)..at(number.saturating_add(1));
        self.items.get(range).unwrap_or_default()
    }

    /// Where each slot's items start.
    pub(super) fn starts(&self) -> &[u32] {
        &self.starts
    }
}

/// Bytes that it takes for so many slots and pointers.
pub(super) fn bytes<T>(slots: u32, pointers: u64) -> u64 {
    let items = pointers.saturating_mul(size_of::<T>() as u64);
    items.saturating_add(u64::from(slots).saturating_add(1) * 4)
}
