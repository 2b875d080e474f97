//! What threads have in hand: goroutines that are about to be woken.
//!
//! Whoever wakes a goroutine takes it out of its queue first. Until it is runnable, only a word of
//! the waker knows it, and none that a stack map names: the runtime keeps such lists as plain
//! numbers. So every word is looked at, of stacks of the scheduler and of signal handlers here,
//! and of goroutines that do not rest in `stacks`.

use letgo_goruntime::{Goroutine, Status};
use letgo_target::{Addr, AddrRange, gather};

use super::{Collected, Source};
use crate::Error;
use crate::bits::{index, word};

/// Most bytes of a thread's stack that are looked at: those of C programs are large.
const MOST_STACK: u64 = 1 << 20;

/// Whether a goroutine has nothing else in hand: it has come to rest in a call that waits.
pub(super) fn rests(goroutine: &Goroutine) -> bool {
    const RESTS: [&str; 24] = [
        "IO wait",
        "chan receive (nil chan)",
        "chan send (nil chan)",
        "select",
        "select (no cases)",
        "GC sweep wait",
        "GC scavenge wait",
        "chan receive",
        "chan send",
        "finalizer wait",
        "force gc (idle)",
        "semacquire",
        "sleep",
        "sync.Cond.Wait",
        "sync.Mutex.Lock",
        "sync.RWMutex.RLock",
        "sync.RWMutex.Lock",
        "sync.WaitGroup.Wait",
        "GC worker (idle)",
        "coroutine",
        "cleanup wait",
        "wait for GC cycle",
        "timer goroutine (idle)",
        "trace reader (blocked)",
    ];
    matches!(goroutine.status, Status::Waiting | Status::Leaked)
        && RESTS.contains(&goroutine.wait_reason)
}

impl Collected {
    /// Notes the object that a word leads to, if it may be a g or a sudog.
    pub(super) fn see(&mut self, source: &Source<'_>, value: u64, owner: Option<u32>) {
        let Some(object) = source.objects.object_at(Addr(value)) else {
            return;
        };
        let layout = source.program.layout();
        let size = source
            .objects
            .place(object)
            .map_or(0, |(_, span)| span.elem_size);
        // A slot of the structure's size class, which wastes less than a quarter.
        let fits =
            |len: u32| (u64::from(len)..u64::from(len) + u64::from(len) / 4 + 16).contains(&size);
        if fits(layout.g.size) || fits(layout.sudog.size) {
            self.roots.in_hand.push((object, owner));
        }
    }
}

/// Looks at the stacks of the scheduler and of signal handlers.
///
/// # Errors
/// Only what makes the whole target unreadable.
pub(super) fn read(source: &Source<'_>, into: &mut Collected) -> Result<(), Error> {
    let stacks = source
        .census
        .threads
        .iter()
        .flat_map(|thread| [thread.g0_stack, thread.gsignal_stack]);
    let ranges: Vec<AddrRange> = stacks.filter_map(|stack| used(source, stack)).collect();
    for range in ranges {
        let gathered = gather(
            source.program.memory,
            std::iter::once((range.start(), range.len())),
        )?;
        let Some(bytes) = gathered.get(range.start(), index(range.len())) else {
            into.coverage.skip("stack of a thread", "it cannot be read");
            continue;
        };
        for value in bytes.chunks_exact(8) {
            into.see(source, word(value, 0), None);
        }
    }
    for registers in source.registers {
        for value in &registers.general {
            into.see(source, *value, None);
        }
    }
    Ok(())
}

/// The part of a thread's stack that may be in use: from its stack pointer on; without one on it,
/// all of it, since a signal may have come while it was in use.
fn used(source: &Source<'_>, stack: AddrRange) -> Option<AddrRange> {
    let on_it = source.registers.iter().find(|regs| stack.contains(regs.sp));
    let low = on_it.map_or(stack.start(), |regs| regs.sp).align_up(8);
    let range = AddrRange::new(low.min(stack.end()), stack.end());
    (!range.is_empty()).then(|| {
        let most = range.end().0.saturating_sub(MOST_STACK);
        AddrRange::new(Addr(range.start().0.max(most)), range.end())
    })
}
