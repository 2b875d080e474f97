//! Files that answer for what a core left out of their mappings.
//!
//! By default the kernel dumps only the first os page of a mapped executable or library, and none
//! of the rest unless it was written to. What was not written to is still in the file.
//!
//! Only mappings that were not writable are answered from a file: of a writable one it cannot be
//! told whether what was left out had been changed.

use letgo_target::{Addr, AddrRange, OS_PAGE};

use crate::{FileMapping, ReadAt};

/// How sure it is that a file is the one that ran.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Matched {
    /// Its build id is the one that the core holds.
    BuildId,
    /// Neither has a build id that could be compared; segments are laid out equally.
    Layout,
    /// The core kept nothing of it that could be compared.
    Unchecked,
}

/// A file given for a path.
pub(crate) struct Attached {
    pub(crate) path: String,
    pub(crate) file: Box<dyn ReadAt>,
    pub(crate) matched: Matched,
}

/// The mapping of `files`, sorted by address, that holds `addr`.
pub(crate) fn mapping_at(files: &[FileMapping], addr: Addr) -> Option<&FileMapping> {
    let index = files.partition_point(|file| file.range.end() <= addr);
    files.get(index).filter(|file| file.range.contains(addr))
}

/// Fills `buf` from `addr` out of the attached files; false where any byte is of none of them.
pub(crate) fn read(
    files: &[FileMapping],
    attached: &[Attached],
    addr: Addr,
    buf: &mut [u8],
) -> bool {
    let (mut at, mut rest) = (addr, buf);
    while !rest.is_empty() {
        let Some(mapping) = mapping_at(files, at) else {
            return false;
        };
        let Some(source) = attached.iter().find(|file| file.path == mapping.path) else {
            return false;
        };
        let left = mapping.range.end().since(at);
        let len = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
        let Some((head, tail)) = rest.split_at_mut_checked(len) else {
            return false;
        };
        let offset = at.since(mapping.range.start()).checked_add(mapping.offset);
        if !offset.is_some_and(|offset| read_mapped(&*source.file, offset, head)) {
            return false;
        }
        at = at.add(len as u64);
        rest = tail;
    }
    true
}

/// Reads as a mapping would: behind the end of the file, its last os page is zero.
fn read_mapped(file: &dyn ReadAt, offset: u64, buf: &mut [u8]) -> bool {
    let size = file.size();
    let Some(end) = offset.checked_add(buf.len() as u64) else {
        return false;
    };
    if size
        .checked_next_multiple_of(OS_PAGE)
        .is_none_or(|last| end > last)
    {
        return false;
    }
    let held = usize::try_from(size.saturating_sub(offset)).unwrap_or(usize::MAX);
    let Some((head, tail)) = buf.split_at_mut_checked(held.min(buf.len())) else {
        return false;
    };
    tail.fill(0);
    head.is_empty() || file.read_at(offset, head).is_ok()
}

/// The parts of `range` that attached files can answer for.
pub(crate) fn answered(
    files: &[FileMapping],
    attached: &[Attached],
    range: AddrRange,
) -> Vec<AddrRange> {
    let first = files.partition_point(|file| file.range.end() <= range.start());
    let files = files.get(first..).unwrap_or_default().iter();
    files
        .take_while(|file| file.range.start() < range.end())
        .filter_map(|file| {
            let source = attached.iter().find(|source| source.path == file.path)?;
            let size = source.file.size().checked_next_multiple_of(OS_PAGE)?;
            let len = size.saturating_sub(file.offset).min(file.range.len());
            let part = AddrRange::sized(file.range.start(), len).intersect(range);
            (!part.is_empty()).then_some(part)
        })
        .collect()
}
