//! Pc-value tables: a value for each stretch of a function's code.
//!
//! Pairs of a zig-zag value delta and a pc delta, both variable-length; a value delta of 0 ends
//! the table, except at its start. The first value is -1.
//!
//! Source: src/runtime/symtab.go, pcvalue and step; Go 1.2 Runtime Symbol Information.

use letgo_target::{Addr, AddrRange, read_bytes};

use super::broken;
use crate::bytes::uvarint;
use crate::{Error, Image};

/// Bytes read first, and the most that are read of one table. A function of 1 MB has 100 KB.
const FIRST_BYTES: u64 = 512;
const MOST_BYTES: u64 = 4 << 20;

/// The value at `pc_offset` from the function's entry, of the table at `offset` of `pctab`; absent
/// where there is no table or it ends before.
pub(crate) fn value_at(
    image: &Image,
    pctab: AddrRange,
    offset: u32,
    pc_offset: u64,
) -> Result<Option<i32>, Error> {
    if offset == 0 {
        return Ok(None);
    }
    let at = pctab.start().add(u64::from(offset));
    let left = pctab.end().since(at).min(MOST_BYTES);
    let mut len = left.min(FIRST_BYTES);
    loop {
        let bytes = read_bytes(image, at, len, MOST_BYTES)?;
        match decode(&bytes, pc_offset) {
            Decoded::Value(value) => return Ok(Some(value)),
            Decoded::Ended => return Ok(None),
            Decoded::Cut if len == left => return Err(cut(at)),
            Decoded::Cut => len = left.min(len * 16),
        }
    }
}

fn cut(at: Addr) -> Error {
    broken(at, "a pc-value table has no end")
}

#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Decoded {
    Value(i32),
    Ended,
    Cut,
}

/// Walks one table; each step consumes bytes, so it ends.
pub(crate) fn decode(mut bytes: &[u8], pc_offset: u64) -> Decoded {
    let take = |bytes: &mut &[u8]| {
        let (value, len) = uvarint(bytes)?;
        *bytes = bytes.get(len..)?;
        Some(value)
    };
    let (mut value, mut pc, mut first) = (-1i32, 0u64, true);
    loop {
        let Some(delta) = take(&mut bytes) else {
            return Decoded::Cut;
        };
        if delta == 0 && !first {
            return Decoded::Ended;
        }
        let Some(step) = take(&mut bytes) else {
            return Decoded::Cut;
        };
        value = value.wrapping_add(zig_zag(delta));
        pc = pc.saturating_add(step);
        if pc_offset < pc {
            return Decoded::Value(value);
        }
        first = false;
    }
}

fn zig_zag(delta: u64) -> i32 {
    // The runtime keeps 32 bits of it.
    let [a, b, c, d, ..] = delta.to_le_bytes();
    let delta = u32::from_le_bytes([a, b, c, d]);
    let sign = if delta & 1 == 0 { 0 } else { u32::MAX };
    ((delta >> 1) ^ sign).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_follow_their_stretches() {
        // -1 + 11 = 10 for 4 bytes, then +2 for 200 bytes, then -3 for 1 byte, then the end.
        let table = [22, 4, 4, 0xc8, 1, 5, 1, 0];
        assert_eq!(decode(&table, 0), Decoded::Value(10));
        assert_eq!(decode(&table, 3), Decoded::Value(10));
        assert_eq!(decode(&table, 4), Decoded::Value(12));
        assert_eq!(decode(&table, 203), Decoded::Value(12));
        assert_eq!(decode(&table, 204), Decoded::Value(9));
        assert_eq!(decode(&table, 205), Decoded::Ended);
    }

    #[test]
    fn a_first_delta_of_zero_is_a_value_and_cut_tables_say_so() {
        assert_eq!(decode(&[0, 8, 0], 1), Decoded::Value(-1));
        assert_eq!(decode(&[2, 8, 2], 9), Decoded::Cut);
        assert_eq!(decode(&[], 0), Decoded::Cut);
        assert_eq!(decode(&[0xff; 40], 0), Decoded::Cut);
    }
}
