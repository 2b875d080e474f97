//! `gc-off` and `gc-stalled`: no GC runs, by setting or although one is due.
//!
//! Source: src/runtime/mgc.go, `gcTrigger.test`: the GC that is forced every 2 min needs
//! `gcPercent >= 0` and one earlier cycle; go1.19 to go1.27.

use crate::draft::{Case, Draft};
use crate::facts::State;
use crate::finding::{Confidence, Severity};
use crate::words::{self, float};

/// An allocation rate under this is not growth: 1 MiB in 10 s.
const GROWS: f64 = 100_000.0;

/// GOGC=off, or SetGCPercent(-1).
pub(crate) fn off(case: &Case<'_>) -> Option<Draft> {
    if case.pacer.gogc().is_some() {
        return None;
    }
    let objects = case.pacer.unexamined();
    let draft = match case.pacer.limit() {
        None => without_limit(case, objects),
        Some(limit) => under_limit(case, objects, limit),
    };
    let (leaf, bytes) = case.uncollected();
    Some(draft.claim(leaf, bytes).maybe(case.origin("GOGC")))
}

fn without_limit(case: &Case<'_>, objects: u64) -> Draft {
    let rate = case
        .facts
        .rates
        .map_or(0.0, |rates| rates.alloc_bytes_per_s);
    let title = "GC is off and no memory limit is set: garbage is never collected";
    let advice = case.pacer.advice();
    Draft::new(Confidence::Proven, title)
        .least(if rate > GROWS {
            Severity::Medium
        } else {
            Severity::Low
        })
        .evidence(examined(case, objects))
        .evidence_if(rate > GROWS, || growth(case, rate))
        .remedy(
            "for good",
            case.tune(Some(advice.gogc), advice.limit),
            match case.facts.reached {
                Some(_) => "GC runs again, and takes the garbage",
                None => "GC runs again; how much of it is garbage shows after the first cycle",
            },
        )
        .remedy(
            "for good",
            "start it with GOMEMLIMIT beside GOGC=off, or without GOGC=off",
            "",
        )
}

fn growth(case: &Case<'_>, rate: f64) -> String {
    let per_second = words::per_second(rate);
    let container = case.facts.container.as_ref();
    let room = container.and_then(|c| Some(c.limit?.saturating_sub(c.working_set)));
    match room {
        Some(room) => {
            let seconds = words::whole(float(room) / rate);
            let time = words::age(seconds.saturating_mul(1_000_000_000));
            format!("It allocates {per_second}: at this rate the container is full in {time}.")
        }
        None => format!("It allocates {per_second}, and nothing of that is freed."),
    }
}

fn under_limit(case: &Case<'_>, objects: u64, limit: u64) -> Draft {
    let ready = case.facts.stats.mapped_ready;
    let title = "GC runs only when the memory limit is reached (GOGC=off)";
    Draft::new(Confidence::Proven, title)
        .most(Severity::Low)
        .evidence(format!(
            "The limit is {}, of which the runtime has {} in use; garbage stays until then.",
            words::bytes(limit),
            words::bytes(ready)
        ))
        .evidence(examined(case, objects))
        .evidence("No GC is forced every 2 min either, so an idle program stays at its peak.")
        .remedy(
            "now",
            case.letgo("release"),
            "two GCs, and what they free is returned",
        )
}

fn examined(case: &Case<'_>, objects: u64) -> String {
    let since = match case.facts.last_gc_age_ns {
        Some(age) => format!("since the last GC {} ago", words::age(age)),
        None => "since the start, without any GC".into(),
    };
    let objects = words::bytes(objects);
    match case.facts.reached {
        Some(_) => format!(
            "{objects} of objects were allocated {since}; {} in the heap are garbage now.",
            words::bytes(case.uncollected().1)
        ),
        None => format!(
            "{objects} of objects were allocated {since}; how much of it is garbage, nobody has \
             looked."
        ),
    }
}

/// GC is on, and none has ended for longer than the runtime allows.
pub(crate) fn stalled(case: &Case<'_>) -> Option<Draft> {
    let facts = case.facts;
    let age = facts
        .last_gc_age_ns
        .filter(|age| *age >= case.thresholds.gc_stalled_ns)?;
    if case.pacer.gogc().is_none() || facts.stats.num_gc == 0 {
        return None;
    }
    let objects = case.pacer.unexamined();
    let title = format!(
        "No GC for {}, although the runtime forces one every 2 min",
        words::age(age)
    );
    let (confidence, cause) = cause(case);
    let (leaf, bytes) = case.uncollected();
    let draft = Draft::new(confidence, title)
        .least(if facts.target.state == State::Runs {
            Severity::Medium
        } else {
            Severity::Low
        })
        .claim(leaf, bytes)
        .evidence(cause)
        .evidence(examined(case, objects));
    Some(match facts.target.state {
        State::Runs => draft.remedy(
            "next",
            case.letgo("goroutines"),
            "a goroutine that runs without a pause, or a thread that hangs in C or in the kernel",
        ),
        State::Stopped => draft.remedy("now", format!("kill -CONT {}", facts.target.pid), ""),
        State::Frozen => draft.remedy("now", "thaw its cgroup", ""),
    })
}

fn cause(case: &Case<'_>) -> (Confidence, &'static str) {
    match case.facts.target.state {
        State::Stopped => (
            Confidence::Proven,
            "The process is stopped by a signal or a tracer.",
        ),
        State::Frozen => (Confidence::Proven, "The cgroup of the process is frozen."),
        State::Runs if case.facts.stats.gc_running => (
            Confidence::Proven,
            "A cycle has begun to mark and does not end.",
        ),
        State::Runs => (
            Confidence::Likely,
            "GC is on and not marking: it could not stop the world, or sysmon does not run.",
        ),
    }
}
