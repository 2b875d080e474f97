//! What `letgo why` says stands out, on programs that were written to have one trouble each and
//! tell how much of it: the findings against the programs' own truth.
//!
//! Rules and their boundaries are tested in `diagnose` on facts that were made up; here is shown
//! that a real program's facts reach them. The built binary runs as a user runs it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use letgo_testkit::{Kind, Patient, Recipe, Report, forbidden, note_skip, report_of, rss, why};
use serde_json::Value;

const LETGO: &str = env!("CARGO_BIN_EXE_letgo");
const MIB: u64 = 1 << 20;

/// Whether programs can be read here; says so loudly where not.
fn may_read(test: &str) -> bool {
    let why = forbidden().unwrap();
    if let Some(why) = &why {
        note_skip(test, why);
    }
    why.is_none()
}

fn read(patient: &Patient) -> Report {
    read_with(patient, &[])
}

fn read_with(patient: &Patient, args: &[&str]) -> Report {
    let output = why(Path::new(LETGO), patient.pid(), args).output().unwrap();
    let report = report_of(&output).unwrap();
    assert_sane(&report);
    report
}

/// What holds of the findings of any report.
fn assert_sane(report: &Report) {
    let mut sum = 0;
    for finding in findings(report) {
        sum += finding["bytes"].as_u64().unwrap();
        assert!(!finding["title"].as_str().unwrap().is_empty(), "{finding}");
        assert!(
            !finding["evidence"].as_array().unwrap().is_empty(),
            "{finding}"
        );
    }
    let whole = report.number("/rss/bytes").unwrap();
    assert!(sum <= whole, "a byte is in two findings: {sum} of {whole}");
}

fn findings(report: &Report) -> &Vec<Value> {
    report.at("/findings").unwrap().as_array().unwrap()
}

fn ids(report: &Report) -> Vec<&str> {
    let findings = findings(report).iter();
    findings
        .map(|finding| finding["id"].as_str().unwrap())
        .collect()
}

fn found<'a>(report: &'a Report, id: &str) -> &'a Value {
    let finding = findings(report).iter().find(|finding| finding["id"] == id);
    finding.unwrap_or_else(|| panic!("no {id} in {:?}", ids(report)))
}

fn bytes(finding: &Value) -> u64 {
    finding["bytes"].as_u64().unwrap()
}

/// Evidence and remedies in one text.
fn text(finding: &Value) -> String {
    format!("{} {}", finding["evidence"], finding["remedies"])
}

#[test]
fn a_healthy_program_has_nothing_that_stands_out() {
    if !may_read("a_healthy_program_has_nothing_that_stands_out") {
        return;
    }
    let patient = Recipe::new("healthy").start().unwrap();
    let report = read(&patient);
    // What the container of this very test is near to is not the program's fault.
    let own = ids(&report);
    let own: Vec<_> = own
        .iter()
        .filter(|id| !id.starts_with("container"))
        .collect();
    assert_eq!(own, [&""; 0]);
}

#[test]
fn a_burst_that_was_dropped_is_idle_and_not_returned() {
    if !may_read("a_burst_that_was_dropped_is_idle_and_not_returned") {
        return;
    }
    let patient = Recipe::new("idle").start().unwrap();
    let report = read(&patient);
    let idle = found(&report, "idle-not-returned");
    let burst = patient.truth().get("burst_bytes");
    assert!(bytes(idle) >= burst / 2, "{idle}, of {burst}");
    assert!(bytes(idle) <= rss(patient.pid()).unwrap().rss, "{idle}");
    assert_eq!(
        (&idle["severity"], &idle["confidence"]),
        (&"high".into(), &"proven".into())
    );
    let pid = patient.pid();
    assert!(
        text(idle).contains(&format!("letgo release {pid}")),
        "{idle}"
    );
    assert!(text(idle).contains("GOGC=400"), "{idle}");
    // The program set it itself: the environment does not say so.
    assert_eq!(report.at("/environment/gogc/differs").unwrap(), true);
    found(&report, "headroom-high");
}

