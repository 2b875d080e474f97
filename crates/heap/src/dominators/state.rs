//! [`State`]: what the walk knows of an object, in 32 bits.
//!
//! Objects, root groups and the top have *ids*; those that others can be reached through also have
//! *numbers*, in the order of the walk.

use std::ops::RangeInclusive;

use crate::prefetch::prefetch;

/// States that are looked at together.
const LOT: usize = 64;
/// Ids and numbers are below.
pub(crate) const MOST: u32 = 1 << 30;
const PENDING: u32 = 1 << 30;
const INNER: u32 = 2 << 30;
const SETTLED: u32 = 3 << 30;
const KIND: u32 = SETTLED;

/// What is known of an object, packed; zero is no object.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct State(u32);

/// What is known of an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Known {
    /// No such object, or not reachable.
    None,
    /// Reachable; nothing that leads to it was visited.
    Unseen,
    /// To be visited; the number of the first that led to it.
    Pending(u32),
    /// Visited; its number.
    Inner(u32),
    /// It leads to no object that leads on; the id of one that leads to it.
    Settled(u32),
}

impl State {
    pub(crate) const UNSEEN: State = State(1);

    #[inline]
    pub(crate) fn settled(id: u32) -> State {
        State(id | SETTLED)
    }

    #[inline]
    pub(crate) fn pending(number: u32) -> State {
        State(number | PENDING)
    }

    #[inline]
    pub(crate) fn inner(number: u32) -> State {
        State(number | INNER)
    }

    #[inline]
    pub(crate) fn known(self) -> Known {
        let number = self.0 & !KIND;
        match self.0 & KIND {
            PENDING => Known::Pending(number),
            INNER => Known::Inner(number),
            SETTLED => Known::Settled(number),
            _ if number == 0 => Known::None,
            _ => Known::Unseen,
        }
    }
}

/// Zeros that are written, not only promised: what is read before it is written to is twice the
/// work for the kernel, and nearly all of this is.
#[allow(clippy::slow_vector_initialization, reason = "it is faster here")]
pub(super) fn zeros(len: usize) -> Vec<u32> {
    let mut zeros = Vec::with_capacity(len);
    zeros.resize(len, 0);
    zeros
}

/// The state of each id.
#[derive(Debug)]
pub(crate) struct States(Vec<u32>);

impl States {
    /// Of so many ids, none of them an object.
    pub(crate) fn new(len: usize) -> States {
        States(zeros(len))
    }

    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    #[inline]
    pub(crate) fn get(&self, id: u32) -> Known {
        let state = self.0.get(id as usize);
        State(state.copied().unwrap_or_default()).known()
    }

    #[inline]
    pub(crate) fn set(&mut self, id: u32, state: State) {
        if let Some(known) = self.0.get_mut(id as usize) {
            *known = state.0;
        }
    }

    /// Asks for the memory of one.
    #[inline]
    pub(crate) fn ask(&self, id: u32) {
        prefetch(&self.0, id as usize);
    }

    /// Every id that is settled to one of `to`, and that one; others may be among them.
    pub(crate) fn settled(&self, to: RangeInclusive<u32>) -> impl Iterator<Item = (u32, u32)> + '_ {
        let (low, high) = (to.start() | SETTLED, to.end() | SETTLED);
        // Most are not, and many are looked at in as many steps as one.
        let near = move |states: &[u32]| {
            let within = states.iter().map(|state| *state >= low && *state <= high);
            within.fold(false, |any, is| any | is)
        };
        let lots = self.0.chunks(LOT).zip((0u32..).step_by(LOT));
        let lots = lots.filter(move |(states, _)| near(states));
        let states = lots.flat_map(|(states, first)| (first..).zip(states));
        states.filter_map(|(id, state)| match State(*state).known() {
            Known::Settled(above) => Some((id, above)),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_what_was_put_in() {
        let mut states = States::new(2);
        assert_eq!(states.get(1), Known::None);
        assert_eq!(states.get(2), Known::None);
        states.set(1, State::UNSEEN);
        assert_eq!(states.get(1), Known::Unseen);
        for number in [0, 7, MOST - 1] {
            states.set(1, State::pending(number));
            assert_eq!(states.get(1), Known::Pending(number));
            states.set(1, State::inner(number));
            assert_eq!(states.get(1), Known::Inner(number));
            states.set(1, State::settled(number));
            assert_eq!(states.get(1), Known::Settled(number));
        }
        let settled = |to| states.settled(to).collect::<Vec<_>>();
        assert_eq!(settled(0..=MOST - 1), [(1, MOST - 1)]);
        assert_eq!(settled(MOST - 1..=MOST - 1), [(1, MOST - 1)]);
        assert_eq!(settled(0..=MOST - 2), []);
    }
}
