//! Queues: finalizers and cleanups that wait to be run.
//!
//! Both lie in blocks that the runtime never frees, all of them on a list; a block says how many of
//! its entries are filled.
//!
//! Source: src/runtime/mfinal.go, `allfin`; mcleanup.go, `gcCleanups.all`; mgcmark.go, `markroot`;
//! go1.19 to go1.27.

use letgo_goruntime::layout::Member;
use letgo_target::{Addr, Fault};

use super::{Collected, RootKind, Source};
use crate::Error;
use crate::bits::word;

/// A list of blocks.
struct Blocks {
    what: &'static str,
    kind: RootKind,
    first: Addr,
    size: u32,
    link: Member,
    count: Member,
    entries: Member,
    /// Bytes an entry, and where in it pointers are.
    entry: u32,
    pointers: Vec<u32>,
}

/// Reads the roots in queues.
///
/// # Errors
/// Only what makes the whole target unreadable.
pub(super) fn read(source: &Source<'_>, into: &mut Collected) -> Result<(), Error> {
    for blocks in [finalizers(source)?, cleanups(source)?]
        .into_iter()
        .flatten()
    {
        walk(source, &blocks, into)?;
    }
    Ok(())
}

/// The variable's value, a pointer; nil where it is not known.
fn global(source: &Source<'_>, name: &str, offset: u64) -> Result<Addr, Error> {
    match source.program.runtime.global(name) {
        Some(addr) => Ok(Addr(letgo_target::read_u64(
            source.program.memory,
            addr.add(offset),
        )?)),
        None => Ok(Addr::NULL),
    }
}

fn finalizers(source: &Source<'_>) -> Result<Option<Blocks>, Error> {
    let layout = source.program.layout();
    let old = layout
        .finblock_old
        .map(|b| (b.size, b.alllink, b.cnt, b.fin));
    let new = layout.fin_block.map(|b| (b.size, b.alllink, b.cnt, b.fin));
    let Some((size, Some(link), Some(count), Some(entries))) = new.or(old) else {
        return Ok(None);
    };
    let one = layout.finalizer;
    Ok(Some(Blocks {
        what: "finBlock",
        kind: RootKind::FinalizerQueue,
        first: global(source, "runtime.allfin", 0)?,
        size,
        link,
        count,
        entries,
        entry: one.size,
        pointers: [one.func, one.arg, one.fint, one.ot]
            .map(|field| field.offset)
            .to_vec(),
    }))
}

fn cleanups(source: &Source<'_>) -> Result<Option<Blocks>, Error> {
    let layout = source.program.layout();
    let (Some(block), Some(queue)) = (layout.cleanup_block, layout.cleanup_queue) else {
        return Ok(None);
    };
    let (Some(link), Some(count), Some(entries), Some(all)) =
        (block.alllink, block.n, block.cleanups, queue.all)
    else {
        return Ok(None);
    };
    let entry = layout.cleanup_fn.map_or(8, |one| one.size);
    Ok(Some(Blocks {
        what: "cleanupBlock",
        kind: RootKind::CleanupQueue,
        first: global(source, "runtime.gcCleanups", u64::from(all.offset))?,
        size: block.size,
        link,
        count,
        entries,
        entry,
        pointers: (0..entry).step_by(8).collect(),
    }))
}

fn walk(source: &Source<'_>, blocks: &Blocks, into: &mut Collected) -> Result<(), Error> {
    let mut next = blocks.first;
    let mut seen = 0;
    while !next.is_null() {
        seen += 1;
        if seen > source.limits.list {
            into.coverage
                .skip(blocks.what, "the list of blocks does not end");
            break;
        }
        let bytes = match source.program.bytes(next, blocks.size) {
            Ok(bytes) => bytes,
            Err(fault @ (Fault::Gone | Fault::Denied { .. })) => return Err(fault.into()),
            Err(fault) => {
                into.coverage.skip(blocks.what, fault.to_string());
                break;
            }
        };
        let room = blocks.entries.size / blocks.entry.max(1);
        for number in 0..blocks.count.u32(&bytes).min(room) {
            for pointer in &blocks.pointers {
                let offset = blocks.entries.offset + number * blocks.entry + pointer;
                let value = word(&bytes, offset as usize);
                into.add(source, blocks.kind, next.add(u64::from(offset)), value);
            }
        }
        next = blocks.link.addr(&bytes);
    }
    Ok(())
}
