//! Runtimes that were built byte by byte, by somebody who does not know our decoders.
//!
//! The sane one must be read to the byte. The evil ones, and noise, must end in an error or in a
//! coverage that says what is wrong: no panic, no endless walk, no silence.

use letgo_goruntime::layout::choose;
use letgo_goruntime::{
    Census, CensusOptions, Error, Family, Limits, Parts, RUNTIME_PAGE, Runtime, SpanUse, Status,
    Sys,
};
use letgo_target::{Addr, Coverage, SliceMemory};
use letgo_testkit::synthetic::{Evil, GO_VERSION, Synthetic};

/// What a whole reading gave.
struct Reading {
    census: Census,
    /// Bytes in use and garbage, by the bits.
    used: u64,
    garbage: u64,
    coverage: Coverage,
}

fn attach(synthetic: &Synthetic, memory: &SliceMemory) -> Result<Runtime, Error> {
    let version = GO_VERSION.parse().unwrap();
    let choice = choose(&version).unwrap();
    assert_eq!(choice.doubt, None, "there is a table for {GO_VERSION}");
    let parts = Parts {
        version,
        layouts: choice.layouts,
        origin: choice.origin,
        globals: synthetic
            .globals()
            .map(|(name, addr)| (name.to_owned(), addr))
            .collect(),
        bias: 0,
        moduledata: synthetic.moduledata(),
    };
    Runtime::from_parts(parts, memory)
}

fn read(synthetic: &Synthetic) -> Result<Reading, Error> {
    let memory = synthetic.memory();
    let runtime = attach(synthetic, &memory)?;
    let light = runtime.light(&memory)?;
    let census = runtime.census(&memory, &CensusOptions::default())?;
    let (mut used, mut garbage) = (0, 0);
    let mut coverage = census.coverage.clone();
    let slots = runtime.slots(
        &memory,
        &census.spans,
        &Limits::default(),
        &mut |span, bits| {
            let counts = bits.counts();
            used += u64::from(counts.allocated) * span.elem_size;
            garbage += u64::from(counts.garbage) * span.elem_size;
        },
    )?;
    coverage.merge(slots);
    assert_eq!(light.stats.num_gc, census.stats.num_gc);
    Ok(Reading {
        census,
        used,
        garbage,
        coverage,
    })
}

/// What must hold of any reading, whatever the target says.
fn assert_invariants(reading: &Reading, what: &str) {
    let census = &reading.census;
    for pair in census.spans.windows(2) {
        assert!(
            pair[0].range().end() <= pair[1].base,
            "{what}: spans overlap"
        );
    }
    for span in &census.spans {
        assert!(span.slots_len() <= span.range().len(), "{what}: {span:?}");
        assert!(span.free_index <= span.nelems, "{what}: {span:?}");
    }
    for pair in census.metadata.windows(2) {
        let (low, high) = (pair[0].range, pair[1].range);
        assert!(
            low.end() <= high.start(),
            "{what}: {:?} overlap",
            (low, high)
        );
    }
}

#[test]
fn a_sane_runtime_is_read_to_the_byte() {
    let synthetic = Synthetic::sane();
    let expected = synthetic.expected();
    let reading = read(&synthetic).unwrap();
    assert_invariants(&reading, "sane");
    assert!(reading.coverage.is_complete(), "{:?}", reading.coverage);
    assert_eq!(reading.coverage.torn, 0);
    let stats = reading.census.stats;
    assert_eq!(stats.heap_inuse, expected.heap_inuse);
    assert_eq!(stats.heap_idle, expected.heap_idle);
    assert_eq!(stats.heap_released, expected.heap_released);
    assert_eq!(stats.heap_alloc, expected.heap_alloc);
    assert_eq!(stats.heap_objects, expected.heap_objects);
    assert_eq!(stats.stack_inuse, expected.stack_inuse);
    assert_eq!(stats.mspan_sys, expected.mspan_sys);
    assert_eq!(stats.mcache_sys, expected.mcache_sys);
    assert_eq!(stats.buck_hash_sys, expected.buck_hash_sys);
    assert_eq!(stats.gc_sys, expected.gc_sys);
    assert_eq!(stats.other_sys, expected.other_sys);
    assert_eq!(stats.num_gc, expected.num_gc);
    assert_eq!(stats.gc_percent, expected.gc_percent);
    assert_eq!(stats.memory_limit, expected.memory_limit);
    assert_eq!(stats.goroutines, expected.goroutines as u64);
    assert_eq!(
        (reading.used, reading.garbage),
        (expected.heap_alloc, expected.garbage)
    );
}

#[test]
fn a_sane_runtimes_spans_are_told_apart() {
    let synthetic = Synthetic::sane();
    let expected = synthetic.expected();
    let census = read(&synthetic).unwrap().census;
    let bytes_of = |used_for| -> u64 {
        let spans = census.spans.iter().filter(|span| span.used_for == used_for);
        spans.map(|span| span.range().len()).sum()
    };
    assert_eq!(census.spans.len(), expected.spans);
    assert_eq!(census.mspans, expected.mspans);
    assert_eq!(bytes_of(SpanUse::Heap), expected.heap_inuse);
    assert_eq!(bytes_of(SpanUse::Stack), expected.stack_inuse);
    assert_eq!(bytes_of(SpanUse::WorkBuf), expected.work_bufs);
    let cached: Vec<u64> = census
        .spans
        .iter()
        .filter(|span| span.cached)
        .map(|span| span.elem_size)
        .collect();
    assert_eq!(cached, [16]);
    let with_bitmap: Vec<u64> = census
        .spans
        .iter()
        .filter(|span| span.bitmap_bytes > 0)
        .map(|span| span.elem_size)
        .collect();
    assert_eq!(with_bitmap, [48]);
}

