//! What a thread that runs a call of ours finds on its stack: its way back, whoever is there to
//! lead it.
//!
//! ```text
//! base       address of exit          the child's stack pointer: it returns into exit_group(0)
//!   + 8      not used
//!   + 16     0, the code of the exit
//!   + 24     address of sigreturn     the thread's stack pointer: it returns into rt_sigreturn(2),
//!   + 32     ucontext                 which gives it back the registers and the mask kept here
//! base + ROOM, at most 128 bytes below the thread's own stack pointer
//! ```
//!
//! The registers kept are those with which the thread goes on by itself: where a wait that can be
//! restarted was interrupted, it stands before its `syscall` again; one that can only be resumed
//! through the kernel's restart block, which rt_sigreturn clears, answers EINTR.
//! rt_sigreturn also sets the alternate stack, which cannot be read from outside: its flags here
//! are none that the kernel knows, so it refuses that part, squashes the error and leaves the stack
//! as it is.
//!
//! Does not write anything.
//!
//! Source: arch/x86/kernel/signal_64.c `rt_sigreturn`, arch/x86/include/uapi/asm/sigcontext.h and
//! ucontext.h, kernel/signal.c `do_sigaltstack` and `restore_altstack`, Linux 4.14 to 6.18.

use letgo_target::Addr;
use nix::libc::{self, user_regs_struct};

use super::gadgets::Gadgets;

/// Bytes that a thread needs below its red zone.
pub(super) const BYTES: usize = CHILD_BYTES + 8 + UCONTEXT_BYTES;
/// Bytes below the stack pointer that the calling convention of C keeps for the function.
const RED_ZONE: u64 = 128;
/// Bytes below the stack pointer of an idle thread that are written, at most.
pub const ROOM: u64 = RED_ZONE + BYTES as u64 + 16;

const CHILD_BYTES: usize = 24;
const UCONTEXT_BYTES: usize = 304;
/// `UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS`: `ss` is restored as it stands in the frame.
const UC_FLAGS: u64 = 2 | 4;
/// No mode that `do_sigaltstack` knows: it answers EINVAL and changes nothing.
const NO_ALTSTACK_MODE: u64 = 4;

const ERESTARTSYS: i64 = 512;
const ERESTARTNOINTR: i64 = 513;
const ERESTARTNOHAND: i64 = 514;
const ERESTART_RESTARTBLOCK: i64 = 516;
/// Length of the instruction `syscall`.
const SYSCALL_BYTES: u64 = 2;

/// The frames of one thread.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Frame {
    /// Where `bytes` go.
    pub(super) base: Addr,
    pub(super) bytes: Vec<u8>,
}

impl Frame {
    /// For a thread with these registers and this mask of blocked signals. Nothing where its stack
    /// pointer leaves no room.
    pub(super) fn new(gadgets: &Gadgets, regs: &user_regs_struct, mask: u64) -> Option<Frame> {
        let base = regs.rsp.checked_sub(RED_ZONE + BYTES as u64)? & !15;
        let mut bytes = Vec::with_capacity(BYTES);
        let mut put = |word: u64| bytes.extend_from_slice(&word.to_le_bytes());
        [gadgets.exit.addr.0, 0, 0, gadgets.sigreturn.addr.0]
            .into_iter()
            .for_each(&mut put);
        // uc_flags, uc_link, uc_stack {ss_sp, ss_flags, ss_size}.
        [UC_FLAGS, 0, 0, NO_ALTSTACK_MODE, 0]
            .into_iter()
            .for_each(&mut put);
        sigcontext(&restarted(regs)).into_iter().for_each(&mut put);
        put(mask);
        assert!(bytes.len() == BYTES, "a frame of {} bytes", bytes.len());
        let base = Addr(base);
        Some(Frame { base, bytes })
    }

    /// The stack pointer with which `ret` leads the thread back.
    pub(super) fn thread_sp(&self) -> u64 {
        self.base.0 + CHILD_BYTES as u64
    }

    /// The stack pointer with which `ret` leads a child to its end.
    pub(super) fn child_sp(&self) -> u64 {
        self.base.0
    }
}

/// `struct sigcontext_64`, without floating point state: 32 words.
fn sigcontext(r: &user_regs_struct) -> [u64; 32] {
    // `cs`, `gs`, `fs`, `ss`, 16 bits each; the kernel ignores the two in the middle.
    let segments = (r.cs & 0xffff) | (r.ss & 0xffff) << 48;
    let mut words = [0; 32];
    let known = [
        r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14, r.r15, r.rdi, r.rsi, r.rbp, r.rbx, r.rdx,
        r.rax, r.rcx, r.rsp, r.rip, r.eflags, segments,
    ];
    for (word, value) in words.iter_mut().zip(known) {
        *word = value;
    }
    words
}

