//! One stopped process, read as a frozen copy, under a stop, from a core, from a snapshot of the
//! process and from one of the core: equal answers.

use std::path::Path;

use letgo_testkit::{
    Case, Kind, MIDDLE_GO, NEWEST_GO, OLDEST_GO, Patient, Recipe, Tier, cases, gcore, note_skip,
};
use serde_json::Value;

use crate::{json, may_read, snap};

/// The process in its ways; the first is what the others are compared with.
struct Ways {
    dir: tempfile::TempDir,
    ways: Vec<Way>,
}

/// One way of reading it.
struct Way {
    name: &'static str,
    target: Vec<String>,
    /// It has page table and `smaps`.
    kernel: bool,
}

impl Ways {
    /// All ways of a stopped patient.
    fn of(patient: &Patient, case: &Case) -> Ways {
        let pid = patient.pid().to_string();
        let mut ways = Ways {
            dir: tempfile::tempdir().unwrap(),
            ways: Vec::new(),
        };
        // First: gdb reads pages of files that were not in the process's memory, and they are then.
        let core = ways.file("core");
        let dumped = gcore(patient.pid(), Path::new(&core));
        ways.add("stop", &[&pid, "--stop=60000"], true);
        ways.add("frozen", &[&pid, "--frozen"], true);
        for hold in ["--stop=60000", "--frozen"] {
            let file = ways.file(&format!("{}.snap", hold.trim_start_matches('-')));
            snap(&[&pid, hold], Path::new(&file));
            ways.add("snapshot", &[&file], true);
        }
        if !dumped {
            note_skip(&format!("cores of {case}"), "gcore of gdb is missing");
            return ways;
        }
        ways.add("core", &[&core], false);
        let file = ways.file("core.snap");
        snap(&["--core", &core], Path::new(&file));
        ways.add("snapshot of the core", &[&file], false);
        ways
    }

    fn file(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    fn add(&mut self, name: &'static str, target: &[&str], kernel: bool) {
        self.ways.push(Way {
            name,
            target: target.iter().map(|&word| word.to_owned()).collect(),
            kernel,
        });
    }
}

/// A report without what differs between two readings of anything: time, cost, and how it was read.
pub(crate) fn answer(mut report: Value, kernel: bool) -> Value {
    let parts = report.as_object_mut().unwrap();
    let graph = parts["taken"]["graph"].take();
    // What a core does not hold, and what needs a process.
    let beside = [
        "letgo",
        "taken",
        "target",
        "environment",
        "findings",
        "changes",
    ];
    parts.retain(|key, _| !beside.contains(&key.as_str()));
    parts.insert("graph".into(), graph);
    if !kernel && let Some(rss) = parts.remove("rss") {
        parts.insert("virtual".into(), mapped(&rss));
    }
    strip(&mut report, kernel);
    report
}

/// What a core's report says, made of the one on the process: what the runtime has taken and not
/// given back.
fn mapped(rss: &Value) -> Value {
    let beside = [
        "heap.returned_resident",
        "stacks.os_thread",
        "runtime.uncounted",
    ];
    let mut returned = 0;
    let mut tree = Vec::new();
    for group in rss["tree"].as_array().unwrap() {
        if !["heap", "stacks", "runtime"].contains(&group["id"].as_str().unwrap()) {
            continue;
        }
        let mut group = group.clone();
        let leaves = group["children"].as_array_mut().unwrap();
        let is = |leaf: &Value, id: &str| leaf["id"] == id;
        for leaf in leaves.iter().filter(|leaf| is(leaf, beside[0])) {
            returned += leaf["virtual_bytes"].as_u64().unwrap();
        }
        leaves.retain(|leaf| !beside.iter().any(|id| is(leaf, id)));
        let sum: u64 = leaves
            .iter()
            .map(|leaf| leaf["virtual_bytes"].as_u64().unwrap())
            .sum();
        group["virtual_bytes"] = sum.into();
        tree.push(group);
    }
    let bytes: u64 = tree
        .iter()
        .map(|group| group["virtual_bytes"].as_u64().unwrap())
        .sum();
    serde_json::json!({ "bytes": bytes, "returned_bytes": returned, "tree": tree })
}

/// The runtime's own counters say the same of a core as its walk.
fn check_counters(report: &Value) -> Option<String> {
    let counter = |name: &str| report["runtime"][name].as_u64().unwrap();
    let sys = [
        "heap",
        "stack",
        "mspan",
        "mcache",
        "buck_hash",
        "gc",
        "other",
    ];
    let sys: u64 = sys.iter().map(|name| counter(&format!("{name}_sys"))).sum();
    let theirs = [sys - counter("heap_released"), counter("heap_released")];
    let ours = ["bytes", "returned_bytes"].map(|key| report["virtual"][key].as_u64().unwrap());
    (ours != theirs || report.get("rss").is_some())
        .then(|| format!("{ours:?}, by the counters {theirs:?}"))
}

/// Takes out what measures time; where there is no page table, also what is resident.
fn strip(value: &mut Value, kernel: bool) {
    match value {
        Value::Object(parts) => {
            let beside = |key: &str| match key {
                "wall_ns" | "read_ns" | "mark_ns" | "dominators_ns" => true,
                "last_gc_age_ns" | "alloc_rate_recent" | "gc_cpu_recent" => true,
                "waiting_ns" | "waiting_ns_min" => true,
                // What is resident is what the page table says; a core has none.
                "resident_bytes"
                | "retained_resident_bytes"
                | "free_resident_bytes"
                | "swap_bytes"
                | "hint"
                | "largest" => !kernel,
                // How it was read is what differs.
                "source" => true,
                _ => false,
            };
            parts.retain(|key, _| !beside(key));
            for part in parts.values_mut() {
                strip(part, kernel);
            }
        }
        Value::Array(parts) => parts.iter_mut().for_each(|part| strip(part, kernel)),
        _ => {}
    }
}

/// Where two values differ, as JSON pointers, with both sides.
pub(crate) fn differences(at: &str, a: &Value, b: &Value, found: &mut Vec<String>) {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let of = |parts: &serde_json::Map<String, Value>| parts.get(key).cloned();
                let (a, b) = (of(a).unwrap_or_default(), of(b).unwrap_or_default());
                differences(&format!("{at}/{key}"), &a, &b, found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (number, (a, b)) in a.iter().zip(b).enumerate() {
                differences(&format!("{at}/{number}"), a, b, found);
            }
        }
        _ if a == b => {}
        _ => found.push(format!("{at}: {a} and {b}")),
    }
}

