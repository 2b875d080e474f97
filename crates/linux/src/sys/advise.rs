//! Advice to the kernel on our own memory.

#![allow(
    unsafe_code,
    reason = "a system call that takes a pointer, and an allocator"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::c_void;
use std::ptr::NonNull;

use nix::sys::mman::{MmapAdvise, madvise};

/// Bytes of a huge page of x86-64.
const HUGE_PAGE: usize = 2 << 20;
/// Bytes of a page of x86-64.
const PAGE: usize = 4 << 10;
/// Pieces of memory that have this many bytes, or more, are large: there is a huge page in them.
const LARGE: usize = 2 * HUGE_PAGE;

/// The system's allocator, which asks for huge pages for what is large; the kernel may decline.
///
/// Of memory that is touched once, and nearly all of whose cost that is, a huge page takes a
/// quarter of the time of its 512 small ones. Of what is read at random, a miss of the translation
/// costs as much as one of the cache.
#[derive(Clone, Copy, Debug, Default)]
pub struct LargeInHugePages;

// SAFETY: all calls go to the system's allocator unchanged, and so do its answers.
unsafe impl GlobalAlloc for LargeInHugePages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps what `GlobalAlloc` asks for, here and below.
        asked(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        asked(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        asked(unsafe { System.realloc(memory, layout, size) }, size)
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// Asks for huge pages for memory of the allocator, where it is large.
#[inline]
fn asked(memory: *mut u8, len: usize) -> *mut u8 {
    if len >= LARGE && !memory.is_null() {
        ask(memory, len);
    }
    memory
}

#[cold]
fn ask(memory: *mut u8, len: usize) {
    // What the allocator has for itself in front of the memory is in its first page.
    let start = (memory.addr() / PAGE * PAGE).next_multiple_of(HUGE_PAGE);
    let end = memory.addr().saturating_add(len) / HUGE_PAGE * HUGE_PAGE;
    let first = NonNull::new(memory.with_addr(start).cast::<c_void>());
    let (Some(first), Some(len)) = (first, end.checked_sub(start).filter(|len| *len > 0)) else {
        return;
    };
    // SAFETY: the range is the allocator's; the advice changes how its pages are made, and never
    // what they hold.
    let _ = unsafe { madvise(first, len, MmapAdvise::MADV_HUGEPAGE) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_grows_shrinks_and_is_zero_where_it_should_be() {
        let all = LargeInHugePages;
        let layout = |len| Layout::from_size_align(len, 64).unwrap();
        for len in [1, PAGE, LARGE - 1, LARGE, LARGE + 1, 3 * LARGE] {
            // SAFETY: layouts are of no zero size and those that the memory has.
            unsafe {
                let memory = all.alloc_zeroed(layout(len));
                assert!(!memory.is_null() && memory.addr().is_multiple_of(64));
                assert!((0..len).all(|at| *memory.add(at) == 0));
                memory.write_bytes(7, len);
                let memory = all.realloc(memory, layout(len), 2 * len);
                assert!((0..len).all(|at| *memory.add(at) == 7));
                memory.write_bytes(8, 2 * len);
                let memory = all.realloc(memory, layout(2 * len), len.div_ceil(2));
                assert!((0..len.div_ceil(2)).all(|at| *memory.add(at) == 8));
                all.dealloc(memory, layout(len.div_ceil(2)));
                let memory = all.alloc(layout(len));
                memory.write_bytes(9, len);
                all.dealloc(memory, layout(len));
            }
        }
    }
}
