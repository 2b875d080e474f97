//! Specials: what hangs on an object, of which some are roots.
//!
//! A finalizer keeps its closure and what its object holds, not the object itself; a cleanup keeps
//! its closure (from 1.26 with the argument); a weak handle is what weak pointers go through. The
//! numbers of their kinds differ by release; a newer release than 1.27 has those of 1.27.
//!
//! Source: src/runtime/mheap.go, `_KindSpecialFinalizer` and those behind it; mgcmark.go,
//! `markrootSpans`, `gcScanFinalizer`, `gcScanCleanup`; go1.19 to go1.27.

use std::time::Instant;

use letgo_goruntime::Span;
use letgo_target::{Addr, gather};

use super::{Collected, RootKind, Source};
use crate::Error;
use crate::bits::{index, word};

/// What a special is, where it is a root.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Finalizer,
    WeakHandle,
    Cleanup,
}

/// Numbers of the kinds, from this minor release on.
const NUMBERS: [(u32, &[(u8, Kind)]); 4] = [
    (0, &[(1, Kind::Finalizer)]),
    (23, &[(1, Kind::Finalizer), (2, Kind::WeakHandle)]),
    (
        24,
        &[
            (1, Kind::Finalizer),
            (2, Kind::WeakHandle),
            (6, Kind::Cleanup),
        ],
    ),
    (
        25,
        &[
            (2, Kind::Finalizer),
            (3, Kind::WeakHandle),
            (7, Kind::Cleanup),
        ],
    ),
];
/// Specials that are read at once.
const BATCH: usize = 1 << 16;

fn kinds(minor: u32) -> &'static [(u8, Kind)] {
    let rows = NUMBERS.iter().rev();
    let mut found = rows.filter(|row| row.0 <= minor);
    found.next().map_or(&[], |row| row.1)
}

/// Reads the roots in specials, all lists side by side.
///
/// # Errors
/// Only what makes the whole target unreadable.
pub(super) fn read(source: &Source<'_>, into: &mut Collected) -> Result<(), Error> {
    let kinds = kinds(source.program.runtime.version().minor);
    let spans = source.census.spans.iter();
    let mut heads: Vec<(Addr, &Span)> = spans
        .filter(|span| !span.specials.is_null())
        .map(|span| (span.specials, span))
        .collect();
    let mut rounds = 0;
    while !heads.is_empty() {
        rounds += 1;
        if rounds > source.limits.list || Instant::now() > source.until {
            into.coverage
                .skip("special", "a list does not end, or there was no time");
            break;
        }
        let mut next = Vec::new();
        for batch in heads.chunks(BATCH) {
            round(source, batch, kinds, &mut next, into)?;
        }
        heads = next;
    }
    Ok(())
}

/// Reads one special of each list, and where the next ones are.
fn round<'a>(
    source: &Source<'_>,
    heads: &[(Addr, &'a Span)],
    kinds: &[(u8, Kind)],
    next: &mut Vec<(Addr, &'a Span)>,
    into: &mut Collected,
) -> Result<(), Error> {
    let fields = &source.program.layout().special;
    let memory = source.program.memory;
    let len = u64::from(fields.size);
    let gathered = gather(memory, heads.iter().map(|(addr, _)| (*addr, len)))?;
    let mut roots = Vec::new();
    for (addr, span) in heads {
        let Some(bytes) = gathered.get(*addr, index(len)) else {
            into.coverage.skip("special", "it cannot be read");
            continue;
        };
        let number = fields.kind.u8(bytes);
        if let Some((_, kind)) = kinds.iter().find(|(known, _)| *known == number) {
            roots.push((*kind, *addr, *span, len_of(source, *kind)));
        }
        let link = fields.next.addr(bytes);
        if !link.is_null() {
            next.push((link, *span));
        }
    }
    // Only as much as there is: what lies behind may not be mapped.
    let gathered = gather(memory, roots.iter().map(|root| (root.1, root.3)))?;
    for (kind, addr, span, len) in roots {
        match gathered.get(addr, index(len)) {
            Some(bytes) => root(source, kind, addr, span, bytes, into),
            None => into.coverage.skip("special", "it cannot be read"),
        }
    }
    Ok(())
}

/// Bytes of a special of this kind that we read.
fn len_of(source: &Source<'_>, kind: Kind) -> u64 {
    let layout = source.program.layout();
    let size = match kind {
        Kind::Finalizer => Some(layout.special_finalizer.size),
        Kind::WeakHandle => layout.special_weak_handle.map(|special| special.size),
        Kind::Cleanup => layout.special_cleanup.map(|special| special.size),
    };
    u64::from(size.unwrap_or(layout.special.size))
}

fn root(
    source: &Source<'_>,
    kind: Kind,
    addr: Addr,
    span: &Span,
    bytes: &[u8],
    into: &mut Collected,
) {
    let layout = source.program.layout();
    match kind {
        Kind::Finalizer => {
            let func = layout.special_finalizer.func;
            into.add(source, RootKind::Finalizer, func.at(addr), func.get(bytes));
            let offset = layout.special.offset.get(bytes);
            let object = source.objects.object_at(span.base.add(offset));
            into.roots.finalized.extend(object);
        }
        Kind::WeakHandle => {
            let offset = layout.special.offset.get(bytes);
            let object = source.objects.object_at(span.base.add(offset));
            into.roots.weak.extend(object);
            let handle = layout
                .special_weak_handle
                .and_then(|special| special.handle);
            if let Some(handle) = handle {
                into.add(
                    source,
                    RootKind::WeakHandle,
                    handle.at(addr),
                    handle.get(bytes),
                );
            }
        }
        Kind::Cleanup => {
            let Some(func) = layout.special_cleanup.and_then(|special| special.func) else {
                return;
            };
            for offset in (0..func.size).step_by(8) {
                let at = func.at(addr).add(u64::from(offset));
                let value = word(bytes, (func.offset + offset) as usize);
                into.add(source, RootKind::Cleanup, at, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_those_of_the_release() {
        let number = |minor, kind| {
            kinds(minor)
                .iter()
                .find(|row| row.1 == kind)
                .map(|row| row.0)
        };
        assert_eq!(number(19, Kind::Finalizer), Some(1));
        assert_eq!(number(22, Kind::WeakHandle), None);
        assert_eq!(number(23, Kind::WeakHandle), Some(2));
        assert_eq!(number(24, Kind::Cleanup), Some(6));
        assert_eq!(number(25, Kind::Cleanup), Some(7));
        assert_eq!(number(27, Kind::Finalizer), Some(2));
        assert_eq!(number(99, Kind::WeakHandle), Some(3));
    }
}
