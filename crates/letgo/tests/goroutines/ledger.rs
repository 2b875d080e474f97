//! [`Ledger`]: the file in which the patient `leakoracle` counts each run of each goroutine, to be
//! read while the program is stopped. `lab/patients/leakoracle/ledger.go` has the format.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const HEADER: usize = 8;
const PER_SLOT: usize = 4;
const ENDED: u64 = 2;

/// One goroutine, at the moment of reading.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub(crate) runs: u64,
    pub(crate) ended: bool,
    /// Lost by the program's own model, when it was last held.
    pub(crate) lost: bool,
}

/// All goroutines that the program ever entered, by number.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Ledger(pub(crate) BTreeMap<u64, Entry>);

impl Ledger {
    /// What is in the file now.
    pub(crate) fn read(file: &Path) -> Ledger {
        let bytes = fs::read(file).unwrap();
        let (words, _) = bytes.as_chunks::<8>();
        let words: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
        let used = usize::try_from(words[0]).unwrap();
        let slots = words[HEADER..].chunks_exact(PER_SLOT).take(used);
        let entry = |slot: &[u64]| Entry {
            runs: slot[1],
            ended: slot[2] == ENDED,
            lost: slot[3] != 0,
        };
        // A slot whose goroutine has not begun has no number yet.
        let begun = slots.filter(|slot| slot[0] != 0);
        Ledger(begun.map(|slot| (slot[0], entry(slot))).collect())
    }
}
