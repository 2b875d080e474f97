//! [`Near`], [`Ahead`]: what pointers say of the objects that they lead to, a while before it is
//! looked at.
//!
//! Nearly all of the time would go by waiting for memory: for what is known of an object; where
//! that does not say all, for the number of its span, for the span, for the object's words. Each is
//! asked for as soon as the one before is there.
//!
//! Does not look at anything itself (see `pass`).
//!
//! Invariants: what is put in comes out once, in order.

use crate::objects::HeapSpan;

/// Places of what is near; a power of two.
pub(super) const NEAR: usize = 32;
/// Places of what is looked at; a power of two, more than three steps.
pub(super) const PLACES: usize = 32;
/// Places from one step to the next.
const STEP: usize = 8;

/// What a pointer says.
#[derive(Clone, Copy, Default)]
pub(super) struct Led<'a> {
    /// A packed [`Lead`](super::kinds::Lead); 0 for no pointer.
    pub(super) lead: u32,
    /// The slot that it leads to.
    pub(super) target: u32,
    /// Which of all pointers.
    pub(super) edge: u32,
    /// That slot's span, once it was looked up.
    pub(super) span: Option<&'a HeapSpan>,
}

/// The last few pointers.
#[derive(Default)]
pub(super) struct Near {
    places: [(u32, u32, u32); NEAR],
    at: usize,
}

impl Near {
    /// Puts one in, and takes out the one that was put in [`NEAR`] steps ago.
    #[inline]
    pub(super) fn put<'a>(&mut self, led: Led<'a>) -> Led<'a> {
        self.at = self.at.wrapping_add(1) % NEAR;
        let Some(place) = self.places.get_mut(self.at) else {
            return led;
        };
        let put = (led.lead, led.target, led.edge);
        let (lead, target, edge) = std::mem::replace(place, put);
        Led {
            lead,
            target,
            edge,
            span: None,
        }
    }
}

/// The last few pointers to objects that are looked at.
#[derive(Default)]
pub(super) struct Ahead<'a> {
    places: [Led<'a>; PLACES],
    at: usize,
}

impl<'a> Ahead<'a> {
    /// Puts one in.
    #[inline]
    pub(super) fn put(&mut self, led: Led<'a>) {
        self.at = self.at.wrapping_add(1) % PLACES;
        if let Some(place) = self.places.get_mut(self.at) {
            *place = led;
        }
    }

    /// The one that was put in so many steps ago.
    #[inline]
    pub(super) fn before(&mut self, steps: usize) -> Option<&mut Led<'a>> {
        let at = self.at.wrapping_sub(steps * STEP) % PLACES;
        self.places.get_mut(at).filter(|led| led.lead != 0)
    }

    /// Takes out the one that was put in three steps ago.
    #[inline]
    pub(super) fn take(&mut self) -> Option<Led<'a>> {
        self.before(3).map(std::mem::take)
    }

    /// Drops the one that was put in so many steps ago.
    #[inline]
    pub(super) fn drop(&mut self, steps: usize) {
        if let Some(led) = self.before(steps) {
            led.lead = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_comes_out_a_while_later_in_order() {
        let mut near = Near::default();
        let mut out = Vec::new();
        for lead in (1..100).chain(std::iter::repeat_n(0, NEAR)) {
            let led = near.put(Led {
                lead,
                ..Led::default()
            });
            out.extend(Some(led.lead).filter(|lead| *lead != 0));
        }
        assert_eq!(out, (1..100).collect::<Vec<u32>>());
    }

    #[test]
    fn what_was_put_in_comes_out_once_and_in_order() {
        let mut ahead = Ahead::default();
        let mut out = Vec::new();
        for lead in (1..100).chain(std::iter::repeat_n(0, PLACES)) {
            ahead.put(Led {
                lead,
                ..Led::default()
            });
            if lead == 7 {
                ahead.drop(0);
            }
            out.extend(ahead.take().map(|led| led.lead));
        }
        let all: Vec<u32> = (1..100).filter(|lead| *lead != 7).collect();
        assert_eq!(out, all);
    }
}
