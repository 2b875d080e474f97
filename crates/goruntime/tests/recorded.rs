//! Recorded targets of `fixtures/cases/`, read without Go, ptrace or any privilege.
//!
//! What a case expects is what the program said of itself (`runtime.MemStats`, read just before it
//! stopped). Layouts come from the generated tables, as for a stripped program. A case is recorded
//! by `cargo xtask record-case`; a reading that looks where the recording did not shows as skipped
//! and fails here: then record it again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use letgo_goruntime::{
    Census, CensusOptions, Limits, Parts, RUNTIME_PAGE, Runtime, Span, SpanUse, Sys, layout,
};
use letgo_target::Addr;
use letgo_testkit::Recording;

/// A recorded target and what was read of it.
struct Replay {
    name: String,
    said: BTreeMap<String, u64>,
    runtime: Runtime,
    recording: Recording,
    census: Census,
}

impl Replay {
    fn of(folder: &Path) -> Replay {
        let recording = Recording::load(folder).expect("a recorded case");
        let facts = &recording.facts;
        let version = facts.go_version.parse().expect("a Go version");
        let choice = layout::choose(&version).expect("a table for its release");
        let globals = facts.globals.iter();
        let parts = Parts {
            version,
            layouts: choice.layouts,
            origin: choice.origin,
            globals: globals
                .map(|(name, addr)| (name.clone(), Addr(addr.0)))
                .collect(),
            bias: facts.bias.0,
            moduledata: Addr(facts.moduledata.0),
        };
        let runtime = Runtime::from_parts(parts, &recording.memory).expect("a Go runtime");
        let census = runtime.census(&recording.memory, &CensusOptions::default());
        Replay {
            name: folder.display().to_string(),
            said: facts.memstats.clone(),
            census: census.expect("a census"),
            runtime,
            recording,
        }
    }

    fn said(&self, name: &str) -> u64 {
        self.said[name]
    }

    fn span_bytes(&self, used_for: SpanUse) -> u64 {
        let spans = self.census.spans.iter();
        let spans = spans.filter(|span| span.used_for == used_for);
        spans.map(|span| span.range().len()).sum()
    }

    fn mapped_bytes(&self) -> u64 {
        self.census
            .pages
            .in_use
            .iter()
            .map(|range| range.len())
            .sum()
    }

    fn metadata_bytes(&self, sys: Sys) -> u64 {
        let metadata = self.census.metadata.iter();
        metadata
            .filter(|it| it.sys == sys)
            .map(|it| it.range.len())
            .sum()
    }

    /// Bytes of slots in use and their number, by the spans' bits.
    fn slots(&self) -> (u64, u64) {
        let heap = |span: &&Span| span.used_for == SpanUse::Heap;
        let spans: Vec<Span> = self.census.spans.iter().filter(heap).copied().collect();
        let (mut bytes, mut count) = (0, 0);
        let coverage = self
            .runtime
            .slots(
                &self.recording.memory,
                &spans,
                &Limits::default(),
                &mut |span, bits| {
                    let allocated = (0..bits.len())
                        .filter(|slot| bits.is_allocated(*slot))
                        .count();
                    count += allocated as u64;
                    bytes += allocated as u64 * span.elem_size;
                },
            )
            .expect("bits");
        assert!(coverage.is_complete(), "{}: {coverage:?}", self.name);
        (bytes, count)
    }
}

fn replays() -> Vec<Replay> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/cases");
    let entries = std::fs::read_dir(folder).expect("fixtures/cases");
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.expect("a case").path()).collect();
    folders.sort();
    assert!(folders.len() >= 3, "cases are missing");
    folders.iter().map(|folder| Replay::of(folder)).collect()
}

#[test]
fn a_recorded_census_is_whole() {
    for replay in replays() {
        let coverage = &replay.census.coverage;
        assert!(coverage.is_complete(), "{}: {coverage:?}", replay.name);
        assert_eq!(coverage.torn, 0, "{}", replay.name);
    }
}

#[test]
fn spans_and_pages_sum_to_what_the_program_said() {
    for replay in replays() {
        let (heap, stacks) = (
            replay.span_bytes(SpanUse::Heap),
            replay.span_bytes(SpanUse::Stack),
        );
        let manual = replay.mapped_bytes() - replay.said("HeapSys");
        let all: u64 = replay
            .census
            .spans
            .iter()
            .map(|span| span.range().len())
            .sum();
        assert_eq!(heap, replay.said("HeapInuse"), "{}", replay.name);
        assert_eq!(stacks, replay.said("StackInuse"), "{}", replay.name);
        assert_eq!(all - heap, manual, "{}", replay.name);
        let idle = replay.mapped_bytes() - all;
        assert_eq!(idle, replay.said("HeapIdle"), "{}", replay.name);
    }
}

#[test]
fn returned_pages_are_at_least_those_that_the_program_counted() {
    for replay in replays() {
        let pages = &replay.census.pages;
        let bits = |words: &[u64]| {
            words
                .iter()
                .map(|word| u64::from(word.count_ones()))
                .sum::<u64>()
        };
        let chunks: u64 = pages
            .chunks
            .iter()
            .map(|chunk| bits(&chunk.scavenged))
            .sum();
        let caches: u64 = pages
            .caches
            .iter()
            .map(|cache| bits(&[cache.scavenged]))
            .sum();
        let ours = (chunks + caches) * RUNTIME_PAGE;
        // The background scavenger may return more before the program stops.
        assert!(ours >= replay.said("HeapReleased"), "{}", replay.name);
        assert_eq!(ours, replay.census.stats.heap_released, "{}", replay.name);
    }
}

#[test]
fn slots_in_use_sum_to_what_the_program_said() {
    for replay in replays() {
        let (bytes, _) = replay.slots();
        assert_eq!(bytes, replay.said("HeapAlloc"), "{}", replay.name);
        assert_eq!(replay.census.stats.heap_alloc, bytes, "{}", replay.name);
    }
}

#[test]
fn the_runtimes_memory_outside_of_spans_sums_to_its_counters() {
    for replay in replays() {
        let counters = [
            (Sys::Mspan, "MSpanSys"),
            (Sys::Mcache, "MCacheSys"),
            (Sys::BuckHash, "BuckHashSys"),
            (Sys::Other, "OtherSys"),
        ];
        for (sys, name) in counters {
            let ours = replay.metadata_bytes(sys);
            assert_eq!(ours, replay.said(name), "{}: {name}", replay.name);
        }
        let work = replay.span_bytes(SpanUse::WorkBuf) + replay.span_bytes(SpanUse::PtrScalarBits);
        let gc = replay.metadata_bytes(Sys::Gc) + work;
        assert_eq!(gc, replay.said("GCSys"), "{}", replay.name);
    }
}

#[test]
fn counters_are_those_of_the_program() {
    for replay in replays() {
        let stats = &replay.census.stats;
        assert_eq!(stats.next_gc, replay.said("NextGC"), "{}", replay.name);
        assert_eq!(
            u64::from(stats.num_gc),
            replay.said("NumGC"),
            "{}",
            replay.name
        );
        assert_eq!(
            stats.goroutines,
            replay.said("Goroutines"),
            "{}",
            replay.name
        );
        let alive = replay.census.goroutines.len() as u64;
        assert!(alive >= replay.said("Goroutines"), "{}", replay.name);
    }
}
