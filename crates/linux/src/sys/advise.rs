//! Advice to the kernel on our own memory.

#![allow(unsafe_code, reason = "a system call that takes a pointer")]

use std::ffi::c_void;
use std::ptr::NonNull;

use nix::sys::mman::{MmapAdvise, madvise};

/// Bytes of a huge page of x86-64.
const HUGE_PAGE: usize = 2 << 20;

/// Asks for huge pages where `memory` is touched for the first time; the kernel may decline.
///
/// Worth it for large memory that is read at random: a miss of the translation costs as much as
/// one of the cache.
pub fn prefer_huge_pages<T>(memory: &mut [T]) {
    let start = memory.as_ptr().align_offset(HUGE_PAGE);
    let Some(rest) = memory.get_mut(start..) else {
        return;
    };
    let len = size_of_val(rest) / HUGE_PAGE * HUGE_PAGE;
    let Some(first) = NonNull::new(rest.as_mut_ptr().cast::<c_void>()).filter(|_| len > 0) else {
        return;
    };
    // SAFETY: the range lies within `memory`, which we hold exclusively; the advice changes how
    // its pages are made, and never what they hold.
    let _ = unsafe { madvise(first, len, MmapAdvise::MADV_HUGEPAGE) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_memory_holds_is_as_before() {
        for len in [0, 1, 4096, 5 << 20] {
            let mut memory = vec![7; len];
            prefer_huge_pages(&mut memory);
            assert!(memory.iter().all(|byte| *byte == 7));
        }
    }
}
