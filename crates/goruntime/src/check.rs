//! What was found in a binary is checked by what it means, before anything relies on it.
//!
//! Variables vouch for each other: the spans' pages must be what the pacer counts, the cycles of
//! `work` those of `memstats`, and so on. A variable that nothing works without and that fails is
//! an error that names the check; any other is forgotten and listed.
//!
//! Each check is tried again before it fails, since a running target may be halfway through an
//! update.

use letgo_target::{Addr, ReadMemory};

use crate::buckets::KINDS;
use crate::counters::{Counters, Plan};
use crate::mspan::Decoded;
use crate::processors::{Unflushed, processors};
use crate::view::View;
use crate::{Error, Limits, RUNTIME_PAGE, Runtime, goroutines, mheap};

/// How often a check is tried.
const TRIES: usize = 4;
/// Spans that are looked at.
const SAMPLES: u64 = 64;
/// How far counters that are updated one after the other may be apart in a running target, as a
/// part of the larger one (one eighth) and at least in bytes: a span of a few MiB on its way.
const SLACK: u64 = 64 << 20;
/// `_Gscan` and what is above the statuses. Source: src/runtime/runtime2.go.
const STATUS_MASK: u64 = 0xfff;
/// `_Gdead`.
const STATUS_DEAD: u64 = 6;
/// Largest heap that is believed: the address space.
const MOST_HEAP: u64 = 1 << 47;

/// Variables that are read where they are there, and what for.
const WISHED: [(&str, &str); 8] = [
    (
        "runtime.work",
        "GC work buffers are not told from other spans",
    ),
    ("runtime.sched", "the scheduler's counts are missing"),
    ("runtime.allgs", "goroutines are missing"),
    ("runtime.allglen", "the count of goroutines is missing"),
    ("runtime.allp", "the processors' caches are missing"),
    ("runtime.allm", "threads are missing"),
    ("runtime.gcphase", "whether a GC runs is not known"),
    (
        "runtime.mbuckets",
        "the memory profile's buckets are missing",
    ),
];

/// Checks everything, and makes the plan of the counters.
pub(crate) fn check(runtime: &mut Runtime, memory: &dyn ReadMemory) -> Result<(), Error> {
    for (name, lost) in WISHED {
        if runtime.global(name).is_none() {
            let why = format!("it was not found in the program: {lost}");
            runtime.unrecognised.skip(name, why);
        }
    }
    let limits = Limits::default();
    let ps = optional(runtime, "runtime.allp", |runtime| {
        processors(View::new(runtime, memory), &limits)
    })?;
    runtime.plan = Plan::new(runtime, &ps.unwrap_or_default())?;
    tries(|| heap(View::new(runtime, memory), &limits))?;
    tries(|| counters(runtime, memory))?;
    optional(runtime, "runtime.work", |runtime| cycles(runtime, memory))?;
    optional(runtime, "runtime.gcphase", |runtime| phase(runtime, memory))?;
    optional(runtime, "runtime.allgs", |runtime| {
        all_goroutines(View::new(runtime, memory))
    })?;
    optional(runtime, "runtime.allm", |runtime| {
        threads(View::new(runtime, memory), &limits)
    })?;
    optional(runtime, "runtime.sched", |runtime| {
        sched(View::new(runtime, memory))
    })?;
    for (name, kind) in KINDS {
        optional(runtime, name, |runtime| {
            bucket(View::new(runtime, memory), name, kind)
        })?;
    }
    Ok(())
}

/// Runs a check until it holds, a few times.
fn tries<T>(check: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
    let mut last = check();
    for _ in 1..TRIES {
        match &last {
            Ok(_) => break,
            Err(error) if error.is_fatal() => break,
            Err(_) => last = check(),
        }
    }
    last
}

/// Checks a variable that can be done without; one that fails is forgotten and listed.
fn optional<T>(
    runtime: &mut Runtime,
    name: &str,
    check: impl Fn(&Runtime) -> Result<T, Error>,
) -> Result<Option<T>, Error> {
    if runtime.global(name).is_none() {
        return Ok(None);
    }
    match tries(|| check(runtime)) {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_fatal() => Err(error),
        Err(error) => {
            runtime.globals.remove(name);
            runtime.unrecognised.skip(name, error.to_string());
            Ok(None)
        }
    }
}

