//! Stacks: the pointers of every goroutine that does not run, by stack maps, and of running ones
//! as far as that goes.
//!
//! A frame's maps name the words that hold pointers to the heap or to objects on the same stack;
//! of those the ones that are pointed to are looked at in turn. A frame that was left at any
//! instruction has no map: that of a goroutine that was preempted so, and the innermost one of a
//! thread that we stopped. Its words are taken for what they may be. Of a goroutine that runs and
//! whose registers are not known, all words are.
//!
//! The stacks of the scheduler and of signal handlers are no roots: the runtime does not scan
//! them either.
//!
//! Invariants: frames of a stack are bounded, and each lies above the one before.
//!
//! Source: src/runtime/mgcmark.go, `scanstack`, `scanframeworker`; traceback.go, `next`;
//! preempt_xreg.go; go1.19 to go1.27.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Instant;

use letgo_goruntime::Goroutine;
use letgo_target::{Addr, AddrRange, Gathered, gather};

use super::frames::{Code, Frames, Special};
use super::in_hand::{is_in_call, rests};
use super::start::{Start, stack_of, start, status, whole};
use super::walks::{Walk, number};
use super::{Collected, NOBODY, RootKind, Source};
use crate::Error;
use crate::bits::{index, word};

/// Goroutines that a thread takes at a time.
const BATCH: usize = 512;
/// Bytes of vector registers that are believed.
const MOST_XREGS: u32 = 4096;

/// Reads the roots on stacks, on several threads.
///
/// # Errors
/// Only what makes the whole target unreadable.
pub(super) fn read(source: &Source<'_>, threads: usize, into: &mut Collected) -> Result<(), Error> {
    let starts = (0u32..).step_by(BATCH);
    let batches = starts.zip(source.census.goroutines.chunks(BATCH));
    let queue = Mutex::new(batches);
    let all = Mutex::new((std::mem::take(into), Ok(())));
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                let mut own = Collected::default();
                let result = work(source, &queue, &mut own);
                let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                all.0.merge(own);
                if result.is_err() {
                    all.1 = result;
                }
            });
        }
    });
    let (collected, result) = all.into_inner().unwrap_or_else(PoisonError::into_inner);
    *into = collected;
    result
}

/// One thread: takes goroutines until there are none.
fn work<'a>(
    source: &Source<'_>,
    queue: &Mutex<impl Iterator<Item = (u32, &'a [Goroutine])>>,
    into: &mut Collected,
) -> Result<(), Error> {
    let mut frames = Frames::new(source.program);
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
        let Some((first, goroutines)) = next else {
            break;
        };
        if Instant::now() > source.until {
            let why = format!("there was no time to read {} of them", goroutines.len());
            into.coverage.skip("stack", why);
            continue;
        }
        batch(source, first, goroutines, &mut frames, into)?;
    }
    into.coverage.merge(frames.coverage);
    Ok(())
}

/// Reads the stacks of a few goroutines, as many at once as the limit allows.
fn batch(
    source: &Source<'_>,
    first: u32,
    goroutines: &[Goroutine],
    frames: &mut Frames<'_>,
    into: &mut Collected,
) -> Result<(), Error> {
    let gs = read_gs(source, goroutines)?;
    let mut starts = Vec::new();
    for (number, one) in (first..).zip(goroutines) {
        let Some(g) = of(source, &gs, one) else {
            into.coverage.skip("stack", "its g cannot be read");
            continue;
        };
        if let Some(start) = start(source, g) {
            starts.push((Owner { number, one }, g, start));
        }
    }
    let mut rest = starts.as_slice();
    while !rest.is_empty() {
        let mut bytes = 0u64;
        let fits = rest.iter().take_while(|(_, _, start)| {
            bytes = bytes.saturating_add(start.used().len());
            bytes <= source.limits.stack_batch_bytes
        });
        let len = fits.count().max(1);
        let (now, later) = rest.split_at_checked(len).unwrap_or((rest, &[]));
        rest = later;
        let used = now.iter().map(|(_, _, start)| start.used());
        let stacks = gather(
            source.program.memory,
            used.map(|range| (range.start(), range.len())),
        )?;
        let again: Vec<Goroutine> = now.iter().map(|(own, _, _)| own.one.clone()).collect();
        let gs_after = read_gs(source, &again)?;
        for (own, g, start) in now {
            let after = of(source, &gs_after, own.one);
            into.owner = own.number;
            if after.is_some_and(|after| same_place(source, g, after)) {
                stack(source, *own, g, *start, &stacks, frames, into)?;
            } else {
                into.coverage.torn += 1;
                moved(source, *own, after, frames, into)?;
            }
            into.owner = NOBODY;
        }
    }
    Ok(())
}

