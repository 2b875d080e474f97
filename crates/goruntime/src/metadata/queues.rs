//! Blocks of the collector that lie on lists: allocation and mark bits, finalizers, cleanups,
//! weak handles of immortal objects.
//!
//! Source: src/runtime/mheap.go, `gcBitsArenas`, `immortalWeakHandleMap`; mfinal.go;
//! mcleanup.go; go1.19 to go1.27.

use letgo_target::Addr;
use rustc_hash::FxHashSet;

use super::Walk;
use crate::{Error, Sys};

/// Bytes of a block of finalizers: `finBlockSize`.
const FIN_BLOCK: u64 = 4 << 10;
/// Bytes of a block of cleanups: `cleanupBlockSize`.
const CLEANUP_BLOCK: u64 = 512;
/// Most immortal weak handles that are looked at.
const MOST_HANDLES: usize = 1 << 20;

impl Walk<'_> {
    /// Every arena of bits is on one of four lists.
    pub(super) fn gc_bits(&mut self) -> Result<(), Error> {
        let layout = self.view.layout();
        let arenas = self.view.runtime.need_global("runtime.gcBitsArenas")?;
        let arena = layout.gc_bits_arena;
        // A mutex of 8 bytes, then the lists, in every release.
        let lists = layout.gc_bits_arenas.unwrap_or_default();
        let lists = [
            lists.free.map_or(8, |list| list.offset),
            lists.next.map_or(16, |list| list.offset),
            lists.current.map_or(24, |list| list.offset),
            lists.previous.map_or(32, |list| list.offset),
        ];
        for offset in lists {
            let head = self.pointer(arenas.add(u64::from(offset)))?;
            let next = u64::from(arena.next.offset);
            for at in self.list("runtime.gcBitsArenas", head, next)? {
                self.found
                    .add(at, u64::from(arena.size), Sys::Gc, "gcBitsArena");
            }
        }
        Ok(())
    }

    pub(super) fn finalizer_blocks(&mut self) -> Result<(), Error> {
        let layout = self.view.layout();
        let old = layout.finblock_old.and_then(|block| block.alllink);
        let new = layout.fin_block.and_then(|block| block.alllink);
        let next = new.or(old).map_or(0, |link| u64::from(link.offset));
        let allfin = self.view.runtime.need_global("runtime.allfin")?;
        let head = self.pointer(allfin)?;
        for block in self.list("runtime.allfin", head, next)? {
            self.found.add(block, FIN_BLOCK, Sys::Gc, "finBlock");
        }
        Ok(())
    }

    /// Blocks of cleanups; from 1.25. 1.24 queues cleanups as finalizers.
    pub(super) fn cleanup_blocks(&mut self) -> Result<(), Error> {
        let layout = self.view.layout();
        let link = layout.cleanup_block.and_then(|block| block.alllink);
        let all = layout.cleanup_queue.and_then(|queue| queue.all);
        let (Some(link), Some(all)) = (link, all) else {
            return Ok(());
        };
        let queue = self.view.runtime.need_global("runtime.gcCleanups")?;
        let head = self.pointer(all.at(queue))?;
        for block in self.list("runtime.gcCleanups", head, u64::from(link.offset))? {
            self.found
                .add(block, CLEANUP_BLOCK, Sys::Gc, "cleanupBlock");
        }
        Ok(())
    }

    /// A tree of handles; from 1.25.
    pub(super) fn immortal_handles(&mut self) -> Result<(), Error> {
        let layout = self.view.layout();
        let (Some(root), Some(handle)) = (
            layout.mheap.immortal_weak_handles,
            layout.immortal_weak_handle,
        ) else {
            return Ok(());
        };
        let Some(children) = handle.children else {
            return Ok(());
        };
        let mheap = self.view.runtime.need_global("runtime.mheap_")?;
        let mut rest = vec![self.pointer(root.at(mheap))?];
        let mut seen = FxHashSet::default();
        while let Some(node) = rest.pop() {
            if node.is_null() || !seen.insert(node) {
                continue;
            }
            if seen.len() > MOST_HANDLES {
                self.coverage
                    .skip("mheap.immortalWeakHandles", "there are too many");
                break;
            }
            let words = self.view.words(children.at(node), 2)?;
            rest.extend(words.into_iter().map(Addr));
            let size = u64::from(handle.size);
            self.found.add(node, size, Sys::Gc, "immortalWeakHandle");
        }
        Ok(())
    }
}
