//! Goroutines that are in C: the patient `ccalls`, whose source says where each of them is, and
//! which tells what `backtrace(3)` says of those that sleep.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use letgo_testkit::{
    Case, Kind, MIDDLE_GO, NEWEST_GO, OLDEST_GO, Patient, Recipe, Strip, gcore, note_skip,
};
use serde_json::Value;

use crate::{LETGO, may_read};

/// What a goroutine of the patient sleeps in, innermost first.
const SLEEP: &str = "nanosleep";

fn letgo(target: &str, args: &[&str]) -> String {
    let args = [&["goroutines", target][..], args].concat();
    let output = Command::new(LETGO).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// A function, and the name of the file that it is in; empty of Go code.
type Frame = (String, String);

/// The frames of each group that one of these functions of Go is in, in the report's order.
fn stacks(report: &Value, go: &str) -> Vec<Vec<Frame>> {
    let frame = |frame: &Value| {
        let object = frame["object"].as_str().unwrap_or_default();
        let name = object.rsplit('/').next().unwrap().to_owned();
        (frame["function"].as_str().unwrap().to_owned(), name)
    };
    let groups = report["groups"].as_array().unwrap().iter();
    let stacks = groups.map(|group| {
        let frames = group["frames"].as_array().unwrap();
        frames.iter().map(frame).collect::<Vec<_>>()
    });
    stacks
        .filter(|frames| frames.iter().any(|frame| frame.0 == go))
        .collect()
}

/// The functions of C above those of Go, of a stack that has them there and nowhere else; those of
/// libc are told by where they begin, since how many they are is up to its release.
fn c_functions(stack: &[Frame]) -> Vec<String> {
    let is_c = |frame: &&Frame| !frame.1.is_empty();
    let (of_c, of_go) = stack.split_at(stack.iter().take_while(is_c).count());
    assert_eq!(of_go.iter().find(is_c), None, "{stack:?}");
    let of_libc = of_c.iter().take_while(|frame| frame.1.starts_with("libc"));
    let of_libc = of_libc.count();
    let mut names = Vec::new();
    if let Some(outermost) = of_libc.checked_sub(1) {
        names.push(of_c[outermost].0.clone());
    }
    names.extend(of_c[of_libc..].iter().map(|frame| plain(&frame.0)));
    if !of_c.is_empty() {
        assert_eq!(of_go[0].0, "runtime.cgocall", "{stack:?}");
    }
    names
}

/// A name without what cgo numbers its functions by.
fn plain(name: &str) -> String {
    match name.split_once("_Cfunc_") {
        Some((_, function)) => format!("cgo {function}"),
        None => name.to_owned(),
    }
}

/// All that the patient's source says.
fn check(report: &Value, what: &str) {
    let only = |go: &str| {
        let stacks = stacks(report, go);
        assert_eq!(stacks.len(), 1, "{what}, {go}: {stacks:?}");
        c_functions(&stacks[0])
    };
    let outer = [SLEEP, "letgo_inner", "letgo_outer", "cgo letgo_outer"];
    assert_eq!(only("main.sleeps"), outer, "{what}");
    // Nothing is done behind that call: what cgo calls it by jumps there.
    assert_eq!(only("main.spins"), ["letgo_spin"], "{what}");
    assert_eq!(only("main.blocked"), [""; 0], "{what}");
    let either: BTreeSet<_> = stacks(report, "main.either")
        .iter()
        .map(|stack| c_functions(stack))
        .collect();
    let way = |way| {
        [
            SLEEP,
            "letgo_inner",
            way,
            "letgo_either",
            "cgo letgo_either",
        ]
    };
    let ways = [way("letgo_left"), way("letgo_right")];
    let ways = ways.map(|way| way.map(str::to_owned).to_vec());
    assert_eq!(either, BTreeSet::from(ways), "{what}");
    // By a goroutine, and by a thread of C.
    let inside = stacks(report, "main.inside");
    assert_eq!(inside.len(), 2, "{what}: {inside:?}");
    for stack in &inside {
        assert_eq!(c_functions(stack), outer, "{what}");
    }
    let count = |group: &Value| group["count"].as_u64().unwrap();
    let groups = report["groups"].as_array().unwrap().iter();
    let alike = groups.filter(|group| group.to_string().contains("main.sleeps"));
    assert_eq!(alike.map(count).collect::<Vec<_>>(), [3], "{what}");
}

/// What `backtrace(3)` told in the program, of those of which `in_it` likes the caller of the
/// innermost function: return addresses from there on up to Go code.
fn traces(patient: &Patient) -> BTreeSet<Vec<u64>> {
    let truth = patient.truth();
    let trace = |number| {
        let addr = |at| truth.get(&format!("trace{number}_{at}"));
        // Beside the innermost itself two, or three by one of two ways; Go code has no table.
        let known = (1..8).map(addr).take_while(|addr| *addr != 0);
        known.collect::<Vec<_>>()
    };
    (0..truth.get("sleepers")).map(trace).collect()
}

/// Where the program was loaded, if anywhere but where it was linked to.
fn bias(pid: u32, kind: &Kind) -> u64 {
    let exe = fs::read_link(format!("/proc/{pid}/exe")).unwrap();
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let own = maps
        .lines()
        .find(|line| line.ends_with(exe.to_str().unwrap()));
    let start = own.unwrap().split('-').next().unwrap();
    match kind.pie {
        true => u64::from_str_radix(start, 16).unwrap(),
        false => 0,
    }
}

fn parsed(pid: &str, args: &[&str]) -> Value {
    let args = [&["-o", "json"][..], args].concat();
    serde_json::from_str(&letgo(pid, &args)).unwrap()
}

#[test]
fn goroutines_in_c_show_the_functions_that_they_are_in() {
    if !may_read("goroutines_in_c_show_the_functions_that_they_are_in") {
        return;
    }
    let pie = Kind {
        pie: true,
        ..Kind::cgo()
    };
    let cases = [
        (OLDEST_GO, Kind::cgo()),
        (MIDDLE_GO, pie),
        (NEWEST_GO, Kind::cgo()),
    ];
    for (version, kind) in cases {
        let case = Case { version, kind };
        let recipe = Recipe::new("ccalls").go(version).kind(case.kind.clone());
        let patient = recipe.start().unwrap();
        let pid = patient.pid().to_string();
        for hold in ["--frozen", "--stop=60000"] {
            check(&parsed(&pid, &[hold]), &format!("{case} {hold}"));
        }
        let running = parsed(&pid, &["--no-pause"]);
        assert!(!running.to_string().contains("\"object\""), "{running}");
    }
}

/// The same of files: a core, and snapshots, which keep what was found when they were taken.
#[test]
fn files_show_the_functions_of_c_too() {
    if !may_read("files_show_the_functions_of_c_too") {
        return;
    }
    let patient = Recipe::new("ccalls").kind(Kind::cgo()).start().unwrap();
    let pid = patient.pid().to_string();
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name).display().to_string();
    for (name, args) in [("whole", &[][..]), ("redacted", &["--redact"])] {
        let file = file(name);
        let args = [&["snap", &pid, "-o", &file], args].concat();
        let output = Command::new(LETGO).args(args).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        check(&parsed(&file, &[]), name);
    }
    let core = file("core");
    if gcore(patient.pid(), core.as_ref()) {
        check(&parsed(&core, &[]), "core");
    } else {
        note_skip("functions of C in a core", "gcore of gdb is missing");
    }
}