/// Whose stack it is.
#[derive(Clone, Copy, Debug)]
struct Owner<'a> {
    /// Which of the census's goroutines.
    number: u32,
    one: &'a Goroutine,
}

/// Reads these g's.
fn read_gs(source: &Source<'_>, goroutines: &[Goroutine]) -> Result<Gathered, Error> {
    let size = u64::from(source.program.layout().g.size);
    let items = goroutines.iter().map(|one| (one.g, size));
    Ok(gather(source.program.memory, items)?)
}

/// The bytes of one of them.
fn of<'a>(source: &Source<'_>, gs: &'a Gathered, one: &Goroutine) -> Option<&'a [u8]> {
    gs.get(one.g, source.program.layout().g.size as usize)
}

/// Whether a goroutine has not gone on between two readings of its g.
fn same_place(source: &Source<'_>, before: &[u8], after: &[u8]) -> bool {
    let g = &source.program.layout().g;
    let fields = [
        g.stack_lo,
        g.stack_hi,
        g.sched_sp,
        g.sched_pc,
        g.syscallsp,
        g.syscallpc,
    ];
    status(source, before) == status(source, after)
        && fields
            .iter()
            .all(|field| field.get(before) == field.get(after))
}

/// A goroutine that went on while its stack was read: all of its stack, as it is now, is guessed
/// at.
fn moved(
    source: &Source<'_>,
    own: Owner<'_>,
    g: Option<&[u8]>,
    frames: &mut Frames<'_>,
    into: &mut Collected,
) -> Result<(), Error> {
    let start = g.and_then(|g| Some((g, whole(stack_of(source, g)?))));
    let Some((g, start)) = start.filter(|(g, _)| !status(source, g).is_dead()) else {
        return Ok(());
    };
    let range = start.used();
    let stacks = gather(
        source.program.memory,
        std::iter::once((range.start(), range.len())),
    )?;
    stack(source, own, g, start, &stacks, frames, into)
}

/// One goroutine's stack, from its stack pointer on.
struct Stack<'a> {
    source: &'a Source<'a>,
    walk: Walk,
    /// From the stack pointer to the end.
    range: AddrRange,
    whole: AddrRange,
    bytes: &'a [u8],
    /// Words that point into the stack itself, by maps and by guess.
    pointers: [Vec<u64>; 2],
    /// Objects on the stack: where, of which code, which of its objects; by address.
    objects: Vec<(AddrRange, std::rc::Rc<Code>, usize)>,
}

fn stack(
    source: &Source<'_>,
    own: Owner<'_>,
    g: &[u8],
    start: Start,
    stacks: &Gathered,
    frames: &mut Frames<'_>,
    into: &mut Collected,
) -> Result<(), Error> {
    let range = start.used();
    let Some(bytes) = stacks.get(range.start(), index(range.len())) else {
        into.coverage.skip("stack", "it cannot be read");
        return Ok(());
    };
    let walks = &into.roots.walks;
    let (first_pc, first_root) = (walks.pcs.len(), into.roots.roots.len());
    let mut stack = Stack {
        source,
        walk: Walk {
            goroutine: own.number,
            used: range.len(),
            ..Walk::default()
        },
        range,
        whole: start.stack,
        bytes,
        pointers: [Vec::new(), Vec::new()],
        objects: Vec::new(),
    };
    let fields = &source.program.layout().g;
    let context = fields.sched_ctxt;
    let addr = own.one.g;
    stack.take(RootKind::Stack, context.at(addr), context.get(g), into);
    if fields.async_safe_point.u8(g) != 0 {
        stack.vector_registers(g, into);
    }
    stack.frames(start, frames, into);
    stack.deferred(fields.deferred.addr(g), into);
    let panicking = fields.panicking;
    stack.take(RootKind::Stack, panicking.at(addr), panicking.get(g), into);
    if start.anywhere {
        let whole = stack.whole;
        let on_it = source
            .registers
            .iter()
            .filter(|regs| whole.contains(regs.sp));
        for registers in on_it {
            for value in &registers.general {
                stack.take(RootKind::Register, registers.sp, *value, into);
            }
        }
    }
    stack.reached(into);
    let locked = fields.lockedm.addr(g);
    if !locked.is_null() {
        into.roots.in_hand.locked.insert(locked, own.number);
    }
    stack.in_hand(own, into);
    let walks = &mut into.roots.walks;
    walks.walks.push(Walk {
        pcs: number(first_pc)..number(walks.pcs.len()),
        roots: number(first_root)..number(into.roots.roots.len()),
        ..stack.walk
    });
    Ok(())
}