fn wrong<T>(what: &str, addr: Addr, why: String) -> Result<T, Error> {
    Err(Error::inconsistent(what, addr, why))
}

/// `mheap_`: its spans lie in its arenas.
fn heap(view: View<'_>, limits: &Limits) -> Result<(), Error> {
    let mheap = view.runtime.need_global("runtime.mheap_")?;
    let fields = &view.layout().mheap;
    let sweepgen = mheap::sweepgen(view)?;
    if !sweepgen.is_multiple_of(2) {
        let why = format!("its sweep generation {sweepgen} is odd");
        return wrong("mheap_", mheap, why);
    }
    let arenas = mheap::merged(&mheap::arenas(view, limits)?);
    if arenas.is_empty() {
        return wrong("mheap_", mheap, "it has no arenas".to_owned());
    }
    let all = fields.allspans.at(mheap);
    let header = view.sane_slice("mheap_.allspans", all, limits.spans)?;
    if header.len == 0 {
        return wrong("mheap_", mheap, "it has no spans".to_owned());
    }
    let context = mheap::context(view, &arenas)?;
    let step = usize::try_from(header.len.div_ceil(SAMPLES)).unwrap_or(1);
    let places = (0..header.len).step_by(step);
    let places: Vec<Addr> = places.map(|at| header.ptr.add(at * 8)).collect();
    let (mut seen, mut bad) = (0, 0);
    let mut first = None;
    for decoded in mheap::sampled(view, &context, &places)? {
        seen += 1;
        if let Decoded::Bad(why) = decoded {
            bad += 1;
            first = first.or(Some(why));
        }
    }
    if bad * 8 > seen {
        let why = first.unwrap_or_default();
        let why = format!("{bad} of {seen} spans make no sense; of the first, {why}");
        return wrong("mheap_.allspans", all, why);
    }
    Ok(())
}

/// `gcController` and `memstats` against `mheap_` and each other.
fn counters(runtime: &Runtime, memory: &dyn ReadMemory) -> Result<(), Error> {
    let controller = runtime.need_global("runtime.gcController")?;
    let memstats = runtime.need_global("runtime.memstats")?;
    let counters = Counters::read(runtime, &runtime.plan, memory)?;
    let stats = counters.stats(Unflushed::default());
    let by_pages = counters.pages_in_use().saturating_mul(RUNTIME_PAGE);
    if !close(by_pages, stats.heap_inuse) {
        let why = format!(
            "heapInUse is {}, but the pages in use of mheap_ are {by_pages}",
            stats.heap_inuse
        );
        return wrong("gcController", controller, why);
    }
    let in_heap = counters.heap_stat(runtime.layout.heap_stats_delta.in_heap);
    if !close(in_heap, stats.heap_inuse) {
        let why = format!(
            "inHeap is {in_heap}, but heapInUse of gcController is {}",
            stats.heap_inuse
        );
        return wrong("memstats", memstats, why);
    }
    let bounded = [
        ("heapFree and heapReleased", stats.heap_idle),
        ("heapLive", stats.heap_live),
        ("mappedReady", stats.mapped_ready),
        ("stacks", stats.stack_sys),
        ("mspan_sys", stats.mspan_sys),
        ("gcMiscSys", stats.gc_sys),
        ("other_sys", stats.other_sys),
    ];
    if let Some((name, value)) = bounded.iter().find(|(_, value)| *value > MOST_HEAP) {
        let why = format!("{name} is {value}, more than there is address space");
        return wrong("gcController and memstats", controller, why);
    }
    if stats.memory_limit < 0 {
        let why = format!("memoryLimit is {}", stats.memory_limit);
        return wrong("gcController", controller, why);
    }
    Ok(())
}

fn close(a: u64, b: u64) -> bool {
    a.abs_diff(b) <= (a.max(b) / 8).max(SLACK)
}

