//! [`why_report`]: a reading and its findings as `letgo.why/1`.
//!
//! Moves figures, computes none.

use std::collections::BTreeMap;
use std::time::Duration;

use letgo_account::{Node, Source};
use letgo_diagnose::{Facts, Finding, State};
use letgo_linux::{Process, journal};
use letgo_report as out;

use super::extent::extent;
use super::{Marked, Program, Reading, Surroundings};
use crate::own;

/// Pieces that a leaf lists.
const MOST_PIECES: usize = 5;

/// The report of one process.
pub fn why_report(
    program: &Program,
    process: Option<&Process>,
    reading: &Reading,
    around: &Surroundings,
    facts: &Facts,
    findings: &[Finding],
) -> out::WhyReport {
    out::WhyReport {
        schema: out::WhyReport::SCHEMA.into(),
        letgo: own::cost(),
        target: target(program, around),
        taken: taken(reading),
        rss: reading.rss.map(|_| rss(reading)),
        extent: reading.rss.is_none().then(|| extent(reading)),
        runtime: runtime(reading),
        environment: environment(facts),
        size_classes: size_classes(reading),
        equalities: equalities(reading),
        changes: process.map(changes).unwrap_or_default(),
        findings: findings.iter().map(finding).collect(),
    }
}

/// What letgo's journals say of the process, as far as we may read them.
fn changes(process: &Process) -> Vec<out::Change> {
    let lasting = journal::lasting(process).unwrap_or_default();
    let left = journal::orphans(process).unwrap_or_default();
    let change = |entry: &journal::Entry, lasting| out::Change {
        variable: entry.name.clone(),
        old: entry.old.to_string(),
        new: entry.new.to_string(),
        lasting,
    };
    let lasting = lasting.iter().map(|entry| change(entry, true));
    let left = left.iter().map(|entry| change(entry, false));
    lasting.chain(left).collect()
}

/// The process as reports show it.
pub(crate) fn target(program: &Program, around: &Surroundings) -> out::Target {
    let (binary, build) = (&program.binary, &program.binary.build);
    out::Target {
        pid: program.pid,
        exe: program.exe.clone(),
        exe_deleted: program.exe_deleted,
        library: program.library.clone(),
        go_version: build.version.raw.clone(),
        module: build.module.as_ref().map(|(path, _)| path.clone()),
        module_version: build.module.as_ref().map(|(_, version)| version.clone()),
        vcs_revision: build.vcs_revision().map(str::to_owned),
        stripped: binary.stripped(),
        pie: binary.pie(),
        cgo: binary.cgo(),
        state: around.state.map(|state| match state {
            State::Runs => out::RunState::Runs,
            State::Stopped => out::RunState::Stopped,
            State::Frozen => out::RunState::Frozen,
        }),
        uptime_ns: around
            .uptime
            .and_then(|time| u64::try_from(time.as_nanos()).ok()),
        container: container(around),
    }
}

/// The container as reports show it.
pub(crate) fn container(around: &Surroundings) -> Option<out::Container> {
    let memory = around.memory.as_ref()?;
    Some(out::Container {
        id: around.container_id().unwrap_or_default(),
        pod: around.pod(),
        cgroup: Some(memory.path.clone()),
        limit: memory.limit.as_ref().map(|limit| limit.bytes),
        current: memory.usage,
        working_set: memory.working_set,
        cgroup_version: memory.version.number(),
        peak: memory.peak,
        high: memory.high.as_ref().map(|high| high.bytes),
        anon: memory.anon,
        file: memory.file,
        kernel: memory.kernel,
        sock: memory.sock,
        swap: memory.swap,
        oom_events: memory.oom_events,
        oom_kills: memory.oom_kills,
        pressure: around.pressure().map(|pressure| out::Pressure {
            some_10s: pressure.some.avg10,
            some_60s: pressure.some.avg60,
            full_10s: pressure.full.avg10,
            full_60s: pressure.full.avg60,
        }),
    })
}

/// When and how it was read.
pub(crate) fn taken(reading: &Reading) -> out::Taken {
    let coverage = &reading.coverage;
    let skipped = coverage.skipped.iter().map(|skip| out::SkipReport {
        what: skip.what.clone(),
        why: skip.why.clone(),
        count: skip.count,
    });
    out::Taken {
        at: out::units::rfc3339(reading.at),
        method: reading.method.clone(),
        pause_ns_max: reading.pause.ns_max,
        pause_ns_predicted: reading.pause_predicted.map(nanoseconds),
        note: reading.why.clone(),
        wall_ns: nanoseconds(reading.wall),
        copied_bytes: reading
            .marked
            .as_ref()
            .map(|marked| marked.graph.copied_bytes()),
        graph: reading.marked.as_ref().map(|marked| graph(marked, reading)),
        coverage: out::CoverageReport {
            complete: coverage.is_complete() && !reading.drifts(),
            skipped: skipped.collect(),
            skipped_more: coverage.skipped_more,
            torn: coverage.torn,
            drift_bytes: reading.drift_bytes(),
        },
    }
}

