//! Skeleton: bodies follow.
#![allow(missing_docs, unused, reason = "skeleton")]
use crate::Error;
use letgo_target::{Addr, AddrRange, Fault, ReadMemory};
use std::fs::File;
use std::sync::Arc;

/// A cheap handle: clones share one image.
#[derive(Clone, Debug)]
pub struct Image;

/// One `PT_LOAD` program header, link-time addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    pub range: AddrRange,
    pub file_offset: u64,
    pub file_len: u64,
    pub read: bool,
    pub write: bool,
    pub execute: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Section {
    pub name: String,
    pub addr: Addr,
    pub file_offset: u64,
    pub len: u64,
    pub compressed: bool,
    /// `SHT_NOBITS`: no bytes in the file.
    pub no_bits: bool,
}

impl Image {
    pub fn from_file(file: File) -> Result<Image, Error> {
        Err(Error::NotGo {
            why: "skeleton".into(),
        })
    }
    pub fn from_memory(
        memory: Box<dyn ReadMemory + Send>,
        load_base: Addr,
    ) -> Result<Image, Error> {
        Err(Error::NotGo {
            why: "skeleton".into(),
        })
    }
    pub fn entry(&self) -> Addr {
        Addr::NULL
    }
    /// ET_DYN with a loader or entry: a position-independent executable (or shared object).
    pub fn is_pie(&self) -> bool {
        false
    }
    pub fn segments(&self) -> &[Segment] {
        &[]
    }
    /// `PT_GNU_RELRO`.
    pub fn relro(&self) -> Option<AddrRange> {
        None
    }
    pub fn sections(&self) -> &[Section] {
        &[]
    }
    pub fn section(&self, name: &str) -> Option<&Section> {
        None
    }
    /// `NT_GNU_BUILD_ID`.
    pub fn build_id(&self) -> Option<Vec<u8>> {
        None
    }
    pub fn go_build_id(&self) -> Option<String> {
        None
    }
    pub fn has_symtab(&self) -> bool {
        false
    }
    pub fn has_dwarf(&self) -> bool {
        false
    }
    /// Load bias from the entry address in a process (`AT_ENTRY`).
    pub fn bias_from_entry(&self, at_entry: Addr) -> u64 {
        at_entry.0.wrapping_sub(self.entry().0)
    }
    /// Load bias from where the lowest mapping of the file (file offset 0) starts.
    pub fn bias_from_lowest(&self, mapping_start: Addr) -> u64 {
        0
    }
}

impl ReadMemory for Image {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        Err(Fault::Gone)
    }
}