/// The registers as the kernel leaves them when it restarts the interrupted call, as far as
/// rt_sigreturn lets it.
fn restarted(regs: &user_regs_struct) -> user_regs_struct {
    let mut regs = *regs;
    if !is_in_call(&regs) {
        return regs;
    }
    match regs.rax.cast_signed().checked_neg() {
        Some(ERESTARTSYS | ERESTARTNOINTR | ERESTARTNOHAND) => {
            regs.rip = regs.rip.wrapping_sub(SYSCALL_BYTES);
            regs.rax = regs.orig_rax;
        }
        Some(ERESTART_RESTARTBLOCK) => {
            regs.rax = i64::from(-libc::EINTR).cast_unsigned();
        }
        _ => {}
    }
    regs
}

/// Whether the kernel would look at the answer of an interrupted call.
fn is_in_call(regs: &user_regs_struct) -> bool {
    regs.orig_rax.cast_signed() >= 0
}

#[cfg(test)]
mod tests {
    use super::super::gadgets::Snippet;
    use super::*;

    fn gadgets() -> Gadgets {
        let at = |addr| Snippet {
            addr: Addr(addr),
            bytes: vec![0x0f, 0x05],
        };
        Gadgets {
            syscall_ret: at(0x1000),
            sigreturn: at(0x2000),
            exit: at(0x3000),
            idle: vec![at(0x4000)],
        }
    }

    fn regs() -> user_regs_struct {
        // SAFETY: a structure of integers, for which all zeros are valid.
        #[allow(unsafe_code, reason = "zeros in a structure of integers")]
        let mut regs: user_regs_struct = unsafe { std::mem::zeroed() };
        (regs.rip, regs.rsp, regs.cs, regs.ss) = (0x4002, 0x8000, 0x33, 0x2b);
        (regs.orig_rax, regs.rax) = (202, (-512_i64).cast_unsigned());
        regs
    }

    /// The word that the C library's own structure has at an offset of the context.
    fn word(frame: &Frame, at: usize) -> u64 {
        let bytes = &frame.bytes[CHILD_BYTES + 8 + at..][..8];
        u64::from_le_bytes(bytes.try_into().unwrap())
    }

    #[test]
    fn the_context_is_laid_out_as_the_c_library_says() {
        let frame = Frame::new(&gadgets(), &regs(), 0x1234).unwrap();
        let gregs = std::mem::offset_of!(libc::ucontext_t, uc_mcontext);
        let register = |index: i32| word(&frame, gregs + 8 * usize::try_from(index).unwrap());
        assert_eq!(register(libc::REG_RIP), 0x4000, "before its call again");
        assert_eq!(register(libc::REG_RAX), 202);
        assert_eq!(register(libc::REG_RSP), 0x8000);
        assert_eq!(register(libc::REG_CSGSFS), 0x002b_0000_0000_0033);
        let mask = std::mem::offset_of!(libc::ucontext_t, uc_sigmask);
        assert_eq!(word(&frame, mask), 0x1234);
        assert_eq!(mask + 8, UCONTEXT_BYTES);
        // No floating point state.
        assert_eq!(word(&frame, gregs + 23 * 8), 0);
    }

    #[test]
    fn a_call_that_only_the_kernel_can_resume_is_interrupted() {
        let mut regs = regs();
        regs.rax = (-516_i64).cast_unsigned();
        let after = restarted(&regs);
        assert_eq!((after.rip, after.rax.cast_signed()), (0x4002, -4));
        // One that has ended, and a thread in none, go on as they are.
        regs.rax = 0;
        assert_eq!(restarted(&regs), regs);
        (regs.orig_rax, regs.rax) = (u64::MAX, (-512_i64).cast_unsigned());
        assert_eq!(restarted(&regs), regs);
    }

    #[test]
    fn the_frame_lies_below_the_red_zone() {
        for sp in [0x8000, 0x8008, 0x8ff8] {
            let mut regs = regs();
            regs.rsp = sp;
            let frame = Frame::new(&gadgets(), &regs, 0).unwrap();
            assert!(frame.base.0 + BYTES as u64 <= sp - RED_ZONE);
            assert!(frame.base.0 + ROOM >= sp);
        }
        let mut regs = regs();
        regs.rsp = 100;
        assert_eq!(Frame::new(&gadgets(), &regs, 0), None);
    }
}