/// Names of the program's own functions are gone; its calls still are those that `backtrace(3)`
/// saw.
#[test]
fn a_stripped_program_shows_where_in_it_goroutines_are() {
    if !may_read("a_stripped_program_shows_where_in_it_goroutines_are") {
        return;
    }
    for (version, pie) in [(OLDEST_GO, false), (NEWEST_GO, true)] {
        let kind = Kind {
            pie,
            strip: Strip::StripS,
            ..Kind::cgo()
        };
        let recipe = Recipe::new("ccalls").go(version).kind(kind.clone());
        let patient = recipe.start().unwrap();
        let pid = patient.pid().to_string();
        let report = parsed(&pid, &[]);
        let of = ["main.sleeps", "main.either", "main.inside"];
        let stacks: Vec<_> = of.iter().flat_map(|go| stacks(&report, go)).collect();
        assert_eq!(stacks.len(), 5);
        let bias = bias(patient.pid(), &kind);
        let found = stacks.iter().map(|stack| {
            let functions = c_functions(stack);
            assert_eq!(functions[0], SLEEP, "{functions:?}");
            // Where the innermost slept is behind where it called backtrace.
            let callers = functions[2..].iter();
            let addrs = callers.map(|function| {
                let (_, offset) = function.split_once("+0x").unwrap();
                u64::from_str_radix(offset, 16).unwrap() + bias
            });
            addrs.collect::<Vec<_>>()
        });
        let told = traces(&patient).into_iter().map(|mut trace| {
            // The last is in Go code, which has a name.
            trace.pop();
            trace
        });
        assert_eq!(
            found.collect::<BTreeSet<_>>(),
            told.collect(),
            "go{version}"
        );
    }
}

