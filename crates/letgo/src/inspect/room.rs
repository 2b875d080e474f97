//! [`limits`]: how much memory a graph may take of what is left.
//!
//! letgo runs beside what it looks at, often within the same limit. Of what the machine and our own
//! cgroup have left, a graph's slots and spans take what they need, or there is no graph; pointers
//! get half of the rest, and dominators half of what is left then. What is beyond that is left out
//! and said, before the kernel ends us or the target.
//!
//! Not all is left to half: what pages of the target are copied for a frozen copy comes on top.

use letgo_goruntime::{Census, SpanUse};
use letgo_heap::{GraphOptions, Limits};
use letgo_linux::{Process, system};
use letgo_report::units;

/// Bytes that a graph takes for a slot in use that may hold pointers: where its own start.
const POINTER_SLOT: u64 = 4;
/// For any slot, in use or not: bits, the places of these among pointers, and what its type is.
const SLOT: u64 = 5;
/// For a span, in the graph and in the account.
const SPAN: u64 = 96;
/// For spans that are being read, what waits to be marked, and the program's types.
const BUFFERS: u64 = 16 << 20;

/// Limits of the graph of what a census is of.
///
/// # Errors
/// How much a graph needs, and how much is left, where that is less: a sentence without its full
/// stop.
pub(crate) fn for_graph(census: &Census) -> Result<Limits, String> {
    let Some(left) = left() else {
        return Ok(Limits::default());
    };
    let need = need(census);
    if need >= left {
        return Err(format!(
            "it takes {} and its pointers, and letgo has {} left, by the machine or its cgroup",
            units::bytes(need),
            units::bytes(left)
        ));
    }
    Ok(within(Some(left - need)))
}

/// What a graph takes beside its pointers.
fn need(census: &Census) -> u64 {
    let spans = census.spans.iter();
    let heap = spans.filter(|span| span.used_for == SpanUse::Heap);
    heap.fold(BUFFERS, |sum, span| {
        let pointers = match span.is_noscan() {
            true => 0,
            false => u64::from(span.alloc_count) * POINTER_SLOT,
        };
        sum + SPAN + u64::from(span.nelems) * SLOT + pointers
    })
}

/// The usual limits, and of memory no more than half of what is left now.
pub(crate) fn limits() -> Limits {
    within(left())
}

/// How dominators are found within such limits.
pub(crate) fn options(limits: Limits) -> GraphOptions<'static> {
    GraphOptions {
        limits,
        ..GraphOptions::default()
    }
}

/// Bytes that the machine and our cgroup have left; nothing where neither can be known.
fn left() -> Option<u64> {
    let machine = Some(system::meminfo().available).filter(|bytes| *bytes > 0);
    let memory = Process::open_self().and_then(|own| own.memory_cgroup());
    let cgroup = memory.ok().flatten().and_then(|memory| {
        let bounds = [memory.limit.as_ref(), memory.high.as_ref()];
        let least = bounds.into_iter().flatten().map(|bound| bound.bytes).min();
        Some(least?.saturating_sub(memory.working_set))
    });
    machine.into_iter().chain(cgroup).min()
}

fn within(left: Option<u64>) -> Limits {
    let usual = Limits::default();
    let most = left.unwrap_or(u64::MAX) / 2;
    Limits {
        edge_bytes: usual.edge_bytes.min(most),
        dominator_bytes: usual.dominator_bytes.min(most),
        path_bytes: usual.path_bytes.min(most),
        ..usual
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_graph_needs_something_for_each_slot_and_span() {
        assert_eq!(need(&Census::default()), BUFFERS);
        assert!(for_graph(&Census::default()).is_ok());
    }

    #[test]
    fn half_of_what_is_left_is_the_most() {
        let little = within(Some(1000));
        assert_eq!((little.edge_bytes, little.dominator_bytes), (500, 500));
        assert_eq!(within(Some(1 << 50)), Limits::default());
        assert_eq!(within(None), Limits::default());
        assert!(left().is_some_and(|bytes| bytes > 1 << 20));
    }
}
