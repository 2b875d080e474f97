//! What threads have in hand: goroutines that are about to be woken.
//!
//! Whoever wakes a goroutine takes it out of its queue first. Until it is runnable, only a word of
//! the waker knows it, and none that a stack map names: the runtime keeps such lists as plain
//! numbers. So every word is looked at, of stacks of the scheduler and of signal handlers here,
//! and of goroutines that do not rest in `stacks`.

use letgo_goruntime::{Goroutine, Status};
use letgo_target::{Addr, AddrRange, OS_PAGE, gather};
use rustc_hash::FxHashMap;

use super::frames::{Frames, Special};
use super::walks::Walk;
use super::{Collected, Registers, Source};
use crate::Error;
use crate::bits::{index, word};
use crate::leaks::may_leak;
use crate::objects::ObjectId;

/// Most bytes of a thread's stack that are looked at: those of C programs are large.
const MOST_STACK: u64 = 1 << 20;
/// Frames of a scheduler's stack that are looked at.
const MOST_FRAMES: u32 = 64;

/// What threads have in hand.
#[derive(Debug, Default)]
pub(crate) struct InHand {
    /// Objects as large as a g or a sudog, and on which goroutine's stack the word was.
    pub(crate) objects: Vec<(ObjectId, Option<u32>)>,
    /// Goroutines that are locked to a thread, by its m.
    pub(super) locked: FxHashMap<Addr, u32>,
    /// Stacks of goroutines that are in a system call.
    pub(super) in_calls: Vec<AddrRange>,
    /// All threads' registers and stacks were looked at.
    pub(crate) is_whole: bool,
}

impl InHand {
    pub(super) fn merge(&mut self, other: InHand) {
        self.objects.extend(other.objects);
        self.locked.extend(other.locked);
        self.in_calls.extend(other.in_calls);
    }
}

/// Whether a goroutine has nothing else in hand: it has come to rest in a call that waits.
pub(super) fn rests(goroutine: &Goroutine) -> bool {
    const OTHERS: [&str; 11] = [
        "IO wait",
        "GC sweep wait",
        "GC scavenge wait",
        "GC worker (idle)",
        "cleanup wait",
        "coroutine",
        "finalizer wait",
        "force gc (idle)",
        "sleep",
        "trace reader (blocked)",
        "wait for GC cycle",
    ];
    let (status, reason) = (goroutine.status, goroutine.wait_reason);
    may_leak(status, reason) || status == Status::Waiting && OTHERS.contains(&reason)
}

/// Whether a goroutine has nothing else in hand since it is in a system call: whoever takes another
/// out of a queue makes it runnable before it calls the kernel, in functions of the runtime that
/// make no such calls. What dead words of its stack still lead to is nobody's.
pub(super) fn is_in_call(goroutine: &Goroutine, walk: &Walk) -> bool {
    goroutine.status == Status::Syscall && walk.is_whole && !walk.is_called_by_c
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
            self.roots.in_hand.objects.push((object, owner));
        }
    }
}

/// Looks at the stacks of the scheduler and of signal handlers.
///
/// # Errors
/// Only what makes the whole target unreadable.
pub(super) fn read(source: &Source<'_>, into: &mut Collected) -> Result<(), Error> {
    let census = source.census;
    let threads = census.threads.iter().filter(|thread| thread.procid != 0);
    // Of a program that runs there are none.
    if source.registers.is_empty() || source.registers.len() < threads.count() {
        return Ok(());
    }
    into.roots.in_hand.is_whole = true;
    let mut frames = Frames::new(source.program);
    let mut idle = Vec::new();
    for part in in_use(source) {
        let range = part.range;
        // A goroutine that is locked to a thread is in that thread's hand for as long as it waits.
        let owner = into.roots.in_hand.locked.get(&part.m).copied();
        let pages = pages(range);
        let gathered = gather(source.program.memory, pages.clone())?;
        let whole = gathered.get(range.start(), index(range.len()));
        if whole.is_some_and(|bytes| is_idle(source, &mut frames, range, bytes)) {
            idle.push(range);
            continue;
        }
        into.roots.in_hand.is_whole &= whole.is_some() || !part.is_known;
        for (page, len) in pages {
            let bytes = gathered.get(page, index(len)).unwrap_or_default();
            for value in bytes.chunks_exact(8) {
                into.see(source, word(value, 0), owner);
            }
        }
    }
    idle.extend(&into.roots.in_hand.in_calls);
    let busy = |one: &&Registers| !idle.iter().any(|range| range.contains(one.sp));
    for registers in source.registers.iter().filter(busy) {
        for value in &registers.general {
            into.see(source, *value, None);
        }
    }
    Ok(())
}

/// A range by pages: of a large stack of a C program not all was ever touched.
fn pages(range: AddrRange) -> impl Iterator<Item = (Addr, u64)> + Clone {
    let first = range.start().0 / OS_PAGE;
    let behind = range.end().0.div_ceil(OS_PAGE);
    (first..behind).map(move |page| {
        let page = AddrRange::sized(Addr(page * OS_PAGE), OS_PAGE).intersect(range);
        (page.start(), page.len())
    })
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

/// A part of a thread's stack that may be in use.
struct Part {
    range: AddrRange,
    m: Addr,
    /// The stack pointer is known: all of it is in use.
    is_known: bool,
}

/// The parts of threads' stacks that are in use.
///
/// A thread is on its scheduler's stack, on that of its signal handler, which may have come while
/// it was on either of its others, or on a goroutine's. If some thread is elsewhere, any of its
/// stacks may be in use below.
fn in_use(source: &Source<'_>) -> Vec<Part> {
    let census = source.census;
    let on = |stack: AddrRange| {
        let mut sps = source.registers.iter().map(|regs| regs.sp);
        sps.find(|sp| stack.contains(*sp))
    };
    let own = census.threads.iter();
    let own = own.flat_map(|thread| [thread.g0_stack, thread.gsignal_stack]);
    let goroutines = census.goroutines.iter().map(|one| one.stack);
    let known = own.chain(goroutines).filter(|stack| on(*stack).is_some());
    let is_anywhere = known.count() < source.registers.len();
    let mut parts = Vec::new();
    for thread in &census.threads {
        let in_signal = on(thread.gsignal_stack).is_some();
        for (stack, hidden) in [
            (thread.g0_stack, is_anywhere || in_signal),
            (thread.gsignal_stack, is_anywhere),
        ] {
            let sp = on(stack);
            let from = sp.or(hidden.then_some(stack.start()));
            // Of a large one only what is hidden is cut.
            let most = Addr(stack.end().0.saturating_sub(MOST_STACK));
            let least = if sp.is_some() { Addr::NULL } else { most };
            let range = from.map(|from| AddrRange::new(from.align_up(8).max(least), stack.end()));
            parts.extend(range.filter(|range| !range.is_empty()).map(|range| Part {
                range,
                m: thread.m,
                is_known: sp.is_some(),
            }));
        }
    }
    parts
}
