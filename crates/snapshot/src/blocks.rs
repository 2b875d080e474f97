//! [`Blocks`]: where the data lies in the file, cut into blocks that are compressed one by one.
//!
//! Every block but the last has 256 KiB of data. One that did not become smaller is stored as it
//! is: its stored length is then its raw length.
//!
//! Invariants of what is returned: blocks cover the data without a gap, and lie within the file.

use crate::Error;
use crate::bytes::{u32_at, u64_at};
use crate::format::{HEADER_BYTES, Place};

/// Bytes of data in a block, as we write it: heaps compress no better in blocks of 1 MiB, and a
/// few words out of one of those take four times as long.
pub(crate) const BLOCK: usize = 256 << 10;
/// Most bytes of data in a block that is read.
const MOST_BLOCK: u64 = 16 << 20;
const HEAD_BYTES: usize = 16;
const ENTRY_BYTES: usize = 24;

/// A block of the data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Block {
    /// Where its stored bytes lie.
    pub(crate) place: Place,
    /// How many bytes of data it holds.
    pub(crate) raw_len: usize,
}

/// All blocks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Blocks {
    /// Bytes of data of each block but the last.
    block_len: u64,
    data_len: u64,
    blocks: Vec<Block>,
}

impl Blocks {
    pub(crate) fn new() -> Blocks {
        Blocks {
            block_len: BLOCK as u64,
            data_len: 0,
            blocks: Vec::new(),
        }
    }

    /// Adds the next one.
    pub(crate) fn push(&mut self, block: Block) {
        self.data_len += block.raw_len as u64;
        self.blocks.push(block);
    }

    /// Bytes of all data.
    pub(crate) fn data_len(&self) -> u64 {
        self.data_len
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.blocks.len()
    }

    /// All of them, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Block> {
        self.blocks.iter()
    }

    /// The block that holds a position of the data: its number, itself, and how far inside.
    pub(crate) fn at(&self, position: u64) -> Option<(usize, Block, usize)> {
        let number = usize::try_from(position / self.block_len).ok()?;
        let inside = usize::try_from(position % self.block_len).ok()?;
        Some((number, *self.blocks.get(number)?, inside))
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(self.block_len.to_le_bytes());
        bytes.extend(self.data_len.to_le_bytes());
        for block in &self.blocks {
            let narrow = |len: u64| u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes();
            bytes.extend(block.place.offset.to_le_bytes());
            bytes.extend(narrow(block.place.len));
            bytes.extend(narrow(block.raw_len as u64));
            bytes.extend(block.place.checksum.to_le_bytes());
        }
        bytes
    }

    /// Reads them, of a file of `file_len` bytes.
    pub(crate) fn decode(bytes: &[u8], file_len: u64) -> Result<Blocks, Error> {
        let broken = |why: &str| Error::inconsistent("its table of blocks", 0, why);
        let head = bytes.split_at_checked(HEAD_BYTES);
        let (head, entries) = head.ok_or_else(|| broken("it ends in its head"))?;
        let block_len = u64_at(head, 0).unwrap_or_default();
        let data_len = u64_at(head, 8).unwrap_or_default();
        if block_len == 0 || block_len > MOST_BLOCK {
            return Err(broken("blocks of a length that cannot be"));
        }
        let count = entries.len() as u64 / ENTRY_BYTES as u64;
        if !entries.len().is_multiple_of(ENTRY_BYTES) || count != data_len.div_ceil(block_len) {
            return Err(broken("another number of blocks than its data needs"));
        }
        let mut blocks = Vec::with_capacity(entries.len() / ENTRY_BYTES);
        let mut left = data_len;
        for entry in entries.chunks_exact(ENTRY_BYTES) {
            let block = decode_block(entry, left.min(block_len), file_len);
            blocks.push(block.ok_or_else(|| broken("a block that cannot be"))?);
            left = left.saturating_sub(block_len);
        }
        Ok(Blocks {
            block_len,
            data_len,
            blocks,
        })
    }
}

/// A block that should hold `raw_len` bytes of data.
fn decode_block(entry: &[u8], raw_len: u64, file_len: u64) -> Option<Block> {
    let place = Place {
        offset: u64_at(entry, 0)?,
        len: u64::from(u32_at(entry, 8)?),
        checksum: u64_at(entry, 16)?,
    };
    let end = place.offset.checked_add(place.len)?;
    let fits = place.offset >= HEADER_BYTES as u64 && end <= file_len && place.len <= raw_len;
    let same = u64::from(u32_at(entry, 12)?) == raw_len;
    let raw_len = usize::try_from(raw_len).ok()?;
    (fits && same).then_some(Block { place, raw_len })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks() -> Blocks {
        let mut blocks = Blocks::new();
        for (offset, len, raw_len) in [(64, 10, BLOCK), (74, 5, 5)] {
            blocks.push(Block {
                place: Place {
                    offset,
                    len,
                    checksum: offset,
                },
                raw_len,
            });
        }
        blocks
    }

    #[test]
    fn blocks_come_back_and_are_found_by_position() {
        let blocks = Blocks::decode(&blocks().encode(), 79).unwrap();
        assert_eq!(blocks, super::tests::blocks());
        assert_eq!(blocks.at(BLOCK as u64 - 1).unwrap().2, BLOCK - 1);
        let (number, block, inside) = blocks.at(BLOCK as u64 + 3).unwrap();
        assert_eq!((number, block.raw_len, inside), (1, 5, 3));
        assert_eq!(blocks.at(2 * BLOCK as u64), None);
    }

    #[test]
    fn a_table_that_does_not_cover_its_data_is_damage() {
        let bytes = blocks().encode();
        assert!(Blocks::decode(&bytes, 78).is_err(), "outside of the file");
        assert!(Blocks::decode(&bytes[..bytes.len() - 24], 79).is_err());
        assert!(Blocks::decode(&bytes[..8], 79).is_err());
        for (at, value) in [(2, 0), (7, 1), (8, 6), (16, 63), (28, 1)] {
            let mut bytes = bytes.clone();
            bytes[at] = value;
            assert!(Blocks::decode(&bytes, 79).is_err(), "byte {at}");
        }
    }
}
