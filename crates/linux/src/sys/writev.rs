//! `process_vm_writev`: bytes of ours into another process, in one system call.
//!
//! The call honours the page protection of the target, unlike `/proc/PID/mem` and ptrace: a page
//! that the target itself may not write is refused with EFAULT. Who may call this, and with what,
//! is decided in [`crate::write`] and, for bytes below the stack pointer of a stopped thread,
//! in [`crate::frozen`], the only callers; [`is_allowed`] stores nothing.
//!
//! Source: process_vm_writev(2), mm/process_vm_access.c.

#![allow(unsafe_code, reason = "a system call that takes pointers")]

use letgo_target::Addr;
use nix::errno::Errno;
use nix::libc;

/// Most words of one call.
const MOST_WORDS: usize = 2;

/// An address that no process can map: the last os page of the address space.
const NOWHERE: Addr = Addr(!0xfff);

/// Stores `words` in order, each at its own address. Answers how many bytes were stored, from the
/// front.
pub(crate) fn write_words(pid: i32, words: &[(Addr, &[u8])]) -> Result<usize, Errno> {
    assert!(words.len() <= MOST_WORDS, "more words than one call names");
    let none = libc::iovec {
        iov_base: std::ptr::null_mut(),
        iov_len: 0,
    };
    let (mut local, mut remote) = ([none; MOST_WORDS], [none; MOST_WORDS]);
    for ((word, ours), theirs) in words.iter().zip(&mut local).zip(&mut remote) {
        let (addr, bytes) = *word;
        ours.iov_base = bytes.as_ptr().cast_mut().cast();
        ours.iov_len = bytes.len();
        theirs.iov_base = foreign(addr);
        theirs.iov_len = bytes.len();
    }
    let count = words.len() as libc::c_ulong;
    // SAFETY: the first `count` entries of `local` each name borrowed bytes with their true length,
    // which the kernel only reads. Addresses in `remote` are the kernel's to check, in the other
    // process. `count <= MOST_WORDS <= IOV_MAX`.
    let answer =
        unsafe { libc::process_vm_writev(pid, local.as_ptr(), count, remote.as_ptr(), count, 0) };
    Errno::result(answer).map(isize::unsigned_abs)
}

/// Whether the kernel would let us write to `pid` at all, told without writing: the address is one
/// that nothing can be mapped at, so a permitted call fails with EFAULT.
pub(crate) fn is_allowed(pid: i32) -> Result<(), Errno> {
    match write_words(pid, &[(NOWHERE, &[0])]) {
        Ok(_) | Err(Errno::EFAULT) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// An address of the target where the call wants a pointer. Never dereferenced here.
fn foreign(addr: Addr) -> *mut libc::c_void {
    std::ptr::without_provenance_mut(usize::try_from(addr.0).unwrap_or(usize::MAX))
}
