//! `thp-bloat`: huge pages that make memory resident which nobody touched.
//!
//! Fires for memory that is known to be sparsely used: returned spans, thread stacks, and the
//! runtime's own tables. Objects and idle spans in huge pages are as they should be.

use letgo_account::Leaf;

use crate::draft::{Case, Draft};
use crate::facts::Thp;
use crate::finding::{Confidence, Severity};
use crate::words;

/// Leaves whose memory is mapped in large pieces and touched in few places.
const SPARSE: [Leaf; 6] = [
    Leaf::HeapReturnedResident,
    Leaf::StacksOsThread,
    Leaf::RuntimeGc,
    Leaf::RuntimeMspan,
    Leaf::RuntimeProfileBuckets,
    Leaf::RuntimeOther,
];

/// Sparse memory under huge pages.
pub(crate) fn bloat(case: &Case<'_>) -> Option<Draft> {
    let parts: Vec<(Leaf, u64)> = SPARSE
        .iter()
        .map(|leaf| (*leaf, case.facts.leaf(*leaf).huge_bytes))
        .filter(|(_, huge)| *huge > 0)
        .collect();
    let bytes = words::total(parts.iter().map(|(_, huge)| *huge));
    if !case.stands_out(bytes, case.thresholds.low_share) {
        return None;
    }
    let title = format!(
        "Huge pages keep {} of sparse memory resident",
        words::bytes(bytes)
    );
    let setting = match case.facts.thp {
        Thp::Always => "Transparent huge pages are set to always.",
        Thp::Madvise => "Transparent huge pages are set to madvise, so something asked for them.",
        Thp::Never => "Transparent huge pages are set to never now; these are from before.",
        Thp::Unknown => "The setting for transparent huge pages could not be read.",
    };
    let mut draft = Draft::new(Confidence::Likely, title)
        .least(Severity::Low)
        .evidence(setting);
    for (leaf, huge) in parts {
        draft = draft.claim(leaf, huge).evidence(format!(
            "{}: {} in huge pages.",
            leaf.label(),
            words::bytes(huge)
        ));
    }
    let draft = draft
        .evidence("How much of each huge page was ever touched cannot be seen from outside.")
        .remedy(
            "for good",
            switch_off(case),
            "only touched pages are resident",
        );
    Some(draft)
}

/// How to keep huge pages off the heap, by release and host.
pub(super) fn switch_off(case: &Case<'_>) -> String {
    let target = &case.facts.target;
    let has_switch = target.go_minor >= 22 || (target.go_minor == 21 && target.go_patch >= 6);
    if has_switch && case.facts.debug.disablethp != Some(1) {
        "start it with GODEBUG=disablethp=1, or set khugepaged/max_ptes_none to 0 on the host"
            .into()
    } else {
        "set transparent_hugepage/enabled to madvise, or khugepaged/max_ptes_none to 0, on the host"
            .into()
    }
}
