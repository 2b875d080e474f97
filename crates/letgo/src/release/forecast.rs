//! [`forecast`]: what a release will give back, from a reading taken before.
//!
//! Free spans that are resident go back; so do spans that hold nothing but garbage, once two cycles
//! have freed them. Without the object graph only what the last cycle found dead is known to be
//! garbage, and what was allocated since is named as what may come on top.

use letgo_account::Leaf;
use letgo_report::{Basis, Predicted, ReleaseReport};

use crate::inspect::Reading;

/// Free bytes that stay behind: the pages that each P keeps at hand, and what the scavenger finds
/// not worth a wake. Measured: 0.3 to 2 MiB on programs of 2 Ps.
const STAYS: u64 = 1 << 20;

/// Fills in what is expected.
pub(super) fn forecast(report: &mut ReleaseReport, reading: &Reading) {
    let free = reading.account.leaf(Leaf::HeapIdle).resident.0;
    let garbage = reading.account.leaf(Leaf::HeapGarbage).resident.0;
    let stats = reading.stats();
    let returned = free.saturating_add(garbage).saturating_sub(STAYS);
    report.predicted = Predicted {
        basis: Basis::FreeSpans,
        rss_bytes: report.before.rss_bytes.saturating_sub(returned),
        returned_bytes: returned,
        free_bytes: free,
        garbage_bytes: garbage,
        unexamined_bytes: Some(stats.heap_live.saturating_sub(stats.heap_marked))
            .filter(|bytes| *bytes > STAYS),
    };
    report.page_faults_expected = returned / letgo_target::OS_PAGE;
}