#[test]
fn free_pages_of_the_bitmaps_and_of_the_page_cache_add_up_to_heap_idle() {
    let synthetic = Synthetic::sane();
    let expected = synthetic.expected();
    let pages = read(&synthetic).unwrap().census.pages;
    let count = |words: &dyn Fn(usize) -> u64| (0..8).map(|i| words(i).count_ones()).sum::<u32>();
    let (mut free, mut returned) = (0, 0);
    for chunk in &pages.chunks {
        free += count(&|i| !chunk.alloc[i]);
        returned += count(&|i| chunk.scavenged[i] & !chunk.alloc[i]);
    }
    for cache in &pages.caches {
        free += cache.cache.count_ones();
        returned += (cache.cache & cache.scavenged).count_ones();
    }
    assert_eq!(u64::from(free) * RUNTIME_PAGE, expected.heap_idle);
    assert_eq!(u64::from(returned) * RUNTIME_PAGE, expected.heap_released);
}

#[test]
fn every_byte_of_the_runtimes_own_memory_is_found_under_its_counter() {
    let synthetic = Synthetic::sane();
    let expected = synthetic.expected();
    let census = read(&synthetic).unwrap().census;
    let bytes_of = |sys| -> u64 {
        let ranges = census
            .metadata
            .iter()
            .filter(|metadata| metadata.sys == sys);
        ranges.map(|metadata| metadata.range.len()).sum()
    };
    assert_eq!(bytes_of(Sys::Mspan), expected.mspan_sys);
    assert_eq!(bytes_of(Sys::Mcache), expected.mcache_sys);
    assert_eq!(bytes_of(Sys::BuckHash), expected.buck_hash_sys);
    assert_eq!(bytes_of(Sys::Gc) + expected.work_bufs, expected.gc_sys);
    assert_eq!(bytes_of(Sys::Other), expected.other_sys);
}

#[test]
fn goroutines_threads_and_buckets_are_what_was_written() {
    let synthetic = Synthetic::sane();
    let expected = synthetic.expected();
    let census = read(&synthetic).unwrap().census;
    assert_eq!(census.goroutines.len(), expected.goroutines);
    assert_eq!(census.dead_goroutines, expected.dead_goroutines);
    let waiting = census
        .goroutines
        .iter()
        .find(|goroutine| goroutine.status == Status::Waiting)
        .unwrap();
    assert_eq!(waiting.goid, 2);
    assert_eq!(waiting.wait_reason, "chan receive");
    assert_eq!(waiting.wait_since_ns, 123_456_789);
    assert_eq!(waiting.stack.len(), 2048);
    assert_eq!(census.threads.len(), expected.threads);
    let mut procids: Vec<u64> = census.threads.iter().map(|thread| thread.procid).collect();
    procids.sort_unstable();
    assert_eq!(procids, [4242, 4243]);
    assert_eq!(census.buckets.memory.count, expected.buckets);
    assert_eq!(census.buckets.block.count, 0);
}

/// Evil that is told in the figures themselves: an unknown status is shown as its number.
const TOLD_AS_A_VALUE: &[Evil] = &[Evil::StatusUnknown];

#[test]
fn evil_is_reported_and_never_a_panic() {
    let mut silent = Vec::new();
    for evil in Evil::ALL {
        let what = format!("{evil:?}");
        match read(&Synthetic::evil(*evil)) {
            Ok(reading) => {
                assert_invariants(&reading, &what);
                let told = !reading.coverage.is_complete() || reading.coverage.torn > 0;
                if !told && !TOLD_AS_A_VALUE.contains(evil) {
                    silent.push(what);
                }
            }
            Err(error) => {
                let family = error.family();
                assert!(
                    matches!(family, Family::Inconsistent | Family::Fault),
                    "{what}: {family:?} {error}"
                );
            }
        }
    }
    assert!(silent.is_empty(), "nothing was said of {silent:?}");
}

#[test]
fn noise_is_never_a_panic() {
    let mut whole = 0;
    for seed in 1..=2000u64 {
        let count = 1 + usize::try_from(seed % 40).unwrap();
        let seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        if let Ok(reading) = read(&Synthetic::noisy(seed, count)) {
            assert_invariants(&reading, &format!("seed {seed:#x}"));
            whole += 1;
        }
    }
    assert!(whole > 100, "noise must reach beyond attaching: {whole}");
}

#[test]
fn memory_that_is_not_there_is_a_fault() {
    let synthetic = Synthetic::sane();
    let error = attach(&synthetic, &SliceMemory::default()).unwrap_err();
    assert_eq!(error.family(), Family::Fault);
    assert_eq!(synthetic.moduledata(), Addr(0x62_9000));
}

#[test]
fn a_runtime_whose_scavenger_was_not_found_is_read_and_not_written_to() {
    let synthetic = Synthetic::sane();
    let runtime = attach(&synthetic, &synthetic.memory()).unwrap();
    let error = runtime.controls().unwrap_err();
    assert_eq!(error.family(), Family::Unsupported);
    assert!(error.to_string().contains(GO_VERSION), "{error}");
    assert!(error.to_string().contains("was not found"), "{error}");
}