impl Stack<'_> {
    /// Notes what its goroutine may have in hand of others.
    fn in_hand(&self, own: Owner<'_>, into: &mut Collected) {
        if is_in_call(own.one, &self.walk) {
            into.roots.in_hand.in_calls.push(self.whole);
        } else if !rests(own.one) {
            for value in self.bytes.chunks_exact(8) {
                into.see(self.source, word(value, 0), Some(own.number));
            }
        }
    }

    fn word(&self, at: Addr) -> u64 {
        match at.0.checked_sub(self.range.start().0) {
            Some(offset) => word(self.bytes, index(offset)),
            None => 0,
        }
    }

    /// A word that holds a pointer: into the heap, or into this stack.
    fn take(&mut self, kind: RootKind, at: Addr, value: u64, into: &mut Collected) {
        if self.whole.contains(Addr(value)) {
            let [known, guessed] = &mut self.pointers;
            let list = if kind.is_guess() { guessed } else { known };
            list.push(value);
        } else if value != 0 {
            into.add(self.source, kind, at, value);
        }
    }

    fn take_at(&mut self, kind: RootKind, at: Addr, into: &mut Collected) {
        self.take(kind, at, self.word(at), into);
    }

    /// Takes all words from `from` to `to`.
    fn guess(&mut self, from: Addr, to: Addr, into: &mut Collected) {
        let mut at = from.align_up(8).max(self.range.start().align_up(8));
        let end = to.min(self.range.end());
        while at < end {
            self.take_at(RootKind::StackWord, at, into);
            at = at.add(8);
        }
    }

    /// Walks the frames from the innermost one.
    fn frames(&mut self, start: Start, frames: &mut Frames<'_>, into: &mut Collected) {
        let end = self.range.end();
        let (mut pc, mut sp) = (start.pc, start.sp);
        let (mut guess, mut trapped, mut innermost) = (start.anywhere, false, true);
        let mut guessed = false;
        for _ in 0..self.source.limits.frames {
            let code = frames.at(pc, trapped);
            let frame_end = |code: &Code| Some(sp.add(u64::from(code.size?)).add(8));
            let known = code.and_then(|code| Some((frame_end(&code)?, code)));
            let known = known.filter(|(fp, _)| *fp <= end);
            let lost = |code: &Code| code.writes_sp && code.special != Special::CgoCallback;
            if known.is_some() {
                into.roots.walks.pcs.push(pc);
            }
            let Some((fp, code)) = known.filter(|known| !(guess && lost(&known.1))) else {
                // Not Go code, or no table tells its size: code of C, or of a plugin without an
                // image. Every word from here on is taken for a pointer, so that nothing is missed.
                self.guess(sp, end, into);
                return;
            };
            let end = fp.add(u64::from(code.args_len));
            self.walk.note(code.special, AddrRange::new(sp, end));
            let preempts = code.special == Special::Preempts;
            if guess || preempts || code.special == Special::Reflect || !code.has_maps {
                self.guess(sp, Addr(fp.0 - 8), into);
                let args = match code.special {
                    Special::Reflect => self.reflect_args(sp),
                    _ => u64::from(code.args_len),
                };
                self.guess(fp, fp.add(args), into);
                guessed = true;
                guess = preempts;
            } else if code.lives {
                self.precise(&code, sp, fp, into);
            }
            if code.is_top {
                self.walk.is_whole = !guessed;
                return;
            }
            if lost(&code) && !innermost {
                self.guess(fp, end, into);
                return;
            }
            let caller = Addr(self.word(Addr(fp.0 - 8)));
            trapped = code.special == Special::Trap;
            (pc, sp, innermost) = (caller, fp, false);
        }
        into.coverage
            .skip("stack", "it has more frames than the limit");
    }

    /// A frame with maps.
    fn precise(&mut self, code: &std::rc::Rc<Code>, sp: Addr, fp: Addr, into: &mut Collected) {
        // Above the locals are the return address and, if there is a frame, the frame pointer.
        let mut locals_end = Addr(fp.0 - 8);
        if locals_end > sp {
            locals_end = Addr(locals_end.0 - 8);
            let len = u64::from(code.locals.words) * 8;
            let start = Addr(locals_end.0.saturating_sub(len));
            for word in code.locals.pointers() {
                self.take_at(RootKind::Stack, start.add(u64::from(word) * 8), into);
            }
        }
        for word in code.args.pointers() {
            self.take_at(RootKind::Stack, fp.add(u64::from(word) * 8), into);
        }
        for (number, object) in code.objects.iter().enumerate() {
            let base = if object.offset >= 0 { fp } else { locals_end };
            let at = Addr(base.0.wrapping_add_signed(i64::from(object.offset)));
            let range = AddrRange::sized(at, u64::from(object.size));
            if at >= sp && self.range.covers(range) {
                self.objects.push((range, code.clone(), number));
            }
        }
    }

    /// Bytes of arguments of a call that was made through reflection: its first local is the
    /// `reflect.methodValue` or `makeFuncImpl`, which tells.
    fn reflect_args(&self, sp: Addr) -> u64 {
        let value = Addr(self.word(sp));
        let len = letgo_target::read_u64(self.source.program.memory, value.add(16));
        len.unwrap_or(0).min(self.range.end().since(sp))
    }

    /// Deferred calls: a list that goes between the stack and the heap.
    fn deferred(&mut self, first: Addr, into: &mut Collected) {
        let fields = self.source.program.layout().deferred;
        let mut next = first;
        for _ in 0..self.source.limits.frames {
            if next.is_null() {
                return;
            }
            let read = |member: letgo_goruntime::layout::Member| {
                let range = AddrRange::sized(member.at(next), u64::from(member.size));
                if self.range.covers(range) {
                    Some(self.word(range.start()))
                } else {
                    self.source.program.field(next, member).ok()
                }
            };
            let (Some(heap), Some(func), Some(link)) =
                (read(fields.heap), read(fields.func), read(fields.link))
            else {
                into.coverage.skip("deferred call", "it cannot be read");
                return;
            };
            self.take(RootKind::Stack, fields.func.at(next), func, into);
            self.take(RootKind::Stack, fields.link.at(next), link, into);
            if heap & 0xff != 0 {
                self.take(RootKind::Stack, next, next.0, into);
            }
            next = Addr(link);
        }
        into.coverage
            .skip("deferred call", "there are more than the limit");
    }

    /// Vector registers of a goroutine that was preempted anywhere, where they are kept apart.
    fn vector_registers(&mut self, g: &[u8], into: &mut Collected) {
        let layout = self.source.program.layout();
        let (Some(state), Some(fields)) = (layout.g.xregs, layout.xreg_state) else {
            return;
        };
        let at = state.addr(g);
        if at.is_null() || fields.size > MOST_XREGS {
            return;
        }
        let Ok(bytes) = self.source.program.bytes(at, fields.size) else {
            into.coverage
                .skip("stack", "its vector registers cannot be read");
            return;
        };
        for (number, value) in (0u64..).zip(bytes.chunks_exact(8)) {
            self.take(
                RootKind::StackWord,
                at.add(number * 8),
                word(value, 0),
                into,
            );
        }
    }

    /// Looks at the objects on the stack that are pointed to, and at those that these point to.
    fn reached(&mut self, into: &mut Collected) {
        self.objects.sort_by_key(|object| object.0);
        let objects = std::mem::take(&mut self.objects);
        let mut seen = vec![false; objects.len()];
        loop {
            // Those that are known to be pointers first.
            let [known, guessed] = &mut self.pointers;
            let (value, kind) = match known.pop() {
                Some(value) => (value, RootKind::Stack),
                None => match guessed.pop() {
                    Some(value) => (value, RootKind::StackWord),
                    None => return,
                },
            };
            let behind = objects.partition_point(|object| object.0.start().0 <= value);
            let Some(at) = behind.checked_sub(1) else {
                continue;
            };
            let (Some((range, code, number)), Some(seen)) = (objects.get(at), seen.get_mut(at))
            else {
                continue;
            };
            if *seen || !range.contains(Addr(value)) {
                continue;
            }
            *seen = true;
            if let Some(object) = code.objects.get(*number) {
                for word in object.map.pointers() {
                    self.take_at(kind, range.start().add(u64::from(word) * 8), into);
                }
            }
        }
    }
}
