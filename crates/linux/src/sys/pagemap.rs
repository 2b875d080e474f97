//! The `PAGEMAP_SCAN` ioctl: runs of os pages by category.
//!
//! Source: include/uapi/linux/fs.h, fs/proc/task_mmu.c `do_pagemap_scan` (Linux 6.7 and later),
//! Documentation/admin-guide/mm/pagemap.rst.

#![allow(
    unsafe_code,
    reason = "an ioctl that takes a structure with a pointer in it"
)]

use std::fs::File;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::{ioctl_readwrite, libc};

/// `PAGE_IS_FILE`
pub(crate) const FILE: u64 = 1 << 2;
/// `PAGE_IS_PRESENT`
pub(crate) const PRESENT: u64 = 1 << 3;
/// `PAGE_IS_SWAPPED`
pub(crate) const SWAPPED: u64 = 1 << 4;
/// `PAGE_IS_PFNZERO`: the shared zero page.
pub(crate) const PFNZERO: u64 = 1 << 5;
/// `PAGE_IS_HUGE`: mapped by a huge page.
pub(crate) const HUGE: u64 = 1 << 6;
/// `PAGE_IS_GUARD`: a guard region, Linux 6.15 and later.
pub(crate) const GUARD: u64 = 1 << 8;

/// `struct pm_scan_arg`
#[repr(C)]
#[derive(Default)]
pub(crate) struct Arg {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    vec: u64,
    vec_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

/// `struct page_region`
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct Region {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) categories: u64,
}

ioctl_readwrite!(pagemap_scan, b'f', 16, Arg);

/// What to look for.
#[derive(Clone, Copy)]
pub(crate) struct Query {
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// The walk ends after so many pages of these kinds.
    pub(crate) max_pages: u64,
    /// A page is reported if it is of any of these.
    pub(crate) any_of: u64,
    /// What is reported of it.
    pub(crate) report: u64,
}

/// Scans from `query.start`; answers how many of `regions` were filled, and where the walk ended
/// by the kernel's word (which is stale where it ended because there was nothing more).
pub(crate) fn scan(
    pagemap: &File,
    query: Query,
    regions: &mut [Region],
) -> Result<(usize, u64), Errno> {
    let mut arg = Arg {
        size: std::mem::size_of::<Arg>() as u64,
        start: query.start,
        end: query.end,
        vec: regions.as_mut_ptr().expose_provenance() as u64,
        vec_len: regions.len() as u64,
        max_pages: query.max_pages,
        category_anyof_mask: query.any_of,
        return_mask: query.report,
        ..Arg::default()
    };
    // SAFETY: `arg` is the structure that the ioctl expects, with its own size in `size`; `vec`
    // and `vec_len` name the exclusively borrowed `regions`, which the kernel fills from the front.
    let filled = unsafe { pagemap_scan(pagemap.as_raw_fd(), &raw mut arg) }?;
    Ok((filled.unsigned_abs() as usize, arg.walk_end))
}

/// Reserves `len` bytes of zeros that nothing has touched, reads one byte of them, and answers
/// their address; they stay mapped. Used to learn which page frame the shared zero page is.
pub(crate) fn touch_zero_page() -> Result<u64, Errno> {
    // SAFETY: a new private anonymous mapping of one page, at a place of the kernel's choice.
    let page = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            4096,
            libc::PROT_READ,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if page == libc::MAP_FAILED {
        return Err(Errno::last());
    }
    // SAFETY: `page` is readable and page-aligned, and is never unmapped or written.
    let _zero = unsafe { page.cast::<u8>().read_volatile() };
    Ok(page.expose_provenance() as u64)
}
