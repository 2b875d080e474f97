//! Structures of fixed size: mspans, mcaches, weak handles, Green Tea's queues.
//!
//! A `fixalloc` cuts structures off a block of `16384 / size * size` bytes; freed ones go on a
//! list. A block is used up before the next one is made, so all of an old block is structures,
//! in use or on the list; the block in use is known from the allocator itself.
//!
//! Source: src/runtime/mfixalloc.go, go1.19 to go1.27.

use letgo_target::{Addr, gather};

use super::Walk;
use crate::layout::Member;
use crate::{Error, SpanUse, Sys};

/// Bytes that a block is rounded down from: `_FixAllocChunk`.
const BLOCK: u64 = 16 << 10;
/// Most specials that are looked through for weak handles.
const MOST_SPECIALS: usize = 4 << 20;

/// A `fixalloc`, as read.
struct Allocator {
    /// Bytes of a structure.
    elem: u64,
    /// Head of the list of free ones.
    list: Addr,
    /// Bytes of structures in use.
    in_use: u64,
    /// The block in use, whole.
    block: Addr,
    block_len: u64,
    /// Bytes of it that were not handed out yet.
    left: u64,
}

impl Walk<'_> {
    fn allocator(&self, at: Addr) -> Result<Allocator, Error> {
        let layout = self.view.layout().fixalloc;
        let bytes = self.view.structure(at, layout.size)?;
        let elem = layout.elem.get(&bytes);
        let left = layout.nchunk.get(&bytes);
        let block_len = BLOCK.checked_div(elem).unwrap_or(0) * elem;
        if left > block_len {
            let why = format!("{left} bytes are left of a block of {block_len}");
            return Err(Error::inconsistent("fixalloc", at, why));
        }
        let end = layout.chunk.addr(&bytes).add(left);
        let made = end.0 > block_len && block_len > 0;
        Ok(Allocator {
            elem,
            list: layout.list.addr(&bytes),
            in_use: layout.inuse.get(&bytes),
            block: if made {
                Addr(end.0 - block_len)
            } else {
                Addr::NULL
            },
            block_len,
            left,
        })
    }

    /// Adds an allocator's block in use and the structures on its list.
    fn add_allocator(
        &mut self,
        allocator: &Allocator,
        sys: Sys,
        what: &'static str,
    ) -> Result<u64, Error> {
        self.found
            .add(allocator.block, allocator.block_len, sys, what);
        let free = self.list(what, allocator.list, 0)?;
        self.add_structures(&free, allocator, sys, what);
        Ok(allocator.elem.saturating_mul(free.len() as u64))
    }

    /// Adds structures that lie in older blocks.
    fn add_structures(
        &mut self,
        structures: &[Addr],
        allocator: &Allocator,
        sys: Sys,
        what: &'static str,
    ) {
        let block = letgo_target::AddrRange::sized(allocator.block, allocator.block_len);
        let mut old: Vec<Addr> = structures.to_vec();
        old.retain(|at| !block.contains(*at));
        for at in old {
            self.found.add(at, allocator.elem, sys, what);
        }
    }

    /// All mspans: `allspans` has every one that was ever made, dead ones too.
    pub(super) fn mspans(&mut self) -> Result<(), Error> {
        let fields = self.view.layout().mheap;
        let mheap = self.view.runtime.need_global("runtime.mheap_")?;
        let at = fields.allspans.at(mheap);
        let slice = self
            .view
            .sane_slice("mheap.allspans", at, self.limits.spans)?;
        let cap = slice.cap.min(self.limits.spans.saturating_mul(2));
        self.found
            .add(slice.ptr, cap * 8, Sys::Other, "mheap.allspans");
        let allocator = self.allocator(fields.spanalloc.at(mheap))?;
        self.found
            .add(allocator.block, allocator.block_len, Sys::Mspan, "mspan");
        let mut spans = self.view.words(slice.ptr, slice.len)?;
        spans.sort_unstable();
        self.add_runs(&spans, &allocator);
        Ok(())
    }

    /// Adds mspans, sorted, as few long ranges: neighbours of a block are joined first.
    fn add_runs(&mut self, spans: &[u64], allocator: &Allocator) {
        let block = letgo_target::AddrRange::sized(allocator.block, allocator.block_len);
        let mut run: Option<(u64, u64)> = None;
        for &span in spans.iter().filter(|span| !block.contains(Addr(**span))) {
            match &mut run {
                Some((_, end)) if *end == span => *end = end.saturating_add(allocator.elem),
                _ => {
                    self.add_mspans(run);
                    run = Some((span, span.saturating_add(allocator.elem)));
                }
            }
        }
        self.add_mspans(run);
    }

    fn add_mspans(&mut self, run: Option<(u64, u64)>) {
        if let Some((start, end)) = run {
            let len = end.saturating_sub(start);
            self.found.add(Addr(start), len, Sys::Mspan, "mspan");
        }
    }

    /// What each P has outside of spans: its mcache, and Green Tea's buffer of 8 KiB.
    ///
    /// Ps beyond GOMAXPROCS stay behind in the slice's capacity.
    pub(super) fn processors(&mut self) -> Result<(), Error> {
        let layout = self.view.layout();
        let allp = self.view.runtime.need_global("runtime.allp")?;
        let slice = self
            .view
            .sane_slice("runtime.allp", allp, self.limits.processors)?;
        let cap = slice.cap.min(self.limits.processors);
        let mut mcaches = Vec::new();
        for p in self.view.words(slice.ptr, cap)? {
            if p == 0 {
                continue;
            }
            let p = Addr(p);
            mcaches.push(Addr(self.view.field(p, layout.p.mcache)?));
            self.add_pointee(p, layout.p.ptr_buf, 8 << 10, "gcWork.ptrBuf")?;
        }
        mcaches.retain(|mcache| !mcache.is_null());
        let mheap = self.view.runtime.need_global("runtime.mheap_")?;
        let allocator = self.allocator(layout.mheap.cachealloc.at(mheap))?;
        self.add_allocator(&allocator, Sys::Mcache, "mcache")?;
        self.add_structures(&mcaches, &allocator, Sys::Mcache, "mcache");
        Ok(())
    }

    /// Adds what a field points to, where the release has it.
    fn add_pointee(
        &mut self,
        base: Addr,
        member: Option<Member>,
        len: u64,
        what: &'static str,
    ) -> Result<(), Error> {
        if let Some(member) = member {
            let addr = Addr(self.view.field(base, member)?);
            self.found.add(addr, len, Sys::Gc, what);
        }
        Ok(())
    }

    /// Specials of weak handles, the only specials that are not `OtherSys`; from 1.23.
    pub(super) fn weak_handles(&mut self) -> Result<(), Error> {
        let fields = self.view.layout().mheap;
        let mheap = self.view.runtime.need_global("runtime.mheap_")?;
        let Some(member) = fields.special_weak_handle_alloc else {
            return Ok(());
        };
        const WHAT: &str = "specialWeakHandle";
        let allocator = self.allocator(member.at(mheap))?;
        let free = self.add_allocator(&allocator, Sys::Gc, WHAT)?;
        let all = allocator.in_use.saturating_add(free);
        if all.saturating_add(allocator.left) <= allocator.block_len {
            return Ok(());
        }
        // There are older blocks: their handles in use hang on spans.
        let kind = match fields.special_tiny_block_alloc {
            Some(_) => 3,
            None => 2,
        };
        let handles = self.specials(kind)?;
        self.add_structures(&handles, &allocator, Sys::Gc, WHAT);
        Ok(())
    }

    /// The specials of this kind of all spans, all lists a step at a time.
    fn specials(&mut self, kind: u8) -> Result<Vec<Addr>, Error> {
        let layout = self.view.layout().special;
        let heap = self.known.spans.iter();
        let heap = heap.filter(|span| span.used_for == SpanUse::Heap);
        let mut heads: Vec<Addr> = heap.map(|span| span.specials).collect();
        let mut found = Vec::new();
        let mut looked_at = 0;
        heads.retain(|head| !head.is_null());
        while !heads.is_empty() {
            looked_at += heads.len();
            if looked_at > MOST_SPECIALS {
                self.coverage.skip("mspan.specials", "there are too many");
                break;
            }
            let size = u64::from(layout.size);
            let bytes = gather(self.view.memory, heads.iter().map(|head| (*head, size)))?;
            let mut next = Vec::with_capacity(heads.len());
            for head in heads {
                let Some(special) = bytes.get(head, layout.size as usize) else {
                    self.coverage
                        .skip("mspan.specials", "one could not be read");
                    continue;
                };
                if layout.kind.u8(special) == kind {
                    found.push(head);
                }
                next.push(layout.next.addr(special));
            }
            next.retain(|head| !head.is_null());
            heads = next;
        }
        Ok(found)
    }

    /// Green Tea's queues: each has a ring that is mapped alone; from 1.26.
    pub(super) fn span_queues(&mut self) -> Result<(), Error> {
        let layout = self.view.layout();
        let (Some(member), Some(head), Some(spmc)) = (
            layout.mheap.span_spmc_alloc,
            layout.work.span_spmcs,
            layout.span_spmc,
        ) else {
            return Ok(());
        };
        let (Some(node), Some(cap), Some(ring)) = (spmc.allnode, spmc.cap, spmc.ring) else {
            return Ok(());
        };
        let mheap = self.view.runtime.need_global("runtime.mheap_")?;
        let work = self.view.runtime.need_global("runtime.work")?;
        let allocator = self.allocator(member.at(mheap))?;
        self.add_allocator(&allocator, Sys::Gc, "spanSPMC")?;
        let head = self.pointer(head.at(work))?;
        let next = u64::from(node.offset) + 8;
        let queues = self.list("work.spanSPMCs", head, next)?;
        for queue in &queues {
            let len = self.view.field(*queue, cap)?.saturating_mul(8);
            let ring = Addr(self.view.field(*queue, ring)?);
            self.found.add(ring, len, Sys::Gc, "spanSPMC.ring");
        }
        self.add_structures(&queues, &allocator, Sys::Gc, "spanSPMC");
        Ok(())
    }
}
