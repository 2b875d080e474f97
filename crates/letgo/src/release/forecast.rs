//! [`forecast`]: what a release will give back, from a reading taken before.
//!
//! Free spans that are resident go back. So do spans in which no reachable object is, once two
//! cycles have freed them: the object graph tells which, read while the program runs. Where it
//! cannot be had, only what the last cycle found dead is known to be garbage, and what was
//! allocated since is named as what may come on top.
//!
//! A graph read from a program that allocates meanwhile lacks what is new, and would call too much
//! garbage: it is not used then.

use letgo_account::Leaf;
use letgo_heap::Reachable;
use letgo_report::{Basis, Predicted, ReleaseReport};

use crate::inspect::Reading;

/// Free bytes that stay behind: the pages that each P keeps at hand, and what the scavenger finds
/// not worth a wake. Measured: 0.2 to 1 MiB on programs of 2 Ps.
const STAYS: u64 = 1 << 20;

/// Fills in what is expected.
pub(super) fn forecast(report: &mut ReleaseReport, reading: &Reading) {
    let free = reading.account.leaf(Leaf::HeapIdle).resident.0;
    let marked = reading.marked.as_ref();
    let whole = marked.filter(|marked| marked.reachable.coverage.is_complete());
    let (basis, garbage) = match whole {
        Some(marked) => (Basis::Graph, free_after_gc(reading, &marked.reachable)),
        // What a graph with gaps does not reach need not be garbage.
        None if marked.is_some() => (Basis::FreeSpans, 0),
        None => {
            let dead = reading.account.leaf(Leaf::HeapGarbage).resident.0;
            (Basis::FreeSpans, dead)
        }
    };
    let stats = reading.stats();
    let unexamined = stats.heap_live.saturating_sub(stats.heap_marked);
    let returned = free.saturating_add(garbage).saturating_sub(STAYS);
    report.predicted = Predicted {
        unexamined_bytes: (basis == Basis::FreeSpans && unexamined > STAYS).then_some(unexamined),
        basis,
        rss_bytes: report.before.rss_bytes.saturating_sub(returned),
        returned_bytes: returned,
        free_bytes: free,
        garbage_bytes: garbage,
    };
    report.page_faults_expected = returned / letgo_target::OS_PAGE;
}

/// Resident bytes of spans that hold nothing but garbage.
fn free_after_gc(reading: &Reading, reachable: &Reachable) -> u64 {
    let free = reachable
        .spans
        .iter()
        .filter(|span| span.is_free_after_gc());
    free.filter_map(|span| {
        let span = reading.census.spans.get(span.census as usize)?;
        Some(reading.residency.resident_in(span.range()).0)
    })
    .sum()
}
