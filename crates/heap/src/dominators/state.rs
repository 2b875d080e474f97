//! [`State`]: what the walk knows of an object, in 32 bits.
//!
//! Objects, root groups and the top have *ids*; those that others can be reached through also have
//! *numbers*, in the order of the walk.

/// Ids and numbers are below.
pub(crate) const MOST: u32 = 1 << 30;
const PENDING: u32 = 1 << 30;
const INNER: u32 = 2 << 30;
const KIND: u32 = 3 << 30;

/// What is known of an object, packed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct State(u32);

/// What is known of an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Known {
    /// Nothing.
    Unseen,
    /// It leads to no object that leads on; the id of one that leads to it.
    Settled(u32),
    /// To be visited; the number of the first that led to it.
    Pending(u32),
    /// Visited; its number.
    Inner(u32),
}

impl State {
    pub(crate) const UNSEEN: State = State(u32::MAX);

    #[inline]
    pub(crate) fn settled(id: u32) -> State {
        State(id)
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
            0 => Known::Settled(number),
            PENDING => Known::Pending(number),
            INNER => Known::Inner(number),
            _ => Known::Unseen,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_what_was_put_in() {
        assert_eq!(State::UNSEEN.known(), Known::Unseen);
        for number in [0, 7, MOST - 1] {
            assert_eq!(State::settled(number).known(), Known::Settled(number));
            assert_eq!(State::pending(number).known(), Known::Pending(number));
            assert_eq!(State::inner(number).known(), Known::Inner(number));
        }
    }
}
