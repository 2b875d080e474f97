//! [`Sketch`]: the account over the address space: how many resident bytes of each leaf lie in
//! each cell of it.
//!
//! A cell is a stretch of address space of a power of two of bytes. Cells without a resident byte
//! are left out. Where a span is split by counts and not by bits, its leaves lie in it in the order
//! of the account's tree: within a span, places are not those of single slots.
//!
//! Invariant: the bytes of a leaf over all cells are its resident bytes in the account.

use std::collections::BTreeMap;

use letgo_target::{Addr, AddrRange};

use crate::Leaf;

/// A cell is at least a runtime page.
const LEAST_CELL: u64 = 8192;

/// Resident bytes by cell and leaf.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sketch {
    shift: u32,
    cells: BTreeMap<u64, Vec<(Leaf, u64)>>,
}

impl Sketch {
    /// An empty one; a cell is of at least so many bytes.
    pub fn new(cell_bytes: u64) -> Sketch {
        let bytes = cell_bytes.clamp(LEAST_CELL, 1 << 40).next_power_of_two();
        Sketch {
            shift: bytes.trailing_zeros(),
            cells: BTreeMap::new(),
        }
    }

    /// Bytes of a cell.
    pub fn cell_bytes(&self) -> u64 {
        1 << self.shift
    }

    /// How many cells have resident bytes.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether none has.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Where each cell starts, with what lies in it, by address.
    pub fn cells(&self) -> impl Iterator<Item = (Addr, &[(Leaf, u64)])> {
        let start = |cell: &u64| Addr(cell << self.shift);
        let cells = self.cells.iter();
        cells.map(move |(cell, parts)| (start(cell), parts.as_slice()))
    }

    /// The same with cells that are twice as large.
    #[must_use]
    pub fn coarser(self) -> Sketch {
        let mut coarser = Sketch {
            shift: self.shift + 1,
            cells: BTreeMap::new(),
        };
        for (cell, parts) in self.cells {
            let into = coarser.cells.entry(cell >> 1).or_default();
            for (leaf, bytes) in parts {
                add(into, leaf, bytes);
            }
        }
        coarser
    }

    /// Counts resident bytes of a leaf.
    pub(crate) fn add(&mut self, leaf: Leaf, range: AddrRange) {
        let mut at = range.start();
        while at < range.end() {
            let cell = at.0 >> self.shift;
            let next = (cell + 1).checked_shl(self.shift).unwrap_or(u64::MAX);
            let end = range.end().min(Addr(next));
            if end <= at {
                return;
            }
            add(self.cells.entry(cell).or_default(), leaf, end.since(at));
            at = end;
        }
    }
}

fn add(parts: &mut Vec<(Leaf, u64)>, leaf: Leaf, bytes: u64) {
    match parts.iter_mut().find(|(own, _)| *own == leaf) {
        Some((_, sum)) => *sum += bytes,
        None => parts.push((leaf, bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_split_at_cells_and_kept_when_cells_grow() {
        let mut sketch = Sketch::new(8192);
        sketch.add(Leaf::HeapIdle, AddrRange::new(Addr(0x1000), Addr(0x5000)));
        sketch.add(Leaf::HeapReachable, AddrRange::new(Addr(0), Addr(0x1000)));
        let cells: Vec<(u64, usize)> = sketch
            .cells()
            .map(|(at, parts)| (at.0, parts.len()))
            .collect();
        assert_eq!(cells, [(0, 2), (0x2000, 1), (0x4000, 1)]);
        let sum = |sketch: &Sketch| -> u64 {
            let parts = sketch.cells().flat_map(|(_, parts)| parts);
            parts.map(|(_, bytes)| bytes).sum()
        };
        assert_eq!(sum(&sketch), 0x5000);
        let coarser = sketch.coarser();
        assert_eq!((coarser.cell_bytes(), coarser.len()), (0x4000, 2));
        assert_eq!(sum(&coarser), 0x5000);
    }
}