/// `work`: its cycles are those of `memstats`, or one more while one runs.
fn cycles(runtime: &Runtime, memory: &dyn ReadMemory) -> Result<(), Error> {
    let work = runtime.need_global("runtime.work")?;
    let counters = Counters::read(runtime, &runtime.plan, memory)?;
    let (begun, ended) = (
        counters.cycles(),
        counters.stats(Unflushed::default()).num_gc,
    );
    if begun.wrapping_sub(ended) > 1 {
        let why = format!("{begun} cycles were begun, but memstats says that {ended} ended");
        return wrong("work", work, why);
    }
    Ok(())
}

fn phase(runtime: &Runtime, memory: &dyn ReadMemory) -> Result<(), Error> {
    let addr = runtime.need_global("runtime.gcphase")?;
    match letgo_target::read_u32(memory, addr)? {
        0..=2 => Ok(()),
        other => wrong("gcphase", addr, format!("there is no phase {other}")),
    }
}

/// `allgs`: as long as `allglen` says, and its first is a goroutine: with a stack, or dead, as that
/// of `runtime.main` is in a C archive or library, and after `runtime.Goexit`.
fn all_goroutines(view: View<'_>) -> Result<(), Error> {
    let addr = view.runtime.need_global("runtime.allgs")?;
    let slice = view.sane_slice("allgs", addr, u64::MAX >> 8)?;
    if let Some(len) = view.runtime.global("runtime.allglen") {
        let len = letgo_target::read_u64(view.memory, len)?;
        if len.abs_diff(slice.len) > 1024 {
            let why = format!("it has {} g's, but allglen is {len}", slice.len);
            return wrong("allgs", addr, why);
        }
    }
    if slice.len == 0 {
        return wrong("allgs", addr, "it is empty".to_owned());
    }
    let first = Addr(letgo_target::read_u64(view.memory, slice.ptr)?);
    let fields = &view.layout().g;
    let (low, high) = (
        view.field(first, fields.stack_lo)?,
        view.field(first, fields.stack_hi)?,
    );
    let status = view.field(first, fields.atomicstatus)? & STATUS_MASK;
    let ended = status == STATUS_DEAD && (low, high) == (0, 0);
    if !ended && (low >= high || high - low > MOST_HEAP) {
        let why = format!("its first g has the stack {low:#x}-{high:#x}");
        return wrong("allgs", addr, why);
    }
    Ok(())
}

/// `allm`: a list of threads, of which at least one has a thread id and a stack.
fn threads(view: View<'_>, limits: &Limits) -> Result<(), Error> {
    let addr = view.runtime.need_global("runtime.allm")?;
    let mut coverage = letgo_target::Coverage::default();
    let threads = goroutines::threads(view, limits, &mut coverage)?;
    let sane = threads
        .iter()
        .any(|thread| thread.procid != 0 && !thread.g0_stack.is_empty());
    if !sane || !coverage.is_complete() {
        return wrong("allm", addr, "it is no list of threads".to_owned());
    }
    Ok(())
}

/// `sched`: it has threads, and no more of them idle than there are.
fn sched(view: View<'_>) -> Result<(), Error> {
    let addr = view.runtime.need_global("runtime.sched")?;
    let fields = &view.layout().sched;
    let made = view.field(addr, fields.mnext)?;
    let idle = view.field(addr, fields.nmidle)?;
    if made == 0 || made > 1 << 40 || idle > made {
        let why = format!("{idle} of {made} threads are idle");
        return wrong("sched", addr, why);
    }
    Ok(())
}

/// A list of buckets: empty, or of the kind that it should be.
fn bucket(view: View<'_>, name: &str, kind: u64) -> Result<(), Error> {
    let addr = view.runtime.need_global(name)?;
    let first = Addr(letgo_target::read_u64(view.memory, addr)?);
    if first.is_null() {
        return Ok(());
    }
    let found = view.field(first, view.layout().bucket.typ)?;
    if found != kind {
        let why = format!("its first bucket is of kind {found}, not {kind}");
        return wrong(name, addr, why);
    }
    Ok(())
}
