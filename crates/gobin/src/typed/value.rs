//! [`Value`]: what is known of a word while a function runs, and [`State`]: of all of them.
//!
//! Registers and slots of the function's own stack frame. What is not known is
//! [`Value::Unknown`]; a state that two ways of the code lead to knows only what both know.
//!
//! Invariants: a merge never makes anything known that was not, so repeating merges ends.

/// General registers.
const REGISTERS: usize = 16;
/// Most slots of a frame that are followed; what comes beyond is forgotten.
const MOST_SLOTS: usize = 96;

/// What a word is. Addresses are link-time ones.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) enum Value {
    #[default]
    Unknown,
    /// Zero, which is also the nil of every type.
    Zero,
    /// A small number.
    Number(u64),
    /// An address in the image: a descriptor, an itab, a variable, a function.
    Address(u64),
    /// Points to a new object of the type at that address.
    New(u64),
    /// Points to a new array of elements of the type at that address.
    Elems(u64),
    /// A map of that map type.
    Map(u64),
    /// A map that was made by the call that ends there, whatever its type.
    Made(u64),
    /// A channel of that channel type.
    Chan(u64),
    /// Points to the bytes of a new string.
    Text,
    /// What the variable's word at that address holds.
    Loaded(u64),
    /// What a function returned, by its entry, in the register of that number of results.
    Result(u64, u8),
}

impl Value {
    fn merged(self, other: Value) -> Value {
        match (self, other) {
            (a, b) if a == b => a,
            // The nil of a variable whose other value is known.
            (Value::Zero, known) | (known, Value::Zero) => match known {
                Value::Number(_) => Value::Unknown,
                known => known,
            },
            _ => Value::Unknown,
        }
    }
}

/// What is known at one instruction.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct State {
    registers: [Value; REGISTERS],
    /// By offset from the stack pointer, in order.
    slots: Vec<(i64, Value)>,
}

impl State {
    pub(crate) fn register(&self, number: usize) -> Value {
        self.registers.get(number).copied().unwrap_or_default()
    }

    pub(crate) fn set(&mut self, number: usize, value: Value) {
        if let Some(register) = self.registers.get_mut(number) {
            *register = value;
        }
    }

    pub(crate) fn slot(&self, offset: i64) -> Value {
        let found = self.slots.binary_search_by_key(&offset, |slot| slot.0);
        let slot = found.ok().and_then(|index| self.slots.get(index));
        slot.map_or(Value::Unknown, |slot| slot.1)
    }

    /// Stores a word of the frame; what it overlaps is forgotten.
    pub(crate) fn set_slot(&mut self, offset: i64, value: Value) {
        self.forget_slots(offset, 8);
        if value == Value::Unknown || self.slots.len() >= MOST_SLOTS {
            return;
        }
        let index = self.slots.partition_point(|slot| slot.0 < offset);
        self.slots.insert(index, (offset, value));
    }

    /// Forgets slots that share bytes with `len` bytes at `offset`.
    pub(crate) fn forget_slots(&mut self, offset: i64, len: i64) {
        let end = offset.saturating_add(len);
        self.slots
            .retain(|slot| slot.0.saturating_add(8) <= offset || slot.0 >= end);
    }

    /// Forgets all slots from `offset` on.
    pub(crate) fn forget_slots_from(&mut self, offset: i64) {
        self.slots.retain(|slot| slot.0.saturating_add(8) <= offset);
    }

    pub(crate) fn forget_frame(&mut self) {
        self.slots.clear();
    }

    pub(crate) fn forget_registers(&mut self) {
        self.registers = Default::default();
    }

    pub(crate) fn forget(&mut self) {
        self.forget_frame();
        self.forget_registers();
    }

    /// Keeps what `other` knows too; whether anything was lost.
    pub(crate) fn merge(&mut self, other: &State) -> bool {
        let mut changed = false;
        for (own, theirs) in self.registers.iter_mut().zip(&other.registers) {
            let merged = own.merged(*theirs);
            changed |= merged != *own;
            *own = merged;
        }
        self.slots.retain_mut(|(offset, own)| {
            let merged = own.merged(other.slot(*offset));
            changed |= merged != *own;
            *own = merged;
            merged != Value::Unknown
        });
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_both_ways_know_is_kept() {
        let mut one = State::default();
        one.set(0, Value::New(8));
        one.set(1, Value::New(8));
        one.set(3, Value::Zero);
        one.set_slot(16, Value::Map(64));
        one.set_slot(24, Value::Text);
        let mut other = State::default();
        other.set(0, Value::New(8));
        other.set(1, Value::New(16));
        other.set(3, Value::Chan(24));
        other.set_slot(16, Value::Map(64));
        assert!(one.merge(&other));
        assert_eq!(one.register(0), Value::New(8));
        assert_eq!(one.register(1), Value::Unknown);
        assert_eq!(one.register(3), Value::Chan(24));
        assert_eq!(one.slot(16), Value::Map(64));
        assert_eq!(one.slot(24), Value::Unknown);
        let again = one.clone();
        assert!(!one.merge(&again));
    }

    #[test]
    fn what_a_store_overlaps_is_forgotten() {
        let mut state = State::default();
        state.set_slot(8, Value::Text);
        state.set_slot(16, Value::Text);
        state.forget_slots(12, 4);
        assert_eq!(state.slot(8), Value::Unknown);
        assert_eq!(state.slot(16), Value::Text);
        state.set_slot(20, Value::Unknown);
        assert_eq!(state.slot(16), Value::Unknown);
    }
}
