//! `process_vm_readv`: bytes of another process into our buffers, in one system call.
//!
//! A transfer may be partial: the kernel stops at the first byte that it cannot read and answers
//! how many it had copied. Who continues where is decided in [`crate::memory`].
//!
//! Source: process_vm_readv(2), mm/process_vm_access.c.

#![allow(unsafe_code, reason = "a system call that takes pointers")]

use letgo_target::{Addr, Piece};
use nix::errno::Errno;
use nix::libc;

/// Most pieces of one call: `IOV_MAX`.
pub(crate) const MOST_PIECES: usize = 1024;
/// Pieces up to which the small vectors on the stack do.
const FEW_PIECES: usize = 64;

/// Reads the bytes of `pieces` from `skip` bytes into the first one on, as far as one call goes,
/// and at most about `most_bytes`. Answers how many bytes arrived, from the front.
pub(crate) fn read_pieces(
    pid: i32,
    pieces: &mut [Piece<'_>],
    skip: usize,
    most_bytes: usize,
) -> Result<usize, Errno> {
    if pieces.len() <= FEW_PIECES {
        one_call::<FEW_PIECES>(pid, pieces, skip, most_bytes)
    } else {
        one_call::<MOST_PIECES>(pid, pieces, skip, most_bytes)
    }
}

const NO_BYTES: libc::iovec = libc::iovec {
    iov_base: std::ptr::null_mut(),
    iov_len: 0,
};

fn one_call<const N: usize>(
    pid: i32,
    pieces: &mut [Piece<'_>],
    mut skip: usize,
    most_bytes: usize,
) -> Result<usize, Errno> {
    let mut local = [NO_BYTES; N];
    let mut remote = [NO_BYTES; N];
    let (mut count, mut bytes): (libc::c_ulong, usize) = (0, 0);
    for ((piece, ours), theirs) in pieces.iter_mut().zip(&mut local).zip(&mut remote) {
        if bytes >= most_bytes {
            break;
        }
        let addr = piece.addr.add(skip as u64);
        let buf = piece.buf.get_mut(skip..).unwrap_or_default();
        let len = buf.len().min(most_bytes - bytes);
        ours.iov_base = buf.as_mut_ptr().cast();
        ours.iov_len = len;
        theirs.iov_base = foreign(addr);
        theirs.iov_len = len;
        bytes += len;
        count += 1;
        skip = 0;
    }
    // SAFETY: the first `count` entries of `local` each name bytes of one piece's own exclusively
    // borrowed buffer, with its true length, alive until after the call. Addresses in `remote` are
    // the kernel's to check, in the other process. `count <= N <= IOV_MAX`.
    let answer =
        unsafe { libc::process_vm_readv(pid, local.as_ptr(), count, remote.as_ptr(), count, 0) };
    Errno::result(answer).map(isize::unsigned_abs)
}

/// An address of the target where the call wants a pointer. Never dereferenced here.
fn foreign(addr: Addr) -> *mut libc::c_void {
    std::ptr::without_provenance_mut(usize::try_from(addr.0).unwrap_or(usize::MAX))
}

#[cfg(test)]
pub(crate) mod tests {
    use nix::libc;

    /// Takes all access away from one page of ours, which nobody uses any more.
    pub(crate) fn forbid(page: usize) {
        // SAFETY: the page lies inside a leaked allocation that is not touched again.
        let answer = unsafe {
            libc::mprotect(
                std::ptr::with_exposed_provenance_mut(page),
                4096,
                libc::PROT_NONE,
            )
        };
        assert_eq!(answer, 0);
    }
}
