//! [`Labels`]: what goroutines were labelled with (`runtime/pprof`, `Do` and `SetGoroutineLabels`).
//!
//! `g.labels` leads to a set of labels, which goroutines inherit and share. Up to 1.23 it is a
//! variable that holds a map; from 1.24 a slice of pairs of strings. Which of the two cannot be
//! told from shape. The map is the one that those releases had, whose layout is final: it is spelt
//! here, and only here.
//!
//! Does not say where a goroutine got its labels from, and does not look at the labels of contexts.
//!
//! Invariant: a set is whole or not there; a string of it that cannot be read makes it unread.
//!
//! Source: src/runtime/pprof/label.go, `labelMap`, go1.19 to go1.27 (from 1.26 with
//! internal/runtime/pprof/label, `Set`); src/runtime/map.go, `hmap`, `bmap`, go1.19 to go1.23.

use std::collections::{BTreeMap, HashMap};

use letgo_target::{Addr, ReadMemory, read_u64};

use crate::view::View;
use crate::{Goroutine, Runtime};

/// First release whose sets are slices.
const FIRST_SLICES: u32 = 24;
/// Sets that are looked at: a server may have one for each request.
const MOST_SETS: usize = 20_000;
/// Labels of a set; programs have a handful.
const MOST_LABELS: u64 = 64;
/// Bytes of a key or a value; labels are short, since profiles repeat them.
const MOST_STRING: u64 = 1024;

/// Bytes of two strings in memory, an address and a length each.
const PAIR: u64 = 32;

/// One set of labels.
pub type LabelSet = BTreeMap<String, String>;

/// The labels of all goroutines of a census.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    /// Different sets.
    pub sets: Vec<LabelSet>,
    /// Of each goroutine, in the order of the census.
    pub of: Vec<Labelled>,
}

/// What is known of one goroutine's labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Labelled {
    /// It has none.
    #[default]
    None,
    /// It has this one of the sets.
    Set(u32),
    /// It has some, which were not read.
    Unread,
}

impl Runtime {
    /// Reads the labels of goroutines.
    ///
    /// # Consistency
    /// A set does not change once a goroutine has it; of a running target it may be gone.
    pub fn labels(&self, memory: &dyn ReadMemory, goroutines: &[Goroutine]) -> Labels {
        let mut reader = Reader {
            view: View::new(self, memory),
            sets: Vec::new(),
            numbers: HashMap::new(),
            known: HashMap::new(),
        };
        let of = goroutines.iter().map(|one| match one.labels {
            Addr::NULL => Labelled::None,
            at => reader.labelled(at),
        });
        let of = of.collect();
        Labels {
            sets: reader.sets,
            of,
        }
    }
}

fn word(bytes: &[u8]) -> Option<u64> {
    bytes.first_chunk().map(|word| u64::from_le_bytes(*word))
}

/// The word at an index of bytes.
fn nth(bytes: &[u8], index: usize) -> Option<u64> {
    word(bytes.get(index * 8..)?)
}

struct Reader<'a> {
    view: View<'a>,
    sets: Vec<LabelSet>,
    /// Number of each set, by content.
    numbers: HashMap<LabelSet, u32>,
    /// What is known of sets, by place.
    known: HashMap<Addr, Labelled>,
}

