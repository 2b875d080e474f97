//! Which part of the stack spans belongs to a goroutine, and which is merely cached.
//!
//! A stack span is one large stack or is cut into small ones; the spans do not say who owns
//! what, the g's do: goroutines that are not dead, and each thread's `g0` and `gsignal`. The rest
//! waits in `stackpool`, `stackLarge`, an `mcache` or a dead g.

use letgo_goruntime::Census;
use letgo_target::{Addr, AddrRange};

/// Stacks that have an owner, by address, not overlapping.
pub(crate) struct OwnedStacks {
    ranges: Vec<AddrRange>,
    next: usize,
}

impl OwnedStacks {
    pub(crate) fn new(census: &Census) -> OwnedStacks {
        let goroutines = census.goroutines.iter().map(|goroutine| goroutine.stack);
        let threads = census.threads.iter();
        let threads = threads.flat_map(|thread| [thread.g0_stack, thread.gsignal_stack]);
        let mut ranges: Vec<AddrRange> = goroutines.chain(threads).collect();
        ranges.retain(|range| !range.is_empty());
        ranges.sort_unstable();
        let mut floor = Addr::NULL;
        for range in &mut ranges {
            *range = AddrRange::new(range.start().max(floor), range.end().max(floor));
            floor = floor.max(range.end());
        }
        ranges.retain(|range| !range.is_empty());
        OwnedStacks { ranges, next: 0 }
    }

    /// Splits `span` into parts and says of each whether a goroutine owns it.
    ///
    /// `span` must not start before the start of an earlier call's span.
    pub(crate) fn split(&mut self, span: AddrRange, mut each: impl FnMut(AddrRange, bool)) {
        let behind = |owned: &AddrRange| owned.end() <= span.start();
        while self.ranges.get(self.next).is_some_and(behind) {
            self.next += 1;
        }
        let mut at = span.start();
        for owned in self.ranges.get(self.next..).unwrap_or_default() {
            if owned.start() >= span.end() {
                break;
            }
            let owned = owned.intersect(span);
            let free = AddrRange::new(at, owned.start());
            if !free.is_empty() {
                each(free, false);
            }
            each(owned, true);
            at = owned.end();
        }
        let free = AddrRange::new(at, span.end());
        if !free.is_empty() {
            each(free, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use letgo_goruntime::Thread;

    fn range(start: u64, end: u64) -> AddrRange {
        AddrRange::new(Addr(start), Addr(end))
    }

    fn thread(g0_stack: AddrRange, gsignal_stack: AddrRange) -> Thread {
        Thread {
            m: Addr(1),
            id: 0,
            procid: 1,
            g0_stack,
            gsignal_stack,
        }
    }

    #[test]
    fn stacks_that_claim_the_same_bytes_share_nothing() {
        let census = Census {
            threads: vec![
                thread(range(0x2000, 0x4000), range(0x3000, 0x5000)),
                thread(range(0, 0), range(0x2800, 0x3800)),
            ],
            ..Census::default()
        };
        let mut parts = Vec::new();
        let mut owned = OwnedStacks::new(&census);
        owned.split(range(0x1000, 0x8000), |part, is_owned| {
            parts.push((part, is_owned));
        });
        assert_eq!(
            parts,
            [
                (range(0x1000, 0x2000), false),
                (range(0x2000, 0x4000), true),
                (range(0x4000, 0x5000), true),
                (range(0x5000, 0x8000), false),
            ]
        );
    }
}
