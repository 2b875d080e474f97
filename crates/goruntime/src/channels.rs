//! The channels that goroutines wait for.
//!
//! A channel whose elements hold no pointers is an object without pointers: whoever reads those
//! alone does not see its queues.
//!
//! Source: src/runtime/runtime2.go, `g.waiting`, `sudog`; chan.go, `hchan`; go1.19 to go1.27.

use std::collections::BTreeSet;

use letgo_target::{Addr, AddrRange, ReadMemory, gather};
use rustc_hash::FxHashSet;

use crate::{Census, Error, Runtime};

/// Most cases of a select. Source: src/runtime/select.go: an array of 1 << 16.
const MOST_CASES: usize = 1 << 16;

impl Runtime {
    /// Where the headers of channels lie that a goroutine of the census waits for, by address.
    ///
    /// # Errors
    /// Only what makes the whole target unreadable; what else cannot be read is left out.
    pub fn awaited_channels(
        &self,
        memory: &dyn ReadMemory,
        census: &Census,
    ) -> Result<Vec<AddrRange>, Error> {
        let layout = self.layout();
        let (waiting, sudog) = (layout.g.waiting, layout.sudog);
        let gs = census.goroutines.iter().map(|one| waiting.at(one.g));
        let firsts = gather(memory, gs.clone().map(|at| (at, 8)))?;
        let word = |bytes: &[u8]| bytes.first_chunk().map(|word| u64::from_le_bytes(*word));
        let first = |at| firsts.get(at, 8).and_then(word).map(Addr);
        let mut next: FxHashSet<Addr> = gs.filter_map(first).collect();
        let mut seen: FxHashSet<Addr> = FxHashSet::default();
        let mut channels = BTreeSet::new();
        let size = u64::from(sudog.size);
        for _ in 0..MOST_CASES {
            next.retain(|at| !at.is_null() && seen.insert(*at));
            if next.is_empty() {
                break;
            }
            let gathered = gather(memory, next.iter().map(|at| (*at, size)))?;
            let mut linked = FxHashSet::default();
            for at in &next {
                if let Some(bytes) = gathered.get(*at, sudog.size as usize) {
                    linked.insert(sudog.waitlink.addr(bytes));
                    channels.insert(sudog.c.addr(bytes));
                }
            }
            next = linked;
        }
        channels.remove(&Addr::NULL);
        let header = u64::from(layout.hchan.size);
        let channels = channels.into_iter();
        Ok(channels.map(|at| AddrRange::sized(at, header)).collect())
    }
}
