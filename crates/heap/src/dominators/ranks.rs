//! [`Ranks`]: dense numbers for the members of a set of slots.
//!
//! A member's rank is how many members are below it. Both ways are found without a table an
//! object: 16 bytes for each 64 slots.

use crate::bits::BitSet;

/// 64 slots.
#[derive(Clone, Copy, Debug)]
struct Word {
    bits: u64,
    /// Members in the words before.
    before: u32,
}

/// A set whose members are numbered, from 0.
#[derive(Debug, Default)]
pub(crate) struct Ranks {
    words: Vec<Word>,
    len: u32,
}

impl Ranks {
    pub(crate) fn of(set: &BitSet) -> Ranks {
        let mut ranks = Ranks::default();
        ranks.words.reserve_exact(set.words().len());
        for bits in set.words() {
            ranks.words.push(Word {
                bits: *bits,
                before: ranks.len,
            });
            ranks.len += bits.count_ones();
        }
        ranks
    }

    /// Members.
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// The rank of a member.
    #[inline]
    pub(crate) fn rank(&self, number: u32) -> Option<u32> {
        let word = self.words.get((number / 64) as usize)?;
        let bit = 1u64 << (number % 64);
        let below = (word.bits & (bit - 1)).count_ones();
        (word.bits & bit != 0).then_some(word.before + below)
    }

    /// The member that has a rank.
    pub(crate) fn member(&self, rank: u32) -> Option<u32> {
        let next = self.words.partition_point(|word| word.before <= rank);
        let at = next.checked_sub(1)?;
        let word = self.words.get(at)?;
        let mut bits = word.bits;
        for _ in word.before..rank {
            bits &= bits.checked_sub(1)?;
        }
        let first = u32::try_from(at).ok()?.checked_mul(64)?;
        (bits != 0).then(|| first + bits.trailing_zeros())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_and_members_are_each_other_s_inverse() {
        let mut set = BitSet::new(1000);
        for first in [3, 64, 127, 700] {
            set.insert_word(first, 0x8000_0101_0000_0001);
        }
        let ranks = Ranks::of(&set);
        let members: Vec<u32> = (0..1000).filter(|number| set.has(*number)).collect();
        assert_eq!(ranks.len() as usize, members.len());
        for (rank, member) in (0..).zip(&members) {
            assert_eq!(ranks.rank(*member), Some(rank));
            assert_eq!(ranks.member(rank), Some(*member));
        }
        assert_eq!(ranks.rank(5), None);
        assert_eq!(ranks.rank(u32::MAX), None);
        assert_eq!(ranks.member(ranks.len()), None);
        assert_eq!(ranks.member(u32::MAX), None);
        assert_eq!(Ranks::default().member(0), None);
    }
}
