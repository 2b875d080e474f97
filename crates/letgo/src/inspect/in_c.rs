//! [`InC`]: what is known of a goroutine whose thread is in C code.
//!
//! A call of C runs on the stack of its thread, from where the scheduler left that (`g0.sched.sp`)
//! down. While the program stands still the part in use is copied and the registers are kept; whose
//! code that is, is found out when the program has long been let go (see [`super::c_stacks`]).
//!
//! A goroutine is in C when the runtime has it in a system call (`runtime.cgocall` says so to the
//! scheduler) and its thread is outside of Go code, on that part of its stack. A thread belongs to
//! the goroutine whose part of a stack it stands on; numbers of threads are not needed, which are
//! others inside of a container. Where no thread is outside of Go code, nothing is read.
//!
//! Source: src/runtime/cgocall.go; asm_amd64.s, `asmcgocall`, `cgocallback`; go1.19 to go1.27.

use std::collections::HashMap;

use letgo_goruntime::layout::Member;
use letgo_goruntime::{Census, Runtime, Status};
use letgo_target::{Addr, AddrRange, Fault, Mapping, Piece, ReadMemory, Registers};

use super::{Program, View};

/// Bytes that are copied of one stack, from the innermost frame on: C functions that have buffers
/// of some KiB in their frames are common, larger ones are not.
const MOST_STACK: u64 = 64 << 10;
/// Bytes that are copied of all of them.
const MOST_BYTES: u64 = 8 << 20;

/// A goroutine whose thread is in C code.
#[derive(Debug)]
pub(super) struct InC {
    /// Which of the census's goroutines.
    pub(super) goroutine: u32,
    /// Those of its thread.
    pub(super) registers: Registers,
    /// The stack in use, from the stack pointer on; less of it where it is long.
    pub(super) stack: Vec<u8>,
    /// Where the call of C began: the end of the stack in use.
    pub(super) top: Addr,
}

/// The goroutines that are in C, of threads with these registers. Nothing of a program that runs
/// on: its registers are not known.
pub(super) fn in_c(
    program: &Program,
    runtime: &Runtime,
    view: &View,
    census: &Census,
    threads: &[Registers],
) -> Vec<InC> {
    // Many threads wait at the same place.
    let mut known = HashMap::new();
    let mut is_go = |pc| {
        let look_up = || go_function(program, pc).is_some();
        *known.entry(pc).or_insert_with(look_up)
    };
    let threads = threads.iter().filter(|thread| !is_go(thread.pc()));
    let threads: Vec<Registers> = threads.copied().collect();
    if !view.stands() || threads.is_empty() {
        return Vec::new();
    }
    let memory = &*view.memory;
    let found = calls(runtime, memory, census).map(|calls| {
        let mut stacks = matched(&calls, &threads, &view.mappings);
        copy(memory, &mut stacks).map(|()| stacks)
    });
    found.and_then(|stacks| stacks).unwrap_or_default()
}

/// The function of Go code at an address, the program's or a plugin's. Where Go's own linker took
/// C code in, the function table has its functions too: without a size of their frames.
pub(super) fn go_function(program: &Program, at: Addr) -> Option<String> {
    let (functions, linked) = match program.plugins.of_code(at) {
        Some(one) => (&one.plugin.functions, one.link_time(at)),
        None => {
            let linked = at.biased(program.bias.wrapping_neg());
            (&program.binary.functions, linked)
        }
    };
    let frame = functions.frame_at(linked, linked).ok()??;
    frame.size.is_some().then_some(frame.name)
}

/// Goroutines in system calls, and where the scheduler left the stacks of their threads.
fn calls(
    runtime: &Runtime,
    memory: &dyn ReadMemory,
    census: &Census,
) -> Result<Vec<(u32, Addr)>, Fault> {
    let layout = runtime.layout();
    let all = (0u32..).zip(&census.goroutines);
    let in_calls = all.filter(|(_, one)| one.status == Status::Syscall);
    let of: HashMap<Addr, u32> = in_calls.map(|(number, one)| (one.g, number)).collect();
    let ms = census.threads.iter().map(|thread| thread.m);
    let words = |member: Member, bases: &[Addr]| words(memory, member, bases);
    let current = words(layout.m.curg, &ms.clone().collect::<Vec<_>>())?;
    let held = ms.zip(current);
    let held = held.filter_map(|(m, g)| Some((m, *of.get(&Addr(g?))?)));
    let (ms, goroutines): (Vec<Addr>, Vec<u32>) = held.unzip();
    let g0s = words(layout.m.g0, &ms)?.into_iter();
    let g0s: Vec<Addr> = g0s.map(|g0| Addr(g0.unwrap_or(0))).collect();
    let tops = words(layout.g.sched_sp, &g0s)?;
    let calls = goroutines.into_iter().zip(tops);
    Ok(calls
        .filter_map(|(goroutine, top)| Some((goroutine, Addr(top?))))
        .filter(|(_, top)| !top.is_null())
        .collect())
}