fn check(verb: &str, more: &[&str], ways: &Ways) -> Vec<String> {
    let mut wrong = Vec::new();
    let read = |way: &Way| {
        let target: Vec<&str> = way.target.iter().map(String::as_str).collect();
        json(verb, &[&target, more].concat())
    };
    let (first, _) = read(&ways.ways[0]);
    for way in &ways.ways {
        let (report, code) = read(way);
        if code != 0 {
            let coverage = &report["taken"]["coverage"];
            wrong.push(format!("{verb} {}: exit {code}: {coverage}", way.name));
        }
        if verb == "why" && !way.kernel {
            let apart = check_counters(&report);
            wrong.extend(apart.map(|apart| format!("{}: {apart}", way.name)));
        }
        let mut found = Vec::new();
        let (ours, theirs) = (
            answer(first.clone(), way.kernel),
            answer(report, way.kernel),
        );
        differences("", &ours, &theirs, &mut found);
        let more = found.len().saturating_sub(8);
        found.truncate(8);
        wrong.extend(
            found
                .iter()
                .map(|one| format!("{verb} {}: {one}", way.name)),
        );
        if more > 0 {
            wrong.push(format!("{verb} {}: and {more} more", way.name));
        }
    }
    wrong
}

/// Reads each case in every way; all that differs comes out at the end.
pub(crate) fn check_cases(shape: &Recipe, cases: &[Case]) {
    let mut failed = Vec::new();
    for case in cases {
        let recipe = shape.clone().go(case.version).kind(case.kind.clone());
        let mut patient = recipe.start().unwrap();
        patient.stop().unwrap();
        let mut looks = (0..3).map(|_| {
            let ways = Ways::of(&patient, case);
            let mut wrong = check("heap", &["--top=50", "--depth=4"], &ways);
            wrong.extend(check("why", &[], &ways));
            wrong.extend(check("goroutines", &[], &ways));
            (ways, wrong)
        });
        let (mut ways, mut wrong) = looks.next().unwrap();
        // A page that the kernel moves to another place counts as swapped for that moment.
        while wrong.iter().any(|one| one.contains("swap_bytes"))
            && let Some(next) = looks.next()
        {
            (ways, wrong) = next;
        }
        let word = if wrong.is_empty() { "equal" } else { "WRONG" };
        eprintln!("{case}: {word} in {} ways", ways.ways.len());
        failed.extend(wrong.iter().map(|one| format!("{case}: {one}")));
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn a_stopped_program_is_the_same_by_every_way() {
    if !may_read("a_stopped_program_is_the_same_by_every_way") {
        return;
    }
    let case = |version, kind| Case { version, kind };
    let few = [
        case(OLDEST_GO, Kind::plain()),
        case(MIDDLE_GO, Kind::stripped_pie()),
        case(NEWEST_GO, Kind::plain()),
        case(NEWEST_GO, Kind::stripped_pie()),
        case(NEWEST_GO, Kind::cgo()),
    ];
    let all = match Tier::from_env() {
        Tier::Test => few.to_vec(),
        Tier::Matrix => cases(Tier::Matrix),
    };
    check_cases(&Recipe::new("plain").arg("-mib=32"), &all);
}

#[test]
fn objects_held_in_every_way_are_the_same_by_every_way() {
    if !may_read("objects_held_in_every_way_are_the_same_by_every_way") {
        return;
    }
    let case = |version| Case {
        version,
        kind: Kind::plain(),
    };
    check_cases(
        &Recipe::new("graph"),
        &[OLDEST_GO, MIDDLE_GO, NEWEST_GO].map(case),
    );
}

#[test]
fn goroutines_that_wait_in_every_way_are_the_same_by_every_way() {
    if !may_read("goroutines_that_wait_in_every_way_are_the_same_by_every_way") {
        return;
    }
    let case = |version| Case {
        version,
        kind: Kind::stripped_pie(),
    };
    check_cases(
        &Recipe::new("leaks").arg("-all"),
        &[OLDEST_GO, MIDDLE_GO, NEWEST_GO].map(case),
    );
}
