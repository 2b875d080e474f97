//! `returned-still-resident`: the runtime returned it, and the kernel still counts it.
//!
//! Two causes can be told: `MADV_FREE` (pages that the kernel takes when it needs them), and huge
//! pages that the kernel put over returned ranges. A locked process cannot return at all.
//!
//! Source: src/runtime/mem_linux.go, `sysUnusedOS`; the kernel's
//! Documentation/admin-guide/mm/transhuge.rst; mm/swap.c, `lru_lazyfree`.

use letgo_account::Leaf;

use crate::draft::{Case, Draft};
use crate::facts::Thp;
use crate::finding::Confidence;
use crate::settings;
use crate::words;

/// Returned spans that are resident.
pub(crate) fn still_resident(case: &Case<'_>) -> Option<Draft> {
    let leaf = case.facts.leaf(Leaf::HeapReturnedResident);
    let bytes = leaf.resident_bytes;
    if !case.stands_out(bytes, case.thresholds.low_share) {
        return None;
    }
    let title = format!(
        "{} was returned to the kernel, yet is resident",
        words::bytes(bytes)
    );
    let lazy = case.facts.lazy_free_bytes.min(bytes);
    let huge = leaf.huge_bytes.min(bytes);
    let draft = match () {
        () if case.facts.locked_bytes > 0 => locked(Draft::new(Confidence::Likely, title)),
        () if lazy >= bytes / 2 => lazy_free(case, Draft::new(Confidence::Proven, title), lazy),
        () if huge >= bytes / 2 => refilled(case, Draft::new(Confidence::Proven, title), huge),
        () if moves(case, bytes) => return None,
        () => unclear(case, Draft::new(Confidence::Possible, title)),
    };
    Some(draft.claim(Leaf::HeapReturnedResident, bytes))
}

fn lazy_free(case: &Case<'_>, draft: Draft, lazy: u64) -> Draft {
    let asked = case.facts.environment.godebug.as_deref();
    let by_environment =
        asked.and_then(|text| settings::godebug(text, "madvdontneed")) == Some("0");
    let origin = match (case.facts.debug.madvdontneed, by_environment) {
        (_, true) => "GODEBUG=madvdontneed=0 in the environment makes the runtime use MADV_FREE.",
        (Some(0), false) => {
            "madvdontneed=0 is in force, though not by the environment's GODEBUG: it was linked \
             in (runtime.godebugDefault) or set from outside."
        }
        _ => "It was given up by MADV_FREE, though not by the runtime's setting as it is now.",
    };
    draft
        .evidence(format!("LazyFree of smaps is {}.", words::bytes(lazy)))
        .evidence(origin)
        .evidence(
            "The kernel takes such pages when it is short of memory, before it kills anything; \
             they count in RSS, and not in the kubelet's working set.",
        )
        .remedy(
            "for good",
            "start it without GODEBUG=madvdontneed=0 (1 has been the default since go1.16)",
            "RSS falls when memory is returned, at the cost of page faults when it is used again",
        )
}

fn refilled(case: &Case<'_>, draft: Draft, huge: u64) -> Draft {
    let setting = match case.facts.thp {
        Thp::Always => {
            "Transparent huge pages are set to always: khugepaged may collapse a \
                        range of which most was returned."
        }
        Thp::Madvise => "Transparent huge pages are set to madvise, so something asked for them.",
        Thp::Never | Thp::Unknown => "The setting for transparent huge pages does not explain it.",
    };
    draft
        .evidence(format!(
            "{} of it is backed by huge pages.",
            words::bytes(huge)
        ))
        .evidence(setting)
        .evidence(
            "The runtime counts it as returned: neither its scavenger nor letgo release returns it \
             again before it was used.",
        )
        .remedy(
            "for good",
            super::thp::switch_off(case),
            "returned ranges stay returned",
        )
}

fn locked(draft: Draft) -> Draft {
    draft
        .evidence(
            "The process has memory locked in RAM (VmLck), and locked pages come back at once.",
        )
        .remedy(
            "for good",
            "leave the heap out of mlockall, or use mlock for the secrets only",
            "returned memory leaves RSS",
        )
}

/// Whether the program takes so much memory that the page table and the runtime's bits, read a
/// moment apart, may differ by these bytes.
fn moves(case: &Case<'_>, bytes: u64) -> bool {
    let rates = case.facts.rates;
    rates.is_some_and(|rates| rates.alloc_bytes_per_s >= words::float(bytes))
}

fn unclear(case: &Case<'_>, draft: Draft) -> Draft {
    draft
        .evidence("Neither LazyFree pages nor huge pages explain it.")
        .evidence("The target may have been returning or taking memory while it was read.")
        .remedy(
            "now",
            case.letgo("why") + " --stop",
            "the same account of a target that stands still",
        )
}
