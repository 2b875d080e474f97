//! [`Coverage`]: what a reading saw, and what it did not.

use serde::{Deserialize, Serialize};

/// Most reasons that are kept; further ones are only counted.
const MOST_SKIPS: usize = 32;

/// A thing that was left out, and why.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Skip {
    /// What was left out, in the runtime's or the kernel's words.
    pub what: String,
    /// Why, as a sentence.
    pub why: String,
    /// How many of them.
    pub count: u64,
}

/// How complete a reading is. Parts of a reading are merged with [`Coverage::merge`].
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Coverage {
    /// Things left out for good. Any of these makes the reading incomplete.
    pub skipped: Vec<Skip>,
    /// Things left out beyond those that `skipped` lists.
    pub skipped_more: u64,
    /// Reads that were found torn (the target changed meanwhile) and were repeated or repaired.
    pub torn: u64,
}

impl Coverage {
    /// Whether nothing was left out. Torn reads that were repeated do not matter.
    pub fn is_complete(&self) -> bool {
        self.skipped.is_empty() && self.skipped_more == 0
    }

    /// Records that `what` was left out; equal ones are counted together.
    pub fn skip(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.add(Skip {
            what: what.into(),
            why: why.into(),
            count: 1,
        });
    }

    /// Takes over what `other` left out.
    pub fn merge(&mut self, other: Coverage) {
        self.torn += other.torn;
        self.skipped_more += other.skipped_more;
        for skip in other.skipped {
            self.add(skip);
        }
    }

    fn add(&mut self, skip: Skip) {
        let same = |known: &&mut Skip| known.what == skip.what && known.why == skip.why;
        if let Some(known) = self.skipped.iter_mut().find(same) {
            known.count += skip.count;
        } else if self.skipped.len() < MOST_SKIPS {
            self.skipped.push(skip);
        } else {
            self.skipped_more += skip.count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_skips_are_counted_together_and_many_are_bounded() {
        let mut coverage = Coverage::default();
        coverage.skip("mspan", "its base is nowhere");
        coverage.skip("mspan", "its base is nowhere");
        assert_eq!(coverage.skipped.first().map(|skip| skip.count), Some(2));
        for i in 0..1000 {
            coverage.skip("mspan", format!("reason {i}"));
        }
        assert_eq!(coverage.skipped.len(), MOST_SKIPS);
        assert_eq!(coverage.skipped_more, 1001 - MOST_SKIPS as u64);
        assert!(!coverage.is_complete());
    }
}