/// Where Go's own linker takes C code in there is no `.eh_frame` of it: its innermost function is
/// all that is told, by the name that the function table has.
#[test]
fn c_code_without_a_table_ends_the_way() {
    if !may_read("c_code_without_a_table_ends_the_way") {
        return;
    }
    for strip in [Strip::None, Strip::StripS] {
        let kind = Kind {
            internal: true,
            strip,
            ..Kind::cgo()
        };
        let patient = Recipe::new("ccalls").kind(kind).start().unwrap();
        let report = parsed(&patient.pid().to_string(), &[]);
        let only = |go: &str| {
            let stacks = stacks(&report, go);
            assert_eq!(stacks.len(), 1, "{go}: {stacks:?}");
            c_functions(&stacks[0])
        };
        assert_eq!(only("main.sleeps"), [SLEEP, "letgo_inner"]);
        assert_eq!(only("main.spins"), ["letgo_spin"]);
        let groups = report["groups"].as_array().unwrap().iter();
        let frames = groups.flat_map(|group| group["frames"].as_array().unwrap());
        let of_c = frames.filter(|frame| frame["object"].is_string());
        let before_gaps = of_c.filter(|frame| frame["gap"] == true);
        let names: BTreeSet<_> = before_gaps
            .map(|frame| frame["function"].as_str().unwrap())
            .collect();
        assert_eq!(names, BTreeSet::from(["letgo_inner", "letgo_spin"]));
    }
}

#[test]
fn a_folded_stack_of_c_ends_in_its_innermost_function() {
    if !may_read("a_folded_stack_of_c_ends_in_its_innermost_function") {
        return;
    }
    let patient = Recipe::new("ccalls").kind(Kind::cgo()).start().unwrap();
    let pid = patient.pid().to_string();
    let text = letgo(&pid, &["-o", "folded"]);
    let line = text.lines().find(|line| line.contains("main.sleeps"));
    let calls: Vec<&str> = line.unwrap().split(';').collect();
    let at = calls.iter().position(|call| *call == "runtime.cgocall");
    let of_c = &calls[at.unwrap() + 1..];
    assert!(of_c[0].ends_with("_Cfunc_letgo_outer (ccalls)"), "{of_c:?}");
    assert_eq!(
        of_c[1..3],
        ["C letgo_outer (ccalls)", "C letgo_inner (ccalls)"]
    );
    assert_eq!(of_c[3], "C nanosleep (libc.so.6)");
    assert!(of_c.last().unwrap().ends_with(" 3"), "{of_c:?}");
    let shown = letgo(&pid, &["--top", "99", "--full"]);
    assert!(shown.contains("C letgo_inner (ccalls)\n"), "{shown}");
    assert!(shown.contains("... calls of C that were not followed ..."));
}
