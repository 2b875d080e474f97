//! Memory that lies, the same way each time: about nothing in particular, in bad ways.

use letgo_target::{Addr, Fault, ReadMemory};

/// Memory of which one word in so many is not what it was, and one read in so many fails.
pub(crate) struct Liar<'a> {
    pub(crate) memory: &'a dyn ReadMemory,
    pub(crate) seed: u64,
    pub(crate) one_word_in: u64,
    pub(crate) one_read_in: u64,
}

/// A number that depends on nothing but these.
pub(crate) fn dice(seed: u64, addr: u64) -> u64 {
    let mut x = seed ^ addr.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x ^= x >> 31;
    x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^ x >> 29
}

/// What a lie looks like: the worst that a number can be, or the address that it was read from.
pub(crate) fn lie(dice: u64, addr: u64, truth: u64) -> u64 {
    match dice >> 40 & 7 {
        0 => 0,
        1 => u64::MAX,
        2 => 1 << 63,
        3 => addr,
        4 => truth.wrapping_add(8),
        5 => truth ^ 1 << (dice >> 50 & 63),
        6 => u64::from(u32::MAX),
        _ => dice,
    }
}

impl ReadMemory for Liar<'_> {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        if dice(self.seed, addr.0).is_multiple_of(self.one_read_in) {
            let len = buf.len() as u64;
            return Err(Fault::NotResident { addr, len });
        }
        self.memory.read(addr, buf)?;
        for (number, word) in (0u64..).zip(buf.chunks_exact_mut(8)) {
            // Nothing can be read at the very end, and nothing is what some ask for there.
            let at = addr.0.wrapping_add(number * 8);
            let dice = dice(self.seed, at);
            if dice.is_multiple_of(self.one_word_in) {
                let truth = u64::from_le_bytes(word.try_into().unwrap());
                word.copy_from_slice(&lie(dice, at, truth).to_le_bytes());
            }
        }
        Ok(())
    }
}
