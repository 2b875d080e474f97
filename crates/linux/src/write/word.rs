//! [`Word`]: what one store writes.

use std::fmt;

/// A word of one, four or eight bytes. What the bits mean (signed, floating) is the owner's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Word {
    /// One byte.
    U8(u8),
    /// Four bytes.
    U32(u32),
    /// Eight bytes.
    U64(u64),
}

impl Word {
    /// Bytes: 1, 4 or 8.
    pub fn width(self) -> usize {
        match self {
            Word::U8(_) => 1,
            Word::U32(_) => 4,
            Word::U64(_) => 8,
        }
    }

    /// The bits, zeros above.
    pub fn bits(self) -> u64 {
        match self {
            Word::U8(bits) => bits.into(),
            Word::U32(bits) => bits.into(),
            Word::U64(bits) => bits,
        }
    }

    /// A word of `width` bytes with these bits; nothing where there is no such width, or the bits
    /// do not fit.
    pub fn new(width: usize, bits: u64) -> Option<Word> {
        match width {
            1 => bits.try_into().ok().map(Word::U8),
            4 => bits.try_into().ok().map(Word::U32),
            8 => Some(Word::U64(bits)),
            _ => None,
        }
    }

    /// The bytes as the target keeps them; those behind `width` are zeros.
    pub(crate) fn bytes(self) -> [u8; 8] {
        self.bits().to_le_bytes()
    }

    /// In how many bytes it differs from a word of the same width.
    pub(crate) fn bytes_changed(self, other: Word) -> usize {
        let changed = self.bits() ^ other.bits();
        changed
            .to_le_bytes()
            .iter()
            .filter(|byte| **byte != 0)
            .count()
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.bits())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_that_do_not_fit_are_no_word() {
        assert_eq!(Word::new(1, 255), Some(Word::U8(255)));
        assert_eq!(Word::new(1, 256), None);
        assert_eq!(Word::new(4, 1 << 32), None);
        assert_eq!(Word::new(2, 0), None);
        assert_eq!(Word::new(8, u64::MAX), Some(Word::U64(u64::MAX)));
    }

    #[test]
    fn bytes_changed_are_counted() {
        assert_eq!(Word::U32(100).bytes_changed(Word::U32(50)), 1);
        assert_eq!(Word::U32(100).bytes_changed(Word::U32(400)), 2);
        assert_eq!(Word::U32(100).bytes_changed(Word::U32(u32::MAX)), 4);
        assert_eq!(Word::U64(7).bytes_changed(Word::U64(7)), 0);
    }
}
