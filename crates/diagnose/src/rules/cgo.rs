//! `cgo-growth`: memory that C allocated.
//!
//! One reading shows how large it is, not that it grows: the title says no more than that.
//! Two readings see growth: `letgo diff`.

use letgo_account::Leaf;

use crate::draft::{Case, Draft};
use crate::finding::Confidence;
use crate::words;

/// C memory takes a share of RSS.
pub(crate) fn malloc(case: &Case<'_>) -> Option<Draft> {
    let malloc = case.facts.resident(Leaf::CgoMalloc);
    let anon = if case.facts.target.cgo {
        case.facts.resident(Leaf::MapsAnon)
    } else {
        0
    };
    let bytes = malloc.saturating_add(anon);
    if !case.stands_out(bytes, case.thresholds.medium_share) {
        return None;
    }
    let proven = malloc >= anon;
    let title = format!(
        "{} % of RSS was allocated outside of Go",
        case.percent(bytes)
    );
    let draft = Draft::new(
        if proven {
            Confidence::Proven
        } else {
            Confidence::Likely
        },
        title,
    )
    .claim(Leaf::CgoMalloc, malloc)
    .claim(Leaf::MapsAnon, anon)
    .evidence_if(malloc > 0, || arenas(case, malloc))
    .evidence_if(anon > 0, || {
        format!(
            "{} is anonymous memory that is not glibc's: mmap of the program, another malloc.",
            words::bytes(anon)
        )
    })
    .evidence("GC does not see it and GOMEMLIMIT does not count it.")
    .evidence("That it is large is shown; whether it grows takes a second look later.");
    Some(remedies(case, draft))
}

fn arenas(case: &Case<'_>, malloc: u64) -> String {
    let (all, beside) = (words::bytes(malloc), case.facts.malloc.arena_resident_bytes);
    let beside = words::bytes(beside);
    match case.facts.malloc.arenas {
        0 => format!("glibc's malloc has {all}, in its main heap and in chunks mapped alone."),
        1 => format!(
            "glibc's malloc has {all}, of which {beside} in one arena beside its main heap."
        ),
        arenas => format!(
            "glibc's malloc has {all}, of which {beside} in {} arenas beside its main heap.",
            words::count(arenas)
        ),
    }
}

/// Part of malloc's memory that arenas beside the main one have at least, where fewer would help.
const ARENAS_PART: u64 = 4;

fn remedies(case: &Case<'_>, draft: Draft) -> Draft {
    let beside = case.facts.malloc.arena_resident_bytes;
    let many = case.facts.malloc.arenas >= 2
        && beside.saturating_mul(ARENAS_PART) >= case.facts.resident(Leaf::CgoMalloc);
    let unset = case.facts.environment.malloc_arena_max.is_none();
    let draft = if many && unset {
        draft.remedy(
            "for good",
            "start it with MALLOC_ARENA_MAX=2",
            "fewer arenas that each keep their own free memory",
        )
    } else {
        draft
    };
    let draft = if case.facts.resident(Leaf::CgoMalloc) > 0 {
        draft.remedy(
            "for good",
            "call malloc_trim(0) from C after a burst",
            "free memory inside of malloc goes back; what C still holds does not",
        )
    } else {
        draft
    };
    draft.remedy(
        "for good",
        "look for C.malloc, C.CString and library handles without their free",
        "",
    )
}
