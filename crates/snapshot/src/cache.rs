//! [`Cache`]: blocks that were decompressed lately, bounded in bytes.
//!
//! What is let go of is kept as well, to be filled again: one block a thread that reads.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Decompressed blocks by number; the one that was not asked for the longest goes first.
#[derive(Debug)]
pub(crate) struct Cache {
    most_bytes: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    blocks: HashMap<usize, (u64, Arc<Vec<u8>>)>,
    bytes: usize,
    /// Counts what is asked for; the age of a block is when it last was.
    clock: u64,
    /// Memory of blocks that were let go of.
    spare: Vec<Vec<u8>>,
}

/// Blocks' memory that waits to be filled again.
const MOST_SPARE: usize = 4;

impl Cache {
    pub(crate) fn new(most_bytes: usize) -> Cache {
        Cache {
            most_bytes,
            held: Mutex::default(),
        }
    }

    pub(crate) fn get(&self, number: usize) -> Option<Arc<Vec<u8>>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.clock += 1;
        let clock = held.clock;
        let (age, block) = held.blocks.get_mut(&number)?;
        *age = clock;
        Some(block.clone())
    }

    /// Memory of a block that was let go of, or none: what is in it means nothing.
    pub(crate) fn spare(&self) -> Vec<u8> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.spare.pop().unwrap_or_default()
    }

    /// Keeps a block, and lets go of others until the bound holds. The newest is always kept.
    pub(crate) fn put(&self, number: usize, block: Arc<Vec<u8>>) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.clock += 1;
        let (clock, len) = (held.clock, block.len());
        if held.blocks.insert(number, (clock, block)).is_none() {
            held.bytes += len;
        }
        while held.bytes > self.most_bytes && held.blocks.len() > 1 {
            let oldest = held.blocks.iter().min_by_key(|(_, (age, _))| *age);
            let Some(oldest) = oldest.map(|(number, _)| *number) else {
                return;
            };
            if let Some((_, block)) = held.blocks.remove(&oldest) {
                held.bytes = held.bytes.saturating_sub(block.len());
                // Whoever still reads it lets go of it later.
                if let Ok(block) = Arc::try_unwrap(block)
                    && held.spare.len() < MOST_SPARE
                {
                    held.spare.push(block);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_not_asked_for_the_longest_goes_first() {
        let cache = Cache::new(20);
        cache.put(1, Arc::new(vec![1; 10]));
        cache.put(2, Arc::new(vec![2; 10]));
        assert!(cache.get(1).is_some());
        cache.put(3, Arc::new(vec![3; 10]));
        assert!(cache.get(2).is_none());
        assert!(cache.get(1).is_some() && cache.get(3).is_some());
        cache.put(4, Arc::new(vec![4; 100]));
        assert!(cache.get(4).is_some(), "the newest is kept however large");
        assert!(cache.get(3).is_none());
    }

    #[test]
    fn memory_of_what_went_is_used_again_unless_somebody_reads_it() {
        let cache = Cache::new(10);
        let read = Arc::new(vec![1; 10]);
        cache.put(1, read.clone());
        cache.put(2, Arc::new(vec![2; 10]));
        assert!(cache.spare().is_empty(), "1 is read still");
        cache.put(3, Arc::new(vec![3; 10]));
        assert_eq!(cache.spare(), [2; 10]);
        assert!(cache.spare().is_empty());
        assert_eq!(*read, [1; 10]);
    }
}
