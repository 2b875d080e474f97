//! `gc-death-spiral` and `alloc-churn`: what GC costs now.
//!
//! From two light readings, about a second apart; the lifetime average of the runtime
//! (`GCCPUFraction`) hides both. What idle Ps spend on marking is left out where it is known,
//! since the program did not want that time.

use crate::draft::{Case, Draft};
use crate::facts::Rates;
use crate::finding::{Confidence, Severity};
use crate::words::{self, float};

/// Share of the CPU that raising GOGC should bring GC down to.
const WANTED_GC_CPU: f64 = 0.05;

/// The governor's bounds of GOGC.
const GOGC_MOST: f64 = 400.0;

/// A memory limit leaves GC so little room that it runs all the time.
pub(crate) fn death_spiral(case: &Case<'_>) -> Option<Draft> {
    let rates = case.facts.rates?;
    let gogc = spiral(case, &rates)?;
    let limit = case.pacer.limit()?;
    let title = format!(
        "The memory limit forces {:.1} GCs a second: a death spiral",
        rates.gc_cycles_per_s
    );
    let confidence = match cost(&rates) {
        Some(_) => Confidence::Proven,
        None => Confidence::Likely,
    };
    let draft = Draft::new(confidence, title)
        .least(Severity::High)
        .evidence(spent(&rates))
        .evidence(format!(
            "The limit of {} leaves {} % of the live heap ({}) as headroom: GOGC={:.0} in effect.",
            words::bytes(limit),
            words::fraction(gogc / 100.0).trim_end_matches(" %"),
            words::bytes(case.pacer.live()),
            gogc
        ))
        .evidence(format!(
            "{} of what the limit counts is not objects: stacks, free slots, structures.",
            words::bytes(case.pacer.non_heap())
        ))
        .maybe(case.origin("GOMEMLIMIT"));
    Some(more_room(case, limit, draft))
}

fn more_room(case: &Case<'_>, limit: u64, draft: Draft) -> Draft {
    let advice = case.pacer.advice();
    match advice.backstop.filter(|better| *better > limit) {
        Some(better) => draft.remedy(
            "now",
            case.tune(None, Some(better)),
            "GC runs as often as GOGC says, and RSS grows accordingly",
        ),
        None => draft
            .evidence(format!(
                "The live heap needs a limit of {} at least, and the container has no room for it.",
                words::bytes(case.pacer.least_limit())
            ))
            .remedy(
                "for good",
                "give the container more memory, or hold less: the live set does not fit",
                format!("letgo heap {} shows who holds it", case.facts.target.pid),
            ),
    }
}

/// The effective GOGC of a spiral; nothing where there is none.
fn spiral(case: &Case<'_>, rates: &Rates) -> Option<f64> {
    let thresholds = case.thresholds;
    let gogc = case.pacer.effective_gogc()?;
    let costs = match cost(rates) {
        Some(cost) => cost >= thresholds.spiral_gc_cpu,
        None => rates.gc_cycles_per_s >= thresholds.churn_cycles_per_s,
    };
    let spirals = case.pacer.limit_binds()
        && gogc < thresholds.spiral_gogc
        && rates.gc_cycles_per_s >= thresholds.spiral_cycles_per_s
        && costs;
    spirals.then_some(gogc)
}

/// GC takes much of the CPU because much is allocated.
pub(crate) fn alloc_churn(case: &Case<'_>) -> Option<Draft> {
    let rates = case.facts.rates?;
    let thresholds = case.thresholds;
    let cost = cost(&rates);
    let dear = cost.is_some_and(|cost| cost >= thresholds.churn_gc_cpu);
    let often = rates.gc_cycles_per_s >= thresholds.churn_cycles_per_s;
    if !(dear || often) || rates.gc_cycles_per_s <= 0.0 || spiral(case, &rates).is_some() {
        return None;
    }
    let severe = cost.is_some_and(|cost| cost >= thresholds.spiral_gc_cpu);
    let title = format!(
        "It allocates {}: {:.1} GCs a second",
        words::per_second(rates.alloc_bytes_per_s),
        rates.gc_cycles_per_s
    );
    let draft = Draft::new(Confidence::Proven, title)
        .least(if severe {
            Severity::Medium
        } else {
            Severity::Low
        })
        .evidence(spent(&rates))
        .evidence(format!(
            "{}; the live heap is {}.",
            case.settings(),
            words::bytes(case.pacer.live())
        ))
        .remedy(
            "next",
            "a profile of what it allocates: /debug/pprof/allocs, where it serves net/http/pprof",
            "who allocates, by function and line",
        );
    Some(
        match case.pacer.limit().filter(|_| case.pacer.limit_binds()) {
            Some(limit) => higher_limit(case, limit, draft),
            None => higher_gogc(case, cost, draft),
        },
    )
}

/// Suggests a higher limit where it is the limit that makes GC run.
fn higher_limit(case: &Case<'_>, limit: u64, draft: Draft) -> Draft {
    let draft = draft.evidence("The memory limit, not GOGC, decides when GC runs.");
    match case
        .pacer
        .advice()
        .backstop
        .filter(|better| *better > limit)
    {
        Some(better) => draft.remedy(
            "now",
            case.tune(None, Some(better)),
            "fewer GCs, more memory",
        ),
        None => draft,
    }
}

/// Suggests a GOGC that brings the cost down, if the memory for it is there.
fn higher_gogc(case: &Case<'_>, cost: Option<f64>, draft: Draft) -> Draft {
    let Some(now) = case.pacer.gogc() else {
        return draft;
    };
    let factor = (cost.unwrap_or(2.0 * WANTED_GC_CPU) / WANTED_GC_CPU).max(2.0);
    let most = GOGC_MOST.max(float(now));
    let wanted = (float(now.max(10)) * factor).min(most);
    let wanted = words::whole(wanted / 10.0) * 10;
    let peak = words::whole(float(case.pacer.goal_at(wanted)) * case.pacer.spread() * 1.1);
    let fits = case
        .pacer
        .room()
        .is_none_or(|room| peak.saturating_add(case.pacer.non_heap()) <= room);
    if wanted <= now || !fits {
        return draft;
    }
    draft.remedy(
        "for good",
        case.tune(Some(wanted), None),
        format!("fewer GCs for a heap of up to {}", words::bytes(peak)),
    )
}

/// GC's share of the CPU without what idle Ps gave.
fn cost(rates: &Rates) -> Option<f64> {
    let fraction = rates.gc_cpu_fraction?;
    Some((fraction - rates.gc_idle_cpu_fraction.unwrap_or(0.0)).max(0.0))
}

fn spent(rates: &Rates) -> String {
    let window = words::float(rates.window_ns) / 1e9;
    match (cost(rates), rates.gc_idle_cpu_fraction) {
        (Some(cost), Some(_)) => format!(
            "GC took {} of the CPU over {window:.1} s, idle Ps not counted.",
            words::fraction(cost)
        ),
        (Some(cost), None) => format!(
            "GC took {} of the CPU over {window:.1} s, what idle Ps gave included.",
            words::fraction(cost)
        ),
        (None, _) => format!("Measured over {window:.1} s; this release keeps no GC CPU time."),
    }
}