/// With `madvdontneed=0` the kernel keeps what was returned until it wants it.
#[test]
fn memory_that_was_returned_lazily_is_still_resident() {
    if !may_read("memory_that_was_returned_lazily_is_still_resident") {
        return;
    }
    let mut patient = Recipe::new("idle")
        .env("GODEBUG", "madvdontneed=0")
        .start()
        .unwrap();
    patient.command("free").unwrap();
    let lazy = rss(patient.pid()).unwrap().lazy_free;
    let report = read(&patient);
    let returned = found(&report, "returned-still-resident");
    assert!(lazy >= patient.truth().get("burst_bytes") / 2, "{lazy}");
    assert!(
        bytes(returned) >= lazy / 2 && bytes(returned) <= lazy + MIB,
        "{returned} of {lazy}"
    );
    assert_eq!(returned["confidence"], "proven");
    assert!(text(returned).contains("madvdontneed"), "{returned}");
}

#[test]
fn garbage_under_gogc_off_is_told_with_its_bytes() {
    if !may_read("garbage_under_gogc_off_is_told_with_its_bytes") {
        return;
    }
    let patient = Recipe::new("gcoff").start().unwrap();
    let report = read(&patient);
    let off = found(&report, "gc-off");
    assert!(bytes(off) >= patient.truth().get("garbage_bytes"), "{off}");
    assert_eq!(report.at("/runtime/gc_percent").unwrap(), &Value::Null);
    assert!(text(off).contains("--gogc 100"), "{off}");
}

#[test]
fn one_survivor_in_sixteen_fragments_its_size_class() {
    if !may_read("one_survivor_in_sixteen_fragments_its_size_class") {
        return;
    }
    let patient = Recipe::new("fragment").start().unwrap();
    let truth = patient.truth();
    let freed = (truth.get("allocated") - truth.get("objects")) * truth.get("size");
    // Without the graph it is a class that is badly used; with it, spans that few objects pin.
    let report = read_with(&patient, &["--quick"]);
    let fragmentation = found(&report, "fragmentation");
    assert!(bytes(fragmentation) >= freed / 2, "{fragmentation}");
    assert!(bytes(fragmentation) <= freed + MIB, "{fragmentation}");
    let class = format!("{} B slots: 6 %", truth.get("size"));
    assert!(text(fragmentation).contains(&class), "{fragmentation}");
    let report = read(&patient);
    let pinned = found(&report, "pinned-spans");
    assert!(bytes(pinned) >= freed / 2, "{pinned}");
    assert!(!ids(&report).contains(&"fragmentation"), "{pinned}");
}

#[test]
fn one_object_a_span_pins_all_spans_of_a_burst() {
    if !may_read("one_object_a_span_pins_all_spans_of_a_burst") {
        return;
    }
    let patient = Recipe::new("pinned").start().unwrap();
    let report = read(&patient);
    let pinned = found(&report, "pinned-spans");
    let truth = patient.truth();
    let spans = truth.get("spans") * 8192;
    assert!(bytes(pinned) >= spans / 2, "{pinned} of {spans}");
    assert!(bytes(pinned) <= spans + MIB, "{pinned} of {spans}");
    assert!(text(pinned).contains("48 B"), "{pinned}");
    // Copied out of the burst, the same objects share a few spans, and the others are free.
    let copied = Recipe::new("pinned").arg("-copy").start().unwrap();
    let report = read(&copied);
    assert!(
        !ids(&report).contains(&"pinned-spans"),
        "{:?}",
        ids(&report)
    );
}

#[test]
fn profile_records_are_counted_as_the_program_counts_them() {
    if !may_read("profile_records_are_counted_as_the_program_counts_them") {
        return;
    }
    let patient = Recipe::new("buckets").arg("-depth=15").start().unwrap();
    let report = read(&patient);
    let buckets = found(&report, "profile-buckets");
    let records = patient.truth().get("mem_profile_records");
    let count = buckets["count"].as_u64().unwrap();
    assert!(
        count >= records && count < records + 1000,
        "{count} of {records}"
    );
    let sys = report.number("/runtime/buck_hash_sys").unwrap();
    assert!(bytes(buckets) <= sys, "{buckets}");
}

#[test]
fn goroutines_that_ended_are_a_graveyard() {
    if !may_read("goroutines_that_ended_are_a_graveyard") {
        return;
    }
    let patient = Recipe::new("graveyard").start().unwrap();
    let report = read(&patient);
    let graveyard = found(&report, "goroutine-graveyard");
    let (ended, count) = (
        patient.truth().get("ended"),
        graveyard["count"].as_u64().unwrap(),
    );
    assert!(
        count >= ended - ended / 100 && count < ended + 1000,
        "{count} of {ended}"
    );
}

