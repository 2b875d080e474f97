//! What letgo itself takes: at most 24 bytes an object, 8 bytes a pointer and 60 MB, with
//! dominators; and what it does where it may not have that.
//!
//! The kernel says how much it was at most: `ru_maxrss` of a process that is waited for, and the
//! cgroup's own count. Not a timed test.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use letgo_testkit::{Patient, Recipe, note_skip};
use nix::sys::resource::{UsageWho, getrusage};
use serde_json::Value;

use crate::{LETGO, may_read};

const AN_OBJECT: u64 = 24;
const A_POINTER: u64 = 8;
const ANYWAY: u64 = 60_000_000;
/// What the test below is told to run, and where its kilobytes begin on what it prints.
const MEASURED: &str = "LETGO_MEASURED";
const MOST: &str = "most resident: ";

/// Shapes: many objects that lead to one each, many that hold several and have texts, few large.
const SHAPES: [(&str, &str); 4] = [
    ("leaves", ""),
    ("keyed", "-n=400000"),
    ("graph", ""),
    ("plain", "-mib=64"),
];

fn start(shape: &str, arg: &str) -> Patient {
    let recipe = Recipe::new(shape);
    let recipe = match arg {
        "" => recipe,
        arg => recipe.arg(arg),
    };
    recipe.start().unwrap()
}

/// Only for [`run`], in a process of its own: the kernel counts all children together, and those of
/// a test are compilers too.
#[test]
#[ignore = "a part of the tests beside it"]
fn measured() {
    let Ok(args) = std::env::var(MEASURED) else {
        return;
    };
    let mut command = Command::new(LETGO);
    let status = command.args(args.split(' ')).stdin(Stdio::null()).status();
    let kib = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss();
    eprintln!("{MOST}{kib}");
    std::process::exit(status.unwrap().code().unwrap_or(-1));
}

/// letgo on a process: its JSON, its exit code, and the most bytes that were resident of it.
fn run(verb: &str, pid: u32, cgroup: Option<&Cgroup>) -> (Option<Value>, i32, u64) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "memory::measured", "--ignored", "--nocapture"]);
    command.env(MEASURED, format!("{verb} {pid} -o json"));
    if let Some(cgroup) = cgroup {
        cgroup.wrap(&mut command);
    }
    let output: Output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let kib = said
        .rsplit(MOST)
        .next()
        .and_then(|kib| kib.trim().parse().ok());
    let printed = String::from_utf8_lossy(&output.stdout);
    // The test's own words are before.
    let json = printed.find('{').map(|at| &printed[at..]);
    let report = json.and_then(|json| {
        let mut values = serde_json::Deserializer::from_str(json).into_iter::<Value>();
        values.next()?.ok()
    });
    let kib: u64 = kib.unwrap_or_else(|| panic!("{verb}: {printed} {said}"));
    (report, output.status.code().unwrap_or(-1), kib * 1024)
}

#[test]
fn own_memory_is_bounded_by_objects_and_pointers() {
    if !may_read("own_memory_is_bounded_by_objects_and_pointers") {
        return;
    }
    for (shape, arg) in SHAPES {
        let patient = start(shape, arg);
        for verb in ["why", "heap", "goroutines"] {
            let (report, code, most) = run(verb, patient.pid(), None);
            assert_eq!(code, 0, "{verb} {shape}");
            let graph = &report.unwrap()["taken"]["graph"];
            let number = |key: &str| graph[key].as_u64().unwrap_or(0);
            let (objects, pointers) = (number("objects"), number("edges"));
            assert!(objects > 0, "{verb} {shape}: {graph}");
            let bound = objects * AN_OBJECT + pointers * A_POINTER + ANYWAY;
            eprintln!("{verb} {shape}: {objects} objects, {pointers} pointers: {most} of {bound}");
            assert!(most <= bound, "{verb} {shape}: {most} of {bound}");
        }
    }
}

/// A cgroup of version 1 with a limit of memory, removed when dropped.
struct Cgroup(PathBuf);

impl Cgroup {
    fn new(test: &str, limit: u64) -> Option<Cgroup> {
        let dir = format!("letgo-room-{}-{limit}", std::process::id());
        let dir = PathBuf::from("/sys/fs/cgroup/memory").join(dir);
        let made = fs::create_dir(&dir);
        let cgroup = made.is_ok().then_some(Cgroup(dir));
        let set = |cgroup: &Cgroup| {
            let file = cgroup.0.join("memory.limit_in_bytes");
            fs::write(file, limit.to_string()).is_ok()
        };
        let cgroup = cgroup.filter(set);
        if cgroup.is_none() {
            note_skip(test, "no cgroup of memory, version 1, can be made");
        }
        cgroup
    }

    /// Makes a command enter it first, by a shell.
    fn wrap(&self, command: &mut Command) {
        let mut shell = Command::new("sh");
        let procs = self.0.join("cgroup.procs");
        shell
            .arg("-c")
            .arg("echo $$ > \"$0\" && exec \"$@\"")
            .arg(procs);
        shell.arg(command.get_program()).args(command.get_args());
        let own = command.get_envs();
        shell.envs(own.filter_map(|(name, value)| Some((name, value?))));
        *command = shell;
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

/// From all that it takes down to half of it, letgo gives an answer, and says what is missing.
#[test]
fn where_memory_is_short_the_answer_is_partial_and_nobody_is_killed() {
    let test = "where_memory_is_short_the_answer_is_partial_and_nobody_is_killed";
    if !may_read(test) {
        return;
    }
    let patient = start("keyed", "-n=1000000");
    let (_, _, most) = run("heap", patient.pid(), None);
    let mut partial = 0;
    for tenths in [10, 8, 7, 6, 5] {
        let Some(cgroup) = Cgroup::new(test, most / 10 * tenths / 4096 * 4096) else {
            return;
        };
        for verb in ["why", "heap"] {
            let (report, code, _) = run(verb, patient.pid(), Some(&cgroup));
            let what = format!("{verb} within {tenths} tenths of {most} bytes");
            // Without a graph there is nothing that `heap` could tell.
            if verb == "heap" && code == 3 {
                partial += 1;
                continue;
            }
            let report = report.unwrap_or_else(|| panic!("{what}: exit {code}"));
            let coverage = &report["taken"]["coverage"];
            eprintln!("{what}: exit {code}, {coverage}");
            assert!(code == 0 || code == 1, "{what}: exit {code}");
            assert_eq!(coverage["complete"], code == 0, "{what}: {coverage}");
            partial += u32::from(code == 1);
        }
    }
    assert!(partial > 0, "memory was never short");
}
