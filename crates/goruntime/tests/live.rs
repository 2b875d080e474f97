//! The views against the runtime's own figures, on real programs.
//!
//! `live/main.go` makes a heap of many shapes, prints `runtime.MemStats` and stops itself before it
//! allocates again; everything must then be equal to the byte. By default the machine's own `go`
//! is used; `LETGO_TEST_GO` names others: releases (`go1.21.13`), paths of `go` commands, each with
//! experiments behind a plus (`go1.25.14+greenteagc`).

mod patient;
mod proc;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use letgo_goruntime::layout::Origin;
use letgo_goruntime::{Census, CensusOptions, Light, Limits, RUNTIME_PAGE, Runtime, SpanUse};
use patient::{Kind, Patient, toolchains};

/// How often a program is started until its counters are equal to what it says: its runtime may
/// allocate something of its own between that and the stop (16 bytes were seen), or a goroutine go
/// on on another processor, which begins another slot of small values.
const LOOKS: usize = 5;

/// Builds a program of each kind with each toolchain and hands each to `check`.
fn for_each(kinds: &[Kind], arguments: &[&str], check: impl Fn(&Patient, &Runtime)) {
    each_of(1, kinds, arguments, check);
}

/// The same with counters to the byte: what is wrong is wrong each time.
fn for_each_counted(kinds: &[Kind], arguments: &[&str], check: impl Fn(&Patient, &Runtime)) {
    each_of(LOOKS, kinds, arguments, check);
}

fn each_of(looks: usize, kinds: &[Kind], arguments: &[&str], check: impl Fn(&Patient, &Runtime)) {
    for toolchain in toolchains() {
        for kind in kinds {
            for left in (0..looks).rev() {
                let Some(patient) = Patient::start(&toolchain, *kind, arguments) else {
                    break;
                };
                let runtime = Runtime::attach(&patient.binary, patient.bias, &patient.memory);
                let runtime = runtime.unwrap_or_else(|error| panic!("{}: {error}", patient.name));
                match catch_unwind(AssertUnwindSafe(|| check(&patient, &runtime))) {
                    Ok(()) => break,
                    Err(panic) if left == 0 => resume_unwind(panic),
                    Err(_) => {}
                }
            }
        }
    }
}

fn census(patient: &Patient, runtime: &Runtime) -> Census {
    let options = CensusOptions {
        functions: Some(&patient.binary.functions),
        ..CensusOptions::default()
    };
    runtime.census(&patient.memory, &options).unwrap()
}

/// What we computed under the names that the program prints.
fn figures(census: &Census) -> Vec<(&'static str, u64)> {
    let stats = &census.stats;
    let mut figures = vec![
        ("heap_alloc", stats.heap_alloc),
        ("heap_inuse", stats.heap_inuse),
        ("heap_idle", stats.heap_idle),
        ("heap_released", stats.heap_released),
        ("heap_sys", stats.heap_sys),
        ("heap_objects", stats.heap_objects),
        ("total_alloc", stats.total_alloc),
        ("mallocs", stats.mallocs),
        ("frees", stats.frees),
        ("stack_inuse", stats.stack_inuse),
        ("stack_sys", stats.stack_sys),
        ("mspan_inuse", stats.mspan_inuse),
        ("mspan_sys", stats.mspan_sys),
        ("mcache_inuse", stats.mcache_inuse),
        ("mcache_sys", stats.mcache_sys),
        ("buck_hash_sys", stats.buck_hash_sys),
        ("gc_sys", stats.gc_sys),
        ("other_sys", stats.other_sys),
        ("next_gc", stats.next_gc),
        ("last_gc_unix_ns", stats.last_gc_unix_ns),
        ("num_gc", u64::from(stats.num_gc)),
        ("num_forced_gc", u64::from(stats.num_forced_gc)),
        ("pause_total_ns", stats.pause_total_ns),
        ("goroutines", stats.goroutines),
        ("gomaxprocs", u64::from(stats.gomaxprocs)),
        ("gc_percent", stats.gc_percent.unsigned_abs().into()),
        ("memory_limit", stats.memory_limit.unsigned_abs()),
    ];
    if let Some(cpu) = stats.gc_cpu_ns {
        figures.push(("gc_cpu_ns", cpu));
    }
    figures
}

