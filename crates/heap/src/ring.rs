//! [`Ring`]: things that are dealt with a few later than they were met.
//!
//! So the memory that they need can be asked for meanwhile.

/// The last few things that were put in.
pub(crate) struct Ring<T, const LEN: usize> {
    places: [T; LEN],
    at: usize,
}

impl<T: Copy + Default, const LEN: usize> Default for Ring<T, LEN> {
    fn default() -> Ring<T, LEN> {
        Ring {
            places: [T::default(); LEN],
            at: 0,
        }
    }
}

impl<T: Copy + Default, const LEN: usize> Ring<T, LEN> {
    /// Puts a thing in and takes the oldest out.
    #[inline]
    pub(crate) fn put(&mut self, thing: T) -> T {
        self.at = (self.at + 1) % LEN;
        let place = self.places.get_mut(self.at);
        place.map_or(thing, |place| std::mem::replace(place, thing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_come_out_in_order_and_all_of_them() {
        let mut ring = Ring::<u32, 4>::default();
        let things = (1..=10).chain([0; 4]);
        let out: Vec<u32> = things.map(|thing| ring.put(thing)).collect();
        let expected: Vec<u32> = [0; 4].into_iter().chain(1..=10).collect();
        assert_eq!(out, expected);
    }
}