#[test]
fn many_threads_are_counted_as_the_kernel_counts_them() {
    if !may_read("many_threads_are_counted_as_the_kernel_counts_them") {
        return;
    }
    let patient = Recipe::new("threads").arg("-n=300").start().unwrap();
    let report = read(&patient);
    let threads = found(&report, "thread-stacks");
    let count = threads["count"].as_u64().unwrap();
    let tasks = fs::read_dir(format!("/proc/{}/task", patient.pid())).unwrap();
    let tasks = tasks.count() as u64;
    assert!(count >= patient.truth().get("threads_blocked"), "{threads}");
    assert!(count.abs_diff(tasks) <= 8, "{count}, {tasks} tasks");
}

#[test]
fn a_mapped_file_is_told_to_the_byte() {
    if !may_read("a_mapped_file_is_told_to_the_byte") {
        return;
    }
    let patient = Recipe::new("mmapfile").start().unwrap();
    let report = read(&patient);
    let file = found(&report, "mapped-file");
    assert_eq!(bytes(file), patient.truth().get("file_bytes"));
    let anon = report.leaf("maps.anon", "resident_bytes").unwrap();
    let asked = patient.truth().get("anon_bytes");
    assert!(
        anon >= asked && anon <= asked + 256 * 1024,
        "{anon} of {asked}"
    );
}

#[test]
fn memory_of_c_is_told_with_its_arenas() {
    if !may_read("memory_of_c_is_told_with_its_arenas") {
        return;
    }
    let patient = Recipe::new("cgomalloc").kind(Kind::cgo()).start().unwrap();
    let report = read(&patient);
    let growth = found(&report, "cgo-growth");
    let truth = patient.truth();
    let arenas = truth.get("arenas") * truth.get("arena_bytes_about");
    let all = truth.get("heap_bytes_about") + arenas + truth.get("mapped_bytes");
    // Headers of chunks, and what the C library itself allocates, come on top.
    assert!(
        bytes(growth) >= all && bytes(growth) <= all + all / 5,
        "{growth} of {all}"
    );
    let evidence = text(growth);
    let (before, _) = evidence.split_once(" arenas beside").unwrap();
    let count: u64 = before.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(count >= truth.get("arenas"), "{growth}");
    assert!(evidence.contains("MALLOC_ARENA_MAX=2"), "{growth}");
}

/// Asked for and never written to: no byte of it is resident, and none of it is a finding.
#[test]
fn memory_that_was_never_touched_is_virtual_and_no_finding() {
    if !may_read("memory_that_was_never_touched_is_virtual_and_no_finding") {
        return;
    }
    let patient = Recipe::new("untouched").start().unwrap();
    let report = read(&patient);
    let (asked, touched) = (
        patient.truth().get("asked_bytes"),
        patient.truth().get("touched_bytes"),
    );
    let objects = |name| {
        let of = |leaf| report.leaf(leaf, name).unwrap();
        of("heap.reachable") + of("heap.garbage")
    };
    assert!(objects("virtual_bytes") >= asked);
    let resident = objects("resident_bytes");
    assert!(
        resident >= touched && resident < touched + 2 * MIB,
        "{resident} of {touched}"
    );
}

/// A memory cgroup of version 1, removed when dropped.
struct Cgroup(PathBuf);

impl Cgroup {
    fn new(name: &str) -> std::io::Result<Cgroup> {
        let name = format!("letgo-test-{name}-{}", std::process::id());
        let cgroup = Cgroup(Path::new("/sys/fs/cgroup/memory").join(name));
        fs::create_dir(&cgroup.0)?;
        Ok(cgroup)
    }

    /// Starts a patient in it: what is charged elsewhere stays there.
    fn start(&self, recipe: &Recipe, args: &[&str]) -> Patient {
        let mut command = Command::new("sh");
        let script = "echo $$ > \"$0\" && exec \"$@\"";
        let program = recipe.build().unwrap();
        command
            .args(["-c", script])
            .arg(self.0.join("cgroup.procs"));
        Patient::run({
            command.arg(program).args(args);
            command
        })
        .unwrap()
    }

    fn limit(&self, bytes: u64) {
        fs::write(self.0.join("memory.limit_in_bytes"), bytes.to_string()).unwrap();
    }

