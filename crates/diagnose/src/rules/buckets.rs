//! `profile-buckets`: what the profilers keep for themselves.
//!
//! One bucket for each distinct stack that ever allocated, blocked or contended; none is ever
//! freed. From go1.23 a stack has up to 128 frames (32 before).
//!
//! Source: src/runtime/mprof.go, `newBucket`; src/runtime/runtime1.go, `profstackdepth`.

use letgo_account::Leaf;

use crate::draft::{Case, Draft};
use crate::finding::Confidence;
use crate::settings::godebug;
use crate::words;

/// Buckets take a share of RSS.
pub(crate) fn profile_buckets(case: &Case<'_>) -> Option<Draft> {
    let bytes = case.facts.resident(Leaf::RuntimeProfileBuckets);
    if !case.stands_out(bytes, case.thresholds.low_share) {
        return None;
    }
    let profile = &case.facts.profile;
    let count = words::total([
        profile.memory_count,
        profile.block_count,
        profile.mutex_count,
    ]);
    let title = format!("The profilers' own records hold {}", words::bytes(bytes));
    let draft = Draft::new(Confidence::Proven, title)
        .claim(Leaf::RuntimeProfileBuckets, bytes)
        .count(count);
    let parts = [
        ("memory", profile.memory_count, profile.memory_bytes),
        ("block", profile.block_count, profile.block_bytes),
        ("mutex", profile.mutex_count, profile.mutex_bytes),
    ];
    let draft =
        parts
            .iter()
            .filter(|part| part.1 > 0)
            .fold(draft, |draft, (name, count, bytes)| {
                draft.evidence(format!(
                    "{} stacks in the {name} profile, {}.",
                    words::count(*count),
                    words::bytes(*bytes)
                ))
            });
    let rate = case.facts.debug.mem_profile_rate;
    let draft = draft
        .maybe(rate.map(|rate| format!("runtime.MemProfileRate is {rate}.")))
        .evidence("The runtime never frees a record: only a restart does.");
    Some(remedies(case, draft))
}

/// Frames that a record keeps: the live value, else what was asked for, else the default.
fn stack_depth(case: &Case<'_>) -> i32 {
    let environment = case.facts.environment.godebug.as_deref();
    let asked = environment.and_then(|text| godebug(text, "profstackdepth"));
    let live = case.facts.debug.profstackdepth;
    live.or_else(|| asked?.parse().ok()).unwrap_or(128)
}

fn remedies(case: &Case<'_>, draft: Draft) -> Draft {
    let depth = stack_depth(case);
    let draft = if case.facts.target.go_minor >= 23 && depth > 32 {
        draft.remedy(
            "for good",
            "start it with GODEBUG=profstackdepth=32",
            format!("shorter stacks, and fewer that differ (now {depth} frames)"),
        )
    } else {
        draft
    };
    let profile = &case.facts.profile;
    if profile.memory_bytes >= profile.block_bytes.saturating_add(profile.mutex_bytes) {
        draft.remedy(
            "for good",
            "start it with GODEBUG=memprofilerate=4194304, or 0 for no memory profile",
            "fewer samples, so fewer stacks",
        )
    } else {
        draft.remedy(
            "for good",
            "call runtime.SetBlockProfileRate and SetMutexProfileFraction only while needed",
            "no new stacks while they are off",
        )
    }
}