/// A field of each structure, absent where it cannot be read.
fn words(
    memory: &dyn ReadMemory,
    member: Member,
    bases: &[Addr],
) -> Result<Vec<Option<u64>>, Fault> {
    let mut words = vec![[0; 8]; bases.len()];
    let fields = bases.iter().map(|base| member.at(*base)).zip(&mut words);
    let mut pieces: Vec<Piece<'_>> = fields.map(|(at, word)| Piece::new(at, word)).collect();
    memory.read_scattered(&mut pieces)?;
    let filled: Vec<bool> = pieces.iter().map(|piece| piece.filled).collect();
    let words = words.into_iter().map(u64::from_le_bytes);
    let read = words.zip(filled);
    Ok(read.map(|(word, filled)| filled.then_some(word)).collect())
}

/// The thread of each call: of those that stand on the same mapping below where its stack begins,
/// the one that is nearest.
fn matched(calls: &[(u32, Addr)], threads: &[Registers], mappings: &[Mapping]) -> Vec<InC> {
    let mut threads = threads.to_vec();
    threads.sort_by_key(Registers::sp);
    let in_c = calls.iter().filter_map(|(goroutine, top)| {
        let stack = Mapping::find(mappings, Addr(top.0.checked_sub(1)?))?;
        let below = threads.partition_point(|thread| thread.sp() < *top);
        let nearest = threads.get(below.checked_sub(1)?)?;
        stack.range.contains(nearest.sp()).then(|| InC {
            goroutine: *goroutine,
            registers: *nearest,
            stack: Vec::new(),
            top: *top,
        })
    });
    in_c.collect()
}

/// Copies the stacks, as far as the limits go.
fn copy(memory: &dyn ReadMemory, stacks: &mut [InC]) -> Result<(), Fault> {
    let mut left = MOST_BYTES;
    for one in stacks.iter_mut() {
        let used = AddrRange::new(one.registers.sp(), one.top).len();
        let len = used.min(MOST_STACK).min(left);
        left -= len;
        one.stack = vec![0; usize::try_from(len).unwrap_or(0)];
    }
    let pieces = stacks
        .iter_mut()
        .map(|one| Piece::new(one.registers.sp(), &mut one.stack));
    let mut pieces: Vec<Piece<'_>> = pieces.collect();
    memory.read_scattered(&mut pieces)?;
    let filled: Vec<bool> = pieces.iter().map(|piece| piece.filled).collect();
    for (one, _) in stacks.iter_mut().zip(filled).filter(|(_, filled)| !filled) {
        one.stack = Vec::new();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thread(sp: u64) -> Registers {
        Registers {
            rsp: sp,
            ..Registers::default()
        }
    }

    fn mapping(start: u64, end: u64) -> Mapping {
        Mapping {
            range: AddrRange::new(Addr(start), Addr(end)),
            ..Mapping::default()
        }
    }

    #[test]
    fn a_call_is_made_by_the_thread_that_stands_on_its_stack() {
        let mappings = [mapping(0x1000, 0x5000), mapping(0x6000, 0x9000)];
        let threads = [0x8f00, 0x3000, 0x1800, 0x4800].map(thread);
        let calls = [
            (1, 0x4000),
            (2, 0x9000),
            (3, 0x2000),
            (4, 0x6000),
            (5, 0x1000),
        ];
        let calls = calls.map(|(goroutine, top)| (goroutine, Addr(top)));
        let found = matched(&calls, &threads, &mappings);
        let found: Vec<_> = found
            .iter()
            .map(|one| (one.goroutine, one.registers.rsp))
            .collect();
        // Of the fourth and the fifth no thread is known.
        assert_eq!(found, [(1, 0x3000), (2, 0x8f00), (3, 0x1800)]);
    }
}