impl Reader<'_> {
    fn labelled(&mut self, at: Addr) -> Labelled {
        if let Some(known) = self.known.get(&at) {
            return *known;
        }
        if self.known.len() >= MOST_SETS {
            return Labelled::Unread;
        }
        let set = match self.view.runtime.version.minor {
            FIRST_SLICES.. => self.slice(at),
            _ => self.map(at),
        };
        let labelled = match set {
            None => Labelled::Unread,
            Some(set) if set.is_empty() => Labelled::None,
            Some(set) => Labelled::Set(self.number(set)),
        };
        self.known.insert(at, labelled);
        labelled
    }

    fn number(&mut self, set: LabelSet) -> u32 {
        if let Some(number) = self.numbers.get(&set) {
            return *number;
        }
        let number = u32::try_from(self.sets.len()).unwrap_or(u32::MAX);
        self.sets.push(set.clone());
        self.numbers.insert(set, number);
        number
    }

    /// The set whose slice header lies there.
    fn slice(&self, at: Addr) -> Option<LabelSet> {
        let header = self.bytes(at, 16)?;
        let (list, len) = (Addr(nth(&header, 0)?), nth(&header, 1)?);
        if len > MOST_LABELS {
            return None;
        }
        let list = self.bytes(list, len * PAIR)?;
        let pairs = list.chunks_exact(4 * 8);
        pairs
            .map(|pair| self.pair(pair.get(..16)?, pair.get(16..)?))
            .collect()
    }

    /// The set that is the map of the variable there.
    fn map(&self, at: Addr) -> Option<LabelSet> {
        let map = Addr(read_u64(self.view.memory, at).ok()?);
        if map.is_null() {
            return Some(LabelSet::new());
        }
        let header = self.bytes(map, HMAP)?;
        let count = word(&header)?;
        let log2 = u32::from(*header.get(HMAP_LOG2)?);
        if count > MOST_LABELS || log2 > MOST_LOG2 {
            return None;
        }
        let buckets = Addr(nth(&header, HMAP_BUCKETS)?);
        let old = Addr(nth(&header, HMAP_BUCKETS + 1)?);
        let mut set = LabelSet::new();
        self.buckets(buckets, 1 << log2, &mut set)?;
        if !old.is_null() {
            // Half as many, or as many where it grew in place; what was moved says so itself.
            let in_place = header.get(HMAP_FLAGS)? & SAME_SIZE_GROW != 0;
            let less = if in_place { 0 } else { 1 };
            self.buckets(old, 1 << log2.saturating_sub(less), &mut set)?;
        }
        (set.len() as u64 == count).then_some(set)
    }

    /// Adds what is in buckets, and in those that hang on them.
    fn buckets(&self, first: Addr, count: u64, set: &mut LabelSet) -> Option<()> {
        for number in 0..count {
            let mut next = first.add(number * BUCKET);
            for _ in 0..=MOST_LABELS {
                if next.is_null() {
                    break;
                }
                let bucket = self.bytes(next, BUCKET)?;
                for cell in 0..CELLS {
                    if *bucket.get(cell)? >= LEAST_HASH {
                        let key = bucket.get(CELLS + cell * 16..)?.get(..16)?;
                        let value = bucket.get(CELLS + CELLS * 16 + cell * 16..)?.get(..16)?;
                        let (key, value) = self.pair(key, value)?;
                        set.insert(key, value);
                    }
                }
                next = Addr(nth(&bucket, BUCKET_NEXT)?);
            }
        }
        Some(())
    }

    fn pair(&self, key: &[u8], value: &[u8]) -> Option<(String, String)> {
        Some((self.string(key)?, self.string(value)?))
    }

    /// The string with this header.
    fn string(&self, header: &[u8]) -> Option<String> {
        let (at, len) = (Addr(nth(header, 0)?), nth(header, 1)?);
        if len > MOST_STRING {
            return None;
        }
        let bytes = self.bytes(at, len)?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn bytes(&self, at: Addr, len: u64) -> Option<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(len).ok()?];
        if len > 0 {
            self.view.memory.read(at, &mut bytes).ok()?;
        }
        Some(bytes)
    }
}

// A map up to 1.23.

/// Bytes of `hmap` that are read.
const HMAP: u64 = 32;
/// `hmap.flags`
const HMAP_FLAGS: usize = 8;
/// `hmap.B`: logarithm of the number of buckets.
const HMAP_LOG2: usize = 9;
/// `hmap.buckets`, a word, and behind it `oldbuckets`.
const HMAP_BUCKETS: usize = 2;
/// `sameSizeGrow`
const SAME_SIZE_GROW: u8 = 8;
/// Buckets of a map of so few elements.
const MOST_LOG2: u32 = 6;
/// `bucketCnt`: cells of a bucket. A bucket has their hashes, keys, values, and the next bucket.
const CELLS: usize = 8;
/// Bytes of a bucket of pairs of strings.
const BUCKET: u64 = 8 + 8 * PAIR + 8;
/// The next bucket, a word.
const BUCKET_NEXT: usize = 1 + 8 * 4;
/// `minTopHash`: a cell with less is empty, or was moved.
const LEAST_HASH: u8 = 5;
