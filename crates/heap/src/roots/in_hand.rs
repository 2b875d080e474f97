//! What threads have in hand: goroutines that are about to be woken.
//!
//! Whoever wakes a goroutine takes it out of its queue first. Until it is runnable, only a word of
//! the waker knows it, and none that a stack map names: the runtime keeps such lists as plain
//! numbers. So every word is looked at, of stacks of the scheduler and of signal handlers here,
//! and of goroutines that do not rest in `stacks`.

use letgo_goruntime::{Goroutine, Status};
use letgo_target::{Addr, AddrRange, gather};

use super::frames::{Frames, Special};
use super::{Collected, Registers, Source};
use crate::Error;
use crate::bits::{index, word};

/// Most bytes of a thread's stack that are looked at: those of C programs are large.
const MOST_STACK: u64 = 1 << 20;

/// Frames of a scheduler's stack that are looked at.
const MOST_FRAMES: u32 = 64;

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
    // Of a program that runs, nobody is said to be lost.
    if source.registers.is_empty() {
        return Ok(());
    }
    let mut frames = Frames::new(source.program);
    let mut idle = Vec::new();
    for (range, m) in in_use(source) {
        // A goroutine that is locked to a thread is in that thread's hand for as long as it waits.
        let owner = into.roots.locked.get(&m).copied();
        let gathered = gather(
            source.program.memory,
            std::iter::once((range.start(), range.len())),
        )?;
        let Some(bytes) = gathered.get(range.start(), index(range.len())) else {
            page_by_page(source, range, owner, into)?;
            continue;
        };
        if is_idle(source, &mut frames, range, bytes) {
            idle.push(range);
            continue;
        }
        for value in bytes.chunks_exact(8) {
            into.see(source, word(value, 0), owner);
        }
    }
    let busy = |one: &&Registers| !idle.iter().any(|range| range.contains(one.sp));
    for registers in source.registers.iter().filter(busy) {
        for value in &registers.general {
            into.see(source, *value, None);
        }
    }
    Ok(())
}

/// Looks at what is there of a stack that is not there as a whole: a large one of a C program of
/// which not all was ever touched.
fn page_by_page(
    source: &Source<'_>,
    range: AddrRange,
    owner: Option<u32>,
    into: &mut Collected,
) -> Result<(), Error> {
    let starts = || (range.start().0..range.end().0).step_by(8);
    let gathered = gather(source.program.memory, starts().map(|at| (Addr(at), 8)))?;
    for at in starts() {
        if let Some(bytes) = gathered.get(Addr(at), 8) {
            into.see(source, word(bytes, 0), owner);
        }
    }
    Ok(())
}

/// Whether a thread that is on this stack of its scheduler looks for something to run and has
/// nothing in hand: every frame is of those that do so. The last goroutine that came to rest on it
/// is still in the frame that began with it.
fn is_idle(source: &Source<'_>, frames: &mut Frames<'_>, range: AddrRange, bytes: &[u8]) -> bool {
    let mut on_it = source
        .registers
        .iter()
        .filter(|regs| range.contains(regs.sp));
    let (Some(registers), None) = (on_it.next(), on_it.next()) else {
        return false;
    };
    let (mut pc, mut sp) = (registers.pc, registers.sp);
    for _ in 0..MOST_FRAMES {
        let Some(code) = frames.at(pc, false) else {
            return false;
        };
        match (code.special, code.size) {
            (Special::Switch, _) => return true,
            (Special::Idle, Some(size)) => {
                let back = sp.add(u64::from(size));
                let Some(offset) = back.0.checked_sub(range.start().0) else {
                    return false;
                };
                pc = Addr(word(bytes, index(offset)));
                sp = back.add(8);
            }
            _ => return false,
        }
    }
    false
}

/// The parts of threads' stacks that are in use, with the m of each.
///
/// A thread is on its scheduler's stack, on that of its signal handler, which may have come while
/// it was on either of its others, or on a goroutine's. If some thread is elsewhere, any of its
/// stacks may be in use below.
fn in_use(source: &Source<'_>) -> Vec<(AddrRange, Addr)> {
    let census = source.census;
    let sps = || source.registers.iter().map(|regs| regs.sp);
    let on = |stack: AddrRange| sps().find(|sp| stack.contains(*sp));
    let own = census
        .threads
        .iter()
        .flat_map(|thread| [thread.g0_stack, thread.gsignal_stack]);
    let goroutines = census.goroutines.iter().map(|one| one.stack);
    let known = own.chain(goroutines).filter(|stack| on(*stack).is_some());
    let is_anywhere = known.count() < source.registers.len() || source.registers.is_empty();
    let mut ranges = Vec::new();
    for thread in &census.threads {
        let (scheduler, signal) = (on(thread.g0_stack), on(thread.gsignal_stack));
        let hidden = is_anywhere || signal.is_some();
        let all = |stack: AddrRange| hidden.then_some(stack.start());
        let scheduler = used(thread.g0_stack, scheduler.or(all(thread.g0_stack)));
        let all = is_anywhere.then_some(thread.gsignal_stack.start());
        let signal = used(thread.gsignal_stack, signal.or(all));
        let both = scheduler.into_iter().chain(signal);
        ranges.extend(both.map(|range| (range, thread.m)));
    }
    ranges
}

/// A stack from its stack pointer on.
fn used(stack: AddrRange, sp: Option<Addr>) -> Option<AddrRange> {
    let most = Addr(stack.end().0.saturating_sub(MOST_STACK));
    let low = sp?.align_up(8).max(most).min(stack.end());
    Some(AddrRange::new(low, stack.end())).filter(|range| !range.is_empty())
}