/// Bytes of spans of one use.
fn span_bytes(census: &Census, used_for: SpanUse) -> u64 {
    let spans = census.spans.iter().filter(|span| span.used_for == used_for);
    spans.map(|span| span.range().len()).sum()
}

/// Bytes of runtime pages that are free and returned, by the page allocator's bits.
fn returned(census: &Census) -> u64 {
    let chunks = census.pages.chunks.iter();
    let in_chunks: u32 = chunks
        .flat_map(|chunk| chunk.scavenged)
        .map(u64::count_ones)
        .sum();
    let caches = census.pages.caches.iter();
    let in_caches: u32 = caches.map(|cache| cache.scavenged.count_ones()).sum();
    u64::from(in_chunks + in_caches) * RUNTIME_PAGE
}

#[test]
fn every_counter_equals_the_programs_own() {
    for_each_counted(&Kind::ALL, &["still"], |patient, runtime| {
        let census = census(patient, runtime);
        let mut told = 0;
        for (name, ours) in figures(&census) {
            let Some(theirs) = patient.said(name) else {
                continue;
            };
            if name == "heap_released" {
                // The background scavenger may return more before the program stops.
                assert!(ours >= theirs, "{}: {name} {ours} {theirs}", patient.name);
            } else {
                assert_eq!(ours, theirs, "{}: {name}", patient.name);
            }
            told += 1;
        }
        assert!(told >= 27, "{}: only {told} figures", patient.name);
        println!("{}: {told} counters equal", patient.name);
    });
}

#[test]
fn a_memory_limit_lowers_the_goal_as_the_runtime_computes_it() {
    for_each(&[Kind::Exe], &["still", "limit"], |patient, runtime| {
        let census = census(patient, runtime);
        assert_eq!(census.stats.memory_limit, 1 << 28, "{}", patient.name);
        let theirs = patient.said("next_gc").unwrap();
        assert_eq!(census.stats.next_gc, theirs, "{}", patient.name);
    });
}

#[test]
fn walks_add_up_to_the_counters() {
    for_each_counted(&Kind::ALL, &["still"], |patient, runtime| {
        let name = &patient.name;
        let census = census(patient, runtime);
        let said = |key: &str| patient.said(key).unwrap();
        assert_eq!(census.coverage.skipped, [], "{name}");
        assert_eq!(census.coverage.torn, 0, "{name}");

        let heap = span_bytes(&census, SpanUse::Heap);
        let stack = span_bytes(&census, SpanUse::Stack);
        let other =
            span_bytes(&census, SpanUse::WorkBuf) + span_bytes(&census, SpanUse::PtrScalarBits);
        assert_eq!(heap, said("heap_inuse"), "{name}: heap spans");
        assert_eq!(stack, said("stack_inuse"), "{name}: stack spans");
        let owned: u64 = census.pages.in_use.iter().map(|range| range.len()).sum();
        let idle = owned - heap - stack - other;
        assert_eq!(idle, said("heap_idle"), "{name}: idle");
        let released = census.stats.heap_released;
        assert_eq!(returned(&census), released, "{name}: returned");

        let (mut bytes, mut objects) = (0, 0);
        let limits = Limits::default();
        let torn = runtime
            .slots(
                &patient.memory,
                &census.spans,
                &limits,
                &mut |span, bits| {
                    let allocated = u64::from(bits.counts().allocated);
                    objects += allocated;
                    bytes += allocated * span.elem_size;
                },
            )
            .unwrap();
        assert_eq!((torn.torn, torn.is_complete()), (0, true), "{name}");
        assert_eq!(bytes, said("heap_alloc"), "{name}: slots in use");
        assert_eq!(objects, said("heap_objects"), "{name}: objects");
    });
}

