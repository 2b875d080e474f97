//! [`interrupted`]: what a thread had in its hands before a signal's handler got hold of it.
//!
//! To run a handler the kernel lays the thread's registers down on the stack that signals have
//! (`sigaltstack`), in an `rt_sigframe`: the address that the handler returns to, and a `ucontext`.
//! A thread that stands in a handler has its own registers there, and those of the handler in the
//! kernel's hands. Such are the threads of a Go program that died with `GOTRACEBACK=crash`.
//!
//! The frame is searched for on the part of the signal stack in use, and believed only where it is
//! what the kernel writes: it names that very stack with its size, links to no other, was left in
//! 64-bit user code on another stack, and has its vector registers on the same one. Handlers may
//! be interrupted in turn: only the outermost frame was left on another stack.
//!
//! x86-64. Source: arch/x86/kernel/signal_64.c, `x64_setup_rt_frame`; arch/x86/include/asm/
//! sigframe.h, `rt_sigframe_x64`; include/uapi/asm-generic/ucontext.h; arch/x86/include/uapi/asm/
//! sigcontext.h, `sigcontext_64`.

use crate::{Addr, AddrRange, ReadMemory, Registers, read_bytes};

/// Largest part of a signal stack that is searched; Go's has 32 KiB.
const MOST: u64 = 1 << 20;
/// Words of a frame that are looked at: the return address, `uc_flags`, `uc_link`, the stack, and
/// the registers up to the address of the vector registers.
const WORDS: usize = 6 + 24;
/// Which of them is the size of the signal stack.
const SIZE: usize = 5;
/// Where the registers begin.
const REGISTERS: usize = 6;
/// Which of these has the segments.
const SEGMENTS: usize = 18;
/// All flags that a `ucontext` may have: `UC_FP_XSTATE`, `UC_SIGCONTEXT_SS`,
/// `UC_STRICT_RESTORE_SS`.
const FLAGS: u64 = 7;
/// Code segment of 64-bit user code, the low half of its word.
const USER_CS: u64 = 0x33;
/// Stack segments that it may have.
const USER_SS: [u64; 2] = [0, 0x2b];
/// End of the addresses that user code has.
const USER_END: u64 = 1 << 47;

/// Registers of a thread as they were when its signal handler was called, where `sp` lies on
/// `stack`, its signal stack; nothing where no frame on it is what the kernel writes.
pub fn interrupted(memory: &dyn ReadMemory, sp: Addr, stack: AddrRange) -> Option<Registers> {
    frame(memory, sp, stack).map(|(_, registers)| registers)
}

/// The words of the frame that [`interrupted`] finds which are no addresses, and without which it
/// is not taken for one: the size of the signal stack, and segments.
pub fn signal_marks(memory: &dyn ReadMemory, sp: Addr, stack: AddrRange) -> Option<[AddrRange; 2]> {
    let (at, _) = frame(memory, sp, stack)?;
    let word = |number: u64| AddrRange::sized(at.add(number * 8), 8);
    Some([SIZE, REGISTERS + SEGMENTS].map(|number| word(number as u64)))
}

/// The outermost frame: where it lies, and the registers in it.
fn frame(memory: &dyn ReadMemory, sp: Addr, stack: AddrRange) -> Option<(Addr, Registers)> {
    if !stack.contains(sp) || stack.len() > MOST {
        return None;
    }
    let from = sp.align_up(8);
    let bytes = read_bytes(memory, from, stack.end().since(from), MOST).ok()?;
    let words: Vec<u64> = bytes
        .chunks_exact(8)
        .filter_map(|word| word.first_chunk().copied())
        .map(u64::from_le_bytes)
        .collect();
    // The outermost is where the stack begins, at its end.
    let mut frames = words.windows(WORDS).enumerate().rev();
    frames.find_map(|(at, frame)| Some((from.add(at as u64 * 8), of_frame(frame, stack)?)))
}

/// The registers in a frame, if that is what the words are.
fn of_frame(words: &[u64], stack: AddrRange) -> Option<Registers> {
    let word = |at: usize| words.get(at).copied().unwrap_or_default();
    let [back, flags, link, base, size] = [word(0), word(1), word(2), word(3), word(SIZE)];
    let names_it = base == stack.start().0 && size == stack.len();
    if !names_it || link != 0 || flags & !FLAGS != 0 || !is_user(back) {
        return None;
    }
    let register = |number: usize| word(REGISTERS + number);
    let segments = register(SEGMENTS);
    let vectors = Addr(register(23));
    let is_ours = segments & 0xffff == USER_CS
        && USER_SS.contains(&(segments >> 48))
        && is_user(register(16))
        && is_user(register(15))
        && !stack.contains(Addr(register(15)))
        && (vectors.is_null() || stack.contains(vectors));
    is_ours.then(|| Registers {
        r8: register(0),
        r9: register(1),
        r10: register(2),
        r11: register(3),
        r12: register(4),
        r13: register(5),
        r14: register(6),
        r15: register(7),
        rdi: register(8),
        rsi: register(9),
        rbp: register(10),
        rbx: register(11),
        rdx: register(12),
        rax: register(13),
        rcx: register(14),
        rsp: register(15),
        rip: register(16),
        ..Registers::default()
    })
}

