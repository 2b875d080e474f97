//! The arena index and each arena's `heapArena`.
//!
//! Source: src/runtime/malloc.go, `(*mheap).sysAlloc`; mcheckmark.go; go1.19 to go1.27.

use letgo_target::{Addr, gather};

use super::Walk;
use crate::{Error, Sys};

/// Bytes of an arena. Source: src/runtime/malloc.go, `heapArenaBytes` of 64-bit Linux.
const ARENA: u64 = 64 << 20;
/// Address of the arena with index 0: amd64 has sign-extended addresses.
const BASE: u64 = 0xffff_8000_0000_0000;
/// Entries of the index: 48 bits of address space.
const INDEX: u64 = 1 << 22;
/// Bytes of `checkmarksMap`: one bit for each word of the arena.
const CHECKMARKS: u64 = ARENA / 8 / 8;

impl Walk<'_> {
    /// The index, the lists of arenas, and the arenas' metadata.
    ///
    /// No counter counts the index: it is mapped by `sysAllocOS`.
    pub(super) fn arenas(&mut self) -> Result<(), Error> {
        let fields = self.view.layout().mheap;
        let mheap = self.view.runtime.need_global("runtime.mheap_")?;
        let index = self.pointer(fields.arenas.at(mheap))?;
        self.found
            .add(index, INDEX * 8, Sys::Uncounted, "mheap.arenas");
        let mut arenas = Vec::new();
        let lists = [Some(fields.heap_arenas), fields.user_arena_arenas];
        for list in lists.into_iter().flatten() {
            let at = list.at(mheap);
            let slice = self
                .view
                .sane_slice("mheap.heapArenas", at, self.limits.arenas)?;
            let cap = slice.cap.min(self.limits.arenas.saturating_mul(2));
            self.found
                .add(slice.ptr, cap * 8, Sys::Gc, "mheap.heapArenas");
            let listed = self.view.words(slice.ptr, slice.len)?;
            self.outgrown.arenas(&listed, cap);
            arenas.extend(listed);
        }
        // Up to 1.24 user arenas are on no list, but their chunks are spans.
        let user = self.known.spans.iter().filter(|span| span.user_arena);
        arenas.extend(user.map(|span| span.base.0.wrapping_sub(BASE) / ARENA));
        arenas.retain(|arena| *arena < INDEX);
        arenas.sort_unstable();
        arenas.dedup();
        self.heap_arenas(index, &arenas)
    }

    fn heap_arenas(&mut self, index: Addr, arenas: &[u64]) -> Result<(), Error> {
        let layout = self.view.layout().heap_arena;
        let entry = |arena: &u64| (index.add(arena * 8), 8);
        let entries = gather(self.view.memory, arenas.iter().map(entry))?;
        for arena in arenas {
            let bytes = entries.get(index.add(arena * 8), 8);
            let Some(bytes) = bytes.and_then(|bytes| bytes.first_chunk()) else {
                self.coverage.skip("heapArena", "its entry of the index");
                continue;
            };
            let addr = Addr(u64::from_le_bytes(*bytes));
            let size = u64::from(layout.size);
            self.found.add(addr, size, Sys::Gc, "heapArena");
            // Only the debug setting gccheckmark makes one.
            if let Some(checkmarks) = layout.checkmarks.filter(|_| !addr.is_null())
                && let Ok(bitmap) = self.pointer(checkmarks.at(addr))
            {
                self.found
                    .add(bitmap, CHECKMARKS, Sys::Gc, "heapArena.checkmarks");
            }
        }
        Ok(())
    }
}
