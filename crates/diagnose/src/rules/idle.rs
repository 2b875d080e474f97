//! `idle-not-returned`: free spans that are resident, beyond what the program has a use for.
//!
//! Does not fire on the headroom of a program that allocates into it, nor on the tenth that the
//! scavenger keeps in any case.

use letgo_account::Leaf;

use crate::draft::{Case, Draft};
use crate::finding::Confidence;
use crate::words;

/// Free spans beyond the headroom in use.
pub(crate) fn not_returned(case: &Case<'_>) -> Option<Draft> {
    let idle = case.facts.resident(Leaf::HeapIdle);
    let needed = case.pacer.needed();
    if !case.stands_out(idle.saturating_sub(needed), case.thresholds.low_share) {
        return None;
    }
    // What an idling program keeps out of habit, it has no use for either.
    let headroom = if needed == case.pacer.kept_idle() {
        0
    } else {
        needed
    };
    let bytes = idle.saturating_sub(headroom);
    let title = format!(
        "{} % of {} is free and was not given back",
        case.percent(bytes),
        case.whole()
    );
    let draft = Draft::new(Confidence::Proven, title)
        .claim(Leaf::HeapIdle, bytes)
        .evidence(size(case, idle, bytes))
        .evidence(by_itself(case))
        .evidence_if(case.facts.scavenge_goal == Some(u64::MAX), || {
            "By its own goal the scavenger has nothing to do until the next GC sets another.".into()
        })
        .maybe(case.origin("GOGC"))
        .maybe(case.origin("GOMEMLIMIT"));
    let locked = case.facts.locked_bytes;
    if locked > 0 {
        return Some(locked_in(draft, locked));
    }
    let draft = draft.remedy(
        "now",
        case.letgo("release"),
        format!(
            "up to {} back; two GCs, and page faults when the heap grows again",
            words::bytes(idle)
        ),
    );
    Some(for_good(case, draft))
}

fn size(case: &Case<'_>, idle: u64, bytes: u64) -> String {
    let settings = case.settings();
    let heap_sys = words::bytes(case.facts.stats.heap_sys);
    let kept = match idle - bytes {
        0 => String::new(),
        kept => format!("; {} more is headroom in use", words::bytes(kept)),
    };
    format!("{settings}; the heap has had {heap_sys} mapped (HeapSys){kept}.")
}

/// What the runtime would do if nobody did anything.
fn by_itself(case: &Case<'_>) -> String {
    let pacer = case.pacer;
    let idle_keeps = words::bytes(pacer.kept_idle());
    let minutes = pacer.minutes_to_return();
    match (pacer.gogc(), pacer.limit()) {
        (None, None) => "GC is off: no cycle sets the scavenger a new goal, and none is forced. \
                         The runtime gives nothing of this back while the heap does not grow."
            .into(),
        (None, Some(_)) => "With GOGC=off the GC runs only when the memory limit is reached, and \
                            no GC is forced: an idle program keeps this."
            .into(),
        (Some(_), _) if case.facts.stats.num_gc == 0 => {
            "No GC has run yet, none is forced before the first, and the scavenger starts after \
             it: the runtime keeps this."
                .into()
        }
        (Some(gogc), _) => match pacer.idles() {
            Some(true) => format!(
                "The program hardly allocates: the runtime forces a GC every 2 min and after \
                 about {minutes} min of idling keeps {idle_keeps} of it (10 % of the spans in use)."
            ),
            Some(false) => format!(
                "The program allocates: the runtime keeps up to {} of free spans, its heap goal \
                 at GOGC={gogc} and 10 %, for as long as it does.",
                words::bytes(pacer.kept_busy(gogc))
            ),
            None => format!(
                "The runtime would give it back in about {minutes} min if idle, but for \
                 {idle_keeps}; while the program allocates it keeps its heap goal and 10 %."
            ),
        },
    }
}

fn locked_in(draft: Draft, locked: u64) -> Draft {
    draft
        .evidence(format!(
            "{} of the process is locked in RAM (VmLck): locked pages cannot be returned.",
            words::bytes(locked)
        ))
        .remedy(
            "for good",
            "leave the heap out of mlockall, or use mlock for the secrets only",
            "the scavenger and letgo release work again",
        )
}

fn for_good(case: &Case<'_>, draft: Draft) -> Draft {
    let advice = case.pacer.advice();
    let roomy = case.pacer.gogc().is_none_or(|gogc| gogc > 100);
    let gogc = roomy.then_some(advice.gogc);
    let limit = advice
        .limit
        .filter(|limit| case.pacer.limit().is_none_or(|now| now > *limit));
    if gogc.is_none() && limit.is_none() {
        return draft;
    }
    let expect = match limit {
        _ if case.facts.target.file.is_some() => "free spans are given back sooner".into(),
        Some(limit) => format!(
            "the scavenger works to keep the runtime under {}",
            words::bytes(limit / 20 * 19)
        ),
        None => "the heap goal is lower, and less is left free after a burst".into(),
    };
    let before_1_22 = limit.is_some() && case.facts.target.go_minor < 22;
    draft
        .evidence_if(before_1_22, || {
            "Before go1.22 the background scavenger does not work towards a memory limit \
             (its goal is a hundredfold too high): only allocations do."
                .into()
        })
        .remedy("for good", case.tune(gogc, limit), expect)
}