fn is_user(addr: u64) -> bool {
    (1..USER_END).contains(&addr)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SliceMemory;

    const BASE: u64 = 0xc000_0a0000;
    const LEN: u64 = 0x8000;
    const FRAME: u64 = 0xc000_0a7a38;

    fn stack() -> AddrRange {
        AddrRange::sized(Addr(BASE), LEN)
    }

    /// A frame as the kernel lays it down, word by word.
    fn frame(rsp: u64) -> Vec<u64> {
        let mut words = vec![0x46_2960, 7, 0, BASE, 0, LEN];
        words.extend(1..=15);
        words.extend([rsp, 0x45_1234, 0x246, 0x002b_0000_0000_0033]);
        words.extend([0, 1, 0, 0x1234, FRAME + 0x1c8]);
        words.extend([0; 9]);
        words
    }

    fn memory(frames: &[(u64, Vec<u64>)]) -> SliceMemory {
        let mut bytes = vec![0; usize::try_from(LEN).unwrap()];
        for (at, words) in frames {
            let start = usize::try_from(at - BASE).unwrap();
            let words = words.iter().flat_map(|word| word.to_le_bytes());
            for (into, byte) in bytes[start..].iter_mut().zip(words) {
                *into = byte;
            }
        }
        let mut memory = SliceMemory::default();
        memory.map(Addr(BASE), bytes);
        memory
    }

    /// Of a redacted snapshot there are addresses, and what is kept beside them.
    #[test]
    fn addresses_and_marks_are_enough_to_find_a_frame() {
        let sp = Addr(FRAME - 0x800);
        let whole = frame(0xc000_123450);
        let marks = signal_marks(&memory(&[(FRAME, whole.clone())]), sp, stack()).unwrap();
        let kept = |at: Addr| marks.iter().any(|mark| mark.contains(at));
        let words = whole.iter().zip(0u64..).map(|(word, number)| {
            let is_kept = *word > 0x40_0000 && *word < USER_END || kept(Addr(FRAME + number * 8));
            if is_kept { *word } else { 0 }
        });
        let redacted = memory(&[(FRAME, words.collect())]);
        let found = interrupted(&redacted, sp, stack()).unwrap();
        assert_eq!((found.rip, found.rsp), (0x45_1234, 0xc000_123450));
        assert_eq!((found.r8, found.rax), (0, 0));
    }

    #[test]
    fn a_frame_gives_the_registers_that_were_interrupted() {
        let memory = memory(&[(FRAME, frame(0xc000_123450))]);
        let sp = Addr(FRAME - 0x800);
        let found = interrupted(&memory, sp, stack()).unwrap();
        assert_eq!((found.rip, found.rsp), (0x45_1234, 0xc000_123450));
        let general = [
            found.r8, found.r9, found.r10, found.r11, found.r12, found.r13, found.r14, found.r15,
            found.rdi, found.rsi, found.rbp, found.rbx, found.rdx, found.rax, found.rcx,
        ];
        assert_eq!(general.to_vec(), (1..=15).collect::<Vec<u64>>());
    }

    #[test]
    fn a_handler_that_was_interrupted_leads_to_what_it_interrupted() {
        let inner = (FRAME - 0x1000, frame(FRAME - 0x200));
        let memory = memory(&[inner, (FRAME, frame(0xc000_123450))]);
        let found = interrupted(&memory, Addr(FRAME - 0x1800), stack()).unwrap();
        assert_eq!(found.rsp, 0xc000_123450);
    }

    #[test]
    fn what_is_left_of_an_earlier_handler_is_not_believed() {
        let memory = memory(&[(FRAME - 0x1000, frame(0xc000_123450))]);
        assert_eq!(interrupted(&memory, Addr(FRAME - 0x800), stack()), None);
        let elsewhere = Addr(BASE + LEN + 8);
        assert_eq!(interrupted(&memory, elsewhere, stack()), None);
    }

    #[test]
    fn a_frame_with_anything_wrong_is_none() {
        let wrong = [
            (0, 0),
            (1, 8),
            (2, 1),
            (3, BASE + 8),
            (5, LEN - 8),
            (21, FRAME - 8),
            (21, u64::MAX),
            (22, 0),
            (24, 0x0010_0000_0000_0010),
            (29, 0x1000),
        ];
        for (at, value) in wrong {
            let mut words = frame(0xc000_123450);
            words[at] = value;
            let memory = memory(&[(FRAME, words)]);
            let found = interrupted(&memory, Addr(FRAME - 0x800), stack());
            assert_eq!(found, None, "word {at}");
        }
    }
}
