//! Little-endian numbers into and out of bytes, and the checksum of all of it.

use twox_hash::XxHash3_64;

pub(crate) use letgo_target::bytes::{u16_at, u32_at, u64_at};

/// The checksum of every part of a snapshot: XXH3, 64 bits, seed 0.
pub(crate) fn checksum(bytes: &[u8]) -> u64 {
    XxHash3_64::oneshot(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_one_that_others_compute() {
        // Of xxHash 0.8, seed 0: the empty input, as its documentation and tests have it.
        assert_eq!(checksum(b""), 0x2d06_8005_38d3_94c2);
        assert_ne!(checksum(b"a"), checksum(b"b"));
    }
}
