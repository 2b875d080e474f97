//! [`Runs`]: which part of an address space is where in the data.
//!
//! The *data* of a snapshot is one long row of bytes: all os pages that are not zero, one behind
//! the other. A run says that some addresses are there from some position on, or are zero, or
//! could not be had.
//!
//! Invariants: runs are sorted, disjoint and not empty, end before 2^64, and lie within the data.

use letgo_target::{Addr, AddrRange};

use crate::Error;
use crate::bytes::u64_at;

const RUN_BYTES: usize = 24;
/// Instead of a position: all zero.
const ZERO: u64 = u64::MAX;
/// Instead of a position: mapped, but not resident when it was asked for.
const NOT_RESIDENT: u64 = u64::MAX - 1;
/// Instead of a position: could not be read.
const NOT_KEPT: u64 = u64::MAX - 2;

/// What a run holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Content {
    /// The bytes from a position in the data on.
    Data(u64),
    /// Zeros.
    Zero,
    /// Mapped, but not resident when it was asked for.
    NotResident,
    /// Could not be read.
    NotKept,
}

impl Content {
    /// Whether its bytes are known.
    pub(crate) fn is_known(self) -> bool {
        matches!(self, Content::Data(_) | Content::Zero)
    }

    /// The content `len` bytes further on.
    fn behind(self, len: u64) -> Content {
        match self {
            Content::Data(position) => Content::Data(position.saturating_add(len)),
            other => other,
        }
    }
}

/// Neighbouring addresses of one content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Run {
    pub(crate) range: AddrRange,
    pub(crate) content: Content,
}

/// All runs of an address space, or of a file's offsets.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Runs {
    runs: Vec<Run>,
}

impl Runs {
    /// The run that holds `addr`.
    pub(crate) fn at(&self, addr: Addr) -> Option<Run> {
        let index = self.runs.partition_point(|run| run.range.end() <= addr);
        let run = self.runs.get(index);
        run.copied().filter(|run| run.range.contains(addr))
    }

    /// All of them, by address.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Run> + '_ {
        self.runs.iter().copied()
    }

    /// Ranges whose runs are `wanted`, by address, neighbours joined.
    pub(crate) fn ranges(&self, wanted: impl Fn(Content) -> bool) -> Vec<AddrRange> {
        let mut ranges: Vec<AddrRange> = Vec::new();
        for run in self.runs.iter().filter(|run| wanted(run.content)) {
            match ranges.last_mut() {
                Some(last) if last.end() == run.range.start() => {
                    *last = AddrRange::new(last.start(), run.range.end());
                }
                _ => ranges.push(run.range),
            }
        }
        ranges
    }

    /// The parts of `range` that no run says anything of, by address.
    pub(crate) fn gaps(&self, range: AddrRange) -> Vec<AddrRange> {
        let first = self
            .runs
            .partition_point(|run| run.range.end() <= range.start());
        let mut gaps = Vec::new();
        let mut at = range.start();
        for run in self.runs.get(first..).unwrap_or_default() {
            if run.range.start() >= range.end() {
                break;
            }
            gaps.push(AddrRange::new(at, run.range.start()));
            at = run.range.end();
        }
        gaps.push(AddrRange::new(at, range.end()));
        gaps.retain(|gap| !gap.is_empty());
        gaps
    }

    /// Adds runs that lie in one gap, by address.
    pub(crate) fn insert(&mut self, new: &[Run]) {
        let Some(first) = new.first() else {
            return;
        };
        let start = first.range.start();
        let index = self.runs.partition_point(|run| run.range.end() <= start);
        self.runs.splice(index..index, new.iter().copied());
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.runs.len() * RUN_BYTES);
        for run in &self.runs {
            let position = match run.content {
                Content::Data(position) => position,
                Content::Zero => ZERO,
                Content::NotResident => NOT_RESIDENT,
                Content::NotKept => NOT_KEPT,
            };
            for word in [run.range.start().0, run.range.len(), position] {
                bytes.extend(word.to_le_bytes());
            }
        }
        bytes
    }

    /// Reads runs of data that has `data_len` bytes.
    pub(crate) fn decode(bytes: &[u8], data_len: u64) -> Result<Runs, Error> {
        let broken = |why: &str| Error::inconsistent("a table of runs", 0, why);
        if !bytes.len().is_multiple_of(RUN_BYTES) {
            return Err(broken("it ends in the middle of one"));
        }
        let mut runs = Vec::with_capacity(bytes.len() / RUN_BYTES);
        let mut floor = Addr::NULL;
        for entry in bytes.chunks_exact(RUN_BYTES) {
            let word = |offset| u64_at(entry, offset).unwrap_or_default();
            let (start, len) = (Addr(word(0)), word(8));
            let end = start.checked_add(len).filter(|_| len > 0);
            let end = end.ok_or_else(|| broken("a run of no address"))?;
            if start < floor {
                return Err(broken("runs out of order"));
            }
            let content = match word(16) {
                ZERO => Content::Zero,
                NOT_RESIDENT => Content::NotResident,
                NOT_KEPT => Content::NotKept,
                position => {
                    let last = position.checked_add(len);
                    if last.is_none_or(|last| last > data_len) {
                        return Err(broken("a run behind the end of the data"));
                    }
                    Content::Data(position)
                }
            };
            floor = end;
            let range = AddrRange::new(start, end);
            runs.push(Run { range, content });
        }
        Ok(Runs { runs })
    }
}

