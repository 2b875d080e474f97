//! The kernel's record of a thread's registers as [`Registers`].
//!
//! Source: sys/user.h `user_regs_struct`, x86-64.

use letgo_target::Registers;
use nix::libc::user_regs_struct;

/// What the kernel says of a thread.
pub(super) fn of(raw: &user_regs_struct) -> Registers {
    Registers {
        rip: raw.rip,
        rsp: raw.rsp,
        rbp: raw.rbp,
        rax: raw.rax,
        rbx: raw.rbx,
        rcx: raw.rcx,
        rdx: raw.rdx,
        rsi: raw.rsi,
        rdi: raw.rdi,
        r8: raw.r8,
        r9: raw.r9,
        r10: raw.r10,
        r11: raw.r11,
        r12: raw.r12,
        r13: raw.r13,
        r14: raw.r14,
        r15: raw.r15,
        system_call: (raw.orig_rax <= i64::MAX.unsigned_abs()).then_some(raw.orig_rax),
        fs_base: raw.fs_base,
    }
}
