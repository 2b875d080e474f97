//! The account of real Go programs that stand still, against the kernel and the runtime's own
//! counters: equal to the byte.
//!
//! Stopped targets are read by means of our own (see `target`), not by the crate `linux`.

mod running;
mod target;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use letgo_account::{
    Account, Inputs, Leaf, Method, ReachClass, ResidentBytes, RuntimeSlots, Sanitizer, account,
    reconcile,
};
use letgo_goruntime::{CensusOptions, Limits, RuntimeStats};
use letgo_heap::Reachable;
use letgo_target::Coverage;
use letgo_testkit::{Case, Figures, Kind, Recipe, Tier, cases, note_skip, rss};

use target::Target;

/// The same `maps.anon` that the contract allows a pure Go program.
const MOST_ANON: u64 = 256 << 10;

/// One program, stopped right after it read its own MemStats.
struct Reading {
    account: Account,
    coverage: Coverage,
    rss: u64,
    /// What the program itself says.
    memstats: Figures,
    /// What it built.
    truth: Figures,
    /// The runtime's structures, by kind.
    structures: BTreeMap<(&'static str, String), (u64, u64)>,
    /// Every figure that has a counter: its name, ours, the counter's.
    equalities: Vec<(&'static str, u64, u64)>,
    /// What is wrong with the split by the graph; empty where nothing is.
    graph: String,
}

/// Objects in use, reachable or not; the same with and without the graph.
const USED: [Leaf; 3] = [Leaf::HeapReachable, Leaf::HeapObjects, Leaf::HeapGarbage];

/// The account with the graph beside the one without, and beside what the graph itself counts.
fn compare(with: &Account, without: &Account, graph: &Reachable, stats: &RuntimeStats) -> String {
    let mut wrong = String::new();
    let sum = |account: &Account| {
        let mut sum = letgo_account::Tally::default();
        USED.iter().for_each(|leaf| sum += account.leaf(*leaf));
        sum
    };
    let (ours, theirs) = (sum(with), sum(without));
    if ours != theirs {
        let _ = write!(
            wrong,
            " objects are {ours:?}, without the graph {theirs:?};"
        );
    }
    let others = Leaf::ALL.into_iter().filter(|leaf| !USED.contains(leaf));
    for leaf in others.filter(|leaf| with.leaf(*leaf) != without.leaf(*leaf)) {
        let _ = write!(wrong, " {} differs with the graph;", leaf.id());
    }
    let reached = with.reached.as_ref().unwrap();
    for (name, ours, theirs) in [
        ("reachable", reached.reachable, graph.all),
        ("guessed", reached.guessed, graph.guessed),
    ] {
        if (ours.objects, ours.slot_bytes) != (theirs.objects, theirs.bytes) {
            let _ = write!(wrong, " {name} {ours:?}, by the graph {theirs:?};");
        }
    }
    let in_use = reached.reachable.objects + reached.garbage.objects;
    if in_use != graph.in_use.objects || in_use != stats.heap_objects {
        let _ = write!(
            wrong,
            " {in_use} objects, HeapObjects is {};",
            stats.heap_objects
        );
    }
    if reached.unknown.objects > 0 || with.leaf(Leaf::HeapObjects).virt.0 > 0 {
        let _ = write!(wrong, " the graph does not know {:?};", reached.unknown);
    }
    wrong
}

fn read(case: &Case, shape: &str, args: &[&str]) -> Reading {
    let recipe = Recipe::new(shape).go(case.version).kind(case.kind.clone());
    let recipe = args.iter().fold(recipe, |recipe, arg| recipe.arg(*arg));
    let mut patient = recipe.start().unwrap();
    let (memstats, _) = patient.stop().unwrap();
    let target = Target::open(patient.pid());
    let census = target
        .runtime
        .census(&target.memory, &CensusOptions::default())
        .unwrap();
    let slots = RuntimeSlots {
        runtime: &target.runtime,
        memory: &target.memory,
        limits: Limits::default(),
    };
    let rss = rss(patient.pid()).unwrap().rss;
    let inputs = Inputs {
        census: &census,
        slots: &slots,
        reach: None,
        memory: &target.memory,
        residency: &target.memory.residency,
        mappings: &target.memory.mappings,
        program: &target.program,
        sanitizer: case.kind.sanitizer.map(|sanitizer| match sanitizer {
            letgo_testkit::Sanitizer::Race => Sanitizer::Race,
            letgo_testkit::Sanitizer::Msan => Sanitizer::Memory,
            letgo_testkit::Sanitizer::Asan => Sanitizer::Address,
        }),
        stack_pointers: &[],
        rss: Some(ResidentBytes(rss)),
        method: Method::Frozen,
    };
    let without = account(&inputs).unwrap();
    let reachable = target.reachable(&census);
    let account = account(&Inputs {
        reach: Some(&reachable),
        ..inputs
    })
    .unwrap();
    let graph = compare(&account, &without, &reachable, &census.stats);
    let equalities = reconcile(&account, &census.stats)
        .into_iter()
        .map(|equality| (equality.counter, equality.ours, equality.theirs))
        .collect();
    let mut structures = BTreeMap::new();
    for found in &census.metadata {
        let entry: &mut (u64, u64) = structures
            .entry((found.what, format!("{:?}", found.sys)))
            .or_default();
        *entry = (entry.0 + 1, entry.1 + found.range.len());
    }
    Reading {
        structures,
        account,
        coverage: census.coverage.clone(),
        rss,
        memstats,
        truth: patient.truth().clone(),
        equalities,
        graph,
    }
}

/// What is wrong with a reading; empty where nothing is.
fn complaints(case: &Case, reading: &Reading) -> String {
    let mut wrong = reading.graph.clone();
    let account = &reading.account;
    let sum = account.total().resident.0;
    if sum != reading.rss {
        let _ = write!(wrong, " sum {sum} Rss {};", reading.rss);
    }
    let unattributed = account.leaf(Leaf::Unattributed).resident.0;
    if unattributed != 0 {
        let _ = write!(wrong, " unattributed {unattributed};");
    }
    for (counter, ours, theirs) in &reading.equalities {
        if ours != theirs {
            let difference = i128::from(*ours) - i128::from(*theirs);
            let _ = write!(wrong, " {counter} {ours} differs by {difference};");
        }
    }
    for counter in SYS {
        let ours = reading.ours(counter);
        let theirs = reading.memstats.get(counter);
        if ours != theirs {
            let difference = i128::from(ours) - i128::from(theirs);
            let _ = write!(wrong, " MemStats.{counter} differs by {difference};");
        }
    }
    let anon = account.leaf(Leaf::MapsAnon);
    if !case.kind.cgo && (anon.resident.0 > MOST_ANON || anon.virt.0 > MOST_ANON) {
        let _ = write!(wrong, " maps.anon {anon:?};");
    }
    for skip in reading
        .coverage
        .skipped
        .iter()
        .chain(&account.coverage.skipped)
    {
        let _ = write!(
            wrong,
            " skipped {}: {} ({}x);",
            skip.what, skip.why, skip.count
        );
    }
    wrong
}

/// Counters that the program reads of itself, and that a leaf must equal.
const SYS: [&str; 6] = [
    "StackSys",
    "MSpanSys",
    "MCacheSys",
    "BuckHashSys",
    "GCSys",
    "OtherSys",
];

impl Reading {
    fn figure(&self, counter: &str) -> (u64, u64) {
        let mut figures = self.equalities.iter();
        let figure = figures.find(|(name, _, _)| *name == counter).unwrap();
        (figure.1, figure.2)
    }

    fn ours(&self, counter: &str) -> u64 {
        self.figure(counter).0
    }

    /// Whether a counter moved between the program's own look at it and ours, or the program was
    /// stopped while its scavenger had set the bits and not yet the counter.
    fn has_moved(&self) -> bool {
        let moved = |counter: &&str| self.figure(counter).1 != self.memstats.get(counter);
        let (bits, counter) = self.figure("HeapReleased");
        SYS.iter().any(moved) || bits != counter
    }
}

fn check(cases: &[Case], shape: &str, args: &[&str]) {
    let mut failed = Vec::new();
    for case in cases {
        let mut reading = read(case, shape, args);
        for _ in 0..3 {
            if reading.has_moved() {
                reading = read(case, shape, args);
            }
        }
        let wrong = complaints(case, &reading);
        let verdict = if wrong.is_empty() {
            " all equal"
        } else {
            &wrong
        };
        println!("{shape:12} {case:40} Rss {:>11}{verdict}", reading.rss);
        show_if_wanted(&reading);
        if !wrong.is_empty() {
            failed.push(format!("{case}:{wrong}"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn show_if_wanted(reading: &Reading) {
    if std::env::var_os("LETGO_SHOW_LEAVES").is_some() {
        show(reading);
    }
}

fn show(reading: &Reading) {
    let account = &reading.account;
    for ((what, sys), (count, bytes)) in &reading.structures {
        println!("    {what:26} {sys:10} {count:>8} ranges {bytes:>12}");
    }

    for leaf in Leaf::ALL {
        let tally = account.leaf(leaf);
        if tally.resident.0 + tally.virt.0 > 0 {
            println!(
                "    {:26} resident {:>12} virtual {:>14}",
                leaf.id(),
                tally.resident.0,
                tally.virt.0
            );
        }
    }
    for large in account.largest.iter().take(8) {
        println!(
            "      {:?} {:?} {:?} {}",
            large.leaf, large.range, large.name, large.tally.resident.0
        );
    }
}

/// `LETGO_LIVE_GO=1.24.13` and `LETGO_LIVE_KIND=pie-strip` narrow down to one release and kind.
fn chosen(cases: Vec<Case>) -> Vec<Case> {
    let version = std::env::var("LETGO_LIVE_GO").ok();
    let kind = std::env::var("LETGO_LIVE_KIND").ok();
    let wanted = |case: &Case| {
        version.as_deref().is_none_or(|only| case.version == only)
            && kind
                .as_deref()
                .is_none_or(|only| case.kind.to_string() == only)
    };
    cases.into_iter().filter(wanted).collect()
}

#[test]
fn every_byte_of_a_stopped_program_is_explained_and_the_counters_agree() {
    let plain: Vec<Case> = cases(Tier::from_env());
    check(&chosen(plain), "plain", &["-mib=48"]);
}

#[test]
fn a_program_with_c_code_is_explained() {
    let versions = match Tier::from_env() {
        Tier::Test => &[letgo_testkit::NEWEST_GO][..],
        Tier::Matrix => letgo_testkit::VERSIONS,
    };
    let cgo = versions.iter().map(|version| Case {
        version,
        kind: Kind::cgo(),
    });
    check(&chosen(cgo.collect()), "plain", &["-mib=48"]);
}

/// Shapes that bring what `plain` has little of: many stacks, profile buckets, threads, C's
/// allocator, mapped files, huge pages, memory given back.
#[test]
fn other_shapes_are_explained() {
    let shapes = [
        ("idle", Kind::plain()),
        ("untouched", Kind::plain()),
        ("fragment", Kind::plain()),
        ("buckets", Kind::plain()),
        ("goroutines", Kind::plain()),
        ("graveyard", Kind::plain()),
        ("threads", Kind::plain()),
        ("thp", Kind::plain()),
        ("cgomalloc", Kind::cgo()),
        ("threads", Kind::cgo()),
    ];
    for (shape, kind) in shapes {
        let case = Case {
            version: letgo_testkit::NEWEST_GO,
            kind,
        };
        check(&chosen(vec![case]), shape, &[]);
    }
}

/// Spans that one object of 170 keeps, told apart by their share of reachable slots.
#[test]
fn survivors_of_a_burst_are_found_in_the_spans_that_they_pin() {
    let case = Case {
        version: letgo_testkit::NEWEST_GO,
        kind: Kind::plain(),
    };
    let pinned = |args: &[&str]| {
        let reading = read(&case, "pinned", args);
        assert_eq!(complaints(&case, &reading), "", "{args:?}");
        let classes = &reading.account.reached.as_ref().unwrap().classes;
        let size = reading.truth.get("size");
        let of = |class: &&ReachClass| class.elem_size == size && !class.noscan;
        let class = classes.iter().find(of).unwrap();
        (class.shares[1], reading.truth.get("spans"))
    };
    let (few, spans) = pinned(&[]);
    assert!(few.spans >= spans * 98 / 100, "{few:?} of {spans}");
    assert!(few.reachable.objects <= few.spans * 2, "{few:?}");
    assert!(few.free.0 >= few.resident.0 * 9 / 10, "{few:?}");
    let (few, spans) = pinned(&["-copy"]);
    assert!(few.spans <= spans / 100, "{few:?} of {spans}");
}

/// Race, msan and asan builds have their shadow as a leaf. A compiler that has the sanitizer may be
/// missing.
#[test]
fn shadow_memory_is_a_leaf() {
    use letgo_testkit::Sanitizer::{Asan, Msan, Race};
    for sanitizer in [Race, Msan, Asan] {
        let case = Case {
            version: letgo_testkit::NEWEST_GO,
            kind: Kind::plain().sanitized(sanitizer),
        };
        for case in chosen(vec![case]) {
            let recipe = Recipe::new("plain").kind(case.kind.clone());
            if let Err(error) = recipe.go(case.version).build() {
                note_skip(&format!("shadow memory of {case}"), &format!("{error:#}"));
                continue;
            }
            let reading = read(&case, "plain", &["-mib=48"]);
            let shadow = reading.account.leaf(Leaf::SanitizerShadow).resident.0;
            let anon = reading.account.leaf(Leaf::MapsAnon).resident.0;
            println!(
                "{case} Rss {} shadow {shadow} anon {anon}{}",
                reading.rss,
                complaints(&case, &reading)
            );
            show_if_wanted(&reading);
            assert_eq!(reading.account.total().resident.0, reading.rss, "{case}");
            assert!(shadow > reading.rss / 20, "{case}: {shadow}");
        }
    }
}