/// Adds a run behind the others of `runs`, joined with the last where it goes on from there.
pub(crate) fn push(runs: &mut Vec<Run>, run: Run) {
    match runs.last_mut() {
        Some(last)
            if last.range.end() == run.range.start()
                && last.content.behind(last.range.len()) == run.content =>
        {
            last.range = AddrRange::new(last.range.start(), run.range.end());
        }
        _ => runs.push(run),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(start: u64, len: u64, content: Content) -> Run {
        Run {
            range: AddrRange::sized(Addr(start), len),
            content,
        }
    }

    fn runs(list: &[Run]) -> Runs {
        let mut all = Vec::new();
        for run in list {
            push(&mut all, *run);
        }
        Runs { runs: all }
    }

    #[test]
    fn what_goes_on_is_joined_and_what_jumps_is_not() {
        let all = runs(&[
            run(0, 16, Content::Data(0)),
            run(16, 16, Content::Data(16)),
            run(32, 16, Content::Data(48)),
            run(48, 16, Content::Zero),
            run(64, 16, Content::Zero),
            run(96, 16, Content::Zero),
        ]);
        assert_eq!(all.runs.len(), 4);
        let known = all.ranges(Content::is_known);
        let expected = [(0, 80), (96, 16)].map(|(at, len)| AddrRange::sized(Addr(at), len));
        assert_eq!(known, expected);
        assert_eq!(Runs::decode(&all.encode(), 64), Ok(all.clone()));
        assert!(Runs::decode(&all.encode(), 63).is_err());
    }

    #[test]
    fn gaps_are_filled_in_any_order() {
        let mut all = runs(&[run(16, 16, Content::Zero), run(48, 16, Content::Zero)]);
        let gaps = all.gaps(AddrRange::sized(Addr(0), 100));
        let expected =
            [(0, 16), (32, 16), (64, 36)].map(|(at, len)| AddrRange::sized(Addr(at), len));
        assert_eq!(gaps, expected);
        for gap in gaps.into_iter().rev() {
            all.insert(&[run(gap.start().0, gap.len(), Content::NotKept)]);
        }
        assert!(all.gaps(AddrRange::sized(Addr(0), 100)).is_empty());
        assert!(Runs::decode(&all.encode(), 0).is_ok(), "still in order");
    }

    #[test]
    fn runs_that_overlap_or_have_no_address_are_damage() {
        for list in [
            vec![run(16, 16, Content::Zero), run(0, 16, Content::Zero)],
            vec![run(0, 17, Content::Zero), run(16, 16, Content::Zero)],
            vec![run(8, 0, Content::Zero)],
        ] {
            let bytes = Runs { runs: list }.encode();
            assert!(Runs::decode(&bytes, 100).is_err());
        }
        let mut bytes = runs(&[run(1, 16, Content::Zero)]).encode();
        bytes[8..16].fill(0xff);
        assert!(Runs::decode(&bytes, 100).is_err());
        assert!(Runs::decode(&bytes[1..], 100).is_err());
    }
}
