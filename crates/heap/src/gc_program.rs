//! GC programs: run-length encoded pointer masks, up to 1.23.
//!
//! A program is a sequence of instructions: `0nnnnnnn` emits the next n bits, `1nnnnnnn c` repeats
//! the last n bits c times (n of 0 stands for a number that follows), `00000000` ends it. This
//! module reads no target.
//!
//! Invariant: as many bits come out as asked for, or fewer; never more work than that.
//!
//! Source: src/runtime/mbitmap.go, `runGCProg`, go1.19 to go1.23.

/// The mask that `program` gives, at most `most` bits; nothing where it makes no sense.
pub(crate) fn run(program: &[u8], most: u64) -> Option<Vec<u64>> {
    let mut out = Bits::default();
    let mut rest = program;
    while out.len < most {
        let inst = take(&mut rest)?;
        let mut n = u64::from(inst & 0x7f);
        if inst & 0x80 == 0 {
            if n == 0 {
                break;
            }
            out.literal(&mut rest, n)?;
            continue;
        }
        if n == 0 {
            n = varint(&mut rest)?;
        }
        let times = varint(&mut rest)?;
        out.repeat(n, times, most)?;
    }
    Some(out.words)
}

fn take(bytes: &mut &[u8]) -> Option<u8> {
    let (first, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(*first)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..63).step_by(7) {
        let byte = take(bytes)?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[derive(Default)]
struct Bits {
    words: Vec<u64>,
    len: u64,
}

impl Bits {
    fn push(&mut self, bit: bool) {
        if self.len.is_multiple_of(64) {
            self.words.push(0);
        }
        if let Some(word) = self.words.last_mut() {
            *word |= u64::from(bit) << (self.len % 64);
        }
        self.len += 1;
    }

    fn literal(&mut self, rest: &mut &[u8], n: u64) -> Option<()> {
        let mut byte = 0;
        for bit in 0..n {
            if bit % 8 == 0 {
                byte = take(rest)?;
            }
            self.push(byte >> (bit % 8) & 1 == 1);
        }
        Some(())
    }

    /// Emits the last `n` bits `times` more.
    fn repeat(&mut self, n: u64, times: u64, most: u64) -> Option<()> {
        if n == 0 || n > self.len {
            return None;
        }
        let end = n.saturating_mul(times).saturating_add(self.len).min(most);
        while self.len < end {
            let from = self.len - n;
            let word = usize::try_from(from / 64)
                .ok()
                .and_then(|at| self.words.get(at));
            let bit = word? >> (from % 64) & 1 == 1;
            self.push(bit);
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_repeats() {
        // 101, then twice more: 101101101; then one zero bit 60 times.
        let program = [3, 0b101, 0x83, 2, 1, 0, 0x81, 60, 0];
        let mask = run(&program, 1000).unwrap();
        assert_eq!(mask, [0b1_0110_1101, 0]);
    }

    #[test]
    fn a_long_repeat_counts_in_a_number_that_follows() {
        // 16 bits, the 16 repeated by 0x80 16.
        let program = [16, 0xff, 0x00, 0x80, 16, 3, 0];
        assert_eq!(run(&program, 64).unwrap(), [0x00ff_00ff_00ff_00ff]);
    }

    #[test]
    fn nonsense_is_nothing_and_bounded() {
        assert_eq!(run(&[], 8), None);
        assert_eq!(run(&[0x85, 1, 0], 8), None, "repeats what is not there");
        assert_eq!(run(&[9, 1], 64), None, "cut");
        assert_eq!(run(&[0x80; 40], 64), None);
        let endless = [1, 1, 0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
        assert_eq!(run(&endless, 100).unwrap().len(), 2);
    }
}