#[test]
fn what_lies_in_the_processors_caches_is_counted() {
    for_each_counted(&[Kind::Exe], &["churn"], |patient, runtime| {
        let name = &patient.name;
        let census = census(patient, runtime);
        let said = |key: &str| patient.said(key).unwrap();
        // 1000 nodes of 48 bytes, and 1000 int32 that share 250 slots of 16 bytes.
        assert_eq!(census.stats.mallocs, said("mallocs") + 2000, "{name}");
        let bytes = 1000 * 48 + 250 * 16;
        assert_eq!(
            census.stats.total_alloc,
            said("total_alloc") + bytes,
            "{name}"
        );
        assert_eq!(
            census.stats.heap_alloc,
            said("heap_alloc") + bytes,
            "{name}"
        );
        assert_eq!(
            census.stats.heap_objects,
            said("heap_objects") + 1250,
            "{name}"
        );
    });
}

#[test]
fn goroutines_threads_and_buckets_are_found() {
    for_each(
        &[Kind::Exe, Kind::PieStripped],
        &["still"],
        |patient, runtime| {
            let name = &patient.name;
            let census = census(patient, runtime);
            let users = census.goroutines.iter().filter(|g| !g.system).count() as u64;
            assert_eq!(users, patient.said("goroutines").unwrap(), "{name}");
            let waiting = census.goroutines.iter();
            let receiving = waiting.filter(|g| g.wait_reason == "chan receive").count();
            assert_eq!(receiving, 200, "{name}: goroutines in deep()");
            for goroutine in &census.goroutines {
                let function = patient.function(goroutine.start_pc);
                assert!(function.is_some(), "{name}: {goroutine:?}");
                let sane = goroutine.sp.is_null() || goroutine.stack.contains(goroutine.sp);
                assert!(sane, "{name}: {goroutine:?}");
            }
            assert!(census.dead_goroutines > 0, "{name}: 20 goroutines ended");
            let tasks = patient.threads();
            for task in &tasks {
                let known = census.threads.iter().any(|thread| thread.procid == *task);
                assert!(known, "{name}: thread {task}");
            }
            assert!(census.buckets.memory.count > 5, "{name}: memory profile");
            let bytes = census.buckets.memory.bytes + census.buckets.block.bytes;
            assert!(bytes < census.stats.buck_hash_sys, "{name}: buckets");
            assert!(census.buckets.table.is_some(), "{name}: buckhash");
            assert_eq!(census.debug.gctrace, Some(0), "{name}");
            assert_eq!(census.debug.madvdontneed, Some(1), "{name}");
        },
    );
}

#[test]
fn a_light_reading_differs_only_by_what_lies_in_caches() {
    for_each(
        &[Kind::Exe, Kind::PieStripped],
        &["still"],
        |patient, runtime| {
            let whole = census(patient, runtime).stats;
            let Light { stats, sweepgen } = runtime.light(&patient.memory).unwrap();
            assert_eq!(sweepgen, 2 * whole.num_gc, "{}", patient.name);
            assert_eq!(stats, whole, "{}: ReadMemStats flushes", patient.name);
        },
    );
}

#[test]
fn a_census_without_time_says_what_it_left_out() {
    for_each(&[Kind::Exe], &["still"], |patient, runtime| {
        let options = CensusOptions {
            limits: Limits {
                time: Duration::ZERO,
                ..Limits::default()
            },
            ..CensusOptions::default()
        };
        let census = runtime.census(&patient.memory, &options).unwrap();
        let skipped = |what: &str| census.coverage.skipped.iter().any(|skip| skip.what == what);
        assert!(skipped("mspan") && skipped("goroutine"), "{}", patient.name);
        assert_eq!(census.spans, [], "{}", patient.name);
    });
}

#[test]
fn layouts_come_from_the_program_or_from_the_table_of_its_release() {
    for_each(&Kind::ALL, &["still"], |patient, runtime| {
        let stripped = patient.binary.stripped();
        match runtime.layout_origin() {
            Origin::Dwarf => assert!(!stripped, "{}", patient.name),
            Origin::Table(_) => assert!(stripped, "{}", patient.name),
            Origin::ShapeOnly(key) => panic!("{}: by shape of {key}", patient.name),
        }
    });
}