    fn number(&self, file: &str) -> u64 {
        let text = fs::read_to_string(self.0.join(file)).unwrap();
        text.trim().parse().unwrap()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

/// Runs `check` with a patient in a cgroup of its own; skips, loudly, where none can be made.
fn in_a_cgroup(name: &str, shape: &str, args: &[&str], check: impl Fn(&Patient, &Cgroup)) {
    if !may_read(name) {
        return;
    }
    let cgroup = match Cgroup::new(name) {
        Ok(cgroup) => cgroup,
        Err(error) => {
            return note_skip(
                name,
                &format!("no cgroup of version 1 can be made: {error}"),
            );
        }
    };
    let patient = cgroup.start(&Recipe::new(shape), args);
    check(&patient, &cgroup);
    drop(patient);
}

/// What the cgroup says of itself is what the report says of it.
fn assert_as_the_cgroup_says(report: &Report, cgroup: &Cgroup) {
    let said = |name: &str| report.number(&format!("/target/container/{name}")).unwrap();
    let near = |name: &str, file: &str| {
        let (ours, theirs) = (said(name), cgroup.number(file));
        assert!(ours.abs_diff(theirs) <= MIB, "{name}: {ours} and {theirs}");
    };
    assert_eq!(said("limit"), cgroup.number("memory.limit_in_bytes"));
    near("current", "memory.usage_in_bytes");
    near("peak", "memory.max_usage_in_bytes");
    assert!(said("working_set") <= said("current"));
    assert!(said("anon") <= said("current"));
}

#[test]
fn a_memory_limit_above_the_containers_is_too_high() {
    in_a_cgroup("limit-too-high", "stale-limit", &[], |patient, cgroup| {
        cgroup.limit(512 * MIB);
        let report = read(patient);
        let limit = found(&report, "limit-too-high");
        assert_eq!(limit["confidence"], "proven", "{limit}");
        assert!(text(limit).contains("--limit"), "{limit}");
        let set = patient.truth().get("limit");
        assert_eq!(report.number("/runtime/memory_limit").unwrap(), set);
        // The program set it itself.
        assert_eq!(report.at("/environment/gomemlimit/differs").unwrap(), true);
        assert_as_the_cgroup_says(&report, cgroup);
    });
}

#[test]
fn a_heap_whose_goal_fills_its_container_lacks_a_limit() {
    in_a_cgroup("limit-missing", "plain", &["-mib=96"], |patient, cgroup| {
        let goal = read(patient).number("/runtime/next_gc").unwrap();
        // With all that is beside the heap, the goal takes four fifths of it and more.
        cgroup.limit(goal + goal / 2);
        let report = read(patient);
        let missing = found(&report, "limit-missing");
        assert!(text(missing).contains("--limit"), "{missing}");
        assert_as_the_cgroup_says(&report, cgroup);
    });
}

#[test]
fn a_container_that_is_nearly_full_is_said() {
    in_a_cgroup("limit-near", "plain", &["-mib=64"], |patient, cgroup| {
        // Meanwhile the program returns memory by itself, and is no longer so near.
        let mut looks = (0..10).map(|_| {
            let used = cgroup.number("memory.usage_in_bytes");
            cgroup.limit(used + used / 50);
            read(patient)
        });
        let report = looks.find(|report| ids(report).contains(&"container-limit-near"));
        let report = report.expect("it never was near");
        let near = found(&report, "container-limit-near");
        assert_eq!(near["severity"], "high", "{near}");
        assert_as_the_cgroup_says(&report, cgroup);
    });
}

/// A machine that is busy otherwise may keep a program from collecting enough.
#[test]
fn a_collector_that_never_rests_is_told_by_its_recent_cost() {
    if !may_read("a_collector_that_never_rests_is_told_by_its_recent_cost") {
        return;
    }
    for (shape, id, least) in [
        ("deathspiral", "gc-death-spiral", 0.25),
        ("alloc", "alloc-churn", 0.0),
    ] {
        let patient = Recipe::new(shape).start().unwrap();
        let told = (0..10).any(|_| {
            let report = read(&patient);
            let cpu = report.at("/runtime/gc_cpu_recent/fraction").unwrap();
            let told = ids(&report).contains(&id);
            assert!(!told || cpu.as_f64().unwrap() >= least, "{cpu}");
            told
        });
        if !told {
            note_skip(id, "GC did not get enough of the CPU in any of ten looks");
        }
    }
}
