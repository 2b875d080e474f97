//! `mapped-file`: resident pages of mapped files and of shared memory.
//!
//! Page cache, not heap: GC has no part in it, and clean file pages go when the kernel is short
//! of memory. Shared memory does not, without swap. Binaries and libraries are other leaves.

use letgo_account::Leaf;

use crate::draft::{Case, Draft};
use crate::finding::Confidence;
use crate::words;

/// Mappings that are named.
const NAMED: usize = 3;

/// Files or shared memory take a share of RSS.
pub(crate) fn mapped_file(case: &Case<'_>) -> Option<Draft> {
    let files = case.facts.resident(Leaf::MapsFile);
    let shared = match super::sentry::is_sentry(case.facts) {
        true => 0,
        false => case.facts.resident(Leaf::MapsShm),
    };
    let bytes = files.saturating_add(shared);
    if !case.stands_out(bytes, case.thresholds.medium_share) {
        return None;
    }
    let what = if files >= shared {
        "mapped files"
    } else {
        "shared memory"
    };
    let title = format!("{} % of RSS is {what}, not heap", case.percent(bytes));
    let mut draft = Draft::new(Confidence::Proven, title)
        .claim(Leaf::MapsFile, files)
        .claim(Leaf::MapsShm, shared);
    let ours = |leaf| matches!(leaf, Leaf::MapsFile | Leaf::MapsShm);
    let named = case
        .facts
        .mappings
        .iter()
        .filter(|mapping| ours(mapping.leaf));
    for mapping in named.take(NAMED) {
        draft = draft.evidence(format!(
            "{}: {} resident of {} mapped.",
            if mapping.name.is_empty() {
                "(no name)"
            } else {
                &mapping.name
            },
            words::bytes(mapping.resident_bytes),
            words::bytes(mapping.virtual_bytes)
        ));
    }
    let draft = draft
        .evidence_if(files > 0, || {
            "Clean file pages are page cache: the kernel takes them back when it needs memory, \
             and GOMEMLIMIT does not count them."
                .into()
        })
        .evidence_if(shared > 0, || {
            "Shared memory stays until it is unlinked and unmapped; it cannot be dropped without \
             swap."
                .into()
        });
    Some(remedies(draft, files >= shared))
}

fn remedies(draft: Draft, files: bool) -> Draft {
    if files {
        draft.remedy(
            "for good",
            "unmap what is done with, or madvise(MADV_DONTNEED) the range of a file mapping",
            "RSS falls; the next access reads the file again",
        )
    } else {
        draft.remedy(
            "for good",
            "unmap what is done with, and unlink it (shm_unlink, or rm where it is a file of tmpfs)",
            "it goes when the last process has unmapped it",
        )
    }
}
