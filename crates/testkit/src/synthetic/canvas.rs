//! [`Canvas`]: sparse memory to write structures into, by os pages.

use std::collections::BTreeMap;

use letgo_target::{Addr, SliceMemory};

const PAGE: u64 = 4096;

/// Memory under construction. Only mapped pages can be written.
#[derive(Clone, Debug, Default)]
pub(super) struct Canvas {
    pages: BTreeMap<u64, Vec<u8>>,
}

impl Canvas {
    /// Maps every page of the range, zeroed where it was not mapped yet.
    pub(super) fn map(&mut self, addr: u64, len: u64) {
        for page in addr / PAGE..(addr + len).div_ceil(PAGE) {
            self.pages.entry(page).or_insert_with(|| vec![0; 4096]);
        }
    }

    /// Takes pages away.
    pub(super) fn unmap(&mut self, addr: u64, len: u64) {
        for page in addr / PAGE..(addr + len).div_ceil(PAGE) {
            self.pages.remove(&page);
        }
    }

    pub(super) fn put(&mut self, addr: u64, bytes: &[u8]) {
        for (addr, byte) in (addr..).zip(bytes) {
            let page = self.pages.get_mut(&(addr / PAGE));
            let page = page.unwrap_or_else(|| panic!("{addr:#x} is not mapped"));
            page[usize::try_from(addr % PAGE).expect("less than a page")] = *byte;
        }
    }

    pub(super) fn u8(&mut self, addr: u64, value: u8) {
        self.put(addr, &[value]);
    }

    pub(super) fn u16(&mut self, addr: u64, value: u16) {
        self.put(addr, &value.to_le_bytes());
    }

    pub(super) fn u32(&mut self, addr: u64, value: u32) {
        self.put(addr, &value.to_le_bytes());
    }

    pub(super) fn u64(&mut self, addr: u64, value: u64) {
        self.put(addr, &value.to_le_bytes());
    }

    /// A slice header with as much room as elements.
    pub(super) fn slice(&mut self, addr: u64, ptr: u64, len: u64, cap: u64) {
        self.u64(addr, ptr);
        self.u64(addr + 8, len);
        self.u64(addr + 16, cap);
    }

    /// All mapped pages, for those who write at random.
    pub(super) fn pages_mut(&mut self) -> impl Iterator<Item = &mut Vec<u8>> {
        self.pages.values_mut()
    }

    /// The memory, neighbouring pages joined.
    pub(super) fn memory(&self) -> SliceMemory {
        let mut runs: Vec<(u64, Vec<u8>)> = Vec::new();
        for (page, bytes) in &self.pages {
            match runs.last_mut() {
                Some((start, run)) if *start + run.len() as u64 == page * PAGE => {
                    run.extend_from_slice(bytes);
                }
                _ => runs.push((page * PAGE, bytes.clone())),
            }
        }
        let mut memory = SliceMemory::default();
        for (start, bytes) in runs {
            memory.map(Addr(start), bytes);
        }
        memory
    }
}
