//! [`Registers`]: what a thread has in its hands.
//!
//! Pointers that live in registers only are roots of the object graph. A core file and a snapshot
//! hold those of each thread; of a live process only a stopped thread has any (see the `linux`
//! crate). Vector registers are left out.
//!
//! Source: sys/user.h `user_regs_struct`, x86-64.

use serde::{Deserialize, Serialize};

use crate::Addr;

/// The general registers of an x86-64 thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Registers {
    /// Next instruction.
    pub rip: u64,
    /// Stack pointer.
    pub rsp: u64,
    /// Frame pointer.
    pub rbp: u64,
    /// First integer argument and result of Go's calling convention.
    pub rax: u64,
    /// General.
    pub rbx: u64,
    /// General.
    pub rcx: u64,
    /// General; the closure's context in Go.
    pub rdx: u64,
    /// General.
    pub rsi: u64,
    /// General.
    pub rdi: u64,
    /// General.
    pub r8: u64,
    /// General.
    pub r9: u64,
    /// General.
    pub r10: u64,
    /// General.
    pub r11: u64,
    /// General.
    pub r12: u64,
    /// General.
    pub r13: u64,
    /// The current `g` while Go code runs.
    pub r14: u64,
    /// General.
    pub r15: u64,
    /// Number of the system call that it is in, nothing where it is in none.
    pub system_call: Option<u64>,
    /// Base of its thread-local storage.
    pub fs_base: u64,
}

impl Registers {
    /// Where it is.
    pub fn pc(&self) -> Addr {
        Addr(self.rip)
    }

    /// Its stack pointer.
    pub fn sp(&self) -> Addr {
        Addr(self.rsp)
    }

    /// The registers that may hold a pointer.
    pub fn words(&self) -> [u64; 15] {
        [
            self.rax, self.rbx, self.rcx, self.rdx, self.rsi, self.rdi, self.rbp, self.r8, self.r9,
            self.r10, self.r11, self.r12, self.r13, self.r14, self.r15,
        ]
    }
}
