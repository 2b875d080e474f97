//! [`Addr`] and [`AddrRange`]: places in a target's address space.
//!
//! Arithmetic saturates or is checked, because addresses and lengths come from a target and may
//! be nonsense.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A virtual address in a target. Never an address of our own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Addr(pub u64);

impl Addr {
    /// The nil pointer.
    pub const NULL: Addr = Addr(0);

    /// Whether this is the nil pointer.
    pub fn is_null(self) -> bool {
        self.0 == 0
    }

    /// Adds `bytes`, saturating at the end of the address space.
    #[must_use]
    #[allow(
        clippy::should_implement_trait,
        reason = "`+` would not show that it saturates"
    )]
    pub fn add(self, bytes: u64) -> Addr {
        Addr(self.0.saturating_add(bytes))
    }

    /// Adds `bytes`, or nothing where the sum leaves the address space.
    pub fn checked_add(self, bytes: u64) -> Option<Addr> {
        self.0.checked_add(bytes).map(Addr)
    }

    /// Moves by a load bias, wrapping (a PIE's link addresses start at 0).
    #[must_use]
    pub fn biased(self, bias: u64) -> Addr {
        Addr(self.0.wrapping_add(bias))
    }

    /// Bytes from `earlier` to here, 0 where `earlier` is later.
    pub fn since(self, earlier: Addr) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Rounds down to a multiple of `align`, a power of two.
    #[must_use]
    pub fn align_down(self, align: u64) -> Addr {
        Addr(self.0 & !(align.wrapping_sub(1)))
    }

    /// Rounds up to a multiple of `align`, a power of two; saturates.
    #[must_use]
    pub fn align_up(self, align: u64) -> Addr {
        self.add(align.wrapping_sub(1)).align_down(align)
    }
}

impl fmt::Debug for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::LowerHex for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::LowerHex::fmt(&self.0, f)
    }
}

/// A half-open range `[start, end)`; `start <= end` always holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct AddrRange {
    start: Addr,
    end: Addr,
}

impl AddrRange {
    /// The range from `start` to `end`, empty at `start` where `end` is before it.
    pub fn new(start: Addr, end: Addr) -> AddrRange {
        AddrRange {
            start,
            end: end.max(start),
        }
    }

    /// The range of `len` bytes at `start`, cut at the end of the address space.
    pub fn sized(start: Addr, len: u64) -> AddrRange {
        AddrRange {
            start,
            end: start.add(len),
        }
    }

    /// The first address.
    pub fn start(self) -> Addr {
        self.start
    }

    /// The address behind the last one.
    pub fn end(self) -> Addr {
        self.end
    }

    /// Length in bytes.
    pub fn len(self) -> u64 {
        self.end.0 - self.start.0
    }

    /// Whether it holds no byte.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Whether `addr` lies inside.
    pub fn contains(self, addr: Addr) -> bool {
        self.start <= addr && addr < self.end
    }

    /// Whether `other` lies wholly inside.
    pub fn covers(self, other: AddrRange) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// Moves by a load bias, wrapping.
    #[must_use]
    pub fn biased(self, bias: u64) -> AddrRange {
        AddrRange::new(self.start.biased(bias), self.end.biased(bias))
    }

    /// The shared part, empty where there is none.
    #[must_use]
    pub fn intersect(self, other: AddrRange) -> AddrRange {
        AddrRange::new(self.start.max(other.start), self.end.min(other.end))
    }

    /// The smallest range of whole multiples of `align` that covers this one.
    #[must_use]
    pub fn widen(self, align: u64) -> AddrRange {
        AddrRange::new(self.start.align_down(align), self.end.align_up(align))
    }
}

impl fmt::Debug for AddrRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}-{:#x}", self.start.0, self.end.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backward_range_is_empty_at_its_start() {
        let range = AddrRange::new(Addr(8), Addr(4));
        assert!(range.is_empty());
        assert_eq!(range.start(), Addr(8));
    }

    #[test]
    fn a_length_past_the_address_space_is_cut() {
        let range = AddrRange::sized(Addr(u64::MAX - 1), 1 << 63);
        assert_eq!(range.len(), 1);
    }

    #[test]
    fn intersect_of_disjoint_ranges_is_empty() {
        let low = AddrRange::sized(Addr(0x1000), 0x1000);
        let high = AddrRange::sized(Addr(0x3000), 0x1000);
        assert!(low.intersect(high).is_empty());
        assert!(high.intersect(low).is_empty());
    }

    #[test]
    fn widen_reaches_whole_pages() {
        let range = AddrRange::sized(Addr(0x1fff), 2).widen(0x1000);
        assert_eq!(range, AddrRange::new(Addr(0x1000), Addr(0x3000)));
    }
}