/// What the object graph counted.
fn graph(marked: &Marked, reading: &Reading) -> out::GraphReport {
    let reachable = &marked.reachable;
    let garbage = |all: u64, reachable: u64| all.saturating_sub(reachable);
    let unknown = reading.account.reached.as_ref();
    out::GraphReport {
        objects: reachable.in_use.objects,
        reachable_objects: reachable.all.objects,
        reachable_bytes: reachable.all.bytes,
        garbage_objects: garbage(reachable.in_use.objects, reachable.all.objects),
        garbage_bytes: garbage(reachable.in_use.bytes, reachable.all.bytes),
        guessed_objects: reachable.guessed.objects,
        guessed_bytes: reachable.guessed.bytes,
        dead_reachable: reachable.dead.objects,
        unknown_objects: unknown.map_or(0, |reached| reached.unknown.objects),
        edges: marked.graph.edges(),
        copied_bytes: marked.graph.copied_bytes(),
        wall_ns: nanoseconds(marked.read + marked.marking),
        read_ns: nanoseconds(marked.read),
        mark_ns: nanoseconds(marked.marking),
        dominators_ns: marked.dominators.map(nanoseconds),
        complete: reachable.coverage.is_complete(),
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn rss(reading: &Reading) -> out::Rss {
    let account = &reading.account;
    let total = account.total().resident.0;
    let unattributed = account.leaf(letgo_account::Leaf::Unattributed).resident.0;
    out::Rss {
        bytes: reading.rss_bytes(),
        swap_bytes: reading.residency.swapped(),
        os_pages: reading.residency.os_pages(),
        attributed_bytes: total.saturating_sub(unattributed),
        unattributed_bytes: unattributed,
        tree: account
            .tree
            .children
            .iter()
            .map(|child| node(child, reading))
            .collect(),
    }
}

fn node(node_in: &Node, reading: &Reading) -> out::Node {
    let tally = node_in.tally;
    out::Node {
        id: node_in.id.into(),
        label: node_in.label.into(),
        resident_bytes: tally.resident.0,
        virtual_bytes: tally.virt.0,
        swap_bytes: tally.swapped,
        source: source(node_in.source),
        hint: hint(node_in.id, reading),
        largest: pieces(node_in.id, reading),
        children: node_in
            .children
            .iter()
            .map(|child| node(child, reading))
            .collect(),
    }
}

pub(super) fn source(source: Source) -> out::Source {
    match source {
        Source::Kernel => out::Source::Kernel,
        Source::RuntimeCounter => out::Source::RuntimeCounter,
        Source::WalkFrozen => out::Source::WalkFrozen,
        Source::WalkRunning => out::Source::WalkRunning,
        Source::Derived => out::Source::Derived,
    }
}

/// A few words on what is special about a leaf.
pub(super) fn hint(id: &str, reading: &Reading) -> Option<String> {
    match id {
        "heap.free_slots" => worst_class(reading),
        "stacks.goroutine" => Some(goroutines(reading)),
        _ => None,
    }
}

/// How many goroutines have stacks: the program's, as `runtime.NumGoroutine` counts them, and those
/// of the runtime, which it leaves out.
fn goroutines(reading: &Reading) -> String {
    let all = reading.census.goroutines.len() as u64;
    let own = all.saturating_sub(reading.stats().system_goroutines);
    format!(
        "{}, {} of the runtime",
        out::units::counted(own, "goroutine"),
        out::units::count(all - own)
    )
}

/// The size class whose free slots keep most.
fn worst_class(reading: &Reading) -> Option<String> {
    let classes = reading
        .account
        .size_classes
        .iter()
        .filter(|class| class.slots > 0);
    let worst = classes.max_by_key(|class| class.free_bytes)?;
    let used = worst.used.saturating_mul(100) / worst.slots;
    (worst.free_bytes.0 > 0).then(|| format!("worst: {} B class, {used} % used", worst.elem_size))
}

fn pieces(id: &str, reading: &Reading) -> Vec<out::Piece> {
    let of_leaf = reading
        .account
        .largest
        .iter()
        .filter(|large| large.leaf.id() == id);
    of_leaf
        .take(MOST_PIECES)
        .map(|large| out::Piece {
            address: large.range.start().to_string(),
            what: large.name.clone(),
            resident_bytes: large.tally.resident.0,
            virtual_bytes: large.tally.virt.0,
        })
        .collect()
}

fn runtime(reading: &Reading) -> out::Runtime {
    let stats = reading.stats();
    let last_gc_age_ns = reading.last_gc_age_ns();
    out::Runtime {
        heap_alloc: Some(stats.heap_alloc),
        heap_live: Some(stats.heap_live),
        heap_marked: Some(stats.heap_marked).filter(|_| stats.num_gc > 0),
        heap_inuse: Some(stats.heap_inuse),
        heap_idle: Some(stats.heap_idle),
        heap_released: Some(stats.heap_released),
        heap_sys: Some(stats.heap_sys),
        stack_inuse: Some(stats.stack_inuse),
        stack_sys: Some(stats.stack_sys),
        mspan_sys: Some(stats.mspan_sys),
        mcache_sys: Some(stats.mcache_sys),
        buck_hash_sys: Some(stats.buck_hash_sys),
        gc_sys: Some(stats.gc_sys),
        other_sys: Some(stats.other_sys),
        next_gc: Some(stats.next_gc),
        num_gc: Some(u64::from(stats.num_gc)),
        gc_percent: Some(u32::try_from(stats.gc_percent).ok()),
        memory_limit: Some(memory_limit(stats.memory_limit)),
        goroutines: Some(stats.goroutines),
        threads: Some(u64::from(stats.threads)),
        gomaxprocs: Some(u64::from(stats.gomaxprocs)),
        last_gc_ns: Some(stats.last_gc_unix_ns).filter(|ns| *ns > 0),
        last_gc_age_ns,
        gc_cpu_recent: reading.delta.and_then(|delta| {
            let fraction = delta.gc_cpu_fraction?;
            Some(out::GcCpu {
                fraction,
                window_ns: delta.window_ns,
            })
        }),
        alloc_rate_recent: reading
            .delta
            .map(|delta| per_second(delta.alloc_bytes, delta.window_ns)),
    }
}

/// `math.MaxInt64` is the runtime's word for none.
pub(crate) fn memory_limit(limit: i64) -> Option<u64> {
    u64::try_from(limit).ok().filter(|_| limit != i64::MAX)
}

fn per_second(amount: u64, window_ns: u64) -> u64 {
    let rate = u128::from(amount) * 1_000_000_000 / u128::from(window_ns.max(1));
    u64::try_from(rate).unwrap_or(u64::MAX)
}

fn environment(facts: &Facts) -> out::Environment {
    let settings = letgo_diagnose::settings(facts);
    let of = |name: &str| {
        let setting = settings.iter().find(|setting| setting.name == name)?;
        Some(out::Setting {
            environment: setting.environment.clone(),
            live: Some(setting.live.clone()),
            differs: setting.differs,
        })
    };
    let switches: Vec<_> = settings
        .iter()
        .filter(|setting| setting.name.starts_with("GODEBUG "))
        .collect();
    let live = switches.iter().map(|setting| {
        let name = setting.name.trim_start_matches("GODEBUG ");
        format!("{name}={}", setting.live)
    });
    let live = live.collect::<Vec<_>>().join(",");
    let godebug = facts
        .environment
        .godebug
        .clone()
        .map(|environment| out::Setting {
            environment: Some(environment),
            live: Some(live).filter(|live| !live.is_empty()),
            differs: switches.iter().any(|setting| setting.differs),
        });
    out::Environment {
        gogc: of("GOGC"),
        gomemlimit: of("GOMEMLIMIT"),
        godebug,
    }
}

/// Classes with and without pointers together, those in use.
fn size_classes(reading: &Reading) -> Vec<out::SizeClass> {
    let mut joined: BTreeMap<u8, out::SizeClass> = BTreeMap::new();
    for class in reading
        .account
        .size_classes
        .iter()
        .filter(|class| class.spans > 0)
    {
        let free = class.free_bytes.0 + class.tail_bytes.0;
        let sum = joined.entry(class.class).or_default();
        sum.class = u32::from(class.class);
        sum.slot_bytes = class.elem_size;
        sum.spans += class.spans;
        sum.slots += class.slots;
        sum.used_slots += class.used;
        if reading.rss.is_some() {
            let all = class.object_bytes.0 + class.garbage_bytes.0 + free;
            *sum.resident_bytes.get_or_insert_default() += all;
            *sum.free_resident_bytes.get_or_insert_default() += free;
        }
    }
    joined.into_values().collect()
}

fn equalities(reading: &Reading) -> Vec<out::Equality> {
    let equalities = letgo_account::reconcile(&reading.account, &reading.stats());
    equalities
        .into_iter()
        .map(|equality| out::Equality {
            name: equality.counter.into(),
            ours: equality.ours,
            runtime: equality.theirs,
        })
        .collect()
}

fn finding(finding: &Finding) -> out::Finding {
    out::Finding {
        id: finding.id.into(),
        severity: finding.severity.as_str().into(),
        confidence: finding.confidence.as_str().into(),
        bytes: finding.bytes,
        also: finding
            .also
            .iter()
            .map(|share| out::Share {
                id: share.id.into(),
                bytes: share.bytes,
            })
            .collect(),
        count: finding.count,
        title: finding.title.clone(),
        holder: finding.holder.clone(),
        location: finding.location.as_ref().map(|location| out::Location {
            function: location.function.clone(),
            file: location.file.clone(),
            line: location.line,
        }),
        evidence: finding.evidence.clone(),
        remedies: finding
            .remedies
            .iter()
            .map(|remedy| out::Remedy {
                what: remedy.what.clone(),
                command: remedy.command.clone(),
                expect: remedy.expect.clone(),
            })
            .collect(),
    }
}
